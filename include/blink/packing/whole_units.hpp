// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Capacities in whole units, so that trees of one unit each can be counted instead of weighed.
///
/// The demand is a number of trees: `each` from the root, or `each` from every rank. The larger the unit, the higher
/// the rate and the more capacity is lost to rounding; the largest unit is looked up at which every rank can still
/// receive the demand, on the links of the machine, switches and all.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/packing/max_flow.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <vector>

namespace blink {

/// A link in the direction in which trees cross it away from the root.
struct unit_link {
    int from = 0;
    int to = 0;
    double units = 0; ///< a whole number
};

/// What trees are wanted, with the machine's capacities to match.
struct unit_demand {
    int each = 0;    ///< trees of one unit of each root; where the roots differ, on average
    double unit = 0; ///< GB/s
    int root = 0;    ///< vertex that all trees leave: the root's, or one behind the last that feeds every rank
    double trees = 0;
    std::vector<unit_link> links; ///< as in the fabric; where every rank is a root, followed by a link to each rank
};

namespace detail {

/// Asks of one machine and collective which units will do.
class unit_search {
  public:
    unit_search(const fabric& f, collective kind, int root)
        : fabric_(&f), reversed_(kind == collective::reduce || kind == collective::reduce_scatter),
          sharded_(is_sharded(kind) || !is_rooted(kind)), root_(sharded_ ? f.vertices : root),
          network_(f.vertices + 1) {
        for (const link& l : f.links) { network_.add(reversed_ ? l.to : l.from, reversed_ ? l.from : l.to, 0); }
        for (int v = 0; sharded_ && v < f.ranks; ++v) { network_.add(f.vertices, v, 0); }
    }

    [[nodiscard]] unit_demand demand(int each, double unit) const {
        return demand(std::vector<double>(static_cast<std::size_t>(roots()), each), unit);
    }

    /// @param of_root units of each root
    [[nodiscard]] unit_demand demand(const std::vector<double>& of_root, double unit) const {
        unit_demand d{0, unit, root_, std::accumulate(of_root.begin(), of_root.end(), 0.0), {}};
        d.each = static_cast<int>(std::ceil(d.trees / roots()));
        for (const link& l : fabric_->links) {
            d.links.push_back({reversed_ ? l.to : l.from, reversed_ ? l.from : l.to, units(l.GBps, unit)});
        }
        for (int v = 0; sharded_ && v < fabric_->ranks; ++v) {
            d.links.push_back({root_, v, of_root[static_cast<std::size_t>(v)]});
        }
        return d;
    }

    /// True where every rank can receive all units.
    [[nodiscard]] bool fits(int each, double unit) { return fits(demand(each, unit)); }

    [[nodiscard]] bool fits(const unit_demand& d) {
        for (std::size_t i = 0; i < d.links.size(); ++i) { network_.set(static_cast<int>(i), d.links[i].units); }
        const auto receives = [&](int v) { return v == root_ || network_.solve(root_, v, d.trees) >= d.trees; };
        if (!receives(suspect_)) { return false; }
        for (int v = 0; v < fabric_->ranks; ++v) {
            if (receives(v)) { continue; }
            suspect_ = v;
            return false;
        }
        return true;
    }

    /// The largest unit at which `each` fits and the rate lies in [low, high] GB/s; 0 where there is none.
    [[nodiscard]] double largest(int each, double low, double high) {
        const double trees = static_cast<double>(each) * roots();
        if (fits(each, high / trees)) { return high / trees; }
        std::vector<double> widths;
        for (const link& l : fabric_->links) { widths.push_back(l.GBps); }
        std::sort(widths.begin(), widths.end());
        widths.erase(std::unique(widths.begin(), widths.end()), widths.end());
        std::vector<double> unit;
        for (const double w : widths) {
            const double most = std::min(w * trees / std::max(low, high * 1e-3), 1e4);
            for (double m = std::max(1.0, std::ceil(w * trees / high)); m <= most; ++m) { unit.push_back(w / m); }
        }
        std::erase_if(unit, [&](double u) { return u * trees < low * (1 - 1e-9) || u * trees > high * (1 + 1e-9); });
        std::sort(unit.begin(), unit.end(), std::greater<>());
        const auto first = std::partition_point(unit.begin(), unit.end(), [&](double u) { return !fits(each, u); });
        return first == unit.end() ? 0 : *first;
    }

    [[nodiscard]] int roots() const noexcept { return sharded_ ? fabric_->ranks : 1; }

  private:
    [[nodiscard]] static double units(double GBps, double unit) { return std::floor(GBps / unit + 1e-9); }

    const fabric* fabric_;
    bool reversed_;
    bool sharded_;
    int root_;
    flow_network network_;
    int suspect_ = 0; ///< the rank that fell short last
};

} // namespace detail

/// Units for the fewest trees that keep the slack; where `options.max_trees` allows no such number, for the best rate.
/// An allreduce is treated like an allgather.
/// @param bound GB/s; no rate above it is looked at
/// @return `each` is 0 where nothing fits
[[nodiscard]] inline unit_demand choose_units(const fabric& f, collective kind, int root, double bound,
                                              const pack_options& options) {
    constexpr int few = 16;
    constexpr int exact = 128;
    constexpr int fine = 1 << 26; // rounding is then next to nothing
    detail::unit_search search(f, kind, root);
    const double target = bound * (1 - options.slack);
    const bool limited = options.max_trees > 0;
    const int most = limited ? options.max_trees / search.roots() : options.slack > 0 ? few : exact;
    unit_demand best;
    for (int each = 1; each <= most; ++each) {
        const double low = limited ? best.unit * best.trees * (1 + 1e-9) : target;
        const double unit = search.largest(each, low, bound);
        if (!(unit > 0)) { continue; }
        best = search.demand(each, unit);
        if (unit * best.trees >= target * (1 - 1e-9)) { return best; }
    }
    if (limited) { return best; }
    const double trees = static_cast<double>(fine) * search.roots();
    for (const double rate : {std::min(target, bound * (1 - 1e-8)), bound * (1 - 1e-7), bound * (1 - 1e-6)}) {
        if (search.fits(fine, rate / trees)) { return search.demand(fine, rate / trees); }
    }
    return best;
}

/// Units for trees of all ranks whose rates need not be equal, as few as reach `target` GB/s together.
/// @param root_GBps of `best_root_rates`
/// @return `each` is 0 where nothing fits
[[nodiscard]] inline unit_demand choose_uneven_units(const fabric& f, const std::vector<double>& root_GBps,
                                                     double target) {
    constexpr int fine = 1 << 30;
    detail::unit_search search(f, collective::allreduce, 0);
    const double total = std::accumulate(root_GBps.begin(), root_GBps.end(), 0.0);
    const auto in_units = [&](double count) {
        std::vector<double> of_root;
        for (const double GBps : root_GBps) { of_root.push_back(std::floor(GBps * count / total + 1e-9)); }
        return search.demand(of_root, total / count);
    };
    for (int count = 1; count <= 8 * f.ranks; ++count) {
        const unit_demand d = in_units(count);
        if (d.trees * d.unit >= target * (1 - 1e-9) && search.fits(d)) { return d; }
    }
    for (const double share : {1 - 1e-7, 1 - 1e-6, target / total}) {
        // Roots a little below what the links allow leave room for rounding.
        std::vector<double> of_root;
        for (const double GBps : root_GBps) { of_root.push_back(std::floor(GBps * share * fine / total)); }
        const unit_demand d = search.demand(of_root, total / fine);
        if (search.fits(d)) { return d; }
    }
    return {};
}

} // namespace blink
