// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The discrete events behind `simulate_blocks`.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/simulate/block_costs.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <string>
#include <vector>

namespace blink {

namespace detail {

/// The two groups of threads of each block as agents: the way up (at the root also the first hop down) and the way
/// down on the other ranks that hand on.
class block_loop {
  public:
    block_loop(const schedule& s, const fabric& f, std::size_t bytes, const block_layout& layout,
               const block_costs& costs)
        : s_(s), f_(f), costs_(costs), slots_(layout.slots), chunk_bytes_(static_cast<double>(layout.chunk_bytes)),
          free_at_(f.links.size(), 0.0), lane_end_(s.lanes.size(), 0.0) {
        if (s.ranks < 1 || f.ranks != s.ranks) {
            throw schedule_error("simulate_blocks: " + std::to_string(s.ranks) + " ranks on a fabric of " +
                                 std::to_string(f.ranks));
        }
        std::vector<std::size_t> parts = layout.lane_bytes;
        if (parts.empty()) {
            for (const element_range& r : split(s, bytes)) { parts.push_back(r.size()); }
        }
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            if (s.lanes[l].roles.size() != static_cast<std::size_t>(s.ranks)) {
                throw schedule_error("simulate_blocks: lane " + std::to_string(l) + " has not one role for each rank");
            }
            make_hops(l);
            const auto blocks = static_cast<std::size_t>(layout.blocks[l]);
            for (std::size_t b = 0; b < blocks; ++b) {
                const std::size_t size = parts[l] * (b + 1) / blocks - parts[l] * b / blocks;
                make_agents(static_cast<int>(l), static_cast<double>(size));
            }
        }
    }

    /// Seconds until each lane has done its last chunk.
    std::vector<double> run() {
        for (std::size_t a = 0; a < agents_.size(); ++a) { try_start(static_cast<int>(a)); }
        while (!events_.empty()) {
            const event e = events_.top();
            events_.pop();
            now_ = e.time;
            if (e.target == worked) {
                worked_on(e.agent);
            } else if (e.target == impatient) {
                look(e.agent);
            } else if (e.target == looked) {
                try_start(e.agent);
            } else {
                carried(e.agent, e.target);
            }
        }
        for (const agent& a : agents_) {
            if (a.next < a.chunks) {
                throw schedule_error("simulate_blocks: rank " + std::to_string(a.rank) + ", lane " +
                                     std::to_string(a.lane) + ", chunk " + std::to_string(a.next) +
                                     ": waits for ever; verify says why");
            }
        }
        return lane_end_;
    }

  private:
    static constexpr int none = -1;
    static constexpr int worked = -1;
    static constexpr int impatient = -2;
    static constexpr int looked = -3;
    static constexpr double never = std::numeric_limits<double>::infinity();

    struct event {
        double time;
        int agent;
        int target; ///< which of the agent's hops has carried its chunk, or one of the constants above
        friend bool operator>(const event& a, const event& b) {
            return a.time != b.time ? a.time > b.time : a.agent != b.agent ? a.agent > b.agent : a.target > b.target;
        }
    };
    struct hop {
        const arc* way = nullptr;
        double latency = 0;
        int to = none; ///< rank
    };
    struct agent {
        int lane;
        int rank;
        bool up;
        int chunks;
        double bytes;
        const std::vector<hop>* hops; ///< that it sends over
        int room_at = none;           ///< agent that grants it room
        int first_source = 0;         ///< in `sources_`: agents whose chunks it waits for
        int sources = 0;
        int first_reader = 0; ///< in `readers_`: by hop, the agent that waits for the chunk, or none
        double moved;         ///< bytes that it loads and stores, by those of a chunk
        double second_per_byte;
        int next = 0;    ///< chunk
        int arrived = 0; ///< of the way down
        int combined = 0;
        int handed = 0; ///< chunks of which the parent knows
        int carrying = 0;
        bool ready = false;      ///< has all for its next chunk, or is at it
        bool busy = false;       ///< is at it
        double looks_at = never; ///< where it is not ready
        double looks_until = 0;
    };

    [[nodiscard]] agent& at(int a) { return agents_[static_cast<std::size_t>(a)]; }

