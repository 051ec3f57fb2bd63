// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs a copy program on symbolic memory, its queues in any order that the events allow, and finds steps that touch
/// the same elements without an order between them.
#pragma once

#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/rank_program.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace copy_test {

namespace cuda = blink::cuda;

/// Where the buffers of a call lie in one row of cells. In place, a rank's two buffers share cells.
struct layout {
    std::vector<std::size_t> in, out; ///< first cell by rank
    std::vector<std::size_t> slots;
    std::size_t host = 0;
    std::size_t cells = 0;

    [[nodiscard]] std::size_t cell(const cuda::copy_end& e) const {
        const auto r = static_cast<std::size_t>(e.rank);
        switch (e.place) {
        case cuda::copy_place::in:
            return in[r] + e.offset;
        case cuda::copy_place::out:
            return out[r] + e.offset;
        case cuda::copy_place::slot:
            return slots[r] + e.offset;
        case cuda::copy_place::host:
            break;
        }
        return host + e.offset;
    }
};

/// Cells that a step reads or writes.
struct touched {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool written = false;
};

class replay {
  public:
    /// @param in_parts each rank follows its own part of the program, on streams that only flags join
    replay(cuda::copy_plan plan, layout where, bool in_parts = false)
        : plan_(std::move(plan)), where_(std::move(where)), home_(plan_.steps.size()) {
        const cuda::copy_program program = cuda::make_program(plan_);
        if (in_parts) {
            join_parts(program);
        } else {
            actions_ = program.actions;
            events_ = program.marked_by.size();
            for (int r = 0; r < plan_.ranks; ++r) {
                own_.push_back(cuda::queue_of(r, cuda::copy_queue::own));
                entry_.push_back(r);
            }
        }
        for (const cuda::copy_action& a : actions_) {
            queues_[a.queue].push_back(a);
            if (a.what == cuda::copy_action::kind::step) { home_[static_cast<std::size_t>(a.index)] = a.queue; }
        }
    }

    [[nodiscard]] const cuda::copy_plan& plan() const { return plan_; }

    /// "" or what is wrong: an event that is waited for before it is marked, which a stream would not wait for.
    [[nodiscard]] std::string misordered() const {
        if (stuck_) { return "parts that wait for each other"; }
        std::vector<bool> marked(events_, false);
        for (const cuda::copy_action& a : actions_) {
            const auto i = static_cast<std::size_t>(a.index);
            if (a.what == cuda::copy_action::kind::mark) { marked[i] = true; }
            if (a.what == cuda::copy_action::kind::wait && !marked[i]) { return "event " + std::to_string(a.index); }
        }
        return "";
    }

    /// Runs everything in a random order of the queues; false where they block each other.
    template <class Random>
    [[nodiscard]] bool run(std::vector<std::string>& cells, Random& random) const {
        std::map<int, std::size_t> next;
        std::vector<bool> marked(events_, false);
        std::size_t left = actions_.size();
        while (left > 0) {
            std::vector<int> ready;
            for (const auto& [queue, actions] : queues_) {
                const std::size_t at = next[queue];
                if (at == actions.size()) { continue; }
                const cuda::copy_action& a = actions[at];
                const bool waits = a.what == cuda::copy_action::kind::wait;
                if (!waits || marked[static_cast<std::size_t>(a.index)]) { ready.push_back(queue); }
            }
            if (ready.empty()) { return false; }
            const int queue = ready[std::uniform_int_distribution<std::size_t>(0, ready.size() - 1)(random)];
            const cuda::copy_action& a = queues_.at(queue)[next[queue]++];
            --left;
            if (a.what == cuda::copy_action::kind::mark) { marked[static_cast<std::size_t>(a.index)] = true; }
            if (a.what == cuda::copy_action::kind::step) {
                apply(plan_.steps[static_cast<std::size_t>(a.index)], cells);
            }
        }
        return true;
    }

