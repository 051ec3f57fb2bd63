// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Gather: one rank gets what all ranks have, one shard behind the other.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/local_group.hpp>
#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// out[root][r * count + i] = in[r][i] for every rank r, the root too, and i < count; the other outputs are not written
/// and may be null.
///
/// In place `in[root]` is the root's shard of its output, `out[root] + root * count`. See `allreduce` for what the
/// arguments may be, and for what is thrown.
/// @code
/// blink::gather(gpus, shards, all, count, 0);
/// @endcode
/// @param count elements of a shard: the root's output holds `count` for every rank
/// @throw usage_error before anything moves, for an unknown root too
template <exchange_group Group, input_buffers In, output_buffers_for<In> Out>
void gather(Group& group, const In& in, const Out& out, std::size_t count, int root = 0, const options& choices = {}) {
    using value = buffer_element<In>;
    const exchange e = make_gather(group.size(), root, count);
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, output_count(e));
    group.run(e, std::span<const value* const>(from), std::span<value* const>(to), choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @param out null on all ranks but the root
/// @param stream none: one of the group's own
template <one_rank_exchange_group Group, element T>
void gather(Group& comm, const T* in, T* out, std::size_t count, int root = 0, const options& choices = {},
            stream_choice<Group> stream = {}) {
    comm.run(make_gather(comm.size(), root, count), in, out, choices, stream);
}

} // namespace blink
