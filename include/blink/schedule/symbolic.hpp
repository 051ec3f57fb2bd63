// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs a program on symbols instead of numbers, with bounded FIFOs.
///
/// The workers and FIFOs form a Kahn process network (G. Kahn, 1974; bounded: T. Parks, 1995): what is computed,
/// and whether it stops, does not depend on the order in which the workers run, so one run proves all.
#pragma once

#include <blink/core/error.hpp>
#include <blink/schedule/expression.hpp>
#include <blink/schedule/program.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace blink::detail {

class symbolic_run {
  public:
    symbolic_run(const program& p, int slots)
        : p_(p), slots_(static_cast<std::size_t>(slots)), values_(p.ranks), at_(p.workers.size(), 0) {
        check_steps();
    }

    /// Runs to the end and checks what is there.
    /// @throw schedule_error naming rank, lane and chunk
    void run() {
        bool moved = true;
        while (moved) {
            moved = false;
            for (std::size_t w = 0; w < p_.workers.size(); ++w) {
                while (at_[w] < p_.workers[w].steps.size() && execute(p_.workers[w], current(w))) {
                    ++at_[w];
                    moved = true;
                }
            }
        }
        check_all_ended();
        check_nothing_left();
        check_results();
    }

  private:
    using id = expressions::id;
    static constexpr id none = -1;
    using worker_key = std::tuple<int, int, phase>;    // rank, lane, phase
    using fifo_key = std::tuple<int, int, int, phase>; // lane, from, to, phase
    using cell_key = std::tuple<int, int, int>;        // lane, chunk, rank
    struct message {
        int chunk = 0;
        id value = none;
    };

    [[noreturn]] static void fail(int rank, int lane, int chunk, const std::string& what) {
        throw schedule_error("rank " + std::to_string(rank) + ", lane " + std::to_string(lane) + ", chunk " +
                             std::to_string(chunk) + ": " + what);
    }
    [[noreturn]] static void fail(const worker& w, const step& s, const std::string& what) {
        throw_at(w, s, std::string(to_string(w.phase)) + " " + what);
    }
    [[noreturn]] static void throw_at(const worker& w, const step& s, const std::string& what) {
        fail(w.rank, w.lane, s.chunk, what);
    }

    [[nodiscard]] const step& current(std::size_t w) const { return p_.workers[w].steps[at_[w]]; }
    [[nodiscard]] bool ended(std::size_t w) const { return at_[w] == p_.workers[w].steps.size(); }

    /// What cannot be meant, before anything runs.
    void check_steps() {
        if (is_sharded(p_.kind) && p_.lane_roots.size() != p_.chunks.size()) {
            throw schedule_error(std::string(to_string(p_.kind)) + ": " + std::to_string(p_.lane_roots.size()) +
                                 " roots for " + std::to_string(p_.chunks.size()) + " lanes");
        }
        const auto known = [this](int rank) { return rank >= 0 && rank < p_.ranks; };
        const std::string ranks = "the ranks are 0.." + std::to_string(p_.ranks - 1);
        for (std::size_t i = 0; i < p_.workers.size(); ++i) {
            const worker& w = p_.workers[i];
            const std::string who = "rank " + std::to_string(w.rank) + ", lane " + std::to_string(w.lane);
            if (!known(w.rank)) { throw schedule_error(who + ": unknown rank; " + ranks); }
            if (w.lane < 0 || w.lane >= static_cast<int>(p_.chunks.size())) {
                throw schedule_error(who + ": unknown lane; there are " + std::to_string(p_.chunks.size()));
            }
            if (!number_of_.try_emplace({w.rank, w.lane, w.phase}, i).second) {
                throw schedule_error(who + ": two workers for the " + std::string(to_string(w.phase)) + " phase");
            }
            for (const step& s : w.steps) {
                const std::string what(to_string(s.what));
                if (s.chunk < 0 || s.chunk >= p_.chunks[static_cast<std::size_t>(w.lane)]) {
                    fail(w, s, what + " names an unknown chunk");
                }
                if (s.what != action::finish && !known(s.peer)) {
                    fail(w, s, what + " names the unknown rank " + std::to_string(s.peer) + "; " + ranks);
                }
                if (s.what != action::finish && s.peer == w.rank) { fail(w, s, what + " names the rank itself"); }
                const bool up_only = s.what == action::receive_reduce || s.what == action::finish;
                const bool down_only = s.what == action::receive;
                if ((up_only && w.phase == phase::down) || (down_only && w.phase == phase::up)) {
                    fail(w, s, what + " is no step of this phase");
                }
                const bool takes_place = w.phase == phase::up ? reduces(p_.kind) : hands_on(p_.kind);
                if (!takes_place) { fail(w, s, what + " is no step of a " + std::string(to_string(p_.kind))); }
            }
        }
    }

