// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Arborescences from a root that share no unit of a link, found in a constant expression.
///
/// As many exist as the smallest cut has units (Edmonds, *Edge-disjoint branchings*, 1973). They are grown as in the
/// proof by Lovász (*On two minimax theorems in graph theory*, 1976): take any arc out of the tree so far that leaves
/// every set of vertices without the root enough to enter it for the trees that are still to come. With at most eight
/// ranks those sets fit into a table, so "enough" is a look-up and not a flow.
#pragma once

#include <blink/packing/static_trees.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace blink::detail {

/// Units that enter each set of ranks (a bit a rank) from outside.
template <int N>
struct entering_table {
    std::array<int, std::size_t{1} << N> units{};

    constexpr explicit entering_table(const std::array<std::array<int, N>, N>& capacity) {
        for (unsigned set = 0; set < units.size(); ++set) {
            for (int u = 0; u < N; ++u) {
                for (int v = 0; v < N && (set >> u & 1) == 0; ++v) {
                    if (set >> v & 1) {
                        units[set] += capacity[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)];
                    }
                }
            }
        }
    }

    /// The set without `root` that the least enters.
    [[nodiscard]] constexpr unsigned narrowest(int root) const {
        unsigned best = ((1U << N) - 1) & ~(1U << root);
        for (unsigned set = 1; set < units.size(); ++set) {
            if ((set >> root & 1) == 0 && units[set] < units[best]) { best = set; }
        }
        return best;
    }
};

/// What is left of the links while trees are taken out of them.
template <int N>
class branching_packer {
  public:
    constexpr branching_packer(const std::array<std::array<int, N>, N>& capacity, int root)
        : left_(capacity), entering_(capacity), root_(root) {}

    /// A tree of `units` units that leaves room for `needed - units` more; nothing where the arcs that were taken
    /// first allow none (never so for one unit, as long as every set is entered by `needed`).
    [[nodiscard]] constexpr std::optional<static_tree_rate<N>> grow(int units, int needed) const {
        branching_packer trial = *this;
        static_tree_rate<N> tree{root_, units, {}};
        tree.parent.fill(-1);
        std::array<int, N> order{root_};
        unsigned inside = 1U << root_;
        for (int reached = 1; reached < N; ++reached) {
            const auto [parent, child] = trial.next_arc(order, reached, inside, units, needed);
            if (child == -1) { return std::nullopt; }
            trial.take(parent, child, units);
            tree.parent[static_cast<std::size_t>(child)] = parent;
            order[static_cast<std::size_t>(reached)] = child;
            inside |= 1U << child;
        }
        return tree;
    }

    constexpr void take(const static_tree_rate<N>& tree) {
        for (int v = 0; v < N; ++v) {
            if (v != tree.root) { take(tree.parent[static_cast<std::size_t>(v)], v, tree.units); }
        }
    }

    /// The most units that a link out of the root has left.
    [[nodiscard]] constexpr int widest() const {
        return *std::ranges::max_element(left_[static_cast<std::size_t>(root_)]);
    }

  private:
    struct hop {
        int parent = -1;
        int child = -1;
    };

    /// From the rank that was reached first, which is the shallowest; the child with the widest link.
    [[nodiscard]] constexpr hop next_arc(const std::array<int, N>& order, int reached, unsigned inside, int units,
                                         int needed) const {
        for (int i = 0; i < reached; ++i) {
            const int u = order[static_cast<std::size_t>(i)];
            hop best;
            int width = units - 1;
            for (int v = 0; v < N; ++v) {
                const int here = left_[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)];
                if ((inside >> v & 1) == 0 && here > width && leaves_enough(u, v, needed)) {
                    best = {u, v};
                    width = here;
                }
            }
            if (best.child != -1) { return best; }
        }
        return {};
    }

    /// Calls `use` with each set that u -> v enters and that is without the root, until one call gives false.
    template <class Use>
    constexpr bool all_entered(int u, int v, Use use) const {
        const unsigned others = ((1U << N) - 1) & ~(1U << u | 1U << v | 1U << root_);
        for (unsigned more = others;; more = (more - 1) & others) {
            if (!use(more | 1U << v)) { return false; }
            if (more == 0) { return true; }
        }
    }

    /// Taking u -> v `units` times leaves every set `needed - units` to enter: it is entered by `needed` before.
    [[nodiscard]] constexpr bool leaves_enough(int u, int v, int needed) const {
        return all_entered(u, v, [&](unsigned set) { return entering_.units[set] >= needed; });
    }

    constexpr void take(int u, int v, int units) {
        left_[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)] -= units;
        all_entered(u, v, [&](unsigned set) {
            entering_.units[set] -= units;
            return true;
        });
    }

    std::array<std::array<int, N>, N> left_;
    entering_table<N> entering_;
    int root_;
};

/// Fills `made` with trees of `units` units in all, the widest first. Every set without `root` has to be entered by
/// `units` units.
template <int N>
constexpr void pack_branchings(static_trees<N>& made, const std::array<std::array<int, N>, N>& capacity, int root,
                               int units) {
    branching_packer<N> packer(capacity, root);
    made.units = units;
    for (int needed = units; needed > 0;) {
        std::optional<static_tree_rate<N>> tree;
        for (int wide = std::min(needed, packer.widest()); wide > 0 && !tree; --wide) {
            tree = packer.grow(wide, needed);
        }
        if (!tree) { throw "the links cannot hold so many trees"; }
        if (made.count == made.most) { throw "the packing takes more trees than a schedule has lanes"; }
        packer.take(*tree);
        made.trees[static_cast<std::size_t>(made.count++)] = *tree;
        needed -= tree->units;
    }
}

} // namespace blink::detail
