// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Makes the trees of a packing flatter at the same rates, since depth is latency.
///
/// Local search by two moves: a rank hangs itself onto another parent where there is room, or two trees swap the hops
/// into one rank. A move stays if the deepest tree gets flatter, or else the trees together, or else the ranks' levels.
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/fewest.hpp>
#include <blink/packing/hops.hpp>
#include <blink/packing/rooting.hpp>

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// A rooted tree that moves are tried on.
struct hung_tree {
    int root = 0;
    double rate = 0;
    std::vector<int> parent; ///< of each rank; -1 at the root
    std::vector<int> via;    ///< hop into each rank
    std::vector<int> level;  ///< of each rank; 0 at the root
    int depth = 0;
    int levels = 0; ///< sum over the ranks

    [[nodiscard]] static std::size_t at(int v) noexcept { return static_cast<std::size_t>(v); }

    /// True where `rank` lies on the way from `from` up to the root.
    [[nodiscard]] bool above(int rank, int from) const {
        for (int v = from; v >= 0; v = parent[at(v)]) {
            if (v == rank) { return true; }
        }
        return false;
    }

    /// How many levels `rank` would sink below `above`.
    [[nodiscard]] int shift(int rank, int above) const { return level[at(above)] + 1 - level[at(rank)]; }

    void measure() {
        depth = 0;
        levels = 0;
        level.assign(parent.size(), 0);
        for (std::size_t v = 0; v < parent.size(); ++v) {
            for (int u = parent[v]; u >= 0; u = parent[at(u)]) { ++level[v]; }
            depth = std::max(depth, level[v]);
            levels += level[v];
        }
    }
};

/// The end of `hop` that would be the parent of `rank`, or -1 where the hop does not lead there.
[[nodiscard]] inline int parent_over(const hop_graph& g, int hop, int rank) {
    const tree_hop& h = g.hops[static_cast<std::size_t>(hop)];
    if (h.child == rank) { return h.parent; }
    return !g.directed() && h.parent == rank ? h.child : -1;
}

class flattener {
  public:
    flattener(const hop_graph& g, const std::vector<chosen_tree>& trees) : graph_(&g), room_(g.capacity) {
        into_.resize(static_cast<std::size_t>(g.ranks));
        for (int h = 0; h < static_cast<int>(g.hops.size()); ++h) {
            for (int v = 0; v < g.ranks; ++v) {
                if (parent_over(g, h, v) >= 0) { into_[hung_tree::at(v)].push_back(h); }
            }
        }
        for (const chosen_tree& t : trees) { hang_up(t); }
    }

    void run() {
        constexpr int passes = 64;
        for (int i = 0; i < passes && pass(); ++i) {}
    }

    [[nodiscard]] std::vector<chosen_tree> result() const {
        std::vector<chosen_tree> trees;
        for (const hung_tree& t : trees_) {
            chosen_tree c{{}, t.rate};
            for (const int h : t.via) {
                if (h >= 0) { c.hops.push_back(h); }
            }
            std::sort(c.hops.begin(), c.hops.end());
            trees.push_back(std::move(c));
        }
        return trees;
    }

  private:
    using key = std::tuple<int, int, int>;

    void hang_up(const chosen_tree& t) {
        std::vector<int> busy(static_cast<std::size_t>(graph_->ranks), 0);
        const packed_tree shape = hang(*graph_, t.hops, t.rate, busy);
        hung_tree h{shape.root, t.rate, std::vector<int>(busy.size(), -1), std::vector<int>(busy.size(), -1), {}, 0, 0};
        for (const tree_edge& e : shape.edges) { h.parent[hung_tree::at(e.child)] = e.parent; }
        for (const int hop : t.hops) {
            const tree_hop& ends = graph_->hops[static_cast<std::size_t>(hop)];
            const bool turned = h.parent[hung_tree::at(ends.child)] != ends.parent;
            h.via[hung_tree::at(turned ? ends.parent : ends.child)] = hop;
            load(hop, t.rate);
        }
        h.measure();
        trees_.push_back(std::move(h));
    }

    void load(int hop, double rate) {
        for (const int l : graph_->hops[static_cast<std::size_t>(hop)].loads) { room_[l] -= rate; }
    }

