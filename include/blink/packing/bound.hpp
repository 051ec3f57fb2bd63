// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What no plan can beat, with the cut or partition that proves it.
///
/// Rooted collectives: the smallest cut between the root and some rank (Edmonds 1973). Allreduce: over partitions P of
/// the ranks, every part must receive |P|-1 parts' worth and send its own, so the rate is at most
/// (sum of what the links carry into the parts) / (2 (|P|-1)); on full-duplex direct links this is
/// crossing(P) / (|P|-1), which trees reach (Tutte 1961, Nash-Williams 1961).
#pragma once

#include <blink/packing/eigen.hpp>
#include <blink/packing/forest_bound.hpp>
#include <blink/packing/max_flow.hpp>
#include <blink/packing/packing.hpp>
#include <blink/packing/partition.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// The links of the machine, with one more vertex at each end to join ranks into groups.
class machine_flow {
  public:
    explicit machine_flow(const fabric& f, bool reversed = false) : ranks_(f.ranks), network_(f.vertices) {
        for (const link& l : f.links) { network_.add(reversed ? l.to : l.from, reversed ? l.from : l.to, l.GBps); }
    }

    [[nodiscard]] double between(int source, int sink) { return network_.solve(source, sink); }

    /// Ranks on the source's side, then the others, of the last cut.
    [[nodiscard]] std::vector<std::vector<int>> parts() const {
        const std::vector<bool> side = network_.source_side();
        std::vector<std::vector<int>> split(2);
        for (int v = 0; v < ranks_; ++v) { split[side[static_cast<std::size_t>(v)] ? 0 : 1].push_back(v); }
        return split;
    }

  private:
    int ranks_;
    flow_network network_;
};

/// What the links carry from all other ranks into `part`.
[[nodiscard]] inline double inflow(const fabric& f, const std::vector<int>& part) {
    flow_network network(f.vertices + 2);
    for (const link& l : f.links) { network.add(l.from, l.to, l.GBps); }
    std::vector<bool> inside(static_cast<std::size_t>(f.ranks), false);
    for (const int v : part) { inside[static_cast<std::size_t>(v)] = true; }
    double all = 0;
    for (const link& l : f.links) { all += l.GBps; }
    for (int v = 0; v < f.ranks; ++v) {
        if (inside[static_cast<std::size_t>(v)]) {
            network.add(v, f.vertices + 1, all);
        } else {
            network.add(f.vertices, v, all);
        }
    }
    return network.solve(f.vertices, f.vertices + 1);
}

} // namespace detail

/// Bound of a broadcast from `root` (or of a reduce to it): the smallest of the maximum flows to (from) each rank.
[[nodiscard]] inline certificate rooted_bound(const fabric& f, collective kind, int root) {
    certificate best{std::numeric_limits<double>::infinity(), {}};
    detail::machine_flow machine(f, kind == collective::reduce);
    for (int v = 0; v < f.ranks; ++v) {
        if (v == root) { continue; }
        const double flow = machine.between(root, v);
        if (flow < best.GBps * (1 - 1e-12)) { best = {flow, machine.parts()}; }
    }
    return best;
}

namespace detail {

/// Where all links join two ranks: what they carry between each pair, the mean of both directions.
[[nodiscard]] inline Eigen::MatrixXd between_ranks(const fabric& f) {
    Eigen::MatrixXd capacity = Eigen::MatrixXd::Zero(f.ranks, f.ranks);
    for (const link& l : f.links) {
        capacity(l.from, l.to) += l.GBps / 2;
        capacity(l.to, l.from) += l.GBps / 2;
    }
    return capacity;
}

[[nodiscard]] inline bool joins_ranks_only(const fabric& f) {
    return std::all_of(f.links.begin(), f.links.end(),
                       [&](const link& l) { return l.from < f.ranks && l.to < f.ranks; });
}

/// Keeps the lowest bound that is offered, with inflows remembered per part.
class partition_search {
  public:
    explicit partition_search(const fabric& f) : fabric_(f) {}

    [[nodiscard]] double value(const std::vector<std::vector<int>>& parts) {
        double sum = 0;
        for (const auto& part : parts) {
            auto found = known_.find(part);
            if (found == known_.end()) { found = known_.emplace(part, inflow(fabric_, part)).first; }
            sum += found->second;
        }
        return sum / (2.0 * static_cast<double>(parts.size() - 1));
    }

    void offer(std::vector<std::vector<int>> parts) {
        if (parts.size() < 2) { return; }
        const double v = value(parts);
        if (v < best_.GBps * (1 - 1e-12)) { best_ = {v, std::move(parts)}; }
    }

    [[nodiscard]] const certificate& best() const noexcept { return best_; }
    [[nodiscard]] const fabric& graph() const noexcept { return fabric_; }

