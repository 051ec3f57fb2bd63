// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The discrete events behind `simulate`: workers, FIFOs and transfers of one program.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/simulate/shared_links.hpp>
#include <blink/schedule/load.hpp>
#include <blink/schedule/program.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

/// What a transfer costs besides bytes over bandwidth.
struct model_options {
    std::size_t chunk_bytes = 1_MiB;
    double latency_us = 1.3;  ///< of a hop whose links do not tell theirs
    double overhead_us = 0.5; ///< of a chunk on a hop; it hides behind the chunk before, as several blocks share a lane
    int slots = 4;            ///< chunks that a FIFO between two ranks holds
};

namespace detail {

/// `chunk_count` that also refuses what an int cannot count.
[[nodiscard]] inline int checked_chunk_count(std::size_t bytes, std::size_t chunk_bytes) {
    constexpr std::size_t most = 1U << 30;
    if (chunk_bytes > 0 && bytes / chunk_bytes >= most) {
        throw usage_error("simulate: " + std::to_string(bytes) + " bytes in chunks of " + std::to_string(chunk_bytes) +
                          " are too many");
    }
    return chunk_count(bytes, chunk_bytes);
}

class event_loop {
  public:
    event_loop(const schedule& s, const program& p, const fabric& f, const std::vector<element_range>& parts,
               const model_options& options)
        : p_(p), parts_(parts), options_(options), links_(f), workers_(p.workers.size()),
          cells_(s.lanes.size() * static_cast<std::size_t>(s.ranks)) {
        if (options.slots < 1 || !(options.latency_us >= 0) || !(options.overhead_us >= 0)) {
            throw usage_error("simulate: expected 1 slot or more, and neither latency nor overhead below 0");
        }
        join(s, f);
    }

    /// Seconds until the last worker has done its last step.
    double run() {
        for (std::size_t w = 0; w < workers_.size(); ++w) { ready_.push_back(static_cast<int>(w)); }
        work();
        while (true) {
            const double next = std::min(events_.empty() ? shared_links::never : events_.top().time, links_.next_end());
            if (next == shared_links::never) { break; }
            now_ = next;
            links_.advance(now_);
            // Events that only rounding sets apart happen at once, before links are shared anew.
            const double together = now_ * (1 + 1e-12) + 1e-15;
            while (links_.next_end() <= together) { sent(links_.end_next()); }
            while (!events_.empty() && events_.top().time <= together) {
                const event e = events_.top();
                events_.pop();
                happen(e);
            }
            work();
        }
        for (std::size_t w = 0; w < workers_.size(); ++w) {
            if (workers_[w].at < p_.workers[w].steps.size()) {
                const worker& stuck = p_.workers[w];
                throw schedule_error("simulate: rank " + std::to_string(stuck.rank) + ", lane " +
                                     std::to_string(stuck.lane) + ", chunk " +
                                     std::to_string(stuck.steps[workers_[w].at].chunk) +
                                     ": waits for ever; verify says why");
            }
        }
        return now_;
    }

  private:
    static constexpr int none = -1;
    enum class what : unsigned char { prepared, arrive };
    struct event {
        double time;
        int fifo;
        what kind;
        friend bool operator>(const event& a, const event& b) {
            return std::tuple{a.time, a.fifo, a.kind} > std::tuple{b.time, b.fifo, b.kind};
        }
    };
    /// Chunks between two ranks in a lane and phase. At the sender: sent <= prepared <= issued; at the receiver:
    /// taken <= arrived.
    struct fifo {
        int flow = none;
        std::size_t lane = 0;
        double latency = 0;
        int issued = 0;
        int prepared = 0;
        int sent = 0;
        int arrived = 0;
        int taken = 0;
        bool preparing = false;
        bool sending = false;
        int sender = none;   ///< worker
        int receiver = none; ///< worker
    };
    struct worker_state {
        std::size_t at = 0;
        std::vector<int> fifo_of; ///< by peer
        bool queued = true;
    };
    /// What one rank has in one lane.
    struct cell {
        int results = 0;
        int down_worker = none;
    };

    [[nodiscard]] cell& cell_of(int lane, int rank) {
        return cells_[static_cast<std::size_t>(lane) * static_cast<std::size_t>(p_.ranks) +
                      static_cast<std::size_t>(rank)];
    }
    [[nodiscard]] fifo& fifo_at(int index) { return fifos_[static_cast<std::size_t>(index)]; }

