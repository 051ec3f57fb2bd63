// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Buffers of ranks between red zones, and what a collective must have written into them.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/operators.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace made {

/// A user's element: 12 bytes, not a power of two.
struct triple {
    int a = 0, b = 0, c = 0;
    friend bool operator==(const triple&, const triple&) = default;
};

/// A user's operator on it.
struct add_and_keep_largest {
    triple operator()(const triple& x, const triple& y) const { return {x.a + y.a, x.b < y.b ? y.b : x.b, x.c ^ y.c}; }
};

template <class T, class Random>
T random_value(Random& random) {
    if constexpr (std::is_same_v<T, triple>) {
        return {random_value<int>(random), random_value<int>(random), random_value<int>(random)};
    } else if constexpr (std::is_floating_point_v<T>) {
        return static_cast<T>(0.5 + static_cast<double>(random() % 100'000) * 1e-5);
    } else {
        return static_cast<T>(1 + random() % 6); // the sum of 16 fits into a signed byte
    }
}

/// One buffer with poison in it and a red zone on each side; `offset` elements off the alignment of the allocation.
template <class T>
class guarded {
  public:
    explicit guarded(std::size_t count, std::size_t offset = 0)
        : count_(count), offset_(offset), bytes_((count + 2 * margin + offset) * sizeof(T), poison) {}

    T* data() { return reinterpret_cast<T*>(bytes_.data()) + margin + offset_; }
    const T* data() const { return reinterpret_cast<const T*>(bytes_.data()) + margin + offset_; }
    void set(const std::vector<T>& values) {
        if (!values.empty()) { std::memcpy(static_cast<void*>(data()), values.data(), values.size() * sizeof(T)); }
    }
    [[nodiscard]] bool zones_whole() const {
        const auto begin = static_cast<std::size_t>(reinterpret_cast<const unsigned char*>(data()) - bytes_.data());
        return all_poison(0, begin) && all_poison(begin + count_ * sizeof(T), bytes_.size());
    }
    [[nodiscard]] bool untouched() const { return all_poison(0, bytes_.size()); }

  private:
    static constexpr std::size_t margin = 16;
    static constexpr unsigned char poison = 0xA5;

    [[nodiscard]] bool all_poison(std::size_t begin, std::size_t end) const {
        for (std::size_t i = begin; i < end; ++i) {
            if (bytes_[i] != poison) { return false; }
        }
        return true;
    }

    std::size_t count_;
    std::size_t offset_;
    std::vector<unsigned char> bytes_;
};

template <class T>
std::vector<std::vector<T>> random_inputs(int ranks, std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::vector<T>> inputs(static_cast<std::size_t>(ranks));
    for (auto& values : inputs) {
        for (std::size_t i = 0; i < count; ++i) { values.push_back(random_value<T>(random)); }
    }
    return inputs;
}

/// Whether `got` is what `op` makes of element i of all inputs: exactly, or in floating point within the rounding
/// of the worst order, against double precision.
template <class T, class Op>
bool is_total(const T& got, const std::vector<std::vector<T>>& inputs, std::size_t i, const Op& op) {
    const int ranks = static_cast<int>(inputs.size());
    using wide = std::conditional_t<std::is_floating_point_v<T>, double, T>;
    auto total = static_cast<wide>(inputs[0][i]);
    for (std::size_t r = 1; r < inputs.size(); ++r) {
        total = static_cast<wide>(op(total, static_cast<wide>(inputs[r][i])));
    }
    total = blink::finish(op, total, ranks);
    if constexpr (std::is_floating_point_v<T>) {
        return std::abs(static_cast<double>(got) - total) <=
               2.0 * ranks * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(total);
    } else {
        return got == total;
    }
}

} // namespace made
