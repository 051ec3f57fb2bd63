// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Trees for equal boxes: along the rails, then inside each box.
///
/// A box is a group of ranks at one switch; rank i of every box is on rail i. A tree crosses between boxes on the rails
/// alone and spreads inside each box by one hop. That is a guess: what it is worth is read off the loads of the links
/// and compared with the bound, so it needs no proof, costs next to nothing and gives flat trees where it holds.
#pragma once

#include <blink/packing/hops.hpp>
#include <blink/packing/one_hop.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/rooting.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace blink {

/// Ranks by box and rail.
using rank_boxes = std::vector<std::vector<int>>;

/// Ranks by the switch at the other end of their widest link, where that makes two groups or more of equal size.
/// @return empty where it does not
[[nodiscard]] inline rank_boxes equal_boxes(const fabric& f) {
    std::vector<int> at_switch(static_cast<std::size_t>(f.ranks), -1);
    std::vector<double> widest(static_cast<std::size_t>(f.ranks), 0);
    for (const link& l : f.links) {
        if (l.from >= f.ranks || l.to < f.ranks) { continue; }
        const auto v = static_cast<std::size_t>(l.from);
        if (l.GBps > widest[v]) {
            widest[v] = l.GBps;
            at_switch[v] = l.to;
        }
    }
    std::map<int, std::vector<int>> by_switch;
    for (int v = 0; v < f.ranks; ++v) { by_switch[at_switch[static_cast<std::size_t>(v)]].push_back(v); }
    rank_boxes boxes;
    for (auto& [s, members] : by_switch) {
        if (s < 0 || (!boxes.empty() && members.size() != boxes.front().size())) { return {}; }
        boxes.push_back(std::move(members));
    }
    return boxes.size() < 2 ? rank_boxes{} : boxes;
}

namespace detail {

/// Collects the hops of trees by their ends; a tree that misses a hop spoils them all.
class rail_trees {
  public:
    rail_trees(const hop_graph& g, const rank_boxes& boxes) : graph_(&g), boxes_(&boxes), table_(hop_table(g)) {}

    [[nodiscard]] int rank(int box, int rail) const {
        return (*boxes_)[static_cast<std::size_t>(box)][static_cast<std::size_t>(rail)];
    }
    [[nodiscard]] int box_count() const { return static_cast<int>(boxes_->size()); }
    [[nodiscard]] int rail_count() const { return static_cast<int>(boxes_->front().size()); }

    void begin(int root) {
        trees_.emplace_back();
        roots_.push_back(root);
    }