    /// Makes the FIFOs and tells the workers at both ends.
    void join(const schedule& s, const fabric& f) {
        if (s.ranks < 1 || f.ranks != s.ranks || s.root < 0 || s.root >= s.ranks) {
            throw schedule_error("simulate: " + std::to_string(s.ranks) + " ranks, root " + std::to_string(s.root) +
                                 ", on a fabric of " + std::to_string(f.ranks));
        }
        std::vector<int> number(cells_.size() * 2, none);
        const auto ranks = static_cast<std::size_t>(s.ranks);
        const auto place = [&](std::size_t lane, int rank, phase ph) -> int& {
            return number[(lane * ranks + static_cast<std::size_t>(rank)) * 2 + (ph == phase::up ? 0 : 1)];
        };
        for (std::size_t w = 0; w < workers_.size(); ++w) {
            const worker& own = p_.workers[w];
            workers_[w].fifo_of.assign(ranks, none);
            place(static_cast<std::size_t>(own.lane), own.rank, own.phase) = static_cast<int>(w);
            if (own.phase == phase::down) { cell_of(own.lane, own.rank).down_worker = static_cast<int>(w); }
        }
        const auto connect = [&](std::size_t lane, int from, int to, phase ph, int hop) {
            const std::string who = "simulate: lane " + std::to_string(lane);
            const arc& a = hop_between(f, hop, from, to, who);
            double latency = 0;
            for (const int l : a.route) { latency += f.links[static_cast<std::size_t>(l)].latency_us; }
            if (latency == 0) { latency = options_.latency_us; }
            const int sender = place(lane, from, ph);
            const int receiver = place(lane, to, ph);
            const auto index = static_cast<int>(fifos_.size());
            fifos_.push_back(
                {links_.add_flow(a.route), lane, latency * 1e-6, 0, 0, 0, 0, 0, false, false, sender, receiver});
            if (sender != none) {
                workers_[static_cast<std::size_t>(sender)].fifo_of.at(static_cast<std::size_t>(to)) = index;
            }
            if (receiver != none) {
                workers_[static_cast<std::size_t>(receiver)].fifo_of.at(static_cast<std::size_t>(from)) = index;
            }
        };
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            if (s.lanes[l].roles.size() != ranks) {
                throw schedule_error("simulate: lane " + std::to_string(l) + " has not one role for each rank");
            }
            for (int r = 0; r < s.ranks; ++r) {
                const role& own = s.lanes[l].roles[static_cast<std::size_t>(r)];
                if (own.reduce_to != no_rank) { connect(l, r, own.reduce_to, phase::up, own.reduce_arc); }
                if (own.broadcast_from != no_rank) {
                    connect(l, own.broadcast_from, r, phase::down, own.broadcast_arc);
                }
            }
            if (!reduces(s.kind)) {
                cell_of(static_cast<int>(l), s.lanes[l].root).results = std::numeric_limits<int>::max();
            }
        }
    }

    void wake(int w) {
        if (w == none || workers_[static_cast<std::size_t>(w)].queued) { return; }
        workers_[static_cast<std::size_t>(w)].queued = true;
        ready_.push_back(w);
    }

    /// Runs every worker that may have something to do as far as it gets.
    void work() {
        while (!ready_.empty()) {
            const auto w = static_cast<std::size_t>(ready_.back());
            ready_.pop_back();
            const worker& own = p_.workers[w];
            workers_[w].queued = false;
            while (workers_[w].at < own.steps.size() && execute(own, workers_[w], own.steps[workers_[w].at])) {
                ++workers_[w].at;
            }
        }
    }

    /// False where the step has to wait.
    bool execute(const worker& own, const worker_state& state, const step& s) {
        if (s.what == action::finish) {
            new_result(own);
            return true;
        }
        const bool known = s.peer >= 0 && s.peer < p_.ranks;
        const int index = known ? state.fifo_of[static_cast<std::size_t>(s.peer)] : none;
        if (index == none) { return false; }
        fifo& f = fifo_at(index);
        if (s.what == action::send) {
            const bool has_value = own.phase == phase::up || cell_of(own.lane, own.rank).results > s.chunk;
            if (!has_value || f.issued - f.taken >= options_.slots) { return false; }
            ++f.issued;
            prepare(index);
            return true;
        }
        if (f.arrived == f.taken) { return false; }
        ++f.taken;
        wake(f.sender);
        if (s.what == action::receive) { new_result(own); }
        return true;
    }

    void new_result(const worker& own) {
        cell& c = cell_of(own.lane, own.rank);
        if (c.results < std::numeric_limits<int>::max()) { ++c.results; }
        wake(c.down_worker);
    }

    /// Spends the overhead of the next chunk of a FIFO that has one.
    void prepare(int index) {
        fifo& f = fifo_at(index);
        if (f.preparing || f.prepared == f.issued) { return; }
        f.preparing = true;
        events_.push({now_ + options_.overhead_us * 1e-6, index, what::prepared});
    }

    /// Begins the next transfer of a FIFO that has one and is idle.
    void send_next(int index) {
        fifo& f = fifo_at(index);
        if (f.sending || f.sent == f.prepared) { return; }
        f.sending = true;
        const std::size_t offset = static_cast<std::size_t>(f.sent) * options_.chunk_bytes;
        const std::size_t bytes = std::min(options_.chunk_bytes, parts_[f.lane].size() - offset);
        links_.begin(f.flow, static_cast<double>(bytes), now_);
    }

    void happen(const event& e) {
        fifo& f = fifo_at(e.fifo);
        if (e.kind == what::arrive) {
            ++f.arrived;
            wake(f.receiver);
            return;
        }
        f.preparing = false;
        ++f.prepared;
        send_next(e.fifo);
        prepare(e.fifo);
    }

    /// The last byte of a chunk has left. Flows and FIFOs bear the same numbers.
    void sent(int index) {
        fifo& f = fifo_at(index);
        ++f.sent;
        f.sending = false;
        events_.push({now_ + f.latency, index, what::arrive});
        send_next(index);
    }

    const program& p_;
    const std::vector<element_range>& parts_;
    model_options options_;
    shared_links links_;
    std::vector<worker_state> workers_;
    std::vector<cell> cells_; ///< by lane, then rank
    std::vector<fifo> fifos_;
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
    std::vector<int> ready_;
    double now_ = 0;
};

} // namespace detail
} // namespace blink
