// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Transfers that share links in modelled time, each link divided max-min fairly.
///
/// Max-min fairness by progressive filling (Bertsekas and Gallager, Data Networks, 1992, section 6.5.2): the
/// narrowest share fixes the transfers on its link, the rest divide what is left.
#pragma once

#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace blink::detail {

/// Times in seconds, amounts in bytes. A flow is a fixed route on which one transfer at a time may be active.
class shared_links {
  public:
    static constexpr double never = std::numeric_limits<double>::infinity();

    explicit shared_links(const fabric& f) : wires_(f.links.size()) {
        for (std::size_t l = 0; l < f.links.size(); ++l) { wires_[l].capacity = f.links[l].GBps * 1e9; }
    }

    /// Announces a flow over `route` and gives its number.
    int add_flow(const std::vector<int>& route) {
        flows_.push_back({&route, 0, 0, 0, false, false, 0});
        return static_cast<int>(flows_.size()) - 1;
    }

    /// The next transfer of `flow` begins: `bytes` to go.
    void begin(int flow, double bytes, double now) {
        state& s = at(flow);
        s.left = bytes;
        s.rate = 0;
        s.since = now;
        s.active = true;
        for (const int l : *s.route) { wire(l).flows.push_back(flow); }
        touch(s);
    }

    /// When the next transfer ends, as far as is known now; `never` where none is active.
    [[nodiscard]] double next_end() {
        share();
        while (!ends_.empty() && ends_.top().version != at(ends_.top().flow).version) { ends_.pop(); }
        return ends_.empty() ? never : ends_.top().time;
    }

    /// Ends the transfer that `next_end` spoke of and gives its flow.
    int end_next() {
        const int flow = ends_.top().flow;
        ends_.pop();
        state& s = at(flow);
        s.active = false;
        ++s.version;
        for (const int l : *s.route) { std::erase(wire(l).flows, flow); }
        touch(s);
        return flow;
    }

    /// Time passes; rates asked for later hold from here on.
    void advance(double now) { now_ = now; }

  private:
    struct state {
        const std::vector<int>* route;
        double left;
        double rate;
        double since;
        bool active;
        bool fixed; ///< while shares are computed
        unsigned version;
    };
    struct wire_state {
        double capacity = 0;
        std::vector<int> flows; ///< active ones
        bool reached = false;
        double free = 0;
        int waiting = 0;
    };
    struct end {
        double time;
        int flow;
        unsigned version;
        friend bool operator>(const end& a, const end& b) {
            return std::pair{a.time, a.flow} > std::pair{b.time, b.flow};
        }
    };

    [[nodiscard]] state& at(int flow) { return flows_[static_cast<std::size_t>(flow)]; }
    [[nodiscard]] wire_state& wire(int l) { return wires_[static_cast<std::size_t>(l)]; }

    void touch(const state& s) {
        for (const int l : *s.route) { reach(l); }
    }
    void reach(int l) {
        if (!wire(l).reached) {
            wire(l).reached = true;
            changed_.push_back(l);
        }
    }

    /// Divides the links anew whose transfers changed, and all that share a link with them, and so on.
    void share() {
        if (changed_.empty()) { return; }
        std::vector<int> concerned;
        for (std::size_t i = 0; i < changed_.size(); ++i) {
            wire_state& w = wire(changed_[i]);
            w.free = w.capacity;
            w.waiting = static_cast<int>(w.flows.size());
            for (const int flow : w.flows) {
                if (at(flow).fixed) { continue; }
                at(flow).fixed = true;
                concerned.push_back(flow);
                touch(at(flow));
            }
        }
        for (const int flow : concerned) { at(flow).fixed = false; }
        fill();
        for (const int l : changed_) { wire(l).reached = false; }
        for (const int flow : concerned) { at(flow).fixed = false; }
        changed_.clear();
    }

    void fill() {
        while (true) {
            int narrowest = -1;
            double least = never;
            for (const int l : changed_) {
                const wire_state& w = wire(l);
                if (w.waiting > 0 && w.free / w.waiting < least) {
                    least = w.free / w.waiting;
                    narrowest = l;
                }
            }
            if (narrowest < 0) { return; }
            for (const int flow : wire(narrowest).flows) {
                state& s = at(flow);
                if (s.fixed) { continue; }
                s.fixed = true;
                for (const int l : *s.route) {
                    wire(l).free = std::max(0.0, wire(l).free - least);
                    --wire(l).waiting;
                }
                set_rate(flow, least);
            }
        }
    }

    void set_rate(int flow, double rate) {
        state& s = at(flow);
        if (s.rate == rate) { return; }
        s.left = std::max(0.0, s.left - s.rate * (now_ - s.since));
        s.since = now_;
        s.rate = rate;
        ++s.version;
        ends_.push({now_ + s.left / rate, flow, s.version});
    }

    std::vector<wire_state> wires_;
    std::vector<state> flows_;
    std::vector<int> changed_;
    std::priority_queue<end, std::vector<end>, std::greater<>> ends_;
    double now_ = 0;
};

} // namespace blink::detail
