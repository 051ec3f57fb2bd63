// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/verify.hpp>
#include <blink/static_packing.hpp>
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

using namespace blink::literals;

namespace {

using quad = blink::static_packing<blink::dgx1v, 0, 1, 2, 3>;
using whole = blink::static_packing<blink::dgx1v, 0, 1, 2, 3, 4, 5, 6, 7>;
using quad_schedule = blink::cuda::static_schedule_of<quad::allreduce>;
using whole_schedule = blink::cuda::static_schedule_of<whole::allreduce>;

static_assert(quad_schedule::ranks == 4 && quad_schedule::lanes == quad::allreduce.count);
static_assert(quad_schedule::reduce_parent(0, quad::allreduce.trees[0].root) == blink::no_rank);

template <class T>
blink::rank_buffers<T> filled(const blink::host_group& g, std::size_t count) {
    auto b = g.make_buffers<T>(count);
    for (int r = 0; r < g.size(); ++r) {
        b.fill(r, [r](std::size_t i) { return static_cast<T>((r + 1) * static_cast<int>(i % 10 + 1)); });
    }
    return b;
}

/// The results of the trees of the compiler are those of the planner.
template <class Packing>
void check_against_planner(const std::vector<int>& gpus) {
    blink::host_group g({.gpus = gpus});
    for (const std::size_t count : {0, 1, 5, 1000, 100003}) {
        CAPTURE(count);
        const auto in = filled<int>(g, count);
        const auto planned = g.make_buffers<int>(count);
        const auto compiled = g.make_buffers<int>(count);
        blink::allreduce(g, in, planned, count);
        blink::allreduce<Packing>(g, in, compiled, count);
        blink::allreduce<Packing>(g, in, in, count, blink::sum{}, blink::fixed_chunk{4_KiB});
        g.synchronize();
        for (int r = 0; r < g.size(); ++r) {
            CHECK(compiled.read(r) == planned.read(r));
            CHECK(in.read(r) == planned.read(r));
        }
    }
}

} // namespace

TEST_CASE("the schedule of a compiled packing is one that the verifier accepts") {
    for (const blink::schedule& s :
         {quad_schedule::value(blink::collective::allreduce), whole_schedule::value(blink::collective::allreduce)}) {
        blink::verify(s);
        double sum = 0;
        for (const blink::lane& l : s.lanes) { sum += l.share; }
        CHECK(sum == doctest::Approx(1));
    }
}

TEST_CASE("an allreduce over compiled trees gives the result of the planner's trees") {
    check_against_planner<quad>({0, 1, 2, 3});
    check_against_planner<whole>({0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("a group of another size than the compiled packing is refused, and stays usable") {
    blink::host_group g;
    const auto b = filled<float>(g, 100);
    CHECK_THROWS_AS(blink::allreduce<quad>(g, b, b, 100), blink::usage_error);
    CHECK(g.status() == blink::group_status::ready);
    blink::allreduce<whole>(g, b, b, 100);
    CHECK(b.read(3)[0] == 36);
}

TEST_CASE("an operator that throws fails the group under compiled trees too") {
    blink::host_group g({.gpus = {0, 1, 2, 3}});
    const auto b = filled<float>(g, 100);
    const auto throws = [](float, float) -> float { throw std::runtime_error("no sum"); };
    CHECK_THROWS_AS(blink::allreduce<quad>(g, b, b, 100, throws), std::runtime_error);
    CHECK(g.status() == blink::group_status::failed);
}
