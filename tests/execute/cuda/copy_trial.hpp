// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Collectives by copies on symbolic memory, in many orders of their queues.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/execute/cuda/copy_plan.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "copy_replay.hpp"

namespace copy_test {

using blink::collective;
using blink::cuda::copy_plan;
using blink::cuda::copy_shape;

inline constexpr std::size_t gap = 3; ///< cells around every buffer, which nobody may touch

inline std::string given(int rank, std::size_t i) { return "(" + std::to_string(rank) + " " + std::to_string(i) + ")"; }

/// A collective or an exchange on symbolic memory.
struct trial {
    std::vector<std::size_t> in_counts, out_counts; ///< elements by rank
    std::vector<bool> in_place;                     ///< by rank
    std::vector<std::size_t> in_place_at;           ///< where the smaller buffer lies in the larger one

    [[nodiscard]] layout place(const copy_plan& plan) const {
        layout where;
        std::size_t next = gap;
        const auto take = [&next](std::size_t n) { return std::exchange(next, next + n + gap); };
        for (std::size_t r = 0; r < in_counts.size(); ++r) {
            if (!in_place[r]) {
                where.in.push_back(take(in_counts[r]));
                where.out.push_back(take(out_counts[r]));
            } else {
                const std::size_t begin = take(std::max(in_counts[r], out_counts[r]));
                where.in.push_back(begin + (in_counts[r] < out_counts[r] ? in_place_at[r] : 0));
                where.out.push_back(begin + (out_counts[r] < in_counts[r] ? in_place_at[r] : 0));
            }
            where.slots.push_back(take(plan.slot_elements));
        }
        where.host = take(plan.host_elements);
        where.cells = next;
        return where;
    }

    [[nodiscard]] std::vector<std::string> cells(const layout& where) const {
        std::vector<std::string> made(where.cells, "?");
        for (std::size_t r = 0; r < in_counts.size(); ++r) {
            for (std::size_t i = 0; i < in_counts[r]; ++i) { made[where.in[r] + i] = given(static_cast<int>(r), i); }
        }
        return made;
    }
};

template <class Expected>
void check_orders(const copy_plan& plan, const trial& t, const Expected& expected, bool in_parts);

/// Runs a plan in many orders, as a whole and in parts. `expected(rank, i)` is the result in an output, "" where there
/// is none.
template <class Expected>
void check_orders(const copy_plan& plan, const trial& t, const Expected& expected) {
    check_orders(plan, t, expected, false);
    check_orders(plan, t, expected, true);
}

/// @param in_parts each rank has its own part of it
template <class Expected>
void check_orders(const copy_plan& plan, const trial& t, const Expected& expected, bool in_parts) {
    CAPTURE(in_parts);
    const layout where = t.place(plan);
    const replay run(plan, where, in_parts);
    REQUIRE(run.misordered() == "");
    REQUIRE(run.race() == "");
    std::vector<std::string> wanted = t.cells(where);
    for (std::size_t r = 0; r < t.out_counts.size(); ++r) {
        for (std::size_t i = 0; i < t.out_counts[r]; ++i) {
            const std::string value = expected(static_cast<int>(r), i);
            if (!value.empty()) { wanted[where.out[r] + i] = value; }
        }
    }
    std::mt19937 random(7);
    for (int order = 0; order < (in_parts ? 2 : 5); ++order) {
        std::vector<std::string> cells = t.cells(where);
        REQUIRE(run.run(cells, random));
        for (std::size_t r = 0; r < where.slots.size(); ++r) { // memory of the library may be anything
            std::fill_n(cells.begin() + static_cast<std::ptrdiff_t>(where.slots[r]), plan.slot_elements, "?");
        }
        std::fill_n(cells.begin() + static_cast<std::ptrdiff_t>(where.host), plan.host_elements, "?");
        REQUIRE(cells == wanted);
    }
}

/// @param in_place bit r: rank r's buffers share memory
inline void check_collective(collective kind, int ranks, int root, std::size_t count, std::uint64_t in_place,
                             const copy_shape& shape) {
    CAPTURE(blink::to_string(kind));
    CAPTURE(ranks);
    CAPTURE(root);
    CAPTURE(count);
    CAPTURE(in_place);
    CAPTURE(shape.chunk);
    CAPTURE(shape.host_share);
    const auto n = static_cast<std::size_t>(ranks);
    trial t{std::vector<std::size_t>(n, blink::input_count(kind, ranks, count)),
            std::vector<std::size_t>(n, blink::output_count(kind, ranks, count)),
            std::vector<bool>(n),
            {}};
    for (std::size_t r = 0; r < n; ++r) { t.in_place[r] = (in_place >> r & 1U) != 0; }
    for (std::size_t r = 0; r < n; ++r) { t.in_place_at.push_back(blink::is_sharded(kind) ? r * count : 0); }
    const copy_plan plan = blink::cuda::plan_copies(kind, ranks, root, count, in_place, shape);
    check_orders(plan, t, [&](int rank, std::size_t i) -> std::string {
        if (!blink::writes_output(kind, root, rank) || i < plan.by_kernels) { return ""; } // others carry those
        if (kind == collective::broadcast) { return given(root, i); }
        if (kind == collective::allgather) { return given(static_cast<int>(i / count), i % count); }
        const std::size_t at = kind == collective::reduce_scatter ? static_cast<std::size_t>(rank) * count + i : i;
        std::string all;
        for (int r = 0; r < ranks; ++r) { all += given(r, at); }
        return all;
    });
}

inline const std::vector<copy_shape> shapes{
    {.chunk = 4, .host_piece = 1, .host_share = 0, .slots = 2},
    {.chunk = 1000, .host_piece = 1, .host_share = 0},
    {.chunk = 5, .host_piece = 2, .host_share = 0.3, .slots = 1, .host_slots = 1},
    {.chunk = 3, .host_piece = 3, .host_share = 0.25, .slots = 3, .host_slots = 2, .granule = 4},
    {.chunk = 8, .host_piece = 4, .host_share = 0.6, .slots = 2, .host_slots = 3, .granule = 2},
    {.chunk = 4, .host_piece = 1, .host_share = 1, .slots = 2, .host_slots = 2},
    {.chunk = 3, .host_piece = 2, .host_share = 0.2, .apart_chunk = 11, .link_slots = 3},
    {.chunk = 2, .host_piece = 5, .host_share = 0.5, .slots = 2, .link_slots = 1, .granule = 2},
};

} // namespace copy_test
