// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/exchange.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

using blink::transfer;
using blink::usage_error;

namespace {

/// What the check says of buffers at the addresses given, as a text; empty where it lets them pass.
std::string verdict(const blink::exchange& e, const std::vector<int*>& in, const std::vector<int*>& out) {
    try {
        blink::check_exchange(e, {in.begin(), in.end()}, {out.begin(), out.end()}, sizeof(int), alignof(int));
    } catch (const usage_error& error) { return error.what(); }
    return {};
}

} // namespace

TEST_CASE("the makers say who sends what to whom") {
    const auto g = blink::make_gather(3, 1, 5);
    CHECK(g.transfers == std::vector<transfer>{{0, 1, 0, 0, 5}, {1, 1, 0, 5, 5}, {2, 1, 0, 10, 5}});
    CHECK(blink::input_count(g) == 5);
    CHECK(blink::output_count(g) == 15);
    const auto s = blink::make_scatter(3, 2, 5);
    CHECK(s.transfers == std::vector<transfer>{{2, 0, 0, 0, 5}, {2, 1, 5, 0, 5}, {2, 2, 10, 0, 5}});
    const auto a = blink::make_alltoall(4, 7);
    CHECK(a.transfers.size() == 16);
    std::set<std::pair<int, int>> pairs;
    for (const transfer& t : a.transfers) {
        pairs.emplace(t.from, t.to);
        CHECK(t.in_offset == static_cast<std::size_t>(t.to) * 7);
        CHECK(t.out_offset == static_cast<std::size_t>(t.from) * 7);
        CHECK(t.count == 7);
    }
    CHECK(pairs.size() == 16);
    CHECK(blink::output_count(blink::make_alltoall(4, 0)) == 0);
    CHECK_THROWS_WITH_AS((void)blink::make_gather(3, 3, 5), "gather: root 3 is none of the ranks 0..2", usage_error);
    CHECK_THROWS_AS((void)blink::make_scatter(3, -1, 5), usage_error);
    CHECK_THROWS_AS((void)blink::make_alltoall(3, ~std::size_t{0} / 2), usage_error);
}

TEST_CASE("buffers apart pass, and those that nobody needs may be null") {
    std::vector<int> memory(100);
    int* const m = memory.data();
    CHECK(verdict(blink::make_gather(2, 0, 5), {m, m + 5}, {m + 10, nullptr}).empty());
    CHECK(verdict(blink::make_scatter(2, 1, 5), {nullptr, m}, {m + 10, m + 15}).empty());
    CHECK(verdict(blink::make_alltoall(2, 5), {m, m + 10}, {m + 20, m + 30}).empty());
    CHECK(verdict(blink::make_alltoall(2, 0), {nullptr, nullptr}, {nullptr, nullptr}).empty());
    // One input may go to several ranks.
    const std::vector<transfer> twice{{0, 0, 0, 0, 5}, {0, 1, 0, 0, 5}, {0, 1, 2, 5, 3}};
    CHECK(verdict(blink::make_send_recv(2, twice), {m, nullptr}, {m + 20, m + 30}).empty());
}

TEST_CASE("a root's shard may be in place; an alltoall may not") {
    std::vector<int> memory(100);
    int* const m = memory.data();
    CHECK(verdict(blink::make_gather(3, 2, 5), {m + 50, m + 60, m + 10}, {nullptr, nullptr, m}).empty());
    CHECK(verdict(blink::make_gather(3, 2, 5), {m + 50, m + 60, m + 5}, {nullptr, nullptr, m}) ==
          "gather: out[2] from rank 1 and in[2] to rank 2 overlap: give buffers apart");
    CHECK(verdict(blink::make_scatter(3, 1, 5), {nullptr, m, nullptr}, {m + 50, m + 5, m + 60}).empty());
    CHECK(verdict(blink::make_scatter(3, 1, 5), {nullptr, m, nullptr}, {m + 50, m + 4, m + 60}).find("overlap") !=
          std::string::npos);
    const std::string in_place = verdict(blink::make_alltoall(2, 5), {m, m + 10}, {m, m + 10});
    CHECK(in_place.find("alltoall: ") == 0);
    CHECK(in_place.find("in place is not possible") != std::string::npos);
}

TEST_CASE("what overlaps in an output, or names no rank, is refused") {
    std::vector<int> memory(100);
    int* const m = memory.data();
    const auto says = [&](const std::vector<transfer>& t) {
        return verdict(blink::make_send_recv(2, t), {m, m + 20}, {m + 40, m + 60});
    };
    CHECK(says({{0, 1, 0, 0, 5}, {1, 1, 0, 5, 5}}).empty());
    CHECK(says({{0, 1, 0, 0, 5}, {1, 1, 0, 4, 5}}) ==
          "send_recv: out[1] from rank 0 and out[1] from rank 1 overlap: give buffers apart");
    // A long output hides a short one that begins later.
    CHECK(!says({{0, 1, 0, 0, 19}, {1, 1, 0, 2, 1}, {0, 0, 0, 0, 1}}).empty());
    CHECK(says({{0, 2, 0, 0, 5}}) == "send_recv: rank 2 is none of the ranks 0..1");
    CHECK(says({{-1, 0, 0, 0, 0}}) == "send_recv: rank -1 is none of the ranks 0..1");
    CHECK(says({{0, 0, 0, 0, ~std::size_t{0} / 4}}).find("fit into no memory") != std::string::npos);
    CHECK(verdict(blink::make_gather(2, 0, 5), {m, nullptr}, {m + 10, nullptr}) == "gather: in[1] to rank 0 is null");
    CHECK(verdict(blink::make_gather(2, 0, 5), {m}, {m + 10, nullptr}).find("expected one each") != std::string::npos);
    auto* const crooked = reinterpret_cast<int*>(reinterpret_cast<char*>(m) + 1);
    CHECK(verdict(blink::make_gather(2, 0, 5), {m, crooked}, {m + 20, nullptr}) ==
          "gather: in[1] to rank 0 is not aligned to 4 bytes");
}
