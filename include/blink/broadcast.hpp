// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast: every rank gets what one rank has.
#pragma once

#include <blink/communicator.hpp>
#include <blink/communicator/rank_pointers.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/units.hpp>

#include <cstddef>
#include <span>

namespace blink {

/// out[r][i] = in[root][i] for every rank r, the root too, and i < count; the other inputs are not read and may be
/// null.
///
/// See `allreduce` for what the arguments may be, and for what is thrown.
/// @code
/// blink::broadcast(gpus, weights, weights, count, 0);
/// @endcode
/// @throw usage_error before anything moves, for an unknown root too
template <rank_group Group, input_buffers In, output_buffers_for<In> Out>
void broadcast(Group& group, const In& in, const Out& out, std::size_t count, int root = 0,
               const options& choices = {}) {
    using value = buffer_element<In>;
    const auto from = pointers<const value*>(in, count);
    const auto to = pointers<value*>(out, count);
    group.run(collective::broadcast, root, std::span<const value* const>(from), std::span<value* const>(to), count,
              no_operator{}, choices);
}

} // namespace blink