    /// "" or two steps that touch the same cells, of which one writes, in no order; or a step that is not between the
    /// beginning and the end of all own queues, where it is staged the end of its rank's.
    [[nodiscard]] std::string race() const {
        std::vector<clock> events(events_);
        std::map<int, clock> now;
        std::vector<clock> before(plan_.steps.size());
        std::vector<std::size_t> turn(plan_.steps.size());
        std::map<int, clock> entered;
        for (const cuda::copy_action& a : actions_) {
            clock& own = now[a.queue];
            const auto i = static_cast<std::size_t>(a.index);
            ++own[a.queue];
            if (a.what == cuda::copy_action::kind::mark) {
                events[i] = own;
                if (std::find(entry_.begin(), entry_.end(), a.index) != entry_.end()) { entered[a.queue] = own; }
            } else if (a.what == cuda::copy_action::kind::wait) {
                for (const auto& [queue, count] : events[i]) { own[queue] = std::max(own[queue], count); }
            } else {
                before[i] = own;
                turn[i] = own[a.queue];
            }
        }
        const auto is_before = [&](std::size_t a, const clock& b) {
            const auto known = b.find(home_[a]);
            return known != b.end() && known->second >= turn[a];
        };
        for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
            const std::string name = "step " + std::to_string(i);
            for (int r = 0; r < plan_.ranks; ++r) {
                const int own = own_[static_cast<std::size_t>(r)];
                const auto begun = before[i].find(own);
                if (begun == before[i].end() || begun->second < entered.at(own).at(own)) { return name + " is early"; }
                const bool elsewhere = plan_.staged && r != cuda::rank_of_queue(plan_.steps[i].queue);
                if (!elsewhere && !is_before(i, now.at(own))) { return name + " is left behind"; }
            }
            for (std::size_t k = 0; k < i; ++k) {
                if (is_before(k, before[i]) || is_before(i, before[k]) || !meet(i, k)) { continue; }
                return name + " and step " + std::to_string(k);
            }
        }
        return "";
    }

  private:
    using clock = std::map<int, std::size_t>;

    /// Puts the parts of all ranks into one row, of each as much as it can enqueue before it has to hear of another: so
    /// no part waits for what comes later, even where the driver runs a rank's streams as one.
    void join_parts(const cuda::copy_program& program) {
        using kind = cuda::rank_action::kind;
        std::vector<cuda::rank_program> parts;
        std::vector<int> first_event;
        std::map<std::pair<int, std::uint32_t>, int> flags; // of a queue and a number, as an event
        for (int r = 0; r < plan_.ranks; ++r) {
            parts.push_back(cuda::part_of(program, r));
            first_event.push_back(static_cast<int>(events_));
            events_ += static_cast<std::size_t>(parts.back().events);
            own_.push_back(r * cuda::rank_streams + cuda::own_stream);
        }
        for (const cuda::rank_program& p : parts) {
            for (const cuda::rank_action& a : p.actions) {
                if (a.what == kind::enter) { entry_.push_back(static_cast<int>(events_)); }
                if (a.what == kind::enter || a.what == kind::raise) {
                    flags[{a.queue, a.count}] = static_cast<int>(events_++);
                }
            }
        }
        std::vector<bool> marked(events_, false);
        std::vector<std::size_t> next(parts.size(), 0);
        for (bool went_on = true; std::exchange(went_on, false);) {
            for (std::size_t r = 0; r < parts.size(); ++r) {
                for (; next[r] < parts[r].actions.size(); ++next[r], went_on = true) {
                    const cuda::rank_action& a = parts[r].actions[next[r]];
                    const int stream = static_cast<int>(r) * cuda::rank_streams + a.stream;
                    const bool is_flag = a.what == kind::enter || a.what == kind::raise || a.what == kind::hear;
                    const auto flag = flags.find({a.queue, a.count});
                    if (is_flag && flag == flags.end()) { break; } // nobody raises it
                    const int event = is_flag ? flag->second : first_event[r] + a.index;
                    const bool waits = a.what == kind::wait || a.what == kind::hear;
                    if (a.what == kind::step) {
                        actions_.push_back({cuda::copy_action::kind::step, stream, a.index});
                        continue;
                    }
                    if (waits && !marked[static_cast<std::size_t>(event)]) { break; }
                    if (!waits) { marked[static_cast<std::size_t>(event)] = true; }
                    actions_.push_back(
                        {waits ? cuda::copy_action::kind::wait : cuda::copy_action::kind::mark, stream, event});
                }
            }
        }
        for (std::size_t r = 0; r < parts.size(); ++r) { stuck_ = stuck_ || next[r] < parts[r].actions.size(); }
    }

    [[nodiscard]] std::vector<std::size_t> sources(const cuda::copy_step& s) const {
        if (!s.combines) { return {where_.cell(s.from)}; }
        std::vector<std::size_t> list;
        std::size_t row = 0;
        for (int r = 0; r < plan_.ranks; ++r) {
            const cuda::copy_end slot{cuda::copy_place::slot, s.to.rank, s.others + row * s.row};
            list.push_back(where_.cell(r == s.to.rank ? s.from : s.in_result ? s.to : slot));
            row += r == s.to.rank ? 0 : 1;
        }
        return list;
    }

    void apply(const cuda::copy_step& s, std::vector<std::string>& cells) const {
        std::vector<std::string> values(s.count);
        for (const std::size_t from : sources(s)) {
            for (std::size_t i = 0; i < s.count; ++i) { values[i] += cells.at(from + i); }
        }
        for (std::size_t i = 0; i < s.count; ++i) { cells.at(where_.cell(s.to) + i) = values[i]; }
    }

    [[nodiscard]] std::vector<touched> touches(std::size_t step) const {
        const cuda::copy_step& s = plan_.steps[step];
        std::vector<touched> list;
        for (const std::size_t from : sources(s)) { list.push_back({from, from + s.count, false}); }
        list.push_back({where_.cell(s.to), where_.cell(s.to) + s.count, true});
        return list;
    }

    [[nodiscard]] bool meet(std::size_t i, std::size_t k) const {
        for (const touched& a : touches(i)) {
            for (const touched& b : touches(k)) {
                if ((a.written || b.written) && a.begin < b.end && b.begin < a.end) { return true; }
            }
        }
        return false;
    }

    cuda::copy_plan plan_;
    layout where_;
    std::vector<cuda::copy_action> actions_;
    std::size_t events_ = 0;
    std::vector<int> own_;   ///< by rank: the queue, or stream, on which its calls follow each other
    std::vector<int> entry_; ///< by rank: the event that says that it is in the call
    std::vector<int> home_;  ///< by step: the queue, or stream
    bool stuck_ = false;
    std::map<int, std::vector<cuda::copy_action>> queues_;
};

} // namespace copy_test
