// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What contends for a broadcast or an AllReduce on a fragment of a machine, and how fast each is in the model of the
/// GPU that emulates its links; a broadcast from every rank in turn.
#pragma once

#include <blink/execute/simulate/relayed_rings.hpp>
#include <blink/plan.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "emulating_gpu.hpp"
#include "fragments.hpp"

namespace blink_paper {

/// A schedule on the links that it was made for.
struct rated_schedule {
    std::string who;
    std::string wires;
    blink::schedule s;
    blink::fabric f;
    double GBps = 0; ///< what the links allow
};

/// Blink's plan, rings, rings through ranks; for an AllReduce also chains, and Blink's plan with as many trees as the
/// best rate takes (`tight`).
/// @throw as `make_plan` and `baselines`
[[nodiscard]] inline std::vector<rated_schedule>
contenders(const blink::topology& machine, const std::vector<int>& gpus, blink::collective kind, int root) {
    std::vector<rated_schedule> all;
    const auto add_plan = [&](const std::string& who, const blink::plan_options& options) {
        const blink::plan p = blink::make_plan(machine, gpus, kind, root, options);
        all.push_back({who, "nvlink", p.schedule, p.fabric, p.packing.GBps});
    };
    const auto add = [&](const std::string& who, const blink::baseline& b) {
        const bool pcie = b.label.find("PCIe") != std::string::npos;
        all.push_back({who, pcie ? "pcie" : "nvlink", b.s, b.f, b.GBps});
    };
    add_plan("blink", {});
    const blink::topology g = blink::induced(machine, gpus);
    for (const blink::baseline& b : blink::baselines(g, kind, root)) {
        add(b.label.find("ring") != std::string::npos ? "rings" : "chains", b);
    }
    add("relayed", blink::relayed_rings(blink::make_fabric(g, blink::link_choice::all), kind, root));
    if (kind == blink::collective::allreduce) { add_plan("tight", {.pack = {.slack = 0}}); }
    return all;
}

/// GB/s at full link rates, in the model.
[[nodiscard]] inline double simulated_GBps(const rated_schedule& c, std::size_t bytes) {
    const double scale = scale_for(static_cast<std::size_t>(c.s.ranks));
    const auto t = blink::simulate_blocks(c.s, scaled(c.f, scale), bytes, layout_on_gpu(c.s, bytes), h200_costs);
    return t.GBps / scale;
}

/// The header of what `write_fragment` writes. `simulated_GBps` is that of root 0, and what follows is over all roots,
/// empty for an AllReduce, which has none.
inline constexpr const char* fragment_header =
    "machine,ranks,collective,bytes,scale,who,wires,lanes,model_GBps,simulated_GBps,mean_GBps,least_GBps,most_GBps";

/// A line for each collective, contender and size.
inline void write_fragment(const blink::topology& machine, const std::vector<int>& gpus,
                           const std::vector<std::size_t>& sizes, std::ostream& csv) {
    for (const blink::collective kind : {blink::collective::broadcast, blink::collective::allreduce}) {
        const int roots = blink::is_rooted(kind) ? static_cast<int>(gpus.size()) : 1;
        std::vector<std::vector<rated_schedule>> by_root;
        for (int root = 0; root < roots; ++root) { by_root.push_back(contenders(machine, gpus, kind, root)); }
        for (std::size_t c = 0; c < by_root[0].size(); ++c) {
            for (const std::size_t bytes : sizes) {
                std::vector<double> GBps;
                double sum = 0;
                for (const auto& all : by_root) { sum += GBps.emplace_back(simulated_GBps(all[c], bytes)); }
                const rated_schedule& first = by_root[0][c];
                csv << machine.name() << ',' << joined(gpus) << ',' << to_string(kind) << ',' << bytes << ','
                    << scale_for(gpus.size()) << ',' << first.who << ',' << first.wires << ',' << first.s.lanes.size()
                    << ',' << first.GBps << ',' << GBps[0];
                if (roots == 1) {
                    csv << ",,,\n";
                    continue;
                }
                const auto [least, most] = std::ranges::minmax(GBps);
                csv << ',' << sum / roots << ',' << least << ',' << most << '\n';
            }
        }
    }
}

} // namespace blink_paper
