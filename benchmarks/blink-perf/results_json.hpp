// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The table as JSON, with the keys of nccl-tests and, beside them, means and every sample, in microseconds.
#pragma once

#include <blink/core/json.hpp>

#include <string>
#include <utility>
#include <vector>

#include "table.hpp"

namespace blink_perf {

/// Sums up a run for the last lines and the exit status.
struct summary {
    std::size_t wrong = 0;
    std::size_t out_of_bounds = 0;
    double busbw_sum = 0;
    std::size_t sides = 0;

    void add(const row& r) {
        for (const outcome* side : {&r.out_of_place, &r.in_place}) {
            if (side->samples.empty()) { continue; }
            wrong += side->wrong.value_or(0);
            out_of_bounds += side->out_of_bounds;
            busbw_sum += algorithm_GBps(r.bytes, median(side->samples)) * bus_factor(r.what.data);
            ++sides;
        }
    }
    [[nodiscard]] double average_busbw() const { return sides > 0 ? busbw_sum / static_cast<double>(sides) : 0; }
    /// nccl-tests counts wrong elements here; guards that were overwritten are as bad.
    [[nodiscard]] std::size_t out_of_bounds_values() const { return wrong + out_of_bounds; }
    [[nodiscard]] bool ok() const { return out_of_bounds_values() == 0; }
};

[[nodiscard]] inline blink::json::array microseconds(const std::vector<double>& seconds) {
    blink::json::array list;
    for (const double s : seconds) { list.emplace_back(s * 1e6); }
    return list;
}

/// Appends the times of what Blink is compared with, under keys that begin with `name`; nothing where it was not
/// measured.
inline void add_peer(blink::json::object& to, const std::string& name, const std::vector<double>& samples,
                     const std::string& ratio_key, double own_seconds) {
    if (samples.empty()) { return; }
    const double seconds = median(samples);
    to.emplace_back(name + "_time", seconds * 1e6);
    to.emplace_back(name + "_time_median", seconds * 1e6);
    to.emplace_back(name + "_time_mean", mean(samples) * 1e6);
    to.emplace_back(name + "_time_samples", microseconds(samples));
    to.emplace_back(ratio_key, seconds / own_seconds);
}

[[nodiscard]] inline blink::json::value side_json(const row& r, const outcome& side) {
    if (side.samples.empty()) { return {}; } // there is no such call
    const double seconds = median(side.samples);
    const double algbw = algorithm_GBps(r.bytes, seconds);
    blink::json::value wrong; // null where nothing was checked
    if (side.wrong) { wrong = blink::json::value(*side.wrong); }
    blink::json::object o{
        {"time", seconds * 1e6},
        {"time_median", seconds * 1e6},
        {"time_mean", mean(side.samples) * 1e6},
        {"time_samples", microseconds(side.samples)},
        {"alg_bw", algbw},
        {"bus_bw", algbw * bus_factor(r.what.data)},
        {"nwrong", std::move(wrong)},
    };
    add_peer(o, "nccl", side.peer_samples, "ratio", seconds);
    add_peer(o, "nccl_window", side.window_samples, "window_ratio", seconds);
    return o;
}

/// How the numbers came about, beside the numbers.
struct circumstances {
    std::string executor;
    std::string collective;             ///< the name of nccl-tests
    std::vector<std::string> devices{}; ///< a line a rank
    std::vector<std::string> notes{};   ///< see `session::notes`
    bool processes = false;             ///< one process a GPU
    int graphs = 0;                     ///< replays; 0: no graph
    int blocks = 0;                     ///< as asked for; 0: by measurement
    double ceiling_GBps = 0;            ///< see `session::ceiling_GBps`
};

[[nodiscard]] inline blink::json::array texts(const std::vector<std::string>& lines) {
    blink::json::array list;
    for (const std::string& line : lines) { list.emplace_back(line); }
    return list;
}

[[nodiscard]] inline blink::json::value results_json(const std::vector<row>& rows, const summary& s,
                                                     const circumstances& c) {
    blink::json::array list;
    for (const row& r : rows) {
        const bool combined = reduces(r.what.data);
        list.emplace_back(blink::json::object{
            {"size", r.bytes},
            {"count", r.what.count},
            {"type", to_string(r.what.type)},
            {"redop", combined ? to_string(r.what.data.op) : "none"},
            {"root", is_rooted(r.what.data) ? r.what.data.root : -1},
            {"calls", r.what.iterations},
            {"out_of_place", side_json(r, r.out_of_place)},
            {"in_place", side_json(r, r.in_place)},
        });
    }
    const int ranks = rows.empty() ? 0 : rows.front().what.data.ranks;
    return blink::json::object{
        {"executor", c.executor},
        {"ranks", ranks},
        {"collective", c.collective},
        {"devices", texts(c.devices)},
        {"notes", texts(c.notes)},
        {"processes", c.processes},
        {"graphs", c.graphs},
        {"blocks", c.blocks},
        {"ceiling_GBps", c.ceiling_GBps > 0 ? blink::json::value(c.ceiling_GBps) : blink::json::value()},
        {"results", std::move(list)},
        {"out_of_bounds", blink::json::object{{"count", s.out_of_bounds_values()}, {"okay", s.ok()}}},
        {"average_bus_bandwidth", blink::json::object{{"bandwidth", s.average_busbw()}, {"okay", s.ok()}}},
    };
}

} // namespace blink_perf
