// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Maximum flow with the minimum cut that proves it, on small graphs with real capacities (Dinic 1970).
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace blink {

/// A directed graph with capacities. Solved again and again for different ends without being rebuilt.
class flow_network {
  public:
    explicit flow_network(int vertices)
        : out_(static_cast<std::size_t>(vertices)), level_(static_cast<std::size_t>(vertices)),
          next_(static_cast<std::size_t>(vertices)) {}

    [[nodiscard]] int vertex_count() const noexcept { return static_cast<int>(out_.size()); }

    /// Adds from -> to with `forward` capacity and, for undirected edges, `backward` capacity the other way.
    void add(int from, int to, double forward, double backward = 0) {
        out_[at(from)].push_back(static_cast<int>(edges_.size()));
        edges_.push_back({to, forward, forward});
        out_[at(to)].push_back(static_cast<int>(edges_.size()));
        edges_.push_back({from, backward, backward});
        largest_ = std::max({largest_, forward, backward});
    }

    /// Changes the forward capacity of the edge that was added as number `index`.
    void set(int index, double forward) {
        edges_[2 * at(index)].capacity = forward;
        largest_ = std::max(largest_, forward);
    }

    /// Flow from `source` to `sink`; stops early once `enough` is reached.
    /// @note O(V^2 E). Amounts below 1e-12 of the largest capacity count as nothing, so it ends for real numbers too.
    double solve(int source, int sink, double enough = std::numeric_limits<double>::infinity()) {
        for (edge& e : edges_) { e.residual = e.capacity; }
        double flow = 0;
        while (flow < enough && layer(source, sink)) {
            std::fill(next_.begin(), next_.end(), std::size_t{0});
            while (true) {
                const double pushed = push(source, sink, std::numeric_limits<double>::infinity());
                if (pushed <= 0) { break; }
                flow += pushed;
            }
        }
        return flow;
    }

    /// Vertices on the source's side of a minimum cut, after `solve` ran to the end.
    [[nodiscard]] std::vector<bool> source_side() const {
        std::vector<bool> side(out_.size());
        for (std::size_t v = 0; v < side.size(); ++v) { side[v] = level_[v] >= 0; }
        return side;
    }

    /// Vertices on the sink's side of the minimum cut that lies closest to it, after `solve` ran to the end.
    [[nodiscard]] std::vector<bool> sink_side(int sink) const {
        std::vector<bool> side(out_.size(), false);
        std::vector<int> stack{sink};
        side[at(sink)] = true;
        while (!stack.empty()) {
            const int v = stack.back();
            stack.pop_back();
            for (const int index : out_[at(v)]) {
                const int from = edges_[at(index)].to;
                if (!side[at(from)] && open(edges_[at(index ^ 1)])) {
                    side[at(from)] = true;
                    stack.push_back(from);
                }
            }
        }
        return side;
    }

  private:
    struct edge {
        int to;
        double capacity;
        double residual;
    };

    [[nodiscard]] static std::size_t at(int v) noexcept { return static_cast<std::size_t>(v); }
    [[nodiscard]] bool open(const edge& e) const noexcept { return e.residual > 1e-12 * largest_; }

    bool layer(int source, int sink) {
        std::fill(level_.begin(), level_.end(), -1);
        queue_.assign(1, source);
        level_[at(source)] = 0;
        for (std::size_t head = 0; head < queue_.size(); ++head) {
            const int v = queue_[head];
            for (const int index : out_[at(v)]) {
                const edge& e = edges_[at(index)];
                if (open(e) && level_[at(e.to)] < 0) {
                    level_[at(e.to)] = level_[at(v)] + 1;
                    queue_.push_back(e.to);
                }
            }
        }
        return level_[at(sink)] >= 0;
    }

    double push(int v, int sink, double limit) {
        if (v == sink) { return limit; }
        for (std::size_t& i = next_[at(v)]; i < out_[at(v)].size(); ++i) {
            const int index = out_[at(v)][i];
            edge& e = edges_[at(index)];
            if (!open(e) || level_[at(e.to)] != level_[at(v)] + 1) { continue; }
            const double pushed = push(e.to, sink, std::min(limit, e.residual));
            if (pushed > 0) {
                e.residual -= pushed;
                edges_[at(index ^ 1)].residual += pushed;
                return pushed;
            }
        }
        return 0;
    }

    std::vector<edge> edges_;
    std::vector<std::vector<int>> out_;
    std::vector<int> level_;
    std::vector<std::size_t> next_;
    std::vector<int> queue_;
    double largest_ = 0;
};

} // namespace blink
