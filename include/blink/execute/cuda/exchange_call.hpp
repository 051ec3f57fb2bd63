// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a kernel is told about one exchange, and how transfers are laid over calls, lanes and blocks.
///
/// In a lane each rank begins one transfer at most, forwards one and ends one, so that a block has one flag of each
/// sort to watch. An exchange of more transfers than a call holds runs as several calls.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/device_schedule.hpp>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace blink::cuda {

inline constexpr int max_exchange_lanes = 16;
inline constexpr int max_exchange_transfers = 64; ///< of a call; arguments of a kernel have 4 KiB

/// No transfer.
inline constexpr std::uint8_t no_transfer = 255;

/// One transfer, in units, and the ranks that it passes.
struct routed_transfer {
    std::uint64_t in_begin = 0;
    std::uint64_t out_begin = 0;
    std::uint64_t count = 0;
    std::uint64_t route = 0; ///< four bits a rank from the source on; uppermost: how many ranks less one

    [[nodiscard]] BLINK_HOST_DEVICE constexpr int last() const { return static_cast<int>(route >> 60); }
    [[nodiscard]] BLINK_HOST_DEVICE constexpr int rank(int i) const { return static_cast<int>(route >> (4 * i)) & 15; }
    /// Place of a rank that is on the route.
    [[nodiscard]] BLINK_HOST_DEVICE constexpr int find(int r) const {
        int i = 0;
        while (rank(i) != r) { ++i; }
        return i;
    }
};

/// What a rank does in a lane: indices of transfers.
struct lane_part {
    std::uint8_t begins = no_transfer;
    std::uint8_t forwards = no_transfer;
    std::uint8_t ends = no_transfer;
};

/// Transfers that run as one call.
struct exchange_round {
    std::vector<routed_transfer> transfers;
    std::vector<std::uint64_t> longest; ///< by lane, units
    lane_part parts[max_exchange_lanes][max_ranks];
};

/// One exchange on one device, by value. A unit is the largest unsigned integer that tiles the elements.
template <class Unit>
struct exchange_call {
    const Unit* in[max_ranks];
    Unit* out[max_ranks];
    block_flags* flags[max_ranks];
    std::byte* slots[max_ranks];
    std::uint64_t* faults; ///< as in `call_frame`, like all that follow to `timeout_ns`
    std::uint64_t* abort;
    std::uint64_t timeout_ns;
    routed_transfer transfers[max_exchange_transfers];
    lane_part parts[max_exchange_lanes][max_ranks];
    std::uint16_t first_block[max_exchange_lanes + 1]; ///< by lane; behind the last lane all blocks
    std::uint32_t grain;                               ///< units; block boundaries are multiples of it
    std::uint32_t chunk_units;
    std::uint16_t slots_per_block; ///< of one chunk each
    std::uint8_t lane_count;
    std::uint8_t local_ranks[max_ranks];
};
static_assert(sizeof(exchange_call<std::uint64_t>) <= 4096, "CUDA 12.0 takes no more");

