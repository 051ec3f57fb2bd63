// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Fill, run once, check every element, then time: the same steps on every backend.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/core/error.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "exchange_of.hpp"
#include "layout.hpp"
#include "session.hpp"

namespace blink_perf {

/// Elements behind every buffer that nobody may touch.
inline constexpr std::size_t guard_elements = 64;

/// Makes the input of a rank; behind it, and where the rank has none, poison.
template <class T>
struct input_maker {
    pattern data;
    int rank;
    std::size_t count;
    BLINK_HOST_DEVICE T operator()(std::size_t i) const {
        return i < count && holds_input(data, rank) ? input_value<T>(data, rank, i) : poison_value<T>();
    }
};

/// Makes an output that is wrong in every element.
template <class T>
struct poison_maker {
    BLINK_HOST_DEVICE T operator()(std::size_t /*i*/) const { return poison_value<T>(); }
};

/// Makes data that stay what they are, however often they are combined in place.
template <class T>
struct zero_maker {
    BLINK_HOST_DEVICE T operator()(std::size_t /*i*/) const { return T{}; }
};

/// Tells a guard that was overwritten, by its bits.
template <class T>
struct broken_guard {
    BLINK_HOST_DEVICE bool operator()(const T& value) const {
        const T guard = poison_value<T>();
        unsigned char found[sizeof(T)];
        unsigned char left[sizeof(T)];
        memcpy(found, &value, sizeof(T));
        memcpy(left, &guard, sizeof(T));
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            if (found[i] != left[i]) { return true; }
        }
        return false;
    }
};

/// The `backend` concept requires the following, beside the group that runs the collectives. Of ranks that other
/// processes drive the addresses are null; nothing is done and nothing found for them:
/// - `fill(rank, to, n, make)`: element i of the memory `to` of `rank` becomes `make(i)`;
/// - `count_if(rank, from, n, is)`: for how many of the elements `is(value)` holds;
/// - `count_wrong(data, out, n)`: how many elements of all ranks' results are not what `data` asks for;
/// - `time(job, in, out, call)`: warms up, then times `call()`, and what it is compared with in turn.
template <class B>
concept backend = requires(B& b, const job& j, float* to, const float* from, std::size_t n,
                           const std::vector<const float*>& in, const std::vector<float*>& out, void (*call)()) {
    { b.group() } -> blink::rank_group;
    b.fill(0, to, n, input_maker<float>{});
    { b.count_if(0, from, n, broken_guard<float>{}) } -> std::same_as<std::size_t>;
    { b.count_wrong(j.data, out, n) } -> std::same_as<std::size_t>;
    { b.time(j, in, out, call) } -> std::same_as<timings>;
};

/// `p` moved on, unless it is null.
template <class T>
[[nodiscard]] T* moved(T* p, std::size_t elements) noexcept {
    return p == nullptr ? p : p + elements;
}

/// @throw blink::usage_error for a group without exchanges
template <class T, class Group>
void run_exchange(Group& group, const blink::exchange& e, const std::vector<const T*>& in, const std::vector<T*>& out,
                  const blink::options& choices) {
    if constexpr (blink::exchange_group<Group>) {
        group.run(e, std::span<const T* const>(in), std::span<T* const>(out), choices);
    } else {
        throw blink::usage_error(e.name + " is not built for these ranks");
    }
}

template <class T, backend Backend, class Op>
[[nodiscard]] outcome measure_with(Backend& b, const job& j, Op op) {
    auto& group = b.group();
    if (j.in_place && !works_in_place(j.data.moves)) { return {}; }
    const std::size_t in_count = input_count(j.data);
    const std::size_t out_count = output_count(j.data);
    const layout sizes = layout_of(j, 0);
    auto first = group.template make_buffers<T>(sizes.first + guard_elements);
    auto second = group.template make_buffers<T>(j.in_place ? 1 : sizes.second + guard_elements);
    std::vector<const T*> from;
    std::vector<T*> to;
    for (int r = 0; r < group.size(); ++r) {
        const layout l = layout_of(j, r);
        from.push_back(moved(first[r], l.in_at));
        to.push_back(moved(j.in_place ? first[r] : second[r], l.out_at));
    }
    blink::options choices;
    if (j.chunk > 0) { choices.chunk = blink::fixed_chunk{j.chunk}; }
    choices.relays = j.relays;
    choices.how = j.how;
    const blink::exchange transfers = j.data.moves == movement::none ? blink::exchange{} : exchange_of(j.data);
    const auto call = [&] {
        if (j.data.moves != movement::none) {
            run_exchange<T>(group, transfers, from, to, choices);
            return;
        }
        group.run(j.data.kind, j.data.root, std::span<const T* const>(from), std::span<T* const>(to), j.count, op,
                  choices);
    };

    outcome result;
    for (int r = 0; r < group.size(); ++r) {
        const auto i = static_cast<std::size_t>(r);
        b.fill(r, first[r], first.count(), poison_maker<T>{});
        b.fill(r, const_cast<T*>(from[i]), in_count, input_maker<T>{j.data, r, in_count});
        if (!j.in_place) { b.fill(r, second[r], second.count(), poison_maker<T>{}); }
    }
    if (j.check) {
        call();
        group.synchronize();
        result.wrong = b.count_wrong(j.data, to, out_count);
    }
    if (j.in_place && std::is_integral_v<T>) { // sums of sums would overflow
        for (int r = 0; r < group.size(); ++r) { b.fill(r, first[r], sizes.first, zero_maker<T>{}); }
    }
    static_cast<timings&>(result) = b.time(j, from, to, call);
    for (int r = 0; j.check && r < group.size(); ++r) {
        const T* const end = j.in_place ? moved(first[r], sizes.first) : moved(second[r], sizes.second);
        result.out_of_bounds += b.count_if(r, end, guard_elements, broken_guard<T>{});
    }
    return result;
}

/// The type of the factor in sums of `T`.
template <class T>
using mulsum_number = std::conditional_t<std::is_integral_v<T>, T, float>;

/// Picks the operator; without one (broadcast) the sum stands in.
template <class T, backend Backend>
[[nodiscard]] outcome measure_type(Backend& b, const job& j) {
    if (!reduces(j.data)) { return measure_with<T>(b, j, blink::sum{}); }
    switch (j.data.op) {
    case reduction::prod:
        return measure_with<T>(b, j, blink::prod{});
    case reduction::min:
        return measure_with<T>(b, j, blink::min{});
    case reduction::max:
        return measure_with<T>(b, j, blink::max{});
    case reduction::avg:
        return measure_with<T>(b, j, blink::avg{});
    case reduction::mulsum:
        return measure_with<T>(b, j, blink::premul_sum<mulsum_number<T>>{mulsum_factor});
    case reduction::sum:
        break;
    }
    return measure_with<T>(b, j, blink::sum{});
}

} // namespace blink_perf
