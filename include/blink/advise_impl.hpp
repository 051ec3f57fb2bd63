// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definition of `advise`.
#pragma once

#include <blink/advise.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/plan.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

namespace detail {

/// n over k, or the largest number where that is more.
[[nodiscard]] inline std::uint64_t ways_to_choose(std::uint64_t n, std::uint64_t k) {
    constexpr std::uint64_t many = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t ways = 1;
    for (std::uint64_t i = 1; i <= k; ++i) {
        if (ways > many / (n - k + i)) { return many; }
        ways = ways * (n - k + i) / i;
    }
    return ways;
}

/// May a plan use wires of this kind? With the automatic choice PCIe counts only where NVLink and network do not join
/// each two of the GPUs, since then no choice of GPUs falls back to PCIe.
[[nodiscard]] inline bool counts(link_kind kind, link_choice choice, bool always_fast) {
    const bool slow = kind == link_kind::pcie;
    switch (choice) {
    case link_choice::nvlink:
        return !slow;
    case link_choice::pcie:
        return slow;
    case link_choice::automatic:
        return !slow || !always_fast;
    case link_choice::all:
        return true;
    }
    return true;
}

/// True where NVLink and network lead from each GPU of `g` to every other, over switches only.
[[nodiscard]] inline bool fast_between_all(const topology& g) {
    try {
        const auto n = static_cast<std::size_t>(g.gpu_count());
        return make_fabric(g, link_choice::nvlink).arcs.size() == n * (n - 1);
    } catch (const plan_error&) { return false; }
}

/// Groups of GPUs of `g` that may change places: each has the same wires to every other vertex.
[[nodiscard]] inline std::vector<std::vector<int>> interchangeable(const topology& g, link_choice choice) {
    const bool always_fast = fast_between_all(g);
    using wire = std::tuple<int, bool, int, double, int, double>; // other end, outgoing, kind, GB/s, lanes, latency
    std::vector<std::vector<wire>> wires(static_cast<std::size_t>(g.vertex_count()));
    for (const link& l : g.links()) {
        if (!counts(l.kind, choice, always_fast)) { continue; }
        const int kind = static_cast<int>(l.kind);
        wires[static_cast<std::size_t>(l.from)].emplace_back(l.to, true, kind, l.GBps, l.lanes, l.latency_us);
        wires[static_cast<std::size_t>(l.to)].emplace_back(l.from, false, kind, l.GBps, l.lanes, l.latency_us);
    }
    const auto alike = [&](int a, int b) {
        const auto seen_from = [&](int v, int other) {
            auto mine = wires[static_cast<std::size_t>(v)];
            for (wire& w : mine) {
                if (std::get<0>(w) == other) { std::get<0>(w) = -1; }
            }
            std::ranges::sort(mine);
            return mine;
        };
        return seen_from(a, b) == seen_from(b, a);
    };
    std::vector<std::vector<int>> groups;
    for (int v = 0; v < g.gpu_count(); ++v) {
        const auto found = std::ranges::find_if(groups, [&](const auto& group) { return alike(group.front(), v); });
        if (found != groups.end()) {
            found->push_back(v);
        } else {
            groups.push_back({v});
        }
    }
    return groups;
}

/// One choice for each way to take some GPUs of every group, with how many choices it stands for.
struct typical_choice {
    std::vector<int> gpus;
    std::uint64_t stands_for = 1;
};

inline void extend_choices(const std::vector<std::vector<int>>& groups, std::size_t next, int missing,
                           const typical_choice& so_far, std::vector<typical_choice>& all) {
    if (all.size() > most_advised_choices) { return; }
    if (next == groups.size()) {
        if (missing == 0) {
            all.push_back(so_far);
            std::ranges::sort(all.back().gpus);
        }
        return;
    }
    std::size_t left = 0;
    for (std::size_t i = next; i < groups.size(); ++i) { left += groups[i].size(); }
    if (static_cast<std::size_t>(missing) > left) { return; }
    const std::vector<int>& group = groups[next];
    for (std::size_t take = 0; take <= std::min(group.size(), static_cast<std::size_t>(missing)); ++take) {
        typical_choice more = so_far;
        more.gpus.insert(more.gpus.end(), group.begin(), group.begin() + static_cast<std::ptrdiff_t>(take));
        more.stands_for *= ways_to_choose(group.size(), take);
        extend_choices(groups, next + 1, missing - static_cast<int>(take), more, all);
    }
}

/// What the GPUs' own links allow, whatever lies between them: more than this no relay can give.
[[nodiscard]] inline double own_links_allow(const plan& p) {
    const int n = p.fabric.ranks;
    std::vector<double> out(static_cast<std::size_t>(n), 0);
    std::vector<link_kind> used;
    for (const link& l : p.fabric.links) { used.push_back(l.kind); }
    for (const link& l : p.machine.links()) {
        const auto rank = std::ranges::find(p.gpus, l.from);
        if (rank == p.gpus.end() || std::ranges::find(used, l.kind) == used.end()) { continue; }
        out[static_cast<std::size_t>(rank - p.gpus.begin())] += l.GBps;
    }
    const double least = *std::ranges::min_element(out);
    const double sum = std::accumulate(out.begin(), out.end(), 0.0);
    if (is_rooted(p.packing.kind)) { return least; }
    if (is_sharded(p.packing.kind)) { return least * n / (n - 1); }
    return std::min(least, sum / (2 * (n - 1)));
}

/// A plan's rate, and whether it does without PCIe.
struct rate_of_choice {
    double GBps = 0;
    bool fast = false;
    bool best_possible = false; ///< relays cannot raise the bound
};

[[nodiscard]] inline rate_of_choice rate_choice(const topology& machine, const std::vector<int>& gpus, collective kind,
                                                const plan_options& options) {
    try {
        const plan p = make_plan(machine, gpus, kind, best_root, options);
        const bool fast = std::ranges::none_of(p.fabric.arcs, [&](const arc& a) {
            return std::ranges::any_of(
                a.route, [&](int l) { return p.fabric.links[static_cast<std::size_t>(l)].kind == link_kind::pcie; });
        });
        const bool most = gpus.size() < 2 || ((fast || options.links != link_choice::automatic) &&
                                              p.packing.bound.GBps >= own_links_allow(p) * (1 - 1e-9));
        return {p.packing.GBps, fast, most};
    } catch (const plan_error&) { return {}; }
}

/// Gathers the rates of choices.
class rate_gatherer {
  public:
    void add(const typical_choice& c, const rate_of_choice& r) {
        const auto weight = static_cast<double>(c.stands_for);
        sum_ += weight * r.GBps;
        all_ += weight;
        if (r.fast) {
            rates_.fast += c.stands_for;
            fast_sum_ += weight * r.GBps;
        }
        offer(rates_.best, c, r.GBps, r.GBps > rates_.best.GBps * (1 + 1e-9));
        offer(rates_.worst, c, r.GBps, r.GBps < rates_.worst.GBps * (1 - 1e-9));
    }

