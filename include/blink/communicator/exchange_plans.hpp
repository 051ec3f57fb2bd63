// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Routes of exchanges, made once for each set of pairs and kept for the next call.
#pragma once

#include <blink/schedule/exchange.hpp>
#include <blink/schedule/exchange_routes.hpp>
#include <blink/topology/fabric.hpp>
#include <blink/topology/topology.hpp>

#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace blink {

class exchange_plans {
  public:
    using routes = std::vector<std::vector<int>>;

    /// The routes of `e` among `gpus` of `machine`. Exchanges between the same pairs share those of the first, whatever
    /// they carry.
    /// @param usable `usable(from, to)`: whether the one rank can store into the other's memory
    /// @param staged ranks do not see each other's buffers, see `staged_routes`
    /// @throw plan_error: see `make_fabric` and `exchange_routes`
    template <class Usable>
    const routes& of(const exchange& e, const topology& machine, std::span<const int> gpus, link_choice links,
                     const Usable& usable, bool staged = false) {
        key k{links, staged, {}};
        for (const transfer& t : e.transfers) { std::get<2>(k).emplace_back(t.from, t.to); }
        if (const auto known = known_.find(k); known != known_.end()) { return known->second; }
        fabric hops{e.ranks, e.ranks, {}, {}};
        if (e.ranks > 1) { hops = make_fabric(induced(machine, gpus), links); }
        routes made = exchange_routes(e, hops, usable);
        return known_.emplace(std::move(k), staged ? staged_routes(std::move(made)) : std::move(made)).first->second;
    }

  private:
    using key = std::tuple<link_choice, bool, std::vector<std::pair<int, int>>>;
    std::map<key, routes> known_;
};

} // namespace blink
