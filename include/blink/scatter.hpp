// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Scatter: every rank gets its shard of what one rank has.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/local_group.hpp>
#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// out[r][i] = in[root][r * count + i] for every rank r, the root too, and i < count; the other inputs are not read and
/// may be null.
///
/// In place `out[root]` is the root's shard of its input, `in[root] + root * count`. See `allreduce` for what the
/// arguments may be, and for what is thrown.
/// @code
/// blink::scatter(gpus, all, shards, count, 0);
/// @endcode
/// @param count elements of a shard: the root's input holds `count` for every rank
/// @throw usage_error before anything moves, for an unknown root too
template <exchange_group Group, input_buffers In, output_buffers_for<In> Out>
void scatter(Group& group, const In& in, const Out& out, std::size_t count, int root = 0, const options& choices = {}) {
    using value = buffer_element<In>;
    const exchange e = make_scatter(group.size(), root, count);
    const auto from = pointers<const value*>(in, input_count(e));
    const auto to = pointers<value*>(out, count);
    group.run(e, std::span<const value* const>(from), std::span<value* const>(to), choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @param in null on all ranks but the root
/// @param stream none: one of the group's own
template <one_rank_exchange_group Group, element T>
void scatter(Group& comm, const T* in, T* out, std::size_t count, int root = 0, const options& choices = {},
             stream_choice<Group> stream = {}) {
    comm.run(make_scatter(comm.size(), root, count), in, out, choices, stream);
}

} // namespace blink
