// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The buffer of one rank, where a process drives but one.
#pragma once

#include <blink/communicator/rank_buffers.hpp>
#include <blink/core/operators.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace blink {

/// `count()` elements where the rank's collectives can reach them. Moves, and does not copy.
template <element T>
class rank_buffer {
  public:
    using value_type = T;

    /// As a group makes it.
    rank_buffer(std::shared_ptr<rank_memory> memory, std::size_t count) : one_(std::move(memory), 1, count) {}

    [[nodiscard]] T* data() const { return one_[0]; }
    [[nodiscard]] std::size_t count() const noexcept { return one_.count(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return one_.bytes(); }

    /// Copies `values` into the buffer.
    /// @throw usage_error for another number of elements than `count()`
    void assign(std::span<const T> values) { one_.assign(0, values); }
    /// Sets every element to `value`, or element i to `value(i)`.
    template <class Value>
    void fill(Value value) {
        one_.fill(0, std::move(value));
    }
    [[nodiscard]] std::vector<T> read() const { return one_.read(0); }

  private:
    rank_buffers<T> one_;
};

} // namespace blink
