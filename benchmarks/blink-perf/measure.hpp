// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Fill, run once, check every element, then time: the same steps on every backend.
#pragma once

#include <blink/communicator/rank_group.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "session.hpp"

namespace blink_perf {

/// Elements behind every buffer that nobody may touch.
inline constexpr std::size_t guard_elements = 64;

template <class T>
BLINK_HOST_DEVICE bool same_bits(const T& a, const T& b) {
    return memcmp(&a, &b, sizeof(T)) == 0;
}

/// Makes the input of a rank; behind it, and where the rank has none, what nothing may become.
template <class T>
struct input_maker {
    pattern data;
    int rank;
    std::size_t count;
    BLINK_HOST_DEVICE T operator()(std::size_t i) const {
        return i < count && holds_input(data, rank) ? input_value<T>(data, rank, i) : poison_value<T>(data, i);
    }
};

/// Makes an output that is wrong in every element.
template <class T>
struct poison_maker {
    pattern data;
    BLINK_HOST_DEVICE T operator()(std::size_t i) const { return poison_value<T>(data, i); }
};

/// Tells a wrong element of a result.
template <class T>
struct wrong_element {
    pattern data;
    BLINK_HOST_DEVICE bool operator()(std::size_t i, const T& value) const { return !is_expected(data, i, value); }
};

/// Tells a guard that was overwritten.
template <class T>
struct broken_guard {
    pattern data;
    std::size_t count;
    BLINK_HOST_DEVICE bool operator()(std::size_t i, const T& value) const {
        return !same_bits(value, poison_value<T>(data, count + i));
    }
};

/// The `backend` concept requires the following, beside the group that runs the collectives:
/// - `fill(rank, to, n, make)`: element i of the memory `to` of `rank` becomes `make(i)`;
/// - `count_if(rank, from, n, is)`: for how many elements `is(i, value)` holds;
/// - `time(job, in, out, call)`: warms up, then times `call()`; gives the samples, and those of a peer if it has one.
template <class B>
concept backend = requires(B& b, const job& j, float* to, const float* from, std::size_t n,
                           const std::vector<const float*>& in, const std::vector<float*>& out, void (*call)()) {
    { b.group() } -> blink::rank_group;
    b.fill(0, to, n, input_maker<float>{});
    { b.count_if(0, from, n, wrong_element<float>{}) } -> std::same_as<std::size_t>;
    { b.time(j, in, out, call) } -> std::same_as<std::pair<std::vector<double>, std::vector<double>>>;
};

/// The addresses of all ranks' buffers.
template <class Pointer, class Buffers>
[[nodiscard]] std::vector<Pointer> addresses(const Buffers& buffers) {
    std::vector<Pointer> list;
    for (int r = 0; r < buffers.size(); ++r) { list.push_back(buffers[r]); }
    return list;
}

/// Counts the wrong elements, and the guards overwritten, in the results `out`.
template <class T, class Backend>
void check_into(outcome& result, Backend& b, const job& j, const std::vector<T*>& out) {
    std::size_t wrong = 0;
    for (int r = 0; r < static_cast<int>(out.size()); ++r) {
        const T* const from = out[static_cast<std::size_t>(r)];
        if (holds_result(j.data, r)) { wrong += b.count_if(r, from, j.count, wrong_element<T>{j.data}); }
        result.out_of_bounds += b.count_if(r, from + j.count, guard_elements, broken_guard<T>{j.data, j.count});
    }
    result.wrong = wrong;
}

template <class T, backend Backend, class Op>
[[nodiscard]] outcome measure_with(Backend& b, const job& j, Op op) {
    auto& group = b.group();
    const std::size_t n = j.count + guard_elements;
    auto in = group.template make_buffers<T>(n);
    auto apart = group.template make_buffers<T>(j.in_place ? 1 : n);
    const auto from = addresses<const T*>(in);
    const auto to = addresses<T*>(j.in_place ? in : apart);
    blink::options choices;
    if (j.chunk > 0) { choices.chunk = blink::fixed_chunk{j.chunk}; }
    const auto call = [&] {
        group.run(j.data.kind, j.data.root, std::span(from), std::span(to), j.count, op, choices);
    };

    outcome result;
    for (int r = 0; r < group.size(); ++r) {
        b.fill(r, in[r], n, input_maker<T>{j.data, r, j.count});
        if (!j.in_place) { b.fill(r, apart[r], n, poison_maker<T>{j.data}); }
    }
    if (j.check) {
        call();
        group.synchronize();
        check_into(result, b, j, to);
    }
    std::tie(result.samples, result.peer_samples) = b.time(j, from, to, call);
    return result;
}

/// Picks the operator; without one (broadcast) the sum stands in.
template <class T, backend Backend>
[[nodiscard]] outcome measure_type(Backend& b, const job& j) {
    if (!blink::reduces(j.data.kind)) { return measure_with<T>(b, j, blink::sum{}); }
    switch (j.data.op) {
    case reduction::prod:
        return measure_with<T>(b, j, blink::prod{});
    case reduction::min:
        return measure_with<T>(b, j, blink::min{});
    case reduction::max:
        return measure_with<T>(b, j, blink::max{});
    case reduction::avg:
        return measure_with<T>(b, j, blink::avg{});
    case reduction::sum:
        break;
    }
    return measure_with<T>(b, j, blink::sum{});
}

} // namespace blink_perf
