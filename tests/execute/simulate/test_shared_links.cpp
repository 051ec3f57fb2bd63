// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/simulate/shared_links.hpp>

#include <doctest/doctest.h>

#include <vector>

using blink::detail::shared_links;

namespace {

/// Links of 30, 10 and 30 GB/s.
blink::fabric three_links() {
    blink::fabric f{2, 2, {}, {}};
    for (const double GBps : {30.0, 10.0, 30.0}) { f.links.push_back({0, 1, GBps, 1, blink::link_kind::nvlink, 0}); }
    return f;
}

} // namespace

TEST_CASE("what a narrow route leaves of a shared link goes to the other") {
    const blink::fabric f = three_links();
    const std::vector<int> narrow{0, 1};
    const std::vector<int> wide{0, 2};
    shared_links links(f);
    CHECK(links.next_end() == shared_links::never);
    const int a = links.add_flow(narrow);
    const int b = links.add_flow(wide);
    links.begin(a, 10e9, 0);
    links.begin(b, 40e9, 0);
    // 10 and 20 GB/s until second 1, then b alone at 30
    CHECK(links.next_end() == doctest::Approx(1));
    links.advance(1);
    CHECK(links.end_next() == a);
    CHECK(links.next_end() == doctest::Approx(1 + 20.0 / 30));
}

TEST_CASE("a transfer that begins later slows the one that is under way") {
    const blink::fabric f = three_links();
    const std::vector<int> route{1};
    shared_links links(f);
    const int a = links.add_flow(route);
    const int b = links.add_flow(route);
    links.begin(a, 10e9, 0);
    CHECK(links.next_end() == doctest::Approx(1));
    links.advance(0.5);
    links.begin(b, 10e9, 0.5);
    CHECK(links.next_end() == doctest::Approx(1.5));
    links.advance(1.5);
    CHECK(links.end_next() == a);
    CHECK(links.next_end() == doctest::Approx(2));
    links.advance(2);
    CHECK(links.end_next() == b);
    CHECK(links.next_end() == shared_links::never);
}

TEST_CASE("transfers on separate links do not disturb each other") {
    const blink::fabric f = three_links();
    const std::vector<int> first{0};
    const std::vector<int> second{2};
    shared_links links(f);
    const int a = links.add_flow(first);
    const int b = links.add_flow(second);
    links.begin(a, 30e9, 0);
    links.begin(b, 15e9, 0);
    CHECK(links.next_end() == doctest::Approx(0.5));
    links.advance(0.5);
    CHECK(links.end_next() == b);
    CHECK(links.next_end() == doctest::Approx(1));
}
