// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stop after planning: which trees would carry an AllReduce among five GPUs of a DGX-1V, and how good are they?
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <iostream>
#include <vector>

int main() {
    const blink::topology machine{blink::dgx1v};
    const std::vector<int> gpus{1, 4, 5, 6, 7};
    const blink::plan plan = blink::make_plan(machine, gpus, blink::collective::allreduce);
    const auto gpu = [&](int rank) { return plan.gpus.at(static_cast<std::size_t>(rank)); };

    std::cout << plan.packing.GBps << " GB/s; what crosses between these groups allows " << plan.packing.bound.GBps
              << ":";
    for (const auto& group : plan.packing.bound.parts) {
        std::cout << " {";
        for (const int rank : group) { std::cout << ' ' << gpu(rank); }
        std::cout << " }";
    }
    std::cout << '\n';
    for (const blink::packed_tree& tree : plan.packing.trees) {
        std::cout << tree.GBps << " GB/s, depth " << blink::depth(tree, plan.packing.ranks) << ':';
        for (const blink::tree_edge& edge : tree.edges) {
            std::cout << ' ' << gpu(edge.parent) << "->" << gpu(edge.child);
        }
        std::cout << '\n';
    }
}
