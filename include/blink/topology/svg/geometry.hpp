// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where the vertices of a picture lie, and how lengths are measured.
#pragma once

#include <blink/topology/topology.hpp>

#include <cmath>
#include <optional>
#include <vector>

namespace blink::detail::svg {

struct point {
    double x = 0;
    double y = 0;

    friend constexpr point operator+(point a, point b) noexcept { return {a.x + b.x, a.y + b.y}; }
    friend constexpr point operator-(point a, point b) noexcept { return {a.x - b.x, a.y - b.y}; }
    friend constexpr point operator*(point a, double k) noexcept { return {a.x * k, a.y * k}; }
    friend constexpr bool operator==(const point&, const point&) = default;
};

[[nodiscard]] inline double length(point p) noexcept { return std::hypot(p.x, p.y); }

enum class style : unsigned char { cube_mesh, ring, layers };

/// A vertex that no shown link touches, and that is no GPU, has no place.
struct layout {
    style kind = style::ring;
    double width = 0;
    double height = 0;
    std::vector<std::optional<point>> at;
    std::vector<link> links; ///< those that are shown, one direction of each pair
};

inline constexpr double gpu_radius = 21;
inline constexpr double margin = 34;

/// The mean of the places of those neighbours of v that `wanted` takes; nothing where there is none.
template <class Wanted>
[[nodiscard]] std::optional<point> amid(const layout& l, int v, Wanted wanted) {
    point sum;
    int n = 0;
    for (const link& wire : l.links) {
        if (wire.from != v && wire.to != v) { continue; }
        const int other = wire.from == v ? wire.to : wire.from;
        const auto& place = l.at[static_cast<std::size_t>(other)];
        if (!place || !wanted(other)) { continue; }
        sum = sum + *place;
        ++n;
    }
    return n > 0 ? std::optional(sum * (1.0 / n)) : std::nullopt;
}

} // namespace blink::detail::svg
