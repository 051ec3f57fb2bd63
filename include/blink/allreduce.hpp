// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce: every rank gets the combination of what all ranks have.
#pragma once

#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/units.hpp>
#include <blink/local_group.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace blink {

/// out[r][i] = in[0][i] op in[1][i] op ... for every rank r and i < count, with the same bits on every rank and in
/// every run.
///
/// The contributions are combined in the order of the trees, so the operator must be associative and commutative.
/// The call may return before the data have arrived; `group.synchronize()` waits, and throws what went wrong.
/// @code
/// blink::local_group gpus;
/// auto grads = gpus.make_buffers<float>(count);
/// blink::allreduce(gpus, grads, grads, count, blink::sum{});
/// gpus.synchronize();
/// @endcode
/// @param in, out `rank_buffers`, or ranges of pointers by rank; the same (in place) or apart
/// @param count elements of each buffer that take part
/// @param op `sum`, `prod`, `min`, `max`, `avg`, `premul_sum`, or any `T op(T, T)` that several threads may call at
/// once
/// @throw usage_error before anything moves: null or overlapping buffers, or not one a rank
/// @throw plan_error where the ranks cannot reach each other
template <rank_group Group, input_buffers In, output_buffers_for<In> Out,
          reduction_operator<buffer_element<In>> Op = sum>
void allreduce(Group& group, const In& in, const Out& out, std::size_t count, const Op& op = {},
               const options& choices = {}) {
    using value = buffer_element<In>;
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, count);
    group.run(collective::allreduce, 0, std::span<const value* const>(from), std::span<value* const>(to), count, op,
              choices);
}

/// The same for a group of which this process drives one rank, with that rank's buffers alone.
/// @code
/// blink::allreduce(comm, in, out, count, blink::sum{}, stream);
/// @endcode
/// @param stream none: one of the group's own
template <one_rank_group Group, element T, reduction_operator<T> Op = sum>
void allreduce(Group& comm, const T* in, T* out, std::size_t count, const Op& op = {}, const options& choices = {},
               stream_choice<Group> stream = {}) {
    comm.run(collective::allreduce, 0, in, out, count, op, choices, stream);
}

/// The same on `stream`.
template <one_rank_group Group, element T, reduction_operator<T> Op>
void allreduce(Group& comm, const T* in, T* out, std::size_t count, const Op& op,
               const std::convertible_to<typename Group::stream_type> auto& stream) {
    comm.run(collective::allreduce, 0, in, out, count, op, options{}, stream_choice<Group>(stream));
}

} // namespace blink
