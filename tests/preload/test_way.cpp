// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "way.hpp"

using namespace blink;
using namespace blink::preload;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

template <capacity_graph Machine>
plan plan_of(const Machine& machine, int ranks, collective kind) {
    std::vector<int> gpus;
    for (int r = 0; r < ranks; ++r) { gpus.push_back(r); }
    return make_plan(topology(machine), gpus, kind, 0);
}

std::string way(call_kind kind, const plan& p, std::size_t bytes, bool copies = true, const tuning& tuned = {}) {
    matched_call call;
    call.kind = kind;
    call.type = nccl::float32;
    call.count = bytes / 4;
    return way_of(call, p, tuned, copies);
}

} // namespace

TEST_CASE("the way of a call follows the thresholds of the tuning") {
    const plan pair = plan_of(hgx_h200_2, 2, collective::allreduce);
    CHECK(way(call_kind::allreduce, pair, 1024) == "straight from each to each in cells, as up to 128 MiB");
    CHECK(way(call_kind::allreduce, pair, 128 * mib) ==
          "by copy engines, as all of which 128 MiB or more cross the link");
    CHECK(way(call_kind::allreduce, pair, 128 * mib, false) == "straight from each to each in cells, as up to 128 MiB");
    CHECK(way(call_kind::allreduce, pair, 256 * mib, false).starts_with("over 2 trees in chunks"));
    CHECK(way(call_kind::allreduce, pair, 1024, true, {.all_pairs_up_to = 512}) ==
          "over 2 trees in cells, as up to 64 MiB");
    const plan sent = plan_of(hgx_h200_2, 2, collective::broadcast);
    CHECK(way(call_kind::broadcast, sent, 4 * mib) == "over 1 tree in cells, as up to 128 MiB");
    CHECK(way(call_kind::broadcast, sent, 64 * mib) ==
          "by copy engines, as all of which 64 MiB or more cross the link");
}

TEST_CASE("where not all pairs have a link of their own, calls go over trees") {
    const plan eight = plan_of(dgx1v, 8, collective::allreduce);
    const std::string trees = "over " + std::to_string(eight.schedule.lanes.size()) + " trees";
    CHECK(way(call_kind::allreduce, eight, 1024) == trees + " in cells, as up to 9 MiB");
    CHECK(way(call_kind::allreduce, eight, 512 * mib).starts_with(trees + " in chunks"));
}

TEST_CASE("bytes are told in the largest whole unit") {
    CHECK(text_of_bytes(0) == "0 B");
    CHECK(text_of_bytes(1023) == "1023 B");
    CHECK(text_of_bytes(1024) == "1 KiB");
    CHECK(text_of_bytes(3 * mib / 2) == "1 MiB");
    CHECK(text_of_bytes(std::size_t{3} << 30) == "3 GiB");
}
