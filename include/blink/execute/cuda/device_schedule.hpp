// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A schedule as kernels take it: at run time as a small value, at compile time as a type.
///
/// Both forms answer one question: who is the parent of this rank in this lane. Children are the ranks that name
/// one as their parent, in ascending order, which is the order in which their partial results are combined.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/schedule/schedule.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>

namespace blink::cuda {

inline constexpr int max_ranks = 16;
inline constexpr int max_lanes = 32;

/// What a kernel asks a schedule.
template <class S>
concept device_schedule = std::copyable<S> && requires(const S& s) {
    { s.reduce_parent(0, 0) } -> std::same_as<int>;
    { s.broadcast_parent(0, 0) } -> std::same_as<int>;
};

/// Parents of up to 16 ranks, four bits each; a rank without a parent is its own.
struct packed_parents {
    std::uint64_t nibbles = 0xFEDCBA9876543210U;

    [[nodiscard]] BLINK_HOST_DEVICE constexpr int of(int rank) const {
        const int parent = static_cast<int>(nibbles >> (4 * rank)) & 15;
        return parent == rank ? no_rank : parent;
    }

    constexpr void set(int rank, int parent) {
        const std::uint64_t value = static_cast<std::uint64_t>(parent == no_rank ? rank : parent);
        nibbles = (nibbles & ~(std::uint64_t{15} << (4 * rank))) | value << (4 * rank);
    }
};

/// A schedule known at run time; goes to a kernel by value.
struct runtime_schedule {
    packed_parents up[max_lanes];
    packed_parents down[max_lanes];

    [[nodiscard]] BLINK_HOST_DEVICE int reduce_parent(int lane, int rank) const { return up[lane].of(rank); }
    [[nodiscard]] BLINK_HOST_DEVICE int broadcast_parent(int lane, int rank) const { return down[lane].of(rank); }
};

/// The parents of ranks 0, 1, 2, ... as a type; -1 stands for the root: `static_tree<-1, 0, 0, 1>`.
template <int... Parents>
struct static_tree {
    static_assert(sizeof...(Parents) <= max_ranks, "a tree has at most 16 ranks");
    static_assert(((Parents >= -1 && Parents < static_cast<int>(sizeof...(Parents))) && ...), "unknown parent");
    static_assert(((Parents == -1 ? 1 : 0) + ... + 0) == 1, "a tree has exactly one root");

    static constexpr int ranks = static_cast<int>(sizeof...(Parents));

    [[nodiscard]] BLINK_HOST_DEVICE static constexpr int parent(int rank) {
        int result = no_rank;
        int index = 0;
        (void)((index++ == rank ? (result = Parents, true) : false) || ...);
        return result;
    }
};

/// A compile-time lane: the tree for the way up, the tree for the way down, and its share of the data.
template <class Up, class Down = Up, int Share = 1>
struct static_lane {
    using up = Up;
    using down = Down;
    static constexpr int share = Share;
};

/// Lanes known to the compiler; shares count relative to their sum.
template <class... Lanes>
struct static_schedule {
    static_assert(sizeof...(Lanes) >= 1 && sizeof...(Lanes) <= max_lanes);

    static constexpr int lanes = static_cast<int>(sizeof...(Lanes));
    static constexpr int ranks = std::max({Lanes::up::ranks...});
    static_assert(((Lanes::up::ranks == ranks && Lanes::down::ranks == ranks) && ...),
                  "lanes of one schedule span the same ranks");

    [[nodiscard]] BLINK_HOST_DEVICE static constexpr int reduce_parent(int lane, int rank) {
        int result = no_rank;
        int index = 0;
        (void)((index++ == lane ? (result = Lanes::up::parent(rank), true) : false) || ...);
        return result;
    }

    [[nodiscard]] BLINK_HOST_DEVICE static constexpr int broadcast_parent(int lane, int rank) {
        int result = no_rank;
        int index = 0;
        (void)((index++ == lane ? (result = Lanes::down::parent(rank), true) : false) || ...);
        return result;
    }

    /// The same lanes as a value, to be verified, split and printed.
    [[nodiscard]] static schedule value(collective kind) {
        constexpr std::array shares{Lanes::share...};
        constexpr int total = (Lanes::share + ...);
        schedule s{kind, ranks, 0, {}};
        for (int l = 0; l < lanes; ++l) {
            lane made{0, static_cast<double>(shares[static_cast<std::size_t>(l)]) / total, std::vector<role>(ranks)};
            for (int r = 0; r < ranks; ++r) {
                const int up = reduces(kind) ? reduce_parent(l, r) : no_rank;
                const int down = hands_on(kind) ? broadcast_parent(l, r) : no_rank;
                if ((reduces(kind) ? reduce_parent(l, r) : broadcast_parent(l, r)) == no_rank) { made.root = r; }
                role& own = made.roles[static_cast<std::size_t>(r)];
                own.reduce_to = up;
                own.broadcast_from = down;
                if (up != no_rank) { made.roles[static_cast<std::size_t>(up)].reduce_from.push_back(r); }
                if (down != no_rank) { made.roles[static_cast<std::size_t>(down)].broadcast_to.push_back(r); }
            }
            s.lanes.push_back(std::move(made));
        }
        s.root = s.lanes.front().root;
        return s;
    }
};

/// The form of `s` that a kernel takes.
/// @throw schedule_error where it has more ranks or lanes than the kernels carry, or combines children in another
///        order than ascending
[[nodiscard]] BLINK_INLINE runtime_schedule to_runtime_schedule(const schedule& s);

/// Up to 16 ranks in a register.
struct rank_list {
    std::uint64_t nibbles = 0;
    int count = 0;

    BLINK_HOST_DEVICE constexpr void add(int rank) {
        nibbles |= static_cast<std::uint64_t>(rank) << (4 * count);
        ++count;
    }
    [[nodiscard]] BLINK_HOST_DEVICE constexpr int operator[](int i) const {
        return static_cast<int>(nibbles >> (4 * i)) & 15;
    }
    /// Position of `rank`; `count` where it is not in the list.
    [[nodiscard]] BLINK_HOST_DEVICE constexpr int find(int rank) const {
        int i = 0;
        while (i < count && (*this)[i] != rank) { ++i; }
        return i;
    }
};

/// Ranks whose parent on the way up is `rank`, ascending.
template <device_schedule S>
[[nodiscard]] BLINK_HOST_DEVICE rank_list reduce_children(const S& s, int lane, int rank, int ranks) {
    rank_list list;
    for (int r = 0; r < ranks; ++r) {
        if (s.reduce_parent(lane, r) == rank) { list.add(r); }
    }
    return list;
}

/// Ranks whose parent on the way down is `rank`, ascending.
template <device_schedule S>
[[nodiscard]] BLINK_HOST_DEVICE rank_list broadcast_children(const S& s, int lane, int rank, int ranks) {
    rank_list list;
    for (int r = 0; r < ranks; ++r) {
        if (s.broadcast_parent(lane, r) == rank) { list.add(r); }
    }
    return list;
}

} // namespace blink::cuda

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/execute/cuda/device_schedule_impl.hpp>
#endif
