// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A search for the chunk size that the GPUs carry out themselves, before and behind each call: so graphs learn while
/// they are replayed, and processes learn alike.
///
/// One rank, the leader, takes the time of each call. Behind call n it tells all GPUs the size for call n + 2, and who
/// begins that call waits for the word: so all ranks cut alike, and the word has had the time of a call to come.
///
/// The words of several calls lie side by side, since the leader may end a call that others have yet to begin. A rank
/// ends no call before its neighbours in a tree have begun it, and no two are more than `max_ranks` - 1 hops apart, so
/// a word has been read long before its place is used again.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/fault.hpp>
#include <blink/schedule/miad_search.hpp>

#include <cstddef>
#include <cstdint>

namespace blink::cuda {

inline constexpr std::uint32_t search_words = 2 * max_ranks;
inline constexpr int search_delay = 2;  ///< calls from what was measured to what follows from it
inline constexpr int max_searches = 64; ///< of one group

/// A search in the memory of one GPU; all zero before the first call.
struct alignas(128) chunk_search {
    /// By call: its number, whether the search has settled, and the bytes of a chunk `search_delay` calls later; from
    /// the leader.
    std::uint64_t told[search_words];
    std::uint64_t calls; ///< begun on this GPU
    std::uint64_t began_ns;
    std::uint32_t bytes;    ///< of a chunk in the running call
    std::uint32_t elements; ///< the same, as `tree_call::chunk_now`
    bool settled;
    miad_search search; ///< of the leader alone
};

/// The search as the ranks see it from one GPU.
struct chunk_search_table {
    chunk_search* of[max_ranks]; ///< each GPU's once
    std::uint8_t count;
};

/// What kernels are told of a call whose chunks are searched for.
struct searched_call {
    miad_options options; ///< within what slots hold, the same on all ranks
    std::uint64_t bytes;  ///< of the call
    std::uint32_t grain;  ///< elements of which a chunk has a multiple
    std::uint32_t grain_bytes;
    std::uint32_t most_elements;
    std::uint8_t leader;
    std::uint8_t rank; ///< one that this GPU has

    [[nodiscard]] BLINK_HOST_DEVICE std::uint32_t elements(std::uint32_t chunk_bytes) const {
        const std::uint32_t grains = chunk_bytes / grain_bytes;
        const std::uint32_t wanted = (grains == 0 ? 1 : grains) * grain;
        return wanted < most_elements ? wanted : most_elements;
    }
};

/// How the leader's word for a call is packed.
struct search_word {
    static constexpr std::uint64_t settled_bit = std::uint64_t{1} << 31;

    [[nodiscard]] BLINK_HOST_DEVICE static std::uint64_t packed(std::uint64_t call, std::size_t bytes, bool settled) {
        return call << 32 | (settled ? settled_bit : 0) | (bytes & (settled_bit - 1));
    }
    [[nodiscard]] BLINK_HOST_DEVICE static bool is_of(std::uint64_t word, std::uint64_t call) {
        return word >> 32 == (call & 0xFFFFFFFFU);
    }
    [[nodiscard]] BLINK_HOST_DEVICE static std::uint32_t bytes(std::uint64_t word) {
        return static_cast<std::uint32_t>(word & (settled_bit - 1));
    }
};

/// One thread, before a GPU's part of a call: the size of the call's chunks. False after the deadline or an abort, see
/// `wait_until`.
template <class Machine>
BLINK_DEVICE_CODE inline bool begin_searched(const Machine& machine, chunk_search& own, const searched_call& call,
                                             const patience& limits) {
    const std::uint64_t number = ++own.calls;
    bool told = true;
    if (number <= search_delay) {
        own.bytes = static_cast<std::uint32_t>(call.options.start);
    } else {
        const std::uint64_t measured = number - search_delay;
        const std::uint64_t* const place = own.told + measured % search_words;
        told = wait_until(
            machine, limits, [&] { return search_word::is_of(machine.load(place), measured); },
            [&] { return fault{awaited::chunk_size, call.rank, call.leader, 0, 0, 0}; });
        if (told) {
            const std::uint64_t word = machine.load(place);
            own.bytes = search_word::bytes(word);
            own.settled = (word & search_word::settled_bit) != 0;
        }
    }
    own.elements = call.elements(own.bytes);
    if (call.rank == call.leader) {
        if (number == 1) { own.search = miad_search(call.options); }
        own.began_ns = machine.now_ns();
    }
    return told;
}

/// One thread, behind the leader's part of a call: learns from the call's time, unless its chunks had another size than
/// the search tries now, and tells all GPUs what follows.
template <class Machine>
BLINK_DEVICE_CODE inline void end_searched(const Machine& machine, const chunk_search_table& searches,
                                           chunk_search& own, const searched_call& call) {
    const std::uint64_t now = machine.now_ns();
    if (own.bytes == own.search.chunk_bytes() && now > own.began_ns) {
        own.search.observe(static_cast<double>(call.bytes) / static_cast<double>(now - own.began_ns));
    }
    const bool settled = own.search.current_stage() == miad_search::stage::settled;
    const std::uint64_t word = search_word::packed(own.calls, own.search.chunk_bytes(), settled);
    machine.fence();
    for (int i = 0; i < searches.count; ++i) { machine.store(searches.of[i]->told + own.calls % search_words, word); }
}

} // namespace blink::cuda
