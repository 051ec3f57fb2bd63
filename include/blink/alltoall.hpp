// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllToAll: every rank gets a shard from every rank.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/local_group.hpp>
#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// out[r][q * count + i] = in[q][r * count + i] for all ranks r and q and i < count.
///
/// Never in place, as in NCCL. See `allreduce` for what else the arguments may be, and for what is thrown.
/// @code
/// blink::alltoall(gpus, rows, columns, count);
/// @endcode
/// @param count elements of a shard: each input and output holds `count` for every rank
/// @throw usage_error before anything moves, for a call in place too
template <exchange_group Group, input_buffers In, output_buffers_for<In> Out>
void alltoall(Group& group, const In& in, const Out& out, std::size_t count, const options& choices = {}) {
    using value = buffer_element<In>;
    const exchange e = make_alltoall(group.size(), count);
    const auto from = pointers<const value*>(in, input_count(e));
    const auto to = pointers<value*>(out, output_count(e));
    group.run(e, std::span<const value* const>(from), std::span<value* const>(to), choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @param stream none: one of the group's own
template <one_rank_exchange_group Group, element T>
void alltoall(Group& comm, const T* in, T* out, std::size_t count, const options& choices = {},
              stream_choice<Group> stream = {}) {
    comm.run(make_alltoall(comm.size(), count), in, out, choices, stream);
}

} // namespace blink