    [[nodiscard]] bool overfull(int hop) const {
        const auto& links = graph_->hops[static_cast<std::size_t>(hop)].loads;
        return std::any_of(links.begin(), links.end(), [&](int l) { return room_[l] < -1e-10 * graph_->capacity[l]; });
    }

    [[nodiscard]] key score() const {
        key k{0, 0, 0};
        for (const hung_tree& t : trees_) {
            std::get<0>(k) = std::max(std::get<0>(k), t.depth);
            std::get<1>(k) += t.depth;
            std::get<2>(k) += t.levels;
        }
        return k;
    }

    /// Hangs `rank` of `t` onto the hop; false where that would close a cycle.
    bool rehang(hung_tree& t, int rank, int hop) {
        const int parent = parent_over(*graph_, hop, rank);
        if (t.above(rank, parent)) { return false; }
        load(t.via[hung_tree::at(rank)], -t.rate);
        load(hop, t.rate);
        t.parent[hung_tree::at(rank)] = parent;
        t.via[hung_tree::at(rank)] = hop;
        t.measure();
        return true;
    }

    /// True where the links of `hop` have room for `more` beside what they carry.
    [[nodiscard]] bool has_room(int hop, double more) const {
        const auto& links = graph_->hops[hung_tree::at(hop)].loads;
        return std::all_of(links.begin(), links.end(),
                           [&](int l) { return room_[l] - more >= -1e-10 * graph_->capacity[l]; });
    }

    /// A rank that moves up takes all ranks below it along, so nothing gets deeper.
    bool try_alone(hung_tree& t, int rank, int hop) {
        const int old = t.via[hung_tree::at(rank)];
        if (hop == old || t.shift(rank, parent_over(*graph_, hop, rank)) >= 0) { return false; }
        if (graph_->direct && !has_room(hop, t.rate)) { return false; }
        if (!rehang(t, rank, hop)) { return false; }
        if (!overfull(hop)) { return true; }
        rehang(t, rank, old);
        return false;
    }

    bool try_swap(hung_tree& a, hung_tree& b, int rank) {
        const int of_a = a.via[hung_tree::at(rank)];
        const int of_b = b.via[hung_tree::at(rank)];
        if (of_a < 0 || of_b < 0 || of_a == of_b) { return false; }
        if (a.shift(rank, parent_over(*graph_, of_b, rank)) >= 0 &&
            b.shift(rank, parent_over(*graph_, of_a, rank)) >= 0) {
            return false;
        }
        if (graph_->direct && !(has_room(of_b, a.rate - b.rate) && has_room(of_a, b.rate - a.rate))) { return false; }
        const key before = score();
        if (!rehang(a, rank, of_b)) { return false; }
        if (!rehang(b, rank, of_a)) {
            rehang(a, rank, of_a);
            return false;
        }
        if (!overfull(of_a) && !overfull(of_b) && score() < before) { return true; }
        rehang(b, rank, of_b);
        rehang(a, rank, of_a);
        return false;
    }

    bool pass() {
        bool moved = false;
        for (std::size_t i = 0; i < trees_.size(); ++i) {
            for (int v = 0; v < graph_->ranks; ++v) {
                if (v == trees_[i].root) { continue; }
                for (const int hop : into_[hung_tree::at(v)]) { moved |= try_alone(trees_[i], v, hop); }
                for (std::size_t j = 0; j < i; ++j) { moved |= try_swap(trees_[i], trees_[j], v); }
            }
        }
        return moved;
    }

    const hop_graph* graph_;
    Eigen::ArrayXd room_;
    std::vector<std::vector<int>> into_; ///< hops that lead to each rank
    std::vector<hung_tree> trees_;
};

} // namespace detail

/// @param trees rates in GB/s, within the links' capacities
/// @return as many trees with the same rates, at most as deep; undirected trees are measured from their centre
[[nodiscard]] inline std::vector<chosen_tree> flatten(const hop_graph& g, std::vector<chosen_tree> trees) {
    // Each round hangs undirected trees up at their centre anew.
    const int rounds = g.directed() ? 1 : 3;
    for (int i = 0; i < rounds; ++i) {
        detail::flattener search(g, trees);
        search.run();
        trees = search.result();
    }
    return trees;
}

} // namespace blink
