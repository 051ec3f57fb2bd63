// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The report as the JSON object that scripts rely on.
#pragma once

#include <blink/core/json.hpp>

#include <string>
#include <utility>

#include "report.hpp"

namespace blink_plan {

[[nodiscard]] inline blink::json::value tree_json(const blink::plan& p, const blink::packed_tree& t) {
    blink::json::array edges;
    for (const blink::tree_edge& e : t.edges) {
        edges.emplace_back(blink::json::array{given(p, e.parent), given(p, e.child)});
    }
    return blink::json::object{{"root", given(p, t.root)},
                               {"GBps", t.GBps},
                               {"depth", blink::depth(t, p.packing.ranks)},
                               {"edges", std::move(edges)}};
}

[[nodiscard]] inline blink::json::value simulated_json(const report& r) {
    blink::json::object timings;
    for (const timing& t : r.simulated) {
        timings.emplace_back(t.name, blink::json::object{{"bytes", r.simulated_bytes},
                                                         {"seconds", t.seconds},
                                                         {"GBps", t.GBps},
                                                         {"chunk_bytes", t.chunk_bytes}});
    }
    return timings;
}

/// `root` is null for a collective that has none; rates are null where one rank has nothing to send.
[[nodiscard]] inline blink::json::value to_json(const report& r) {
    const blink::plan& p = r.plan;
    const blink::packing& k = p.packing;
    blink::json::value root;
    if (blink::is_rooted(k.kind)) { root = blink::json::value(given(p, k.root)); }
    blink::json::array parts;
    for (const auto& part : k.bound.parts) { parts.push_back(blink::json::value::list(given(p, part))); }
    blink::json::array trees;
    for (const blink::packed_tree& t : k.trees) { trees.push_back(tree_json(p, t)); }
    blink::json::object o{{"topology", p.machine.name()},
                          {"ranks", blink::json::value::list(p.gpus)},
                          {"collective", blink::to_string(k.kind)},
                          {"root", std::move(root)},
                          {"rate_GBps", k.GBps},
                          {"bound_GBps", k.bound.GBps},
                          {"bottleneck", blink::json::object{{"parts", std::move(parts)}, {"GBps", k.bound.GBps}}},
                          {"mwu", blink::json::object{{"epsilon", k.weights.epsilon},
                                                      {"iterations", k.weights.iterations},
                                                      {"candidates", k.weights.candidates},
                                                      {"rate_GBps", k.weights.GBps}}},
                          {"trees", std::move(trees)},
                          {"seconds", p.seconds}};
    if (!r.simulated.empty()) { o.emplace_back("simulated", simulated_json(r)); }
    return o;
}

} // namespace blink_plan
