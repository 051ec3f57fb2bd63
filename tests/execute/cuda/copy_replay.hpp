// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs a copy program on symbolic memory, its queues in any order that the events allow, and finds steps that touch
/// the same elements without an order between them.
#pragma once

#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>

#include <algorithm>
#include <cstddef>
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
    replay(cuda::copy_plan plan, layout where) : plan_(std::move(plan)), where_(std::move(where)) {
        program_ = cuda::make_program(plan_);
        for (const cuda::copy_action& a : program_.actions) { queues_[a.queue].push_back(a); }
    }

    [[nodiscard]] const cuda::copy_plan& plan() const { return plan_; }
    [[nodiscard]] const cuda::copy_program& program() const { return program_; }

    /// "" or what is wrong: an event that is waited for before it is marked, which a stream would not wait for.
    [[nodiscard]] std::string misordered() const {
        std::vector<bool> marked(program_.marked_by.size(), false);
        for (const cuda::copy_action& a : program_.actions) {
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
        std::vector<bool> marked(program_.marked_by.size(), false);
        std::size_t left = program_.actions.size();
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
    /// beginning and the end of all own queues.
    [[nodiscard]] std::string race() const {
        std::vector<clock> events(program_.marked_by.size());
        std::map<int, clock> now;
        std::vector<clock> before(plan_.steps.size());
        std::vector<std::size_t> turn(plan_.steps.size());
        std::map<int, clock> entered;
        for (const cuda::copy_action& a : program_.actions) {
            clock& own = now[a.queue];
            const auto i = static_cast<std::size_t>(a.index);
            ++own[a.queue];
            if (a.what == cuda::copy_action::kind::mark) {
                events[i] = own;
                if (a.index < plan_.ranks) { entered[a.queue] = own; }
            } else if (a.what == cuda::copy_action::kind::wait) {
                for (const auto& [queue, count] : events[i]) { own[queue] = std::max(own[queue], count); }
            } else {
                before[i] = own;
                turn[i] = own[a.queue];
            }
        }
        const auto is_before = [&](std::size_t a, const clock& b) {
            const auto known = b.find(plan_.steps[a].queue);
            return known != b.end() && known->second >= turn[a];
        };
        for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
            const std::string name = "step " + std::to_string(i);
            for (int r = 0; r < plan_.ranks; ++r) {
                const int own = cuda::queue_of(r, cuda::copy_queue::own);
                const auto begun = before[i].find(own);
                if (begun == before[i].end() || begun->second < entered.at(own).at(own)) { return name + " is early"; }
                if (!is_before(i, now.at(own))) { return name + " is left behind"; }
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
    cuda::copy_program program_;
    std::map<int, std::vector<cuda::copy_action>> queues_;
};

} // namespace copy_test
