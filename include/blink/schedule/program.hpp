// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A schedule written out step by step: precisely what every executor does.
///
/// Each rank has up to two workers in a lane, one a phase, which run at the same time; a worker does its steps in
/// order. Two ranks are joined, in a lane and a phase, by a FIFO that holds a bounded number of chunks: a send waits
/// for a free slot, a receive for a message. The up worker of the lane's root finishes a chunk by making the
/// combined value its result; a send of the down phase hands out the rank's result of that chunk, and waits until
/// there is one. In a broadcast the root's result is its own input from the start.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/schedule/schedule.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace blink {

/// Up: towards the root, combining. Down: away from it, copying.
enum class phase : unsigned char { up, down };

[[nodiscard]] constexpr std::string_view to_string(phase p) noexcept { return p == phase::up ? "up" : "down"; }

enum class action : unsigned char {
    receive_reduce, ///< combine the peer's partial result into the own one (up)
    receive,        ///< take the result from the peer (down)
    send,           ///< hand the partial result (up) or the result (down) to the peer
    finish          ///< the partial result is complete and becomes the result (up, at the root)
};

[[nodiscard]] constexpr std::string_view to_string(action a) noexcept {
    constexpr std::array<std::string_view, 4> names{"receive_reduce", "receive", "send", "finish"};
    return names[static_cast<std::size_t>(a)];
}

struct step {
    action what = action::finish;
    int peer = no_rank; ///< the other rank of a send or receive
    int chunk = 0;

    friend bool operator==(const step&, const step&) = default;
};

/// What one rank does in one lane and phase, in order.
struct worker {
    int rank = 0;
    int lane = 0;
    blink::phase phase = blink::phase::up;
    std::vector<step> steps;

    friend bool operator==(const worker&, const worker&) = default;
};

/// All workers of a collective, by lane, then rank, then phase; workers without steps are left out.
struct program {
    collective kind = collective::allreduce;
    int ranks = 0;
    int root = 0;            ///< of a rooted collective
    std::vector<int> chunks; ///< by lane
    std::vector<worker> workers;
    std::vector<int> lane_roots{}; ///< by lane; of a sharded collective

    friend bool operator==(const program&, const program&) = default;
};

/// Chunks of `chunk_bytes` that `bytes` need: none for no bytes, the last one may be shorter.
/// @throw usage_error for chunks of 0 bytes
[[nodiscard]] inline int chunk_count(std::size_t bytes, std::size_t chunk_bytes) {
    if (chunk_bytes == 0) { throw usage_error("chunk_count: chunks of 0 bytes never end; expected 1 or more"); }
    return static_cast<int>((bytes + chunk_bytes - 1) / chunk_bytes);
}

namespace detail {

[[nodiscard]] inline std::vector<step> up_steps(const role& r, bool at_root, int chunks) {
    std::vector<step> steps;
    for (int c = 0; c < chunks; ++c) {
        for (const int child : r.reduce_from) { steps.push_back({action::receive_reduce, child, c}); }
        if (r.reduce_to != no_rank) {
            steps.push_back({action::send, r.reduce_to, c});
        } else if (at_root) {
            steps.push_back({action::finish, no_rank, c});
        }
    }
    return steps;
}

[[nodiscard]] inline std::vector<step> down_steps(const role& r, int chunks) {
    std::vector<step> steps;
    for (int c = 0; c < chunks; ++c) {
        if (r.broadcast_from != no_rank) { steps.push_back({action::receive, r.broadcast_from, c}); }
        for (const int child : r.broadcast_to) { steps.push_back({action::send, child, c}); }
    }
    return steps;
}

} // namespace detail

/// Writes `s` out for `chunks[i]` chunks in lane i. The schedule is taken as it is; `verify` judges it.
/// @throw schedule_error unless there is one count for each lane and none is negative
[[nodiscard]] inline program expand(const schedule& s, std::span<const int> chunks) {
    if (chunks.size() != s.lanes.size()) {
        throw schedule_error("expand: " + std::to_string(chunks.size()) + " chunk counts for " +
                             std::to_string(s.lanes.size()) + " lanes");
    }
    program p{s.kind, s.ranks, s.root, {chunks.begin(), chunks.end()}, {}, {}};
    const auto add = [&p](int rank, int lane, phase ph, std::vector<step> steps) {
        if (!steps.empty()) { p.workers.push_back({rank, lane, ph, std::move(steps)}); }
    };
    for (std::size_t l = 0; l < s.lanes.size(); ++l) {
        if (chunks[l] < 0) {
            throw schedule_error("expand: lane " + std::to_string(l) + " has " + std::to_string(chunks[l]) + " chunks");
        }
        const lane& tree = s.lanes[l];
        if (is_sharded(s.kind)) { p.lane_roots.push_back(tree.root); }
        for (std::size_t r = 0; r < tree.roles.size(); ++r) {
            const auto rank = static_cast<int>(r);
            const bool at_root = rank == tree.root && reduces(s.kind);
            add(rank, static_cast<int>(l), phase::up, detail::up_steps(tree.roles[r], at_root, chunks[l]));
            add(rank, static_cast<int>(l), phase::down, detail::down_steps(tree.roles[r], chunks[l]));
        }
    }
    return p;
}

/// The same number of chunks in every lane.
[[nodiscard]] inline program expand(const schedule& s, int chunks) {
    const std::vector<int> every(s.lanes.size(), chunks);
    return expand(s, every);
}

} // namespace blink
