// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reduce: one rank gets the combination of what all ranks have.
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

/// The same for a group of which this process drives one rank, with that rank's buffers alone; `out` is null but on the
/// root.
/// @param stream none: one of the group's own
template <one_rank_group Group, class T, reduction_operator<T> Op = sum>
void reduce(Group& comm, T* in, std::type_identity_t<std::remove_const_t<T>>* out, std::size_t count, const Op& op = {},
            int root = 0, const options& choices = {}, stream_choice<Group> stream = {}) {
    using value = std::remove_const_t<T>;
    comm.run(collective::reduce, root, static_cast<const value*>(in), out, count, op, choices, stream);
}

/// The same on `stream`.
template <one_rank_group Group, class T, reduction_operator<T> Op>
void reduce(Group& comm, T* in, std::type_identity_t<std::remove_const_t<T>>* out, std::size_t count, const Op& op,
            int root, const std::convertible_to<typename Group::stream_type> auto& stream) {
    using value = std::remove_const_t<T>;
    comm.run(collective::reduce, root, static_cast<const value*>(in), out, count, op, options{},
             stream_choice<Group>(stream));
}

} // namespace blink
