// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How a user names the buffers of a collective: `rank_buffers`, or any range of pointers, one a rank.
#pragma once

#include <blink/communicator/rank_buffers.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

template <class Buffers>
inline constexpr bool is_rank_buffers = false;
template <class T>
inline constexpr bool is_rank_buffers<rank_buffers<T>> = true;

template <class Range>
using iterator_of = decltype(std::begin(std::declval<const Range&>()));

template <class Range>
concept pointer_range =
    std::forward_iterator<iterator_of<Range>> && std::is_pointer_v<std::iter_value_t<iterator_of<Range>>>;

template <class Buffers>
struct pointee;
template <class Buffers>
requires is_rank_buffers<Buffers>
struct pointee<Buffers> {
    using type = typename Buffers::value_type;
};
template <pointer_range Buffers>
struct pointee<Buffers> {
    using type = std::remove_pointer_t<std::iter_value_t<iterator_of<Buffers>>>;
};

} // namespace detail

/// One buffer a rank to read from: `rank_buffers<T>`, or a range of `T*` or `const T*` such as a vector or an array.
template <class Buffers>
concept input_buffers = detail::is_rank_buffers<Buffers> || detail::pointer_range<Buffers>;

/// What the elements of such buffers are.
template <input_buffers Buffers>
using buffer_element = std::remove_const_t<typename detail::pointee<Buffers>::type>;

/// One buffer a rank to write into: no pointers to const.
template <class Buffers>
concept output_buffers = input_buffers<Buffers> && element<typename detail::pointee<Buffers>::type>;

/// Output buffers and the input buffers that fit them.
template <class Out, class In>
concept output_buffers_for = output_buffers<Out> && std::same_as<buffer_element<In>, buffer_element<Out>>;

/// The pointers by rank.
/// @throw usage_error for `rank_buffers` of fewer than `count` elements
template <class Pointer, input_buffers Buffers>
[[nodiscard]] std::vector<Pointer> pointers(const Buffers& buffers, std::size_t count) {
    std::vector<Pointer> result;
    if constexpr (detail::is_rank_buffers<Buffers>) {
        if (count > buffers.count()) {
            throw usage_error("a collective of " + std::to_string(count) + " elements on buffers of " +
                              std::to_string(buffers.count()));
        }
        for (int r = 0; r < buffers.size(); ++r) { result.push_back(buffers[r]); }
    } else {
        for (const Pointer p : buffers) { result.push_back(p); }
    }
    return result;
}

} // namespace blink