    id& partial(const worker& w, const step& s) {
        return partials_.try_emplace({w.lane, s.chunk, w.rank}, w.rank).first->second;
    }
    [[nodiscard]] int root_of(int lane) const {
        return is_sharded(p_.kind) ? p_.lane_roots[static_cast<std::size_t>(lane)] : p_.root;
    }
    id& result(int lane, int chunk, int rank) {
        const bool source = !reduces(p_.kind) && rank == root_of(lane);
        return results_.try_emplace({lane, chunk, rank}, source ? rank : none).first->second;
    }

    /// False where the step has to wait.
    bool execute(const worker& w, const step& s) {
        switch (s.what) {
        case action::receive_reduce:
            return receive_reduce(w, s);
        case action::receive:
            return receive(w, s);
        case action::send:
            return send(w, s);
        case action::finish:
            return finish(w, s);
        }
        return false;
    }

    /// The next message from the peer, or null where there is none yet.
    const message* arrived(const worker& w, const step& s) {
        const auto& fifo = fifos_[{w.lane, s.peer, w.rank, w.phase}];
        if (fifo.empty()) { return nullptr; }
        if (fifo.front().chunk != s.chunk) {
            fail(w, s,
                 "gets chunk " + std::to_string(fifo.front().chunk) + " out of order from rank " +
                     std::to_string(s.peer));
        }
        return &fifo.front();
    }

    bool receive_reduce(const worker& w, const step& s) {
        const message* m = arrived(w, s);
        if (m == nullptr) { return false; }
        id& own = partial(w, s);
        own = values_.combine(own, m->value);
        const auto& counts = values_.counts(own);
        if (const auto twice = std::ranges::find_if(counts, [](int n) { return n > 1; }); twice != counts.end()) {
            fail(w, s,
                 "the partial result of rank " + std::to_string(s.peer) + " brings a doubled contribution of rank " +
                     std::to_string(twice - counts.begin()));
        }
        if (handed_on_.contains({w.lane, s.chunk, w.rank})) {
            late_.try_emplace({w.lane, s.chunk}, "; rank " + std::to_string(w.rank) + " combined that of rank " +
                                                     std::to_string(s.peer) + " after handing its own on");
        }
        fifos_[{w.lane, s.peer, w.rank, w.phase}].pop_front();
        return true;
    }

    bool receive(const worker& w, const step& s) {
        const message* m = arrived(w, s);
        if (m == nullptr) { return false; }
        set_result(w, s, m->value);
        fifos_[{w.lane, s.peer, w.rank, w.phase}].pop_front();
        return true;
    }

    bool send(const worker& w, const step& s) {
        const bool up = w.phase == phase::up;
        const id value = up ? partial(w, s) : result(w.lane, s.chunk, w.rank);
        auto& fifo = fifos_[{w.lane, w.rank, s.peer, w.phase}];
        if (value == none || fifo.size() >= slots_) { return false; }
        if (up) { handed_on_.insert({w.lane, s.chunk, w.rank}); }
        fifo.push_back({s.chunk, value});
        return true;
    }

    bool finish(const worker& w, const step& s) {
        const id value = partial(w, s);
        const auto& counts = values_.counts(value);
        if (const auto lost = std::ranges::find(counts, 0); lost != counts.end()) {
            const auto note = late_.find({w.lane, s.chunk});
            fail(w, s,
                 "finishes with a lost contribution, that of rank " + std::to_string(lost - counts.begin()) +
                     (note == late_.end() ? "" : note->second));
        }
        set_result(w, s, value);
        return true;
    }

    void set_result(const worker& w, const step& s, id value) {
        id& r = result(w.lane, s.chunk, w.rank);
        if (r != none) { fail(w, s, std::string(to_string(s.what)) + " brings the result a second time"); }
        r = value;
    }