    void hop(int from, int to) {
        if (from == to) { return; }
        const int h = table_[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
        missing_ = missing_ || h < 0;
        trees_.back().push_back(h);
    }

    /// From rank `rail` of the box to all others in it but `done`.
    void spread(int box, int rail, int done = -1) {
        for (int i = 0; i < rail_count(); ++i) {
            if (rank(box, i) != done) { hop(rank(box, rail), rank(box, i)); }
        }
    }

    /// From rank `rail` of the box to all others in it, each of which hands on to `fan` more; the rank itself has one
    /// hop only, unless `fan` is 0: then it reaches all by itself.
    void spread_by(int fan, int box, int rail) {
        std::vector<int> order{rank(box, rail)};
        for (int i = 1; i < rail_count(); ++i) { order.push_back(rank(box, (rail + i) % rail_count())); }
        for (int i = 1; i < rail_count(); ++i) {
            const int above = fan == 0 || i == 1 ? 0 : 1 + (i - 2) / fan;
            hop(order[static_cast<std::size_t>(above)], order[static_cast<std::size_t>(i)]);
        }
    }

    [[nodiscard]] std::vector<packed_tree> finish() && {
        if (missing_) { return {}; }
        for (hop_tree& t : trees_) { std::sort(t.begin(), t.end()); }
        return evenly_rated(*graph_, trees_, roots_);
    }

  private:
    const hop_graph* graph_;
    const rank_boxes* boxes_;
    std::vector<std::vector<int>> table_;
    std::vector<hop_tree> trees_;
    std::vector<int> roots_;
    bool missing_ = false;
};

/// The parents in a binary tree over 1 .. count whose odd members are leaves; 0 is the parent of its root.
[[nodiscard]] inline std::vector<int> in_order_parents(int count) {
    std::vector<int> parent(static_cast<std::size_t>(count) + 1, 0);
    const auto build = [&](const auto& self, int first, int last, int above) -> void {
        if (first > last) { return; }
        int top = first;
        for (int v = first; v <= last; ++v) {
            if ((v & -v) > (top & -top)) { top = v; }
        }
        parent[static_cast<std::size_t>(top)] = above;
        self(self, first, top - 1, top);
        self(self, top + 1, last, top);
    };
    build(build, 1, count, 0);
    return parent;
}

/// The same tree with its members renamed so that no member has children in both (Sanders, Speck and Traeff 2009).
[[nodiscard]] inline std::vector<int> opposite_parents(const std::vector<int>& parent) {
    const int count = static_cast<int>(parent.size()) - 1;
    const auto renamed = [&](int v) { return v == 0 ? 0 : count % 2 == 0 ? count + 1 - v : v % count + 1; };
    std::vector<int> other(parent.size(), 0);
    for (int v = 1; v <= count; ++v) {
        other[static_cast<std::size_t>(renamed(v))] = renamed(parent[static_cast<std::size_t>(v)]);
    }
    return other;
}

/// How a tree of one root crosses from box to box.
enum class crossing : unsigned char {
    star,    ///< from the root's box straight to each other box: flat, but all on one rail
    pairs,   ///< two rails share two binary trees; a box has children in one of the two only
    sequence ///< from box to box
};

/// One tree a rail, all of `root`. The root takes part in all of them, so `fan` says how far the one on its own rail
/// leaves the work in its box to the others.
[[nodiscard]] inline std::vector<packed_tree> rooted_rails(const hop_graph& g, const rank_boxes& boxes, int root,
                                                           crossing shape, int fan) {
    rail_trees trees(g, boxes);
    const int rails = trees.rail_count();
    const int others = trees.box_count() - 1;
    int home = 0;
    for (int b = 0; b <= others; ++b) {
        const auto& box = boxes[static_cast<std::size_t>(b)];
        if (std::find(box.begin(), box.end(), root) != box.end()) { home = b; }
    }
    // Boxes are numbered from the root's box on, so that plans of different roots look alike.
    const auto box = [&](int number) { return (home + number) % (others + 1); };
    std::vector<int> chain(static_cast<std::size_t>(others) + 1, 0);
    for (int b = 1; b <= others; ++b) { chain[static_cast<std::size_t>(b)] = b - 1; }
    const std::vector<int> star(chain.size(), 0);
    const std::vector<int> first = in_order_parents(others);
    const std::vector<int> second = opposite_parents(first);
    for (int rail = 0; rail < rails; ++rail) {
        const bool alone = rail == rails - 1 && rails % 2 == 1;
        const int partner = alone ? rail : rail ^ 1;
        const std::vector<int>& pair = rail % 2 == 0 ? first : second;
        const std::vector<int>& parent = shape == crossing::star                ? star
                                         : shape == crossing::sequence || alone ? chain
                                                                                : pair;
        trees.begin(root);
        trees.hop(root, trees.rank(home, rail));
        if (trees.rank(home, rail) == root) {
            trees.spread_by(fan, home, rail);
        } else {
            trees.spread(home, rail, root);
        }
        std::vector<bool> busy(parent.size(), false);
        for (int b = 1; b <= others; ++b) {
            // The second child of a box comes over the partner's rail, which its own tree leaves free there.
            const auto above = static_cast<std::size_t>(parent[static_cast<std::size_t>(b)]);
            const int leaving = busy[above] && shape == crossing::pairs ? partner : rail;
            busy[above] = true;
            trees.hop(trees.rank(box(static_cast<int>(above)), leaving), trees.rank(box(b), rail));
            trees.spread(box(b), rail);
        }
    }
    return std::move(trees).finish();
}

} // namespace detail

/// A tree from every rank: to the ranks on its rail, and from each of them into its box. For undirected graphs too.
/// @return trees of equal rates, as high as the links allow; empty where a hop is missing
[[nodiscard]] inline std::vector<packed_tree> rail_forest(const hop_graph& g, const rank_boxes& boxes) {
    if (boxes.empty()) { return {}; }
    detail::rail_trees trees(g, boxes);
    std::vector<std::pair<int, int>> place(static_cast<std::size_t>(g.ranks));
    for (int b = 0; b < trees.box_count(); ++b) {
        for (int i = 0; i < trees.rail_count(); ++i) { place[static_cast<std::size_t>(trees.rank(b, i))] = {b, i}; }
    }
    for (int root = 0; root < g.ranks; ++root) {
        const auto [home, rail] = place[static_cast<std::size_t>(root)];
        trees.begin(root);
        for (int b = 0; b < trees.box_count(); ++b) {
            trees.hop(root, trees.rank(b, rail));
            trees.spread(b, rail);
        }
    }
    return std::move(trees).finish();
}

/// Trees of the graph's root, one a rail: the flattest shape that reaches `target`, else the best of them.
[[nodiscard]] inline std::vector<packed_tree> rail_trees_from_root(const hop_graph& g, const rank_boxes& boxes,
                                                                   double target) {
    std::vector<packed_tree> best;
    if (boxes.empty()) { return best; }
    for (const auto shape : {detail::crossing::star, detail::crossing::pairs, detail::crossing::sequence}) {
        for (const int fan : {0, 3, 2, 1}) {
            std::vector<packed_tree> trees = detail::rooted_rails(g, boxes, g.root, shape, fan);
            if (best.empty() || total_rate(trees) > total_rate(best) * (1 + 1e-9)) { best = std::move(trees); }
            if (best.empty() || total_rate(best) >= target * (1 - 1e-9)) { return best; }
        }
    }
    return best;
}

} // namespace blink
