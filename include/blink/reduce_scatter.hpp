// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// ReduceScatter: every rank gets its shard of the combination of what all ranks have.
#pragma once

#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/local_group.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace blink {

/// out[r][i] = in[0][r * count + i] op in[1][r * count + i] op ... for every rank r and i < count.
///
/// In place `out[r]` is the shard of rank r in its input, `in[r] + r * count`; the rest of the input stays. See
/// `allreduce` for what the arguments may be, and for what is thrown.
/// @param count elements of a shard: each input holds `count` for every rank
template <rank_group Group, input_buffers In, output_buffers_for<In> Out,
          reduction_operator<buffer_element<In>> Op = sum>
void reduce_scatter(Group& group, const In& in, const Out& out, std::size_t count, const Op& op = {},
                    const options& choices = {}) {
    using value = buffer_element<In>;
    const auto from = pointers<const value*>(in, count * static_cast<std::size_t>(group.size()));
    const auto to = pointers<value*>(out, count);
    group.run(collective::reduce_scatter, 0, std::span<const value* const>(from), std::span<value* const>(to), count,
              op, choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @param stream none: one of the group's own
template <one_rank_group Group, element T, reduction_operator<T> Op = sum>
void reduce_scatter(Group& comm, const T* in, T* out, std::size_t count, const Op& op = {}, const options& choices = {},
                    stream_choice<Group> stream = {}) {
    comm.run(collective::reduce_scatter, 0, in, out, count, op, choices, stream);
}

/// The same on `stream`.
template <one_rank_group Group, element T, reduction_operator<T> Op>
void reduce_scatter(Group& comm, const T* in, T* out, std::size_t count, const Op& op,
                    const std::convertible_to<typename Group::stream_type> auto& stream) {
    comm.run(collective::reduce_scatter, 0, in, out, count, op, options{}, stream_choice<Group>(stream));
}

} // namespace blink
