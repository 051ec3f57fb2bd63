// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Maximum flow with the minimum cut that proves it, on small graphs with real capacities (Dinic 1970).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace blink {

/// A directed graph with capacities. Solved again and again for different ends without being rebuilt.
class flow_network {
  public:
    explicit flow_network(int vertices) : begin_(at(vertices) + 1, 0), level_(at(vertices)), next_(at(vertices)) {}

    [[nodiscard]] int vertex_count() const noexcept { return static_cast<int>(level_.size()); }

    /// Adds from -> to with `forward` capacity and, for undirected edges, `backward` capacity the other way.
    void add(int from, int to, double forward, double backward = 0) {
        added_.push_back({from, to, forward, backward});
        largest_ = std::max({largest_, forward, backward});
    }

    /// Changes the forward capacity of the edge that was added as number `index`.
    void set(int index, double forward) {
        added_[at(index)].forward = forward;
        if (at(index) < place_.size()) { arcs_[place_[at(index)]].capacity = forward; }
        largest_ = std::max(largest_, forward);
    }

    /// Flow from `source` to `sink`; stops early once `enough` is reached.
    /// @note O(V^2 E). Amounts below 1e-12 of the largest capacity count as nothing, so it ends for real numbers too.
    double solve(int source, int sink, double enough = std::numeric_limits<double>::infinity()) {
        if (place_.size() < added_.size()) { arrange(); }
        for (arc& a : arcs_) { a.residual = a.capacity; }
        nothing_ = 1e-12 * largest_;
        double flow = 0;
        while (flow < enough && layer(source, sink)) {
            std::copy(begin_.begin(), begin_.end() - 1, next_.begin());
            while (flow < enough) {
                const double pushed = push(source, sink, std::numeric_limits<double>::infinity());
                if (pushed <= 0) { break; }
                flow += pushed;
            }
        }
        return flow;
    }

    /// Vertices on the source's side of a minimum cut, after `solve` ran to the end.
    [[nodiscard]] std::vector<bool> source_side() const {
        std::vector<bool> side(level_.size());
        for (std::size_t v = 0; v < side.size(); ++v) { side[v] = level_[v] >= 0; }
        return side;
    }

    /// Vertices on the sink's side of the minimum cut that lies closest to it, after `solve` ran to the end.
    [[nodiscard]] std::vector<bool> sink_side(int sink) const {
        std::vector<bool> side(level_.size(), false);
        std::vector<int> stack{sink};
        side[at(sink)] = true;
        while (!stack.empty()) {
            const int v = stack.back();
            stack.pop_back();
            for (std::size_t i = begin_[at(v)]; i < begin_[at(v) + 1]; ++i) {
                const int from = arcs_[i].to;
                if (!side[at(from)] && open(arcs_[arcs_[i].twin])) {
                    side[at(from)] = true;
                    stack.push_back(from);
                }
            }
        }
        return side;
    }

  private:
    struct edge {
        int from;
        int to;
        double forward;
        double backward;
    };
    /// One direction of an edge.
    struct arc {
        int to;
        std::uint32_t twin; ///< the other direction
        double capacity;
        double residual;
    };

    [[nodiscard]] static std::size_t at(int v) noexcept { return static_cast<std::size_t>(v); }
    [[nodiscard]] bool open(const arc& a) const noexcept { return a.residual > nothing_; }

    /// Lays the arcs that leave one vertex side by side, in the order in which they were added.
    void arrange() {
        std::fill(begin_.begin(), begin_.end(), std::size_t{0});
        for (const edge& e : added_) {
            ++begin_[at(e.from) + 1];
            ++begin_[at(e.to) + 1];
        }
        std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
        std::copy(begin_.begin(), begin_.end() - 1, next_.begin());
        arcs_.resize(2 * added_.size());
        place_.resize(added_.size());
        for (std::size_t i = 0; i < added_.size(); ++i) {
            const edge& e = added_[i];
            const std::size_t there = next_[at(e.from)]++;
            const std::size_t back = next_[at(e.to)]++;
            arcs_[there] = {e.to, static_cast<std::uint32_t>(back), e.forward, 0};
            arcs_[back] = {e.from, static_cast<std::uint32_t>(there), e.backward, 0};
            place_[i] = there;
        }
    }

    bool layer(int source, int sink) {
        std::fill(level_.begin(), level_.end(), -1);
        queue_.assign(1, source);
        level_[at(source)] = 0;
        for (std::size_t head = 0; head < queue_.size(); ++head) {
            const int v = queue_[head];
            for (std::size_t i = begin_[at(v)]; i < begin_[at(v) + 1]; ++i) {
                const arc& a = arcs_[i];
                if (!open(a) || level_[at(a.to)] >= 0) { continue; }
                level_[at(a.to)] = level_[at(v)] + 1;
                if (a.to == sink) { return true; }
                queue_.push_back(a.to);
            }
        }
        return false;
    }

    double push(int v, int sink, double limit) {
        if (v == sink) { return limit; }
        for (std::size_t& i = next_[at(v)]; i < begin_[at(v) + 1]; ++i) {
            arc& a = arcs_[i];
            if (!open(a) || level_[at(a.to)] != level_[at(v)] + 1) { continue; }
            const double pushed = push(a.to, sink, std::min(limit, a.residual));
            if (pushed > 0) {
                a.residual -= pushed;
                arcs_[a.twin].residual += pushed;
                return pushed;
            }
        }
        return 0;
    }

    std::vector<edge> added_;
    std::vector<arc> arcs_;          ///< by the vertex that they leave
    std::vector<std::size_t> begin_; ///< of each vertex among the arcs, and the end
    std::vector<std::size_t> place_; ///< of the forward arc of each edge that `arrange` has seen
    std::vector<int> level_;
    std::vector<std::size_t> next_;
    std::vector<int> queue_;
    double largest_ = 0;
    double nothing_ = 0;
};

} // namespace blink
