// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Rings of GPUs: one around the switches of a machine, or one for each box of a cluster. Where GPUs are joined
/// directly, wide links lead to neighbours.
#pragma once

#include <blink/topology/svg/geometry.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace blink::detail::svg {

/// How far the links reach round the ring, wide ones counting more.
[[nodiscard]] inline double reach(const std::vector<link>& links, const std::vector<int>& place) {
    const int n = static_cast<int>(place.size());
    double sum = 0;
    for (const link& l : links) {
        const int apart = std::abs(place[static_cast<std::size_t>(l.from)] - place[static_cast<std::size_t>(l.to)]);
        const int around = std::min(apart, n - apart);
        sum += l.GBps * around * around;
    }
    return sum;
}

/// GPUs in the order in which they stand on the ring: as they are numbered, then stretches of them turned round and
/// pairs exchanged as long as the links get shorter.
[[nodiscard]] inline std::vector<int> ring_places(int gpus, const std::vector<link>& links) {
    std::vector<int> order(static_cast<std::size_t>(gpus));
    std::iota(order.begin(), order.end(), 0);
    const auto places = [&] {
        std::vector<int> place(order.size());
        for (std::size_t i = 0; i < order.size(); ++i) {
            place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
        }
        return place;
    };
    double shortest = reach(links, places());
    for (bool better = true; better;) {
        better = false;
        for (auto a = order.begin() + 1; a < order.end(); ++a) {
            for (auto b = a + 1; b < order.end(); ++b) {
                for (const bool turn : {true, false}) {
                    const auto change = [&] { turn ? std::reverse(a, b + 1) : std::iter_swap(a, b); };
                    change();
                    const double now = reach(links, places());
                    if (now < shortest * (1 - 1e-9)) {
                        shortest = now;
                        better = true;
                    } else {
                        change();
                    }
                }
            }
        }
    }
    return places();
}

inline void place_ring(layout& l, int gpus) {
    const bool direct = std::ranges::all_of(l.links, [&](const link& w) { return w.from < gpus && w.to < gpus; });
    // Between neighbours that are joined there has to be room for arrows.
    const double radius = gpus == 1 ? 0 : std::max(150.0, gpus * (direct ? 82 : 66) / (2 * std::numbers::pi));
    // Every other GPU stands further in, so that links to the next but one pass it by.
    const bool staggered = direct && gpus > 8;
    l.kind = style::ring;
    const point centre{radius + margin + 26, gpus < 3 ? margin + 40 : radius + margin};
    l.width = 2 * centre.x;
    l.height = 2 * centre.y;
    const std::vector<int> places = ring_places(gpus, direct ? l.links : std::vector<link>{});
    for (int i = 0; i < gpus; ++i) {
        // From the left for two GPUs, from the top otherwise.
        const double turn = 2 * std::numbers::pi * places[static_cast<std::size_t>(i)] / gpus -
                            (gpus == 2 ? std::numbers::pi : std::numbers::pi / 2);
        const bool inside = staggered && places[static_cast<std::size_t>(i)] % 2 == 1;
        const double out = inside ? radius * std::cos(2 * std::numbers::pi / gpus) - 2 * gpu_radius : radius;
        l.at[static_cast<std::size_t>(i)] = centre + point{std::cos(turn), std::sin(turn)} * out;
    }
    for (int v = gpus; v < static_cast<int>(l.at.size()); ++v) {
        l.at[static_cast<std::size_t>(v)] = amid(l, v, [&](int u) { return u < gpus; });
    }
}

/// A box of a cluster: an NVSwitch with GPUs that hang on no other one.
struct box_of_gpus {
    int hub = 0;
    std::vector<int> gpus;
};

