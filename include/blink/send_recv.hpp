// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Send and receive: any transfers between ranks, as one call.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/local_group.hpp>
#include <blink/schedule/exchange.hpp>

#include <span>

namespace blink {

/// out[t.to][t.out_offset + i] = in[t.from][t.in_offset + i] for every t of `transfers` and i < t.count.
///
/// All transfers move at once and in no order, so none may write what another one reads or writes; a rank may send to
/// itself, and buffers of ranks that neither send nor receive may be null. See `allreduce` for what else the arguments
/// may be, and for what is thrown.
/// @code
/// std::vector<blink::transfer> ring; // each rank's elements go to the next rank
/// for (int r = 0; r < gpus.size(); ++r) {
///     ring.push_back({.from = r, .to = (r + 1) % gpus.size(), .in_offset = 0, .out_offset = 0, .count = count});
/// }
/// blink::send_recv(gpus, ring, in, out);
/// @endcode
template <exchange_group Group, input_buffers In, output_buffers_for<In> Out>
void send_recv(Group& group, std::span<const transfer> transfers, const In& in, const Out& out,
               const options& choices = {}) {
    using value = buffer_element<In>;
    const exchange e = make_send_recv(group.size(), transfers);
    const auto from = pointers<const value*>(in, input_count(e));
    const auto to = pointers<value*>(out, output_count(e));
    group.run(e, std::span<const value* const>(from), std::span<value* const>(to), choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone; all ranks give the
/// transfers of all.
/// @param in, out null where this rank sends, or receives, nothing
/// @param stream none: one of the group's own
template <one_rank_exchange_group Group, element T>
void send_recv(Group& comm, std::span<const transfer> transfers, const T* in, T* out, const options& choices = {},
               stream_choice<Group> stream = {}) {
    comm.run(make_send_recv(comm.size(), transfers), in, out, choices, stream);
}

} // namespace blink
