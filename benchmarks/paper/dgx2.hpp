// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What contends for an AllReduce among the 16 GPUs of a DGX-2.
#pragma once

#include <blink/execute/simulate/double_tree.hpp>
#include <blink/plan.hpp>
#include <blink/topology/machines/nvswitch.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace blink_paper {

inline constexpr int dgx2_ranks = 16;

[[nodiscard]] inline std::vector<int> dgx2_gpus() {
    std::vector<int> gpus(dgx2_ranks);
    std::iota(gpus.begin(), gpus.end(), 0);
    return gpus;
}

struct contender {
    std::string who;
    blink::schedule s;
    blink::fabric f;
};

/// Blink's one-hop trees, rings both ways round, a double binary tree and a chain.
[[nodiscard]] inline std::vector<contender> dgx2_contenders() {
    const blink::topology machine(blink::dgx2);
    const blink::fabric f = blink::make_fabric(machine, blink::link_choice::nvlink);
    const blink::plan p = blink::make_plan(machine, dgx2_gpus(), blink::collective::allreduce);
    return {{"blink", p.schedule, p.fabric},
            {"ring", blink::ring_allreduce(f).s, f},
            {"double_tree", blink::double_tree_allreduce(f).s, f},
            {"chain", blink::chain_allreduce(f).s, f}};
}

/// The first of the rings alone, with all data. Behind a switch one direction fills every port both ways, so this has
/// the rate of both, in half of the lanes.
[[nodiscard]] inline blink::schedule one_way(blink::schedule rings) {
    rings.lanes.resize(static_cast<std::size_t>(rings.ranks));
    double total = 0;
    for (const blink::lane& l : rings.lanes) { total += l.share; }
    for (blink::lane& l : rings.lanes) { l.share /= total; }
    return rings;
}

/// Those that one GPU can play: a lane needs a block on each of the 16 ranks, and a rank has 16. The kernel combines
/// children in ascending order.
[[nodiscard]] inline std::vector<contender> dgx2_emulated_contenders() {
    std::vector<contender> all = dgx2_contenders();
    all.pop_back();
    all[1].s = one_way(std::move(all[1].s));
    for (contender& c : all) {
        for (blink::lane& l : c.s.lanes) {
            for (blink::role& r : l.roles) { std::sort(r.reduce_from.begin(), r.reduce_from.end()); }
        }
    }
    return all;
}

} // namespace blink_paper
