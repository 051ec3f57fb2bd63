// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Cheapest spanning trees: arborescences (Chu-Liu 1965, Edmonds 1967) and undirected trees (Kruskal 1956).
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/hops.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace blink {

/// Finds the cheapest spanning tree of one graph under changing costs. Keeps its memory between calls, since the
/// multiplicative weights ask thousands of times. Ties go to the hop with the lowest index.
class cheapest_tree {
  public:
    explicit cheapest_tree(const hop_graph& g) : ranks_(g.ranks), root_(g.root) {
        for (const tree_hop& h : g.hops) { ends_.push_back({h.parent, h.child}); }
    }

    /// @param cost of each hop, not negative; infinity forbids it
    /// @return the sorted hops of a cheapest tree; empty where no tree of finite cost spans the ranks
    [[nodiscard]] const hop_tree& find(std::span<const double> cost) {
        tree_.clear();
        const bool found = root_ >= 0 ? arborescence(cost) : undirected(cost);
        if (!found) { tree_.clear(); }
        std::sort(tree_.begin(), tree_.end());
        return tree_;
    }

  private:
    struct ends {
        int parent;
        int child;
    };
    struct edge {
        int from;
        int to;
        double cost;
        int above; ///< the same edge one level up; on the first level the hop
    };
    /// The graph after some cycles were shrunk to vertices.
    struct level {
        int vertices = 0;
        int root = 0;
        std::vector<edge> edges;
        std::vector<int> best;   ///< cheapest edge into each vertex
        std::vector<int> merged; ///< vertex on the next level
    };

    [[nodiscard]] static std::size_t at(int i) noexcept { return static_cast<std::size_t>(i); }

    bool undirected(std::span<const double> cost) {
        order_.resize(ends_.size());
        std::iota(order_.begin(), order_.end(), 0);
        std::sort(order_.begin(), order_.end(),
                  [&](int a, int b) { return cost[at(a)] != cost[at(b)] ? cost[at(a)] < cost[at(b)] : a < b; });
        group_.resize(at(ranks_));
        std::iota(group_.begin(), group_.end(), 0);
        const auto leader = [&](int v) {
            while (group_[at(v)] != v) { v = group_[at(v)] = group_[at(group_[at(v)])]; }
            return v;
        };
        for (const int h : order_) {
            if (cost[at(h)] == std::numeric_limits<double>::infinity()) { break; }
            const int a = leader(ends_[at(h)].parent);
            const int b = leader(ends_[at(h)].child);
            if (a == b) { continue; }
            group_[at(a)] = b;
            tree_.push_back(h);
            if (tree_.size() + 1 == at(ranks_)) { break; }
        }
        return tree_.size() + 1 == at(ranks_);
    }

    bool arborescence(std::span<const double> cost) {
        level& first = level_at(0);
        first.vertices = ranks_;
        first.root = root_;
        for (std::size_t h = 0; h < ends_.size(); ++h) {
            if (cost[h] != std::numeric_limits<double>::infinity()) {
                first.edges.push_back({ends_[h].parent, ends_[h].child, cost[h], static_cast<int>(h)});
            }
        }
        std::size_t depth = 0;
        while (true) {
            if (!choose_cheapest(levels_[depth])) { return false; }
            if (!shrink_cycles(depth)) { break; }
            ++depth;
        }
        chosen_.clear();
        for (int v = 0; v < levels_[depth].vertices; ++v) {
            if (v != levels_[depth].root) { chosen_.push_back(levels_[depth].best[at(v)]); }
        }
        while (depth > 0) {
            expand(levels_[depth], levels_[depth - 1]);
            --depth;
        }
        for (const int e : chosen_) { tree_.push_back(levels_[0].edges[at(e)].above); }
        return true;
    }

    level& level_at(std::size_t i) {
        if (levels_.size() <= i) { levels_.resize(i + 1); }
        levels_[i].edges.clear();
        return levels_[i];
    }

    bool choose_cheapest(level& l) {
        l.best.assign(at(l.vertices), -1);
        lowest_.assign(at(l.vertices), std::numeric_limits<double>::infinity());
        const int count = static_cast<int>(l.edges.size());
        for (int i = 0; i < count; ++i) {
            const edge& e = l.edges[at(i)];
            if (e.cost < lowest_[at(e.to)]) {
                lowest_[at(e.to)] = e.cost;
                l.best[at(e.to)] = i;
            }
        }
        for (int v = 0; v < l.vertices; ++v) {
            if (v != l.root && l.best[at(v)] < 0) { return false; }
        }
        return true;
    }

    /// Shrinks every cycle of cheapest edges into one vertex of the next level; false where there is none.
    bool shrink_cycles(std::size_t depth) {
        level& l = levels_[depth];
        l.merged.assign(at(l.vertices), -1);
        visit_.assign(at(l.vertices), -1);
        int count = 0;
        for (int start = 0; start < l.vertices; ++start) {
            int v = start;
            while (v != l.root && visit_[at(v)] < 0) {
                visit_[at(v)] = start;
                v = l.edges[at(l.best[at(v)])].from;
            }
            if (v == l.root || visit_[at(v)] != start || l.merged[at(v)] >= 0) { continue; }
            for (int w = v; l.merged[at(w)] < 0; w = l.edges[at(l.best[at(w)])].from) { l.merged[at(w)] = count; }
            ++count;
        }
        if (count == 0) { return false; }
        for (int v = 0; v < l.vertices; ++v) {
            if (l.merged[at(v)] < 0) { l.merged[at(v)] = count++; }
        }
        level& below = level_at(depth + 1);
        level& here = levels_[depth];
        below.vertices = count;
        below.root = here.merged[at(here.root)];
        for (std::size_t i = 0; i < here.edges.size(); ++i) {
            const edge& e = here.edges[i];
            const int from = here.merged[at(e.from)];
            const int to = here.merged[at(e.to)];
            if (from == to || e.to == here.root) { continue; }
            below.edges.push_back({from, to, e.cost - lowest_[at(e.to)], static_cast<int>(i)});
        }
        return true;
    }

    /// Lifts the chosen edges one level up; on each shrunk cycle all cheapest edges stay but the one that is replaced.
    void expand(const level& below, const level& here) {
        visit_.assign(at(here.vertices), 0);
        for (int& e : chosen_) {
            e = below.edges[at(e)].above;
            visit_[at(here.edges[at(e)].to)] = 1;
        }
        for (int v = 0; v < here.vertices; ++v) {
            if (v != here.root && visit_[at(v)] == 0) { chosen_.push_back(here.best[at(v)]); }
        }
    }

    int ranks_;
    int root_;
    std::vector<ends> ends_;
    hop_tree tree_;
    std::vector<int> order_;
    std::vector<int> group_;
    std::vector<level> levels_;
    std::vector<double> lowest_; ///< cost of the cheapest edge into each vertex
    std::vector<int> visit_;
    std::vector<int> chosen_;
};

} // namespace blink
