// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reduce: one rank gets the combination of what all ranks have.
#pragma once

#include <blink/communicator.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/units.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// out[root][i] = in[0][i] op in[1][i] op ... for i < count; the other outputs are not touched and may be null.
///
/// See `allreduce` for the order of combination, for what the arguments may be, and for what is thrown.
/// @code
/// blink::reduce(gpus, partial, total, count, blink::sum{}, 0);
/// @endcode
/// @throw usage_error before anything moves, for an unknown root too
template <rank_group Group, input_buffers In, output_buffers_for<In> Out,
          reduction_operator<buffer_element<In>> Op = sum>
void reduce(Group& group, const In& in, const Out& out, std::size_t count, const Op& op = {}, int root = 0,
            const options& choices = {}) {
    using value = buffer_element<In>;
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, count);
    group.run(collective::reduce, root, std::span<const value* const>(from), std::span<value* const>(to), count, op,
              choices);
}

} // namespace blink
