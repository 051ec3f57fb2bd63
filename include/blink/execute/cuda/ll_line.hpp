// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Lines that carry their own flag: each eight bytes hold four of data and four that say which call they are of.
///
/// A reader that sees the flag of its call has the data too, since eight bytes arrive whole on any link; so there is no
/// fence and no second message, at the price of half the bandwidth. The layout is that of NCCL's LL protocol.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace blink::cuda {

/// Eight bytes of data. A half holds four of them below the flag of its call.
struct alignas(16) ll_line {
    std::uint64_t half[2];
};

inline constexpr int ll_max_blocks = 32;                                            ///< of one rank
inline constexpr std::size_t ll_block_bytes = 8u << 10;                             ///< of data, at most, in one block
inline constexpr std::size_t ll_row_lines = ll_block_bytes / (sizeof(ll_line) / 2); ///< from one rank to one other

/// Types whose elements tile eight bytes, or are tiled by them.
template <class T>
inline constexpr bool travels_in_lines = element<T> && (8 % sizeof(T) == 0 || sizeof(T) % 8 == 0);

/// Elements that a thread handles at once.
template <class T>
inline constexpr int ll_unit_elements = sizeof(T) < 8 ? static_cast<int>(8 / sizeof(T)) : 1;

/// Lines in which they travel.
template <class T>
inline constexpr std::size_t ll_unit_lines = sizeof(T) < 8 ? 1 : sizeof(T) / 8;

template <class T>
using ll_unit = vector<T, ll_unit_elements<T>>;

/// State of one block of one rank, written by peers but for `call`.
struct alignas(128) ll_flags {
    std::uint64_t finished[max_ranks]; ///< by the rank that tells: it has read all rows of so many calls
    std::uint64_t call;                ///< the owner's own: calls completed by this block
};

/// What the lines of call number `call` carry: never 0, which is what fresh memory holds.
[[nodiscard]] BLINK_HOST_DEVICE constexpr std::uint32_t ll_flag(std::uint64_t call) {
    return static_cast<std::uint32_t>(call % 0xFFFFFFFFU) + 1;
}

/// Rows of a block at one rank of a group: for odd and even calls, on either way, from each rank.
[[nodiscard]] constexpr std::size_t ll_rows(int ranks) { return std::size_t{2} * 2 * static_cast<std::size_t>(ranks); }

/// Bytes of lines at one rank of a group.
[[nodiscard]] constexpr std::size_t ll_memory(int ranks) {
    return std::size_t{ll_max_blocks} * ll_rows(ranks) * ll_row_lines * sizeof(ll_line);
}

/// What the blocks of a call can carry in one form of wire.
struct ll_capacity {
    int blocks = ll_max_blocks;
    std::size_t block_bytes = ll_block_bytes;     ///< at most
    std::size_t swift_bytes = ll_block_bytes / 2; ///< with which each thread has one unit
};

/// The same bits, whatever they were computed from.
template <class T, int Width>
[[nodiscard]] BLINK_DEVICE_CODE inline vector<T, Width> settled(const vector<T, Width>& x) {
    std::uint32_t words[sizeof x / sizeof(std::uint32_t)];
    std::memcpy(words, x.v, sizeof words);
    BLINK_UNROLL
    for (std::uint32_t& word : words) { BLINK_OPAQUE("+r", word); }
    vector<T, Width> y;
    std::memcpy(static_cast<void*>(y.v), words, sizeof words);
    return y;
}

/// The form of wire in which a thread sends and takes lines alone; see `ll_block`.
struct line_wire {
    static constexpr int threads = 1; ///< that share a unit

    template <class T>
    static constexpr int thread_elements = ll_unit_elements<T>; ///< of a unit, at most in one thread
    template <class T>
    static constexpr int unit_elements = ll_unit_elements<T>;
    template <class T>
    static constexpr std::size_t unit_bytes = ll_unit_lines<T> * sizeof(ll_line);

    /// Sends a unit of call number `call`: a store for each of its lines.
    template <class T, class Machine>
    BLINK_DEVICE_CODE static void send(const Machine& machine, std::byte* to, const ll_unit<T>& x, std::uint64_t call) {
        constexpr std::size_t lines = ll_unit_lines<T>;
        const std::uint64_t high = std::uint64_t{ll_flag(call)} << 32;
        std::uint32_t words[2 * lines];
        std::memcpy(words, x.v, sizeof words);
        BLINK_UNROLL
        for (std::size_t i = 0; i < lines; ++i) {
            machine.store_line(reinterpret_cast<ll_line*>(to) + i, {high | words[2 * i], high | words[2 * i + 1]});
        }
    }

    /// Takes a unit where all of it is there, of call number `call`.
    template <class T, class Machine>
    [[nodiscard]] BLINK_DEVICE_CODE static bool take(const Machine& machine, const std::byte* from, ll_unit<T>& x,
                                                     std::uint64_t call) {
        constexpr std::size_t lines = ll_unit_lines<T>;
        std::uint32_t words[2 * lines];
        bool here = true;
        BLINK_UNROLL
        for (std::size_t i = 0; i < lines; ++i) {
            const ll_line line = machine.load_line(reinterpret_cast<const ll_line*>(from) + i);
            BLINK_UNROLL
            for (std::size_t h = 0; h < 2; ++h) {
                here = here && static_cast<std::uint32_t>(line.half[h] >> 32) == ll_flag(call);
                words[2 * i + h] = static_cast<std::uint32_t>(line.half[h]);
            }
        }
        std::memcpy(static_cast<void*>(x.v), words, sizeof words);
        return here;
    }

    /// Whether one of the threads that share a unit gives up.
    template <class Machine>
    [[nodiscard]] BLINK_DEVICE_CODE static bool any(const Machine& /*machine*/, bool gives_up) {
        return gives_up;
    }
};

} // namespace blink::cuda
