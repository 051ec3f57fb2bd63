// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The shares that trees' rates are counted in: a whole lane first, then halves and finer.
#pragma once

#include <blink/packing/hops.hpp>
#include <blink/packing/packing.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace blink {

namespace detail {

/// `x` as a whole number of `unit`, or 0 where it is none.
[[nodiscard]] inline long whole_units(double x, double unit) {
    const double units = x / unit;
    const double nearest = std::round(units);
    return nearest >= 1 && nearest < 1e6 && std::abs(units - nearest) < 1e-9 * nearest ? static_cast<long>(nearest) : 0;
}

[[nodiscard]] inline long common_divisor(long a, long b) { return b == 0 ? a : common_divisor(b, a % b); }

} // namespace detail

/// The rate of a whole lane, in GB/s: the slowest wire that a hop uses; where all such links are whole multiples of it,
/// their greatest common divisor (a machine of double links has double lanes).
[[nodiscard]] inline double lane_unit(const fabric& f, const hop_graph& g) {
    std::vector<link> used;
    std::vector<bool> seen(f.links.size(), false);
    for (const tree_hop& h : g.hops) {
        for (const int l : h.loads) {
            if (!seen[static_cast<std::size_t>(l)]) { used.push_back(f.links[static_cast<std::size_t>(l)]); }
            seen[static_cast<std::size_t>(l)] = true;
        }
    }
    double unit = 0;
    for (const link& l : used) {
        const double wire = l.GBps / l.lanes;
        unit = unit > 0 ? std::min(unit, wire) : wire;
    }
    long divisor = 0;
    for (const link& l : used) {
        const long units = detail::whole_units(l.GBps, unit);
        if (units == 0) { return unit; }
        divisor = detail::common_divisor(units, divisor);
    }
    return unit * static_cast<double>(std::max(divisor, 1L));
}

/// How finely a lane is divided, in the order in which it is tried. Beside powers of two stands the number that the
/// bound asks for: a partition into p parts limits whole lanes to multiples of 1/(p-1), where trees reach it exactly.
[[nodiscard]] inline std::vector<int> share_divisors(const certificate& bound, bool partition) {
    std::vector<int> divisors{1, 2, 4, 8, 16};
    if (const int exact = static_cast<int>(bound.parts.size()) - 1; partition && exact > 1) {
        divisors.push_back(exact);
    }
    std::sort(divisors.begin(), divisors.end());
    divisors.erase(std::unique(divisors.begin(), divisors.end()), divisors.end());
    return divisors;
}

} // namespace blink
