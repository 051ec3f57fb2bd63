// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Full-duplex wires of a machine, and what becomes of them when they are joined end to end at a vertex that only
/// passes data on.
#pragma once

#include <blink/core/error.hpp>
#include <blink/packing/eigen.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace blink::detail {

/// A way between two vertices that carries `GBps` each way at once over links of its own, or over its part of them.
struct strand {
    int a = 0;
    int b = 0;
    double GBps = 0;
    std::vector<int> there; ///< links from a to b, in this order, as indices into the links of the machine
    std::vector<int> back;  ///< links from b to a

    friend bool operator==(const strand&, const strand&) = default;
};

/// `s` seen from the other end.
[[nodiscard]] inline strand turned(const strand& s) { return {s.b, s.a, s.GBps, s.back, s.there}; }

/// The links accepted by `wanted` as wires: each link with its equal the other way.
/// @throw plan_error for a link that has none
template <class Wanted>
[[nodiscard]] std::vector<strand> full_duplex(const topology& g, Wanted wanted) {
    const auto links = g.links();
    std::vector<bool> paired(links.size(), false);
    std::vector<strand> strands;
    for (std::size_t i = 0; i < links.size(); ++i) {
        if (paired[i] || !wanted(links[i].kind)) { continue; }
        std::size_t j = i + 1;
        const auto equal = [&](const link& l) {
            return l.from == links[i].to && l.to == links[i].from && l.kind == links[i].kind &&
                   std::abs(l.GBps - links[i].GBps) <= 1e-12 * links[i].GBps;
        };
        while (j < links.size() && (paired[j] || !equal(links[j]))) { ++j; }
        if (j == links.size()) {
            throw plan_error(g.name() + ": relays need wires that carry as much one way as the other; a link of " +
                             std::to_string(links[i].GBps) + " GB/s has no equal the other way");
        }
        paired[j] = true;
        strands.push_back({links[i].from, links[i].to, links[i].GBps, {static_cast<int>(i)}, {static_cast<int>(j)}});
    }
    return strands;
}

/// `from` followed by `to`, which begins where `from` ends, without the circles that this may close.
[[nodiscard]] inline strand end_to_end(const topology& g, const strand& from, const strand& to, double GBps) {
    strand s{from.a, to.b, GBps, from.there, to.back};
    s.there.insert(s.there.end(), to.there.begin(), to.there.end());
    s.back.insert(s.back.end(), from.back.begin(), from.back.end());
    const auto start_of = [&](int l) { return g.links()[static_cast<std::size_t>(l)].from; };
    const auto shorten = [&](std::vector<int>& way) {
        for (std::size_t i = 0; i < way.size(); ++i) {
            for (std::size_t j = way.size() - 1; j > i; --j) {
                if (start_of(way[j]) != start_of(way[i])) { continue; }
                way.erase(way.begin() + static_cast<std::ptrdiff_t>(i), way.begin() + static_cast<std::ptrdiff_t>(j));
                break;
            }
        }
    };
    shorten(s.there);
    shorten(s.back);
    return s;
}

/// The wires of a machine while vertices are taken out of it.
class wire_set {
  public:
    wire_set(const topology& g, std::vector<strand> strands) : machine_(&g), strands_(std::move(strands)) {
        capacity_ = Eigen::MatrixXd::Zero(g.vertex_count(), g.vertex_count());
        for (const strand& s : strands_) { add(s.a, s.b, s.GBps); }
    }

    /// What the wires between two vertices carry each way, GB/s.
    [[nodiscard]] const Eigen::MatrixXd& capacity() const noexcept { return capacity_; }
    [[nodiscard]] const std::vector<strand>& strands() const noexcept { return strands_; }

    /// Vertices at the other ends of the wires of `v`, in ascending order.
    [[nodiscard]] std::vector<int> neighbours(int v) const {
        std::vector<int> found;
        for (int u = 0; u < static_cast<int>(capacity_.rows()); ++u) {
            if (capacity_(v, u) > 0) { found.push_back(u); }
        }
        return found;
    }

    /// Joins `GBps` of the wires a - via and via - b into wires a - b, those with the shortest ways first.
    void join(int a, int via, int b, double GBps) {
        std::vector<strand> made;
        while (GBps > nothing()) {
            strand* const left = shortest(a, via);
            strand* const right = shortest(via, b);
            if (left == nullptr || right == nullptr) { break; }
            const double part = std::min({left->GBps, right->GBps, GBps});
            made.push_back(end_to_end(*machine_, left->a == a ? *left : turned(*left),
                                      right->b == b ? *right : turned(*right), part));
            left->GBps -= part;
            right->GBps -= part;
            GBps -= part;
            add(a, via, -part);
            add(via, b, -part);
            add(a, b, part);
        }
        strands_.insert(strands_.end(), made.begin(), made.end());
        drop_empty();
    }

    /// Removes the strand that is equal to `gone`.
    void drop(const strand& gone) {
        const auto found = std::find(strands_.begin(), strands_.end(), gone);
        if (found == strands_.end()) { return; }
        add(gone.a, gone.b, -gone.GBps);
        strands_.erase(found);
    }

    /// Removes what is left of the wires of `v`.
    void remove(int v) {
        for (strand& s : strands_) {
            if (s.a != v && s.b != v) { continue; }
            add(s.a, s.b, -s.GBps);
            s.GBps = 0;
        }
        drop_empty();
    }

  private:
    [[nodiscard]] static bool joins(const strand& s, int u, int v) {
        return (s.a == u && s.b == v) || (s.a == v && s.b == u);
    }

    [[nodiscard]] double nothing() const { return 1e-9 * capacity_.maxCoeff(); }

    void add(int u, int v, double GBps) {
        for (double* c : {&capacity_(u, v), &capacity_(v, u)}) {
            *c += GBps;
            if (*c < nothing()) { *c = 0; }
        }
    }

    void drop_empty() {
        std::erase_if(strands_, [this](const strand& s) { return s.GBps <= nothing(); });
    }

    [[nodiscard]] strand* shortest(int u, int v) {
        strand* found = nullptr;
        for (strand& s : strands_) {
            if (joins(s, u, v) && s.GBps > nothing() && (found == nullptr || s.there.size() < found->there.size())) {
                found = &s;
            }
        }
        return found;
    }

    const topology* machine_;
    std::vector<strand> strands_;
    Eigen::MatrixXd capacity_;
};

} // namespace blink::detail
