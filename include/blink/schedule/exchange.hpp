// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Who sends what straight to whom: Gather, Scatter, AllToAll and any other set of sends with their receives.
///
/// Nothing is combined and nothing is handed to more than one rank, so there are no trees: an exchange is a list of
/// transfers, all of which may move at once.
#pragma once

#include <blink/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace blink {

/// out[to][out_offset + i] = in[from][in_offset + i] for i < count, in elements. A rank may send to itself.
struct transfer {
    int from = 0;
    int to = 0;
    std::size_t in_offset = 0;
    std::size_t out_offset = 0;
    std::size_t count = 0;

    friend bool operator==(const transfer&, const transfer&) = default;
};

/// Transfers that form one call. Those at the front are planned first; the makers below order theirs so that in every
/// round each rank sends once and receives once.
struct exchange {
    std::string name; ///< of the call, for messages
    int ranks = 0;
    std::vector<transfer> transfers;

    friend bool operator==(const exchange&, const exchange&) = default;
};

namespace detail {

/// @throw usage_error where the root is no rank, or a buffer of `count` elements a rank is longer than memory
inline void check_counts(const std::string& name, int ranks, std::size_t count, int root = 0) {
    if (root < 0 || root >= ranks) {
        throw usage_error(name + ": root " + std::to_string(root) + " is none of the ranks 0.." +
                          std::to_string(ranks - 1));
    }
    if (count > std::numeric_limits<std::size_t>::max() / static_cast<std::size_t>(ranks)) {
        throw usage_error(name + ": " + std::to_string(count) + " elements a rank fit into no memory");
    }
}

} // namespace detail

/// out[root][r * count + i] = in[r][i] for every rank r and i < count.
/// @throw usage_error for an unknown root
[[nodiscard]] inline exchange make_gather(int ranks, int root, std::size_t count) {
    exchange e{"gather", ranks, {}};
    detail::check_counts(e.name, ranks, count, root);
    for (int r = 0; r < ranks; ++r) { e.transfers.push_back({r, root, 0, static_cast<std::size_t>(r) * count, count}); }
    return e;
}

/// out[r][i] = in[root][r * count + i] for every rank r and i < count.
/// @throw usage_error for an unknown root
[[nodiscard]] inline exchange make_scatter(int ranks, int root, std::size_t count) {
    exchange e{"scatter", ranks, {}};
    detail::check_counts(e.name, ranks, count, root);
    for (int r = 0; r < ranks; ++r) { e.transfers.push_back({root, r, static_cast<std::size_t>(r) * count, 0, count}); }
    return e;
}

/// out[r][q * count + i] = in[q][r * count + i] for all ranks r and q and i < count.
[[nodiscard]] inline exchange make_alltoall(int ranks, std::size_t count) {
    exchange e{"alltoall", ranks, {}};
    detail::check_counts(e.name, ranks, count);
    for (int shift = 0; shift < ranks; ++shift) {
        for (int from = 0; from < ranks; ++from) {
            const int to = (from + shift) % ranks;
            e.transfers.push_back(
                {from, to, static_cast<std::size_t>(to) * count, static_cast<std::size_t>(from) * count, count});
        }
    }
    return e;
}

/// Any transfers among `ranks`.
[[nodiscard]] inline exchange make_send_recv(int ranks, std::span<const transfer> transfers) {
    return {"send_recv", ranks, {transfers.begin(), transfers.end()}};
}

/// Elements that the longest input of an exchange has to hold.
[[nodiscard]] inline std::size_t input_count(const exchange& e) {
    std::size_t most = 0;
    for (const transfer& t : e.transfers) { most = std::max(most, t.count > 0 ? t.in_offset + t.count : 0); }
    return most;
}

/// Elements that the longest output of an exchange has to hold.
[[nodiscard]] inline std::size_t output_count(const exchange& e) {
    std::size_t most = 0;
    for (const transfer& t : e.transfers) { most = std::max(most, t.count > 0 ? t.out_offset + t.count : 0); }
    return most;
}

/// Checks an exchange and the buffers of its ranks. A buffer may be null where no element of it moves. No element is
/// written twice, and none is written that is read, but by a transfer of a rank's data onto themselves: so a gather or
/// scatter may have the root's shard in place, and an alltoall may not be in place.
/// @param in, out pointers by rank
/// @throw usage_error naming the exchange and its transfers
/// @param only the rank whose buffers are known, and looked at; none: all
inline void check_exchange(const exchange& e, const std::vector<const void*>& in, const std::vector<const void*>& out,
                           std::size_t element_bytes, std::size_t alignment, std::optional<int> only = std::nullopt) {
    const auto fail = [&](const std::string& what) { throw usage_error(e.name + ": " + what); };
    const auto number = [](auto n) { return std::to_string(n); };
    if (in.size() != static_cast<std::size_t>(e.ranks) || out.size() != static_cast<std::size_t>(e.ranks)) {
        fail(number(in.size()) + " inputs and " + number(out.size()) + " outputs for " + number(e.ranks) +
             " ranks: expected one each");
    }
    struct region {
        std::uintptr_t begin;
        std::uintptr_t end;
        const transfer* of;
        bool output;
    };
    const auto name = [&](const region& r) {
        const std::string rank = number(r.output ? r.of->to : r.of->from);
        return (r.output ? "out[" + rank + "] from rank " + number(r.of->from)
                         : "in[" + rank + "] to rank " + number(r.of->to));
    };
    std::vector<region> regions;
    regions.reserve(2 * e.transfers.size());
    for (const transfer& t : e.transfers) {
        for (const int rank : {t.from, t.to}) {
            if (rank < 0 || rank >= e.ranks) {
                fail("rank " + number(rank) + " is none of the ranks 0.." + number(e.ranks - 1));
            }
        }
        if (t.count == 0) { continue; }
        const auto known = [&](int rank) { return !only || rank == *only; };
        for (const bool output : {false, true}) {
            if (!known(output ? t.to : t.from)) { continue; }
            const void* const p = output ? out[static_cast<std::size_t>(t.to)] : in[static_cast<std::size_t>(t.from)];
            const std::size_t offset = output ? t.out_offset : t.in_offset;
            const std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() / element_bytes;
            region r{0, 0, &t, output};
            if (p == nullptr) { fail(name(r) + " is null"); }
            if (offset > most || t.count > most - offset) {
                fail(number(t.count) + " elements of " + number(element_bytes) + " bytes fit into no memory");
            }
            r.begin = reinterpret_cast<std::uintptr_t>(p) + offset * element_bytes;
            r.end = r.begin + t.count * element_bytes;
            if (r.begin % alignment != 0) { fail(name(r) + " is not aligned to " + number(alignment) + " bytes"); }
            // Onto itself: nothing moves.
            if (output && known(t.from) && r.begin == regions.back().begin) { continue; }
            regions.push_back(r);
        }
    }
    std::sort(regions.begin(), regions.end(),
              [](const region& a, const region& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    // Of all regions that begin earlier, the furthest input and output ends decide whether the next one is clear.
    const region* reaching[2] = {nullptr, nullptr};
    for (const region& r : regions) {
        for (const bool output : {false, true}) {
            const region* const before = reaching[output ? 1 : 0];
            if (before == nullptr || before->end <= r.begin || (!output && !r.output)) { continue; }
            fail(name(*before) + " and " + name(r) +
                 " overlap: " + (e.name == "alltoall" ? "in place is not possible" : "give buffers apart"));
        }
        const region*& furthest = reaching[r.output ? 1 : 0];
        if (furthest == nullptr || r.end > furthest->end) { furthest = &r; }
    }
}

} // namespace blink