  private:
    const fabric& fabric_;
    std::map<std::vector<int>, double> known_;
    certificate best_{std::numeric_limits<double>::infinity(), {}};
};

/// `parts` with the parts `a` < `b` joined; members and parts stay in ascending order.
[[nodiscard]] inline std::vector<std::vector<int>> joined(std::vector<std::vector<int>> parts, std::size_t a,
                                                          std::size_t b) {
    parts[a].insert(parts[a].end(), parts[b].begin(), parts[b].end());
    std::sort(parts[a].begin(), parts[a].end());
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(b));
    return parts;
}

/// Ranks alone, then the two parts joined that leave the lowest bound, down to two parts.
inline void offer_merges(partition_search& search, std::vector<std::vector<int>> parts) {
    search.offer(parts);
    while (parts.size() > 2) {
        std::vector<std::vector<int>> best;
        double lowest = std::numeric_limits<double>::infinity();
        for (std::size_t a = 0; a < parts.size(); ++a) {
            for (std::size_t b = a + 1; b < parts.size(); ++b) {
                auto candidate = joined(parts, a, b);
                if (const double v = search.value(candidate); v < lowest * (1 - 1e-12)) {
                    lowest = v;
                    best = std::move(candidate);
                }
            }
        }
        parts = std::move(best);
        search.offer(parts);
    }
}

/// Ranks whose hops enter the machine at the same switch, a part each.
[[nodiscard]] inline std::vector<std::vector<int>> switch_groups(const fabric& f) {
    std::map<int, std::vector<int>> by_switch;
    std::vector<int> first(static_cast<std::size_t>(f.ranks), -1);
    for (const link& l : f.links) {
        int& s = l.from < f.ranks ? first[static_cast<std::size_t>(l.from)] : first.front();
        if (l.from < f.ranks && l.to >= f.ranks && s < 0) { s = l.to; }
    }
    for (int v = 0; v < f.ranks; ++v) {
        const int s = first[static_cast<std::size_t>(v)];
        by_switch[s < 0 ? v : s].push_back(v);
    }
    std::vector<std::vector<int>> parts;
    for (auto& [s, members] : by_switch) { parts.push_back(std::move(members)); }
    return parts;
}

/// Offers the sets that limit an allgather, where they are a partition. No partition is tighter than half of the
/// allgather's bound, so one that gives just that ends the search.
inline bool offer_full_sets(partition_search& search) {
    const fabric& f = search.graph();
    const double rate = forest_bound(f, collective::allgather).GBps;
    if (!(rate > 0)) { return false; }
    auto parts = full_sets(f, rate);
    std::size_t covered = 0;
    for (const auto& part : parts) { covered += part.size(); }
    if (static_cast<int>(covered) != f.ranks) { return false; }
    std::sort(parts.begin(), parts.end());
    search.offer(std::move(parts));
    return search.best().GBps <= rate / 2 * (1 + 1e-9);
}

/// Up to so many ranks are merged one by one in search of a tight partition.
inline constexpr int merged_ranks = 32;

} // namespace detail

/// Bound of an allreduce. On direct links the tightest of all partitions; with switches the tightest of a family (the
/// sets that limit an allgather, ranks alone, greedy merges from there and from the groups at one switch, every
/// smallest cut between ranks).
[[nodiscard]] inline certificate allreduce_bound(const fabric& f) {
    detail::partition_search search(f);
    if (detail::joins_ranks_only(f)) {
        weak_partition weakest = weakest_partition(detail::between_ranks(f));
        search.offer(std::move(weakest.parts));
    } else if (!detail::offer_full_sets(search)) {
        std::vector<std::vector<int>> alone;
        for (int v = 0; v < f.ranks; ++v) { alone.push_back({v}); }
        if (f.ranks <= detail::merged_ranks) {
            detail::offer_merges(search, std::move(alone));
        } else {
            search.offer(std::move(alone));
        }
        detail::offer_merges(search, detail::switch_groups(f));
    }
    // A part must also get the whole result in, and its own contribution out: where the two directions of the links
    // differ, a plain cut can be tighter than any partition.
    certificate best = search.best();
    for (const collective way : {collective::broadcast, collective::reduce}) {
        certificate cut = rooted_bound(f, way, 0);
        if (cut.GBps < best.GBps * (1 - 1e-12)) { best = std::move(cut); }
    }
    return best;
}

/// What no plan of `kind` can beat on `f`.
[[nodiscard]] inline certificate bound(const fabric& f, collective kind, int root) {
    if (is_sharded(kind)) { return forest_bound(f, kind); }
    return is_rooted(kind) ? rooted_bound(f, kind, root) : allreduce_bound(f);
}

} // namespace blink
