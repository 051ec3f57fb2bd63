// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast: every rank gets what one rank has.
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

/// The same for a group of which this process drives one rank, with that rank's buffers alone; `in` is null but on the
/// root.
/// @param stream none: one of the group's own
template <one_rank_group Group, element T>
void broadcast(Group& comm, const std::type_identity_t<T>* in, T* out, std::size_t count, int root = 0,
               const options& choices = {}, stream_choice<Group> stream = {}) {
    comm.run(collective::broadcast, root, in, out, count, no_operator{}, choices, stream);
}

/// The same on `stream`.
template <one_rank_group Group, element T>
void broadcast(Group& comm, const std::type_identity_t<T>* in, T* out, std::size_t count, int root,
               const std::convertible_to<typename Group::stream_type> auto& stream) {
    comm.run(collective::broadcast, root, in, out, count, no_operator{}, options{}, stream_choice<Group>(stream));
}

} // namespace blink