    /// The worker that `w` waits for, or -1 where nobody will help.
    [[nodiscard]] int awaited(std::size_t index) {
        const worker& w = p_.workers[index];
        const step& s = current(index);
        const auto still = [this](const worker_key& key) {
            const auto at = number_of_.find(key);
            return at == number_of_.end() || ended(at->second) ? -1 : static_cast<int>(at->second);
        };
        if (!lacks_result(w, s)) { return still({s.peer, w.lane, w.phase}); }
        for (const phase ph : {phase::up, phase::down}) {
            const int maker = still({w.rank, w.lane, ph});
            if (maker < 0) { continue; }
            const auto i = static_cast<std::size_t>(maker);
            const auto& steps = p_.workers[i].steps;
            const auto wanted = ph == phase::up ? action::finish : action::receive;
            if (std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(at_[i]), steps.end(),
                            [&](const step& x) { return x.what == wanted && x.chunk == s.chunk; })) {
                return maker;
            }
        }
        return -1;
    }

    [[nodiscard]] bool lacks_result(const worker& w, const step& s) {
        return s.what == action::send && w.phase == phase::down && result(w.lane, s.chunk, w.rank) == none;
    }

    /// Follows the waits from the first worker that is stuck to the one that nobody helps, or around a circle.
    void check_all_ended() {
        std::size_t w = 0;
        while (w < p_.workers.size() && ended(w)) { ++w; }
        if (w == p_.workers.size()) { return; }
        std::vector<std::size_t> path;
        std::string why;
        while (why.empty()) {
            path.push_back(w);
            const int next = awaited(w);
            if (next < 0) {
                why = lacks_result(p_.workers[w], current(w)) ? ", which nobody makes" : ", which has no more steps";
            } else if (const auto met = std::ranges::find(path, static_cast<std::size_t>(next)); met != path.end()) {
                why = "; a circle of ranks: ";
                for (auto i = met; i != path.end(); ++i) { why += std::to_string(p_.workers[*i].rank) + " -> "; }
                why += std::to_string(p_.workers[*met].rank);
                w = *met;
            } else {
                w = static_cast<std::size_t>(next);
            }
        }
        const worker& stuck = p_.workers[w];
        const step& s = current(w);
        const std::string peer = "rank " + std::to_string(s.peer);
        const std::string what = lacks_result(stuck, s)   ? "for its own result"
                                 : s.what == action::send ? "for a free slot towards " + peer
                                                          : "for a chunk from " + peer;
        fail(stuck, s, "waits for ever " + what + why);
    }

    void check_nothing_left() const {
        for (const auto& [key, fifo] : fifos_) {
            if (fifo.empty()) { continue; }
            const auto [lane, from, to, ph] = key;
            fail(to, lane, fifo.front().chunk,
                 std::string(to_string(ph)) + " an unmatched message from rank " + std::to_string(from) +
                     " is left over");
        }
    }

    void check_results() {
        for (int l = 0; l < static_cast<int>(p_.chunks.size()); ++l) {
            for (int c = 0; c < p_.chunks[static_cast<std::size_t>(l)]; ++c) {
                const bool one = !hands_on(p_.kind);
                const int first = reduces(p_.kind) && !one ? 0 : root_of(l);
                const id expected = p_.ranks == 1 ? 0 : result(l, c, first);
                for (int r = one ? first : 0; r < (one ? first + 1 : p_.ranks); ++r) {
                    const id value = p_.ranks == 1 ? 0 : result(l, c, r);
                    if (value == none) { fail(r, l, c, "the result never arrives"); }
                    if (value != expected) {
                        fail(r, l, c,
                             "combines in a different order than rank " + std::to_string(first) + ": " +
                                 values_.text(value) + " and " + values_.text(expected));
                    }
                }
            }
        }
    }

    const program& p_;
    std::size_t slots_;
    expressions values_;
    std::vector<std::size_t> at_; ///< next step, by worker
    std::map<worker_key, std::size_t> number_of_;
    std::map<fifo_key, std::deque<message>> fifos_;
    std::map<cell_key, id> partials_;
    std::map<cell_key, id> results_;
    std::set<cell_key> handed_on_;
    std::map<std::pair<int, int>, std::string> late_; ///< lane, chunk -> who combined too late
};

} // namespace blink::detail