/// Deals transfers to calls and lanes: each to the first lane of the last call in which its ranks are free. Transfers
/// of no elements, and those of a rank's data onto themselves, are left out.
/// @param routes by transfer, see `exchange_routes`
/// @param factor units of an element
/// @param moves `moves(transfer)`: false where source and destination are the same memory
/// @param most_lanes of a call
/// @throw plan_error for a route of more ranks than 15
template <class Moves>
[[nodiscard]] std::vector<exchange_round> make_rounds(const exchange& e, const std::vector<std::vector<int>>& routes,
                                                      std::size_t factor, const Moves& moves, int most_lanes) {
    std::vector<exchange_round> rounds;
    const auto part = [&](std::size_t lane, int rank) -> lane_part& {
        return rounds.back().parts[lane][static_cast<std::size_t>(rank)];
    };
    const auto is_free = [&](std::size_t lane, const std::vector<int>& route) {
        bool free = part(lane, route.front()).begins == no_transfer && part(lane, route.back()).ends == no_transfer;
        for (std::size_t i = 1; i + 1 < route.size(); ++i) {
            free = free && part(lane, route[i]).forwards == no_transfer;
        }
        return free;
    };
    const auto most = static_cast<std::size_t>(std::clamp(most_lanes, 1, max_exchange_lanes));
    for (std::size_t t = 0; t < e.transfers.size(); ++t) {
        const transfer& what = e.transfers[t];
        const std::vector<int>& route = routes[t];
        if (what.count == 0 || !moves(what)) { continue; }
        if (route.size() > 15) {
            throw plan_error(e.name + ": the way from rank " + std::to_string(what.from) + " to rank " +
                             std::to_string(what.to) + " leads over " + std::to_string(route.size()) +
                             " ranks: at most 15 are possible");
        }
        if (rounds.empty()) { rounds.emplace_back(); }
        std::size_t lane = 0;
        while (lane < rounds.back().longest.size() && !is_free(lane, route)) { ++lane; }
        if (lane == most || rounds.back().transfers.size() == static_cast<std::size_t>(max_exchange_transfers)) {
            rounds.emplace_back();
            lane = 0;
        }
        exchange_round& round = rounds.back();
        if (lane == round.longest.size()) { round.longest.push_back(0); }
        const auto index = static_cast<std::uint8_t>(round.transfers.size());
        routed_transfer made{what.in_offset * factor, what.out_offset * factor, what.count * factor, 0};
        for (std::size_t i = 0; i < route.size(); ++i) {
            made.route |= static_cast<std::uint64_t>(route[i]) << (4 * i);
            if (i > 0 && i + 1 < route.size()) { part(lane, route[i]).forwards = index; }
        }
        made.route |= static_cast<std::uint64_t>(route.size() - 1) << 60;
        part(lane, route.front()).begins = index;
        part(lane, route.back()).ends = index;
        round.longest[lane] = std::max(round.longest[lane], made.count);
        round.transfers.push_back(made);
    }
    return rounds;
}

/// Lays a round over blocks: each lane gets one at least, and more in proportion to its longest transfer. All but the
/// memory of the ranks and the device's own is filled in.
/// @param most_blocks of a rank, as many as lanes at least
/// @param slot_memory bytes of a rank
/// @param chunk_bytes 0: by the size of the call
template <class Unit>
[[nodiscard]] exchange_call<Unit> lay_round(const exchange_round& round, int most_blocks, std::size_t slot_memory,
                                            std::size_t chunk_bytes) {
    constexpr std::size_t bytes_per_block = 16u << 10;
    exchange_call<Unit> call{};
    const std::size_t lanes = round.longest.size();
    const std::uint64_t units = std::accumulate(round.longest.begin(), round.longest.end(), std::uint64_t{0});
    const auto wanted = static_cast<std::size_t>(units) * sizeof(Unit) / bytes_per_block + lanes;
    const std::size_t blocks = std::min(wanted, static_cast<std::size_t>(most_blocks));
    std::size_t dealt = 0;
    for (std::size_t l = 0; l < lanes; ++l) {
        call.first_block[l] = static_cast<std::uint16_t>(dealt);
        const double share = static_cast<double>(round.longest[l]) / static_cast<double>(units);
        dealt += 1 + static_cast<std::size_t>(share * static_cast<double>(blocks - lanes));
    }
    call.first_block[lanes] = static_cast<std::uint16_t>(dealt);
    call.lane_count = static_cast<std::uint8_t>(lanes);
    call.grain = static_cast<std::uint32_t>(128 / sizeof(Unit));
    call.slots_per_block = 4;
    const std::size_t block_bytes = static_cast<std::size_t>(units) * sizeof(Unit) / dealt + 1;
    const std::size_t chosen = chunk_bytes != 0 ? std::max(chunk_bytes, least_chunk_bytes(units * sizeof(Unit)))
                                                : std::clamp<std::size_t>(block_bytes / 16, 8u << 10, 64u << 10);
    const std::size_t fitting = slot_memory / (dealt * call.slots_per_block);
    const std::size_t grains = std::max<std::size_t>(std::min(chosen, fitting) / 128, 1);
    call.chunk_units = static_cast<std::uint32_t>(grains * call.grain);
    std::copy(round.transfers.begin(), round.transfers.end(), call.transfers);
    std::copy(&round.parts[0][0], &round.parts[0][0] + max_exchange_lanes * max_ranks, &call.parts[0][0]);
    return call;
}

} // namespace blink::cuda
