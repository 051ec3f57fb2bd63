// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/error.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/relay_stops.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <set>
#include <vector>

using namespace blink;

namespace {

/// The links that data cross from `from` to `to` in a lane, and the relays that they pass.
struct way {
    std::vector<int> links;
    std::vector<int> relays;
    friend bool operator==(const way&, const way&) = default;
};

way planned(const plan& p, int hop) {
    const arc& a = p.fabric.arcs.at(static_cast<std::size_t>(hop));
    way w{a.route, {}};
    for (const int l : a.route) {
        const int v = p.fabric.links.at(static_cast<std::size_t>(l)).to;
        if (v >= p.fabric.ranks && v < p.fabric.ranks + static_cast<int>(p.relays.size())) {
            w.relays.push_back(v - p.fabric.ranks);
        }
    }
    return w;
}

/// From `start` along `next` until a rank is reached, against hops that end in the participant `at`.
template <class Step>
way followed(const relayed_schedule& r, int start, Step step) {
    way w;
    for (int v = start;;) {
        const auto [next, hop] = step(v);
        const arc& a = r.hops.arcs.at(static_cast<std::size_t>(hop));
        w.links.insert(w.links.end(), a.route.begin(), a.route.end());
        if (next < r.ranks) { return w; }
        w.relays.push_back(r.relays.at(static_cast<std::size_t>(next - r.ranks)));
        v = next;
    }
}

void check_same_ways(const plan& p) {
    const relayed_schedule r = with_relay_stops(p.schedule, p.fabric, static_cast<int>(p.relays.size()));
    REQUIRE(r.ranks == p.schedule.ranks);
    REQUIRE(r.participants.ranks == r.ranks + static_cast<int>(r.relays.size()));
    REQUIRE(r.participants.lanes.size() == p.schedule.lanes.size());
    for (std::size_t i = 0; i < r.participants.lanes.size(); ++i) {
        const lane& whole = p.schedule.lanes[i];
        const lane& apart = r.participants.lanes[i];
        CHECK(apart.share == whole.share);
        CHECK(apart.root == whole.root);
        REQUIRE(apart.roles.size() == static_cast<std::size_t>(r.participants.ranks));
        const auto role_of = [&](int v) -> const role& { return apart.roles[static_cast<std::size_t>(v)]; };
        for (int v = 0; v < r.participants.ranks; ++v) {
            // Both ends of a hop agree on it, and a stop hands on what it gets from one neighbour to one other.
            for (const int child : role_of(v).reduce_from) { CHECK(role_of(child).reduce_to == v); }
            for (const int child : role_of(v).broadcast_to) { CHECK(role_of(child).broadcast_from == v); }
            CHECK(std::ranges::is_sorted(role_of(v).reduce_from));
            if (v >= r.ranks) {
                CHECK(role_of(v).reduce_from.size() == (role_of(v).reduce_to == no_rank ? 0 : 1));
                CHECK(role_of(v).broadcast_to.size() == (role_of(v).broadcast_from == no_rank ? 0 : 1));
            }
        }
        for (int v = 0; v < r.ranks; ++v) {
            const role& own = whole.roles[static_cast<std::size_t>(v)];
            CHECK((role_of(v).reduce_to == no_rank) == (own.reduce_to == no_rank));
            if (own.reduce_to != no_rank) {
                const way up =
                    followed(r, v, [&](int at) { return std::pair(role_of(at).reduce_to, role_of(at).reduce_arc); });
                CHECK(up == planned(p, own.reduce_arc));
            }
            CHECK((role_of(v).broadcast_from == no_rank) == (own.broadcast_from == no_rank));
            if (own.broadcast_from != no_rank) {
                way down = followed(
                    r, v, [&](int at) { return std::pair(role_of(at).broadcast_from, role_of(at).broadcast_arc); });
                const way expected = planned(p, own.broadcast_arc);
                std::ranges::reverse(down.relays);
                CHECK(down.relays == expected.relays);
                CHECK(std::multiset<int>(down.links.begin(), down.links.end()) ==
                      std::multiset<int>(expected.links.begin(), expected.links.end()));
            }
        }
    }
}

} // namespace

TEST_CASE("chunks pass the relays of the plan over the links of the plan, on every fragment of a DGX-1V of 2 and 3") {
    const topology machine(dgx1v);
    for (int mask = 0; mask < 256; ++mask) {
        std::vector<int> gpus, relays;
        for (int g = 0; g < 8; ++g) { (mask >> g & 1 ? gpus : relays).push_back(g); }
        if (gpus.size() < 2 || gpus.size() > 3) { continue; }
        CAPTURE(mask);
        for (const collective kind : {collective::allreduce, collective::broadcast, collective::allgather}) {
            check_same_ways(make_plan(machine, gpus, kind, 0, {.relays = relays}));
        }
    }
}

TEST_CASE("a relay that a lane passes twice has two stops, and a plan without relays none") {
    // A path 0 - 3 - 1 - 3 - 2 has to pass GPU 3 twice: it is the only neighbour of all others.
    topology star("star", 4);
    for (int g = 0; g < 3; ++g) { star.connect({g, 3, 10, 1, link_kind::nvlink}); }
    const std::vector<int> gpus{0, 1, 2};
    const plan p = make_plan(star, gpus, collective::broadcast, 0, {.relays = {3}});
    check_same_ways(p);
    const relayed_schedule r = with_relay_stops(p.schedule, p.fabric, 1);
    CHECK(r.relays == std::vector<int>{0, 0});

    const plan direct = make_plan(star, std::vector<int>{0, 3}, collective::allreduce, 0, {});
    const relayed_schedule none = with_relay_stops(direct.schedule, direct.fabric, 0);
    CHECK(none.relays.empty());
    CHECK(none.participants.ranks == 2);
}

TEST_CASE("a hop that the fabric does not have is refused") {
    plan p = make_plan(topology(dgx1v), std::vector<int>{0, 1}, collective::broadcast, 0, {});
    p.schedule.lanes[0].roles[1].broadcast_arc = 99;
    CHECK_THROWS_AS((void)with_relay_stops(p.schedule, p.fabric, 0), plan_error);
}
