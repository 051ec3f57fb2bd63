// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// AllReduce: every rank gets the combination of what all ranks have.
#pragma once

#include <blink/communicator.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/cuda/static_schedule_of.hpp>
#include <blink/packing/static_packing.hpp>

#include <cstddef>
#include <span>

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
/// @param op `sum`, `prod`, `min`, `max`, `avg`, or any `T op(T, T)` that several threads may call at once
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

/// The same over trees that the compiler made: the trees, the bound and who sends to whom are constants, and nothing
/// is planned when the program runs. Rank r of the group stands for the r-th GPU of the packing.
/// @code
/// using quad = blink::static_packing<blink::dgx1v, 0, 1, 2, 3>;
/// static_assert(quad::allreduce.GBps() == 75);
/// blink::allreduce<quad>(gpus, grads, grads, count, blink::sum{});
/// @endcode
/// @throw usage_error before anything moves, also where the group has another number of ranks than the packing
template <compiled_packing Packing, rank_group Group, input_buffers In, output_buffers_for<In> Out,
          reduction_operator<buffer_element<In>> Op = sum>
void allreduce(Group& group, const In& in, const Out& out, std::size_t count, const Op& op = {},
               const chunk_choice& chunk = {}) {
    using value = buffer_element<In>;
    using form = cuda::static_schedule_of<Packing::allreduce>;
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, count);
    group.template run_static<form, value>(collective::allreduce, std::span<const value* const>(from),
                                           std::span<value* const>(to), count, op, chunk);
}

} // namespace blink
