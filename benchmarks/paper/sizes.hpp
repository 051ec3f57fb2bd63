// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// On which GPUs and at which sizes the model is held against emulated links below 100 MiB.
#pragma once

#include <blink/topology/machines/dgx1.hpp>
#include <blink/topology/topology.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace blink_paper {

/// A machine and some of its GPUs.
struct sized_configuration {
    blink::topology machine;
    std::vector<int> gpus;
};

/// 3 to 8 GPUs of both machines: one tree and several, of equal and of unequal shares, shallow and deep.
[[nodiscard]] inline std::vector<sized_configuration> sized_configurations() {
    const blink::topology p(blink::dgx1p);
    const blink::topology v(blink::dgx1v);
    return {{p, {0, 1, 2, 4, 5}},       {p, {0, 1, 2, 3, 4, 5, 6, 7}}, {v, {0, 2, 3}},
            {v, {0, 1, 2, 3}},          {v, {1, 2, 3, 5, 6}},          {v, {0, 1, 2, 4, 5, 6}},
            {v, {0, 1, 2, 3, 4, 5, 6}}, {v, {0, 1, 2, 3, 4, 5, 6, 7}}};
}

/// Bytes of a message, and how many calls of it follow each other in a graph.
inline constexpr std::array<std::pair<std::size_t, int>, 4> sized_calls{
    {{std::size_t{1} << 20, 20}, {std::size_t{4} << 20, 10}, {std::size_t{16} << 20, 5}, {std::size_t{64} << 20, 3}}};

} // namespace blink_paper
