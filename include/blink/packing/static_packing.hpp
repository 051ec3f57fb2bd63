// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Packings that the compiler makes: `using quad = blink::static_packing<blink::dgx1v, 0, 1, 2, 3>;`
#pragma once

#include <blink/packing/static_branchings.hpp>
#include <blink/packing/static_orientation.hpp>
#include <blink/packing/static_trees.hpp>
#include <blink/topology/topology.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <numeric>

namespace blink {

namespace detail {

/// The groups between which the links carry the least for each hop that a tree has to take there (Nash-Williams and
/// Tutte 1961), found by looking at all of them: 4140 for eight ranks.
template <int N>
class weakest_groups {
  public:
    constexpr explicit weakest_groups(const static_matrix<N>& units) : units_(units) {
        for (int u = 0; u < N; ++u) { all_ += within(u, (1U << u) - 1); }
        place(0, 0, 0);
    }

    int crossing = 0;
    int hops = 0; ///< groups less one
    std::array<int, N> part{};

  private:
    [[nodiscard]] constexpr int within(int u, unsigned others) const {
        int sum = 0;
        for (int v = 0; v < u; ++v) {
            if (others >> v & 1) { sum += units_[static_cast<std::size_t>(u)][static_cast<std::size_t>(v)]; }
        }
        return sum;
    }

    /// Tries every group for rank u, the ranks below it being placed with `inside` units within their groups.
    constexpr void place(int u, int groups, int inside) {
        if (u == N) {
            const int between = all_ - inside;
            if (groups < 2 || (hops > 0 && between * hops >= crossing * (groups - 1))) { return; }
            crossing = between;
            hops = groups - 1;
            part = at_;
            return;
        }
        for (int g = 0; g <= groups && g < N; ++g) {
            unsigned& group = members_[static_cast<std::size_t>(g)];
            at_[static_cast<std::size_t>(u)] = g;
            const int more = within(u, group);
            group |= 1U << u;
            place(u + 1, g == groups ? groups + 1 : groups, inside + more);
            group &= ~(1U << u);
        }
    }

    const static_matrix<N>& units_;
    int all_ = 0;
    std::array<unsigned, N> members_{};
    std::array<int, N> at_{};
};

/// The same tree from the root that makes it flattest.
template <int N>
[[nodiscard]] constexpr static_tree_rate<N> at_its_centre(const static_tree_rate<N>& tree) {
    static_tree_rate<N> best = tree;
    for (int root = 0; root < N; ++root) {
        static_tree_rate<N> turned = tree;
        turned.root = root;
        for (int v = root, above = -1; v != -1;) {
            const int next = tree.parent[static_cast<std::size_t>(v)];
            turned.parent[static_cast<std::size_t>(v)] = above;
            above = v;
            v = next;
        }
        if (turned.depth() < best.depth()) { best = turned; }
    }
    return best;
}

template <int N>
[[nodiscard]] constexpr static_trees<N> static_broadcast(const static_graph<N>& g, int root) {
    if (root < 0 || root >= N) { throw "the root is none of the ranks"; }
    static_trees<N> made{.kind = collective::broadcast, .root = root, .unit_GBps = g.unit_GBps};
    const entering_table<N> entering(g.capacity);
    const unsigned narrowest = entering.narrowest(root);
    made.crossing = entering.units[narrowest];
    if (made.crossing == 0) { throw "direct links do not join these GPUs"; }
    for (int v = 0; v < N; ++v) { made.part[static_cast<std::size_t>(v)] = narrowest >> v & 1 ? 1 : 0; }
    pack_branchings<N>(made, g.capacity, root, made.crossing);
    if (!keeps_its_promise(made, g)) { throw "this packing does not keep its promise"; }
    return made;
}

/// Links in shares of their unit, the coarsest of which a whole number is the bound of an allreduce.
template <int N>
struct divided_links {
    int parts = 1; ///< shares in a unit
    int rate = 0;  ///< shares that all trees carry together
    static_graph<N> shares;

    constexpr divided_links(const static_graph<N>& g, const weakest_groups<N>& weakest) {
        if (weakest.crossing == 0) { throw "direct links do not join these GPUs"; }
        parts = weakest.hops / std::gcd(weakest.crossing, weakest.hops);
        rate = weakest.crossing * parts / weakest.hops;
        shares.unit_GBps = g.unit_GBps / parts;
        for (std::size_t u = 0; u < N; ++u) {
            for (std::size_t v = 0; v < N; ++v) {
                if (g.capacity[u][v] != g.capacity[v][u]) { throw "a link has not the same speed both ways"; }
                shares.capacity[u][v] = g.capacity[u][v] * parts;
            }
        }
    }
};

/// The steps of an allreduce's packing are constants of their own: compilers limit the work behind each constant.
template <int N>
[[nodiscard]] constexpr static_trees<N>
static_allreduce(const weakest_groups<N>& weakest, const divided_links<N>& links, const static_matrix<N>& oriented) {
    static_trees<N> made{.kind = collective::allreduce, .unit_GBps = links.shares.unit_GBps};
    made.crossing = weakest.crossing * links.parts;
    made.hops = weakest.hops;
    made.part = weakest.part;
    pack_branchings<N>(made, oriented, 0, links.rate);
    for (int t = 0; t < made.count; ++t) {
        auto& tree = made.trees[static_cast<std::size_t>(t)];
        tree = at_its_centre(tree);
    }
    if (!keeps_its_promise(made, links.shares)) { throw "this packing does not keep its promise"; }
    return made;
}

/// All steps at once, for graphs that are known at run time.
template <int N>
[[nodiscard]] constexpr static_trees<N> static_allreduce(const static_graph<N>& g) {
    const weakest_groups<N> weakest(g.capacity);
    const divided_links<N> links(g, weakest);
    return static_allreduce<N>(weakest, links, orient<N>(links.shares.capacity, 0, links.rate));
}

} // namespace detail

/// Trees among the GPUs `Gpus` of `Machine` (rank 0, 1, ... in this order) over its direct links, known to the
/// compiler: two to eight GPUs, no switches. What cannot be packed does not compile, and the message says why.
/// @code
/// using quad = blink::static_packing<blink::dgx1v, 0, 1, 2, 3>;
/// static_assert(quad::allreduce.GBps() == 75 && quad::broadcast<0>.GBps() == 100);
/// @endcode
template <const auto& Machine, int... Gpus>
requires(sizeof...(Gpus) >= 2 && sizeof...(Gpus) <= most_static_ranks) class static_packing {
  public:
    static constexpr int ranks = sizeof...(Gpus);
    static constexpr std::array<int, sizeof...(Gpus)> gpus{Gpus...};
    static constexpr static_graph<ranks> links = direct_links<ranks>(Machine, gpus);

  private:
    static constexpr detail::weakest_groups<ranks> weakest{links.capacity};
    static constexpr detail::divided_links<ranks> shared{links, weakest};
    static constexpr auto oriented = detail::orient<ranks>(shared.shares.capacity, 0, shared.rate);

  public:
    /// Spanning trees at their bound, each at its flattest root.
    static constexpr static_trees<ranks> allreduce = detail::static_allreduce<ranks>(weakest, shared, oriented);

    /// Trees out of rank `Root`, at their bound.
    template <int Root>
    static constexpr static_trees<ranks> broadcast = detail::static_broadcast<ranks>(links, Root);
};

/// A packing whose trees the compiler knows.
template <class P>
concept compiled_packing = requires {
    { P::allreduce } -> std::same_as<const static_trees<P::ranks>&>;
};

} // namespace blink
