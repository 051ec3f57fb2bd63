// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce over NVLink and PCIe together among the first 3 to 8 GPUs of a DGX-1V in modelled time, by
/// the formula and with the share that running calls teach, beside NVLink alone and one plan over all links. Needs no
/// GPU.
#include <blink/plan.hpp>
#include <blink/schedule/adaptive_split.hpp>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>

#include "csv_main.hpp"
#include "hybrid.hpp"
#include "peer_gpu.hpp"

namespace {

using blink::collective;

/// Assumed: a PCIe hop takes some microseconds longer than one over NVLink (see `peer_costs`).
constexpr double pcie_hop_us = 5;

/// A hop over PCIe crosses two links or more, whose latencies add up.
blink::fabric with_latency(blink::fabric f) {
    for (const blink::arc& a : f.arcs) {
        for (const int l : a.route) {
            blink::link& wire = f.links[static_cast<std::size_t>(l)];
            if (wire.kind == blink::link_kind::pcie) { wire.latency_us = pcie_hop_us / 2; }
        }
    }
    return f;
}

/// When each set of lanes was done.
struct ends {
    double nvlink_s = 0;
    double pcie_s = 0;
    double call_s = 0;
};

/// @param chunk_bytes 0: as the executor chooses
ends run(const blink::schedule& s, const blink::fabric& f, std::size_t bytes, std::size_t nvlink_lanes,
         std::size_t chunk_bytes = 0) {
    const auto layout = blink_paper::layout_on_peers(s, bytes, chunk_bytes);
    const auto t = blink::simulate_blocks(s, f, bytes, layout, blink_paper::peer_costs);
    ends e{0, 0, t.seconds};
    for (std::size_t l = 0; l < t.lane_seconds.size(); ++l) {
        double& end = l < nvlink_lanes ? e.nvlink_s : e.pcie_s;
        end = std::max(end, t.lane_seconds[l]);
    }
    return e;
}

void compare(int gpus, collective kind, std::size_t largest, std::ostream& csv) {
    const blink_paper::hybrid_plans p(gpus, kind);
    const blink::fabric both = with_latency(p.both);
    const std::size_t lanes = p.nvlink.schedule.lanes.size();
    const blink::plan merged = blink_paper::hybrid_plans::planned(gpus, kind, blink::link_choice::all);
    const blink::fabric merged_hops = with_latency(merged.fabric);
    const auto at = [&](double share, std::size_t bytes) {
        return run(p.at(share), both, bytes, share < 1 ? lanes : 0);
    };
    const double nvlink_GBps = p.nvlink.packing.GBps;
    const double pcie_GBps = p.pcie.packing.GBps;
    /// What each set takes beside the time of its bytes, alone with its part and in the chunks of the whole call.
    const auto rates_for = [&](std::size_t bytes) {
        const auto part = static_cast<std::size_t>(static_cast<double>(bytes) * pcie_GBps / (nvlink_GBps + pcie_GBps));
        const std::size_t chunk = blink_paper::layout_on_peers(p.nvlink.schedule, bytes).chunk_bytes;
        const double pcie_s = run(p.at(1), both, part, 0, chunk).call_s - static_cast<double>(part) / pcie_GBps * 1e-9;
        const double nvlink_s = at(0, bytes).call_s - static_cast<double>(bytes) / nvlink_GBps * 1e-9;
        return blink::hybrid_rates{nvlink_GBps, pcie_GBps, pcie_s - nvlink_s};
    };
    const auto line = [&](std::size_t bytes, const std::string& who, double share, double GBps, double seconds) {
        csv << gpus << ',' << to_string(kind) << ',' << bytes << ',' << who << ',' << share << ',' << GBps << ','
            << seconds * 1e6 << ',' << static_cast<double>(bytes) / seconds * 1e-9 << '\n';
    };
    for (std::size_t bytes = 1 << 10; bytes <= largest; bytes *= 4) {
        const blink::hybrid_rates planned = rates_for(bytes);
        line(bytes, "nvlink", 0, planned.fast_GBps, at(0, bytes).call_s);
        const double formula = blink::hybrid_share(bytes, planned);
        line(bytes, "formula", formula, planned.fast_GBps + planned.slow_GBps, at(formula, bytes).call_s);
        blink::adaptive_split split(bytes, planned, {.samples = 1});
        while (!split.settled()) {
            const ends e = at(split.share(), bytes);
            split.observe(e.nvlink_s, e.pcie_s);
        }
        line(bytes, "learnt", split.share(), planned.fast_GBps + planned.slow_GBps, at(split.share(), bytes).call_s);
        line(bytes, "one_plan", 0, merged.packing.GBps,
             run(merged.schedule, merged_hops, bytes, merged.schedule.lanes.size()).call_s);
    }
}

} // namespace

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{"gpus,collective,bytes,who,pcie_share,planned_GBps,microseconds,GBps", 1024};
    return blink_paper::csv_main(argc, argv, of, [](std::ostream& csv, std::size_t largest) {
        for (int gpus = 3; gpus <= 8; ++gpus) {
            for (const collective kind : {collective::broadcast, collective::allreduce}) {
                compare(gpus, kind, largest, csv);
            }
        }
    });
}
