// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/packing/pack.hpp>
#include <blink/packing/root_candidates.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "machines.hpp"
#include "oracle.hpp"

using namespace blink;

namespace {

std::map<std::pair<int, int>, double> wires(const fabric& f, const std::vector<int>& renamed) {
    std::map<std::pair<int, int>, double> sum;
    for (const blink::link& l : f.links) {
        sum[{renamed[static_cast<std::size_t>(l.from)], renamed[static_cast<std::size_t>(l.to)]}] += l.GBps;
    }
    return sum;
}

struct quality {
    double GBps = 0;
    int depth = 0;
};

/// The highest rate, then the least depth, over `roots`.
quality best_of(const fabric& f, collective kind, const std::vector<int>& roots) {
    quality best;
    for (const int r : roots) {
        const packing p = pack(f, kind, r);
        int deepest = 0;
        for (const packed_tree& t : p.trees) { deepest = std::max(deepest, depth(t, p.ranks)); }
        const bool flatter = p.GBps > best.GBps * (1 - 1e-9) && deepest < best.depth;
        if (p.GBps > best.GBps * (1 + 1e-9) || flatter) { best = {p.GBps, deepest}; }
    }
    return best;
}

} // namespace

TEST_CASE("ranks that some renaming of the vertices exchanges are of one sort") {
    int exchanged = 0;
    for (unsigned seed = 0; seed < 60; ++seed) {
        const int gpus = 2 + static_cast<int>(seed % 3);
        const fabric f =
            make_fabric(oracle::random_machine(gpus, static_cast<int>(seed % 3), seed % 2 == 1, false, seed));
        const std::vector<int> sort = detail::vertex_sorts(f, f.vertices);
        std::vector<int> renamed(static_cast<std::size_t>(f.vertices));
        std::iota(renamed.begin(), renamed.end(), 0);
        const auto own = wires(f, renamed);
        CAPTURE(seed);
        // All renamings that keep ranks ranks.
        do {
            if (*std::max_element(renamed.begin(), renamed.begin() + f.ranks) >= f.ranks) { continue; }
            if (wires(f, renamed) != own) { continue; }
            for (std::size_t v = 0; v < renamed.size(); ++v) {
                CHECK(sort[v] == sort[static_cast<std::size_t>(renamed[v])]);
                exchanged += renamed[v] != static_cast<int>(v) ? 1 : 0;
            }
        } while (std::next_permutation(renamed.begin(), renamed.end()));
    }
    CHECK(exchanged > 0);
}

TEST_CASE("ranks are told apart by what lies beyond their neighbours, and by the direction of links") {
    // A chain of seven: each end, the next, the one after that, the middle.
    topology chain("chain", 7);
    for (int v = 0; v < 6; ++v) { chain.connect({v, v + 1, 10, 1}); }
    CHECK(root_candidates(make_fabric(chain)) == std::vector<int>{0, 1, 2, 3, 4, 5, 6});
    const std::vector<int> sort = detail::vertex_sorts(make_fabric(chain), 7);
    CHECK(sort[0] == sort[6]);
    CHECK(sort[1] == sort[5]);
    CHECK(sort[2] != sort[3]);
    CHECK(sort[1] != sort[2]);
    topology slope("slope", 3);
    for (const auto& [from, to, GBps] : {std::tuple{0, 1, 10.0}, {1, 0, 20.0}, {1, 2, 10.0}, {2, 1, 20.0}}) {
        slope.add_link({from, to, GBps, 1});
    }
    const std::vector<int> ways = detail::vertex_sorts(make_fabric(slope), 3);
    CHECK(ways[0] != ways[2]);
}

TEST_CASE("of equal ranks three are tried, and of a thousand one") {
    CHECK(root_candidates(make_fabric(topology(dgx_a100))) == std::vector<int>{0, 1, 2});
    CHECK(root_candidates(make_fabric(machine_named("hgx_h100x17"))) == std::vector<int>{0});
    // A box short of one GPU is another sort of box.
    std::vector<int> gpus(15);
    std::iota(gpus.begin(), gpus.end(), 1);
    const std::vector<int> roots = root_candidates(make_fabric(induced(machine_named("dgx_a100x2"), gpus)));
    CHECK(std::any_of(roots.begin(), roots.end(), [](int r) { return r < 7; }));
    CHECK(std::any_of(roots.begin(), roots.end(), [](int r) { return r >= 7; }));
}

TEST_CASE("no root of a fragment of a DGX-1 is better than those that are tried") {
    int spared = 0;
    const auto check_all = [&](const topology& box, const std::vector<boxes::fragment>& fragments) {
        for (const boxes::fragment& x : fragments) {
            const fabric f = boxes::fabric_of(box, x.gpus);
            std::vector<int> every(x.gpus.size());
            std::iota(every.begin(), every.end(), 0);
            const std::vector<int> tried = root_candidates(f);
            spared += static_cast<int>(every.size() - tried.size());
            for (const collective kind : {collective::broadcast, collective::reduce}) {
                const quality all = best_of(f, kind, every);
                const quality few = best_of(f, kind, tried);
                CAPTURE(boxes::label(box.name(), x.gpus));
                CHECK(few.GBps == doctest::Approx(all.GBps).epsilon(1e-9));
                CHECK(few.depth == all.depth);
            }
        }
    };
    check_all(boxes::dgx1v(), boxes::dgx1v_fragments);
    check_all(boxes::dgx1p(), boxes::dgx1p_fragments);
    CHECK(spared > 0);
}
