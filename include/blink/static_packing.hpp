// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Collectives over trees that the compiler packed. In a header of its own, as it costs every file that includes it.
#pragma once

#include <blink/allreduce.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/static_schedule_of.hpp>
#include <blink/local_group.hpp>
#include <blink/packing/static_packing.hpp>
#include <blink/schedule/chunk.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// `allreduce` over trees that the compiler made: the trees, the bound and who sends to whom are constants, and nothing
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