    [[nodiscard]] choice_rates rates() const {
        choice_rates r = rates_;
        r.mean_GBps = sum_ / all_;
        r.fast_mean_GBps = r.fast > 0 ? fast_sum_ / static_cast<double>(r.fast) : 0;
        return r;
    }

  private:
    static void offer(rated_choice& extreme, const typical_choice& c, double GBps, bool further) {
        if (extreme.gpus.empty() || further) {
            extreme = {c.gpus, GBps, c.stands_for};
        } else if (std::max(GBps, extreme.GBps) <= std::min(GBps, extreme.GBps) * (1 + 1e-9)) {
            extreme.gpus = std::min(extreme.gpus, c.gpus);
            extreme.equals += c.stands_for;
        }
    }

    choice_rates rates_;
    double sum_ = 0;
    double all_ = 0;
    double fast_sum_ = 0;
};

} // namespace detail

BLINK_INLINE advice advise(const topology& machine, std::span<const int> candidates, int count, collective kind,
                           const plan_options& options) {
    const auto start = std::chrono::steady_clock::now();
    const std::string what = machine.name() + ": advice on " + std::to_string(count) + " GPUs";
    if (!options.relays.empty()) { throw usage_error(what + ": the relays are those that are not chosen"); }
    advice a{kind, {candidates.begin(), candidates.end()}, count, 0, 0, {}, {}, 0};
    std::ranges::sort(a.candidates);
    const topology free = induced(machine, a.candidates);
    if (count < 1 || count > free.gpu_count()) {
        throw usage_error(what + ": expected 1 to " + std::to_string(free.gpu_count()));
    }
    a.choices = detail::ways_to_choose(a.candidates.size(), static_cast<std::uint64_t>(count));
    if (a.choices == std::numeric_limits<std::uint64_t>::max()) {
        throw usage_error(what + " of " + std::to_string(a.candidates.size()) + ": more choices than can be counted");
    }
    std::vector<detail::typical_choice> typical;
    detail::extend_choices(detail::interchangeable(free, options.links), 0, count, {}, typical);
    if (typical.size() > most_advised_choices) {
        throw usage_error(what + " of " + std::to_string(a.candidates.size()) + ": more than " +
                          std::to_string(most_advised_choices) + " choices differ; ask for fewer of them");
    }
    a.planned = typical.size();
    detail::rate_gatherer alone;
    detail::rate_gatherer relayed;
    for (detail::typical_choice& c : typical) {
        const std::vector<int> ranks = c.gpus;
        for (int& gpu : c.gpus) { gpu = a.candidates[static_cast<std::size_t>(gpu)]; }
        const detail::rate_of_choice rate = detail::rate_choice(free, ranks, kind, options);
        alone.add(c, rate);
        plan_options with = options;
        for (int v = 0; v < free.gpu_count(); ++v) {
            if (!std::ranges::binary_search(ranks, v)) { with.relays.push_back(v); }
        }
        const bool pointless = rate.best_possible || with.relays.empty();
        const detail::rate_of_choice more = pointless ? rate : detail::rate_choice(free, ranks, kind, with);
        // A relay may be used and need not be.
        relayed.add(c, more.GBps > rate.GBps ? more : rate);
    }
    a.alone = alone.rates();
    a.relayed = relayed.rates();
    a.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return a;
}

} // namespace blink
