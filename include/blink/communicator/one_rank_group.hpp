// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a group offers of which a process drives one rank: collectives then name that rank's buffers alone.
#pragma once

#include <blink/communicator/options.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/operators.hpp>

#include <concepts>
#include <cstddef>
#include <optional>

namespace blink {

/// The `one_rank_group` concept requires the following:
/// - `stream_type`: on what work is enqueued;
/// - `rank()`, `size()`, `status()`;
/// - `run(kind, root, in, out, count, op, options, stream)`: enqueues the part of this rank, on a stream of the group's
///   where none is given. Every rank makes the same calls in the same order;
/// - `synchronize()` and `abort()` as a `rank_group` has them.
template <class G>
concept one_rank_group = requires(G& g, const G& read, collective kind, int root, std::size_t count, const float* in,
                                  float* out, const options& choices, std::optional<typename G::stream_type> stream) {
    { read.rank() } -> std::same_as<int>;
    { read.size() } -> std::same_as<int>;
    { read.status() } -> std::same_as<group_status>;
    g.run(kind, root, in, out, count, sum{}, choices, stream);
    g.synchronize();
    g.abort();
};

/// Where such a group enqueues; none: a stream of its own.
template <one_rank_group G>
using stream_choice = std::optional<typename G::stream_type>;

} // namespace blink