/// The boxes where every GPU is in one; else nothing.
template <capacity_graph G>
[[nodiscard]] std::vector<box_of_gpus> boxes_of_gpus(const layout& l, const G& g) {
    std::vector<box_of_gpus> boxes;
    std::size_t placed = 0;
    for (int hub = g.gpu_count(); hub < g.vertex_count(); ++hub) {
        if (g.kind_of(hub) != vertex_kind::nvswitch) { continue; }
        box_of_gpus box{hub, {}};
        for (const link& wire : l.links) {
            const int other = wire.from == hub ? wire.to : wire.to == hub ? wire.from : g.gpu_count();
            if (other < g.gpu_count()) { box.gpus.push_back(other); }
        }
        placed += box.gpus.size();
        if (!box.gpus.empty()) { boxes.push_back(std::move(box)); }
    }
    return placed == static_cast<std::size_t>(g.gpu_count()) ? boxes : std::vector<box_of_gpus>{};
}

/// Two boxes face each other, the network between them: GPUs with the same number in their boxes are opposite.
inline void place_two_boxes(layout& l, const box_of_gpus& upper, const box_of_gpus& lower) {
    constexpr double column = 72;
    constexpr double above = 96;
    constexpr double between = 140;
    const auto most = static_cast<double>(std::max(upper.gpus.size(), lower.gpus.size()));
    l.kind = style::ring;
    l.width = most * column + 2 * margin;
    l.height = 2 * above + between + 2 * margin;
    const auto place = [&](const box_of_gpus& box, double y, double hub_y) {
        for (std::size_t i = 0; i < box.gpus.size(); ++i) {
            l.at[static_cast<std::size_t>(box.gpus[i])] = point{margin + (static_cast<double>(i) + 0.5) * column, y};
        }
        l.at[static_cast<std::size_t>(box.hub)] = point{l.width / 2, hub_y};
    };
    place(upper, margin + above, margin);
    place(lower, margin + above + between, margin + 2 * above + between);
}

/// Boxes as rings, in about as many rows as columns.
inline void place_many_boxes(layout& l, const std::vector<box_of_gpus>& boxes) {
    constexpr double gap = 110;
    std::size_t most = 0;
    for (const box_of_gpus& box : boxes) { most = std::max(most, box.gpus.size()); }
    const double radius = std::max(96.0, static_cast<double>(most) * 64 / (2 * std::numbers::pi));
    const int columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(boxes.size()))));
    const int rows = (static_cast<int>(boxes.size()) + columns - 1) / columns;
    l.kind = style::ring;
    l.width = columns * (2 * radius + gap) - gap + 2 * (margin + 26);
    l.height = rows * (2 * radius + gap) - gap + 2 * margin;
    for (std::size_t b = 0; b < boxes.size(); ++b) {
        const int column = static_cast<int>(b) % columns;
        const int row = static_cast<int>(b) / columns;
        const point centre{margin + 26 + radius + column * (2 * radius + gap),
                           margin + radius + row * (2 * radius + gap)};
        const auto& members = boxes[b].gpus;
        for (std::size_t i = 0; i < members.size(); ++i) {
            const double part = static_cast<double>(i) / static_cast<double>(members.size());
            const double turn = 2 * std::numbers::pi * part - std::numbers::pi / 2;
            l.at[static_cast<std::size_t>(members[i])] = centre + point{std::cos(turn), std::sin(turn)} * radius;
        }
        l.at[static_cast<std::size_t>(boxes[b].hub)] = centre;
    }
}

/// Puts boxes, and what else is linked, the network, amid them.
inline void place_boxes(layout& l, const std::vector<box_of_gpus>& boxes, int gpus) {
    if (boxes.size() == 2) {
        place_two_boxes(l, boxes[0], boxes[1]);
    } else {
        place_many_boxes(l, boxes);
    }
    int others = 0;
    for (int v = gpus; v < static_cast<int>(l.at.size()); ++v) {
        auto& place = l.at[static_cast<std::size_t>(v)];
        const auto touches = [&](const link& wire) { return wire.from == v || wire.to == v; };
        if (place || std::ranges::none_of(l.links, touches)) { continue; }
        place = point{l.width / 2, l.height / 2 + 40 * others++};
    }
}

} // namespace blink::detail::svg
