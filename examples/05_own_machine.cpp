// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A machine that Blink does not know: from JSON, or link by link. Both ways give the same graph.
#include <blink/plan.hpp>
#include <blink/topology/read_json.hpp>

#include <iostream>
#include <vector>

constexpr const char* text = R"({
    "name": "box", "gpus": 3,
    "links": [{"a": 0, "b": 1, "GBps": 25.0, "count": 2},
              {"a": 1, "b": 2, "GBps": 25.0},
              {"a": 0, "b": 2, "GBps": 25.0}]})";

int main() {
    blink::topology by_hand("box", 3);
    by_hand.connect({.from = 0, .to = 1, .GBps = 50, .lanes = 2});
    by_hand.connect({.from = 1, .to = 2, .GBps = 25});
    by_hand.connect({.from = 0, .to = 2, .GBps = 25});

    const blink::topology read = blink::read_json(text, "box.json");
    if (read != by_hand) { return 1; }

    const std::vector<int> gpus{0, 1, 2};
    for (const auto kind : {blink::collective::broadcast, blink::collective::reduce, blink::collective::allreduce}) {
        const blink::plan plan = blink::make_plan(read, gpus, kind);
        std::cout << blink::to_string(kind) << ": " << plan.packing.GBps << " GB/s over " << plan.packing.trees.size()
                  << " trees from GPU " << plan.packing.root << '\n';
    }
}