    [[nodiscard]] const role& role_of(std::size_t lane, int rank) const {
        return s_.lanes[lane].roles[static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] std::vector<hop>& hops_of(std::size_t lane, int rank, bool up) {
        return hops_[(lane * static_cast<std::size_t>(s_.ranks) + static_cast<std::size_t>(rank)) * 2 + (up ? 0 : 1)];
    }
    /// Whether the rank has the result first: the root, or in a broadcast without a way up its source.
    [[nodiscard]] bool is_top(std::size_t lane, int rank) const {
        return role_of(lane, rank).broadcast_from == no_rank && role_of(lane, rank).reduce_to == no_rank;
    }

    [[nodiscard]] hop over(std::size_t lane, int index, int from, int to) {
        const std::string who = "simulate_blocks: lane " + std::to_string(lane);
        const arc& a = hop_between(f_, index, from, to, who);
        double latency = 0;
        for (const int l : a.route) { latency += f_.links[static_cast<std::size_t>(l)].latency_us; }
        return {&a, (latency == 0 ? costs_.latency_us : latency) * 1e-6, to};
    }

    void make_hops(std::size_t lane) {
        hops_.resize(s_.lanes.size() * static_cast<std::size_t>(s_.ranks) * 2);
        for (int r = 0; r < s_.ranks; ++r) {
            const role& own = role_of(lane, r);
            if (own.reduce_to != no_rank) {
                hops_of(lane, r, true).push_back(over(lane, own.reduce_arc, r, own.reduce_to));
            }
            for (const int child : own.broadcast_to) {
                if (child < 0 || child >= s_.ranks) {
                    throw schedule_error("simulate_blocks: lane " + std::to_string(lane) + " sends to rank " +
                                         std::to_string(child));
                }
                hops_of(lane, r, is_top(lane, r)).push_back(over(lane, role_of(lane, child).broadcast_arc, r, child));
            }
        }
    }

    void make_agents(int lane, double bytes) {
        const auto l = static_cast<std::size_t>(lane);
        const int chunks = static_cast<int>((bytes + chunk_bytes_ - 1) / chunk_bytes_);
        std::vector<int> up(static_cast<std::size_t>(s_.ranks), none);
        std::vector<int> down(static_cast<std::size_t>(s_.ranks), none);
        const auto add = [&](int r, bool way_up) {
            const role& own = role_of(l, r);
            const auto* const sends = &hops_of(l, r, way_up);
            const double kept = way_up && is_top(l, r) ? 1 : 0;
            const double moved = 1 + (way_up ? static_cast<double>(own.reduce_from.size()) : 0) + kept +
                                 static_cast<double>(sends->size());
            const bool both = reduces(s_.kind) && !is_top(l, r) && !own.broadcast_to.empty();
            agents_.push_back({lane, r, way_up, chunks, bytes, sends, none, 0, 0, 0, moved,
                               moved * (both ? costs_.both_ways : 1) / (costs_.block_GBps * 1e9)});
            (way_up ? up : down)[static_cast<std::size_t>(r)] = static_cast<int>(agents_.size()) - 1;
        };
        for (int r = 0; r < s_.ranks; ++r) {
            if (reduces(s_.kind) || is_top(l, r)) { add(r, true); }
            // A leaf of the way down only polls, which costs others something where polls are interrupted.
            const bool forwards = !role_of(l, r).broadcast_to.empty();
            const bool polls = role_of(l, r).broadcast_from != no_rank && costs_.patience_us < never;
            if (!is_top(l, r) && (forwards || polls)) { add(r, false); }
        }
        for (int r = 0; r < s_.ranks; ++r) {
            const role& own = role_of(l, r);
            if (const int a = up[static_cast<std::size_t>(r)]; a != none) {
                at(a).first_source = static_cast<int>(sources_.size());
                at(a).sources = static_cast<int>(own.reduce_from.size());
                for (const int child : own.reduce_from) {
                    sources_.push_back(child < 0 || child >= s_.ranks ? none : up[static_cast<std::size_t>(child)]);
                }
                if (own.reduce_to != no_rank) { at(a).room_at = up.at(static_cast<std::size_t>(own.reduce_to)); }
            }
            for (const int a : {up[static_cast<std::size_t>(r)], down[static_cast<std::size_t>(r)]}) {
                if (a == none) { continue; }
                at(a).first_reader = static_cast<int>(readers_.size());
                const bool to_parent = at(a).up && own.reduce_to != no_rank;
                for (const hop& h : *at(a).hops) {
                    readers_.push_back((to_parent ? up : down)[static_cast<std::size_t>(h.to)]);
                }
            }
        }
    }

    /// Flags for which an agent has to wait before its next chunk.
    [[nodiscard]] int missing(const agent& a) {
        if (!a.up) { return a.arrived <= a.next ? 1 : 0; }
        int flags = a.room_at != none && at(a.room_at).combined + slots_ <= a.next ? 1 : 0;
        for (int i = 0; i < a.sources; ++i) {
            const int child = sources_[static_cast<std::size_t>(a.first_source + i)];
            if (child == none || at(child).handed <= a.next) { ++flags; }
        }
        return flags;
    }

    /// Begins the next chunk of an agent where nothing is missing.
    void try_start(int index) {
        agent& a = at(index);
        if (a.busy || a.next == a.chunks) { return; }
        if (missing(a) > 0) {
            if (a.looks_at == never) { poll(index); }
            return;
        }
        if (!a.ready) { ++ready_; }
        a.ready = true;
        a.looks_at = never;
        if (now_ < a.looks_until) { return; }
        a.busy = true;
        const bool only_polls = !a.up && a.hops->empty();
        events_.push({only_polls ? now_ : worked_at(a), index, worked});
    }

    /// When a block has done its work on the next chunk; its bytes take their turn of the memory.
    double worked_at(const agent& a) {
        const double size = chunk_size(a);
        memory_free_ = std::max(memory_free_, now_) + size * a.moved / (costs_.memory_GBps * 1e9);
        const double idle_us = costs_.chunk_us + (a.sources > 0 ? costs_.combine_us : 0);
        return std::max(now_ + size * a.second_per_byte, memory_free_) + idle_us * 1e-6;
    }

    void poll(int index) {
        agent& a = at(index);
        a.looks_at = std::max(now_, a.looks_until) + costs_.patience_us * 1e-6;
        if (a.looks_at < never) { events_.push({a.looks_at, index, impatient}); }
    }

    /// A thread for each missing flag looks whether the call is aborted, unless nothing can come any more.
    void look(int index) {
        agent& a = at(index);
        if (now_ != a.looks_at || ready_ == 0) { return; }
        looks_end_ = std::max(looks_end_, now_) + missing(a) * costs_.look_us * 1e-6;
        a.looks_until = looks_end_;
        events_.push({a.looks_until, index, looked});
        poll(index);
    }

    [[nodiscard]] double chunk_size(const agent& a) const {
        return std::min(chunk_bytes_, a.bytes - static_cast<double>(a.next) * chunk_bytes_);
    }

    /// A chunk is combined and stored: its slots are free, and links have to carry it.
    void worked_on(int index) {
        agent& a = at(index);
        ++a.combined;
        for (int i = 0; i < a.sources; ++i) { try_start(sources_[static_cast<std::size_t>(a.first_source + i)]); }
        a.carrying = static_cast<int>(a.hops->size());
        if (a.carrying == 0) { finish(index); }
        const double size = chunk_size(a);
        for (std::size_t h = 0; h < a.hops->size(); ++h) {
            const hop& over = (*a.hops)[h];
            double end = now_;
            for (const int l : over.way->route) {
                double& free_at = free_at_[static_cast<std::size_t>(l)];
                free_at = std::max(free_at, now_) + size / (f_.links[static_cast<std::size_t>(l)].GBps * 1e9);
                end = std::max(end, free_at);
            }
            events_.push({end + over.latency, index, static_cast<int>(h)});
        }
    }

    void carried(int index, int h) {
        const int reader = readers_[static_cast<std::size_t>(at(index).first_reader + h)];
        if (at(index).room_at != none) {
            ++at(index).handed;
        } else if (reader != none) {
            ++at(reader).arrived;
        }
        if (--at(index).carrying == 0) { finish(index); }
        if (reader != none) { try_start(reader); }
    }

    void finish(int index) {
        agent& a = at(index);
        a.busy = false;
        a.ready = false;
        --ready_;
        ++a.next;
        double& end = lane_end_[static_cast<std::size_t>(a.lane)];
        end = std::max(end, now_);
        try_start(index);
    }

    const schedule& s_;
    const fabric& f_;
    block_costs costs_;
    int slots_;
    double chunk_bytes_;
    std::vector<double> free_at_; ///< by link
    double memory_free_ = 0;      ///< when it has served all that asked
    double looks_end_ = 0;        ///< of those that were begun
    int ready_ = 0;               ///< agents
    std::vector<double> lane_end_;
    std::vector<std::vector<hop>> hops_; ///< by lane, rank, way
    std::vector<agent> agents_;
    std::vector<int> sources_;
    std::vector<int> readers_;
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
    double now_ = 0;
};

} // namespace detail
} // namespace blink
