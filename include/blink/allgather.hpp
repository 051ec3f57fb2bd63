// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllGather: every rank gets what all ranks have, one shard behind the other.
#pragma once

#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/local_group.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace blink {

/// out[r][q * count + i] = in[q][i] for all ranks r and q and i < count.
///
/// In place `in[r]` is the shard of rank r in its output, `out[r] + r * count`. See `allreduce` for what the arguments
/// may be, and for what is thrown.
/// @code
/// auto shards = gpus.make_buffers<float>(count);
/// auto all = gpus.make_buffers<float>(count * gpus.size());
/// blink::allgather(gpus, shards, all, count);
/// @endcode
/// @param count elements of a shard: each output holds `count` for every rank
template <rank_group Group, input_buffers In, output_buffers_for<In> Out>
void allgather(Group& group, const In& in, const Out& out, std::size_t count, const options& choices = {}) {
    using value = buffer_element<In>;
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, count * static_cast<std::size_t>(group.size()));
    group.run(collective::allgather, 0, std::span<const value* const>(from), std::span<value* const>(to), count,
              no_operator{}, choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @param stream none: one of the group's own
template <one_rank_group Group, element T>
void allgather(Group& comm, const T* in, T* out, std::size_t count, const options& choices = {},
               stream_choice<Group> stream = {}) {
    comm.run(collective::allgather, 0, in, out, count, no_operator{}, choices, stream);
}

/// The same on `stream`.
template <one_rank_group Group, element T>
void allgather(Group& comm, const T* in, T* out, std::size_t count,
               const std::convertible_to<typename Group::stream_type> auto& stream) {
    comm.run(collective::allgather, 0, in, out, count, no_operator{}, options{}, stream_choice<Group>(stream));
}

} // namespace blink
