// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Packets of 128 bytes, of which the last eight say which call they are of. Eight threads of a warp store one in a
/// single access, which crosses NVLink and arrives whole, so that the flag announces the other 120 bytes too. The
/// layout is that of NCCL's LL128 protocol, and so is what it rests on: a property of NVLink and of the GPU's own
/// memory, but of no other link.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/ll_line.hpp>
#include <blink/execute/cuda/vector.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace blink::cuda {

inline constexpr std::size_t packet_bytes = 128;
inline constexpr std::size_t packet_data = 120;
inline constexpr int packet_threads = 8;
inline constexpr int packet_max_blocks = 64; ///< of one rank

/// Types whose elements tile eight bytes.
template <class T>
inline constexpr bool travels_in_packets = element<T> && 8 % sizeof(T) == 0;

/// Bytes of a row of packets: larger in small groups, so that the memory of a rank stays within 32 MiB.
[[nodiscard]] constexpr std::size_t packet_row_bytes(int ranks) {
    return ranks <= 4 ? 32u << 10 : (128u << 10) / static_cast<std::size_t>(ranks) / packet_bytes * packet_bytes;
}

/// Bytes of packets at one rank of a group.
[[nodiscard]] constexpr std::size_t packet_memory(int ranks) {
    return std::size_t{packet_max_blocks} * ll_rows(ranks) * packet_row_bytes(ranks);
}

/// What the blocks of a call can carry in packets, `threads` in each block.
[[nodiscard]] constexpr ll_capacity packet_capacity(int ranks, int threads) {
    return {packet_max_blocks, packet_row_bytes(ranks) / packet_bytes * packet_data,
            static_cast<std::size_t>(threads / packet_threads) * packet_data};
}

/// The form of wire in which eight threads share a packet: each has 16 bytes of it, the last one eight and the flag.
/// `ll_block` calls everything here with all eight at once.
struct packet_wire {
    static constexpr int threads = packet_threads;

    template <class T>
    static constexpr int thread_elements = static_cast<int>(16 / sizeof(T));
    template <class T>
    static constexpr int unit_elements = static_cast<int>(packet_data / sizeof(T));
    template <class T>
    static constexpr std::size_t unit_bytes = packet_bytes;

    template <class T, class Machine>
    BLINK_DEVICE_CODE static void send(const Machine& machine, std::byte* to, const vector<T, thread_elements<T>>& x,
                                       std::uint64_t call) {
        const int share = machine.thread() % threads;
        ll_line line;
        std::memcpy(line.half, x.v, sizeof line.half);
        if (share == threads - 1) { line.half[1] = call; }
        machine.store_packet(reinterpret_cast<ll_line*>(to) + share, line);
    }

    template <class T, class Machine>
    [[nodiscard]] BLINK_DEVICE_CODE static bool take(const Machine& machine, const std::byte* from,
                                                     vector<T, thread_elements<T>>& x, std::uint64_t call) {
        const int share = machine.thread() % threads;
        const ll_line line = machine.load_packet(reinterpret_cast<const ll_line*>(from) + share);
        std::memcpy(static_cast<void*>(x.v), line.half, sizeof line.half);
        return !machine.any_of_packet(share == threads - 1 && line.half[1] != call);
    }

    template <class Machine>
    [[nodiscard]] BLINK_DEVICE_CODE static bool any(const Machine& machine, bool gives_up) {
        return machine.any_of_packet(gives_up);
    }
};

} // namespace blink::cuda
