// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// NVLink and PCIe together among the first GPUs of a DGX-1V: a plan over each, and one schedule of both by the share.
#pragma once

#include <blink/plan.hpp>
#include <blink/schedule/hybrid_schedule.hpp>
#include <blink/topology/machines/dgx1.hpp>

#include <cstddef>
#include <numeric>
#include <vector>

namespace blink_paper {

/// @throw as `blink::make_plan`
struct hybrid_plans {
    blink::plan nvlink;
    blink::plan pcie;
    blink::fabric both;

    hybrid_plans(int gpus, blink::collective kind)
        : nvlink(planned(gpus, kind, blink::link_choice::nvlink)), pcie(planned(gpus, kind, blink::link_choice::pcie)),
          both(blink::joined(nvlink.fabric, pcie.fabric)) {}

    [[nodiscard]] blink::schedule at(double pcie_share) const {
        return blink::hybrid_schedule(nvlink.schedule, pcie.schedule, pcie_share,
                                      static_cast<int>(nvlink.fabric.arcs.size()));
    }

    /// GPUs 0 .. gpus-1 over `links`, from GPU 0. Over PCIe at most four trees: its small part of the data has few
    /// blocks, and trees with one block each end at different times.
    [[nodiscard]] static blink::plan planned(int gpus, blink::collective kind, blink::link_choice links) {
        std::vector<int> ranks(static_cast<std::size_t>(gpus));
        std::iota(ranks.begin(), ranks.end(), 0);
        blink::plan_options options{.links = links};
        if (links == blink::link_choice::pcie) { options.pack.max_trees = 4; }
        return blink::make_plan(blink::topology(blink::dgx1v), ranks, kind, 0, options);
    }
};

} // namespace blink_paper
