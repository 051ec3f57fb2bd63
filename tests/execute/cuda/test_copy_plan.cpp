// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/buffers.hpp>
#include <blink/execute/cuda/copy_plan.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/schedule/exchange.hpp>

#include <doctest/doctest.h>

#include "copy_trial.hpp"

namespace {

using namespace copy_test;
using blink::cuda::copy_place;
using blink::cuda::copy_program;

} // namespace

TEST_CASE("every order of the queues gives every collective, between two ranks") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        for (const copy_shape& shape : shapes) {
            for (const std::size_t count : {1, 2, 7, 40, 61}) {
                for (const std::uint64_t in_place : {0, 1, 2, 3}) {
                    for (int root = 0; root < (blink::is_rooted(kind) ? 2 : 1); ++root) {
                        check_collective(kind, 2, root, count, in_place, shape);
                    }
                }
            }
        }
    }
}

TEST_CASE("and among more ranks, without the host") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        for (const int ranks : {1, 3, 4, 8}) {
            for (const copy_shape& shape : shapes) {
                for (const std::uint64_t in_place : {std::uint64_t{0}, ~std::uint64_t{0}}) {
                    check_collective(kind, ranks, ranks - 1, 37, in_place, shape);
                }
            }
        }
    }
}

TEST_CASE("every order of the queues gives every exchange") {
    for (const int ranks : {2, 3, 5}) {
        const auto n = static_cast<std::size_t>(ranks);
        for (const copy_shape& shape : shapes) {
            for (const blink::exchange& e : {blink::make_gather(ranks, 1, 13), blink::make_scatter(ranks, 0, 13),
                                             blink::make_alltoall(ranks, 13)}) {
                trial t{std::vector<std::size_t>(n, 13 * n), std::vector<std::size_t>(n, 13 * n),
                        std::vector<bool>(n, false), std::vector<std::size_t>(n, 0)};
                const copy_plan plan = blink::cuda::plan_copies(e, std::vector<bool>(e.transfers.size(), false), shape);
                check_orders(plan, t, [&](int rank, std::size_t i) -> std::string {
                    for (const blink::transfer& x : e.transfers) {
                        if (x.to == rank && i >= x.out_offset && i < x.out_offset + x.count) {
                            return given(x.from, x.in_offset + i - x.out_offset);
                        }
                    }
                    return "";
                });
            }
        }
    }
}

TEST_CASE("the share over the host is what was asked for, between two ranks alone") {
    const copy_shape shape{.chunk = 100, .host_piece = 10, .host_share = 0.2};
    const auto over_host = [&](collective kind, int ranks) {
        const copy_plan plan = blink::cuda::plan_copies(kind, ranks, 0, 1000, ~0ULL, shape);
        std::size_t elements = 0;
        for (const blink::cuda::copy_step& s : plan.steps) {
            if (s.to.place == copy_place::host) { elements += s.count; }
        }
        return elements;
    };
    CHECK(over_host(collective::broadcast, 2) == 200);
    CHECK(over_host(collective::reduce, 2) == 200);
    CHECK(over_host(collective::allreduce, 2) == 400); // 200 of the 1000 that cross in each direction
    CHECK(over_host(collective::allgather, 2) == 400);
    CHECK(over_host(collective::reduce_scatter, 2) == 400);
    CHECK(over_host(collective::broadcast, 4) == 0);
    CHECK(over_host(collective::allreduce, 4) == 0);
}

TEST_CASE("every share gives each element the same contributions in the same order") {
    for (const collective kind : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        for (int percent = 0; percent <= 100; percent += 5) {
            for (const std::uint64_t in_place : {0, 3}) {
                check_collective(kind, 2, 1, 45, in_place,
                                 {.chunk = 6, .host_piece = 2, .host_share = percent / 100.0, .may_share = true});
            }
        }
    }
}

TEST_CASE("kernels carry a reduction of which nothing goes over the host, where they carry the rest of it otherwise") {
    for (const collective kind : {collective::reduce, collective::reduce_scatter}) {
        const copy_plan plan =
            blink::cuda::plan_copies(kind, 2, 0, 1000, 0, {.chunk = 10, .host_share = 0, .may_share = true});
        CHECK(plan.by_kernels == 1000);
        CHECK(plan.steps.empty());
        CHECK(blink::cuda::make_program(plan).actions.size() == 2); // marks of both ranks
    }
    copy_shape alone{.chunk = 10, .host_share = 0, .may_share = true};
    CHECK(blink::cuda::plan_copies(collective::allreduce, 2, 0, 1000, 0, alone).by_kernels == 0);
    CHECK(blink::cuda::plan_copies(collective::broadcast, 2, 0, 1000, 0, alone).by_kernels == 0);
    CHECK(blink::cuda::plan_copies(collective::reduce, 4, 0, 1000, 0, alone).by_kernels == 0);
    alone.link_by_kernels = true;
    CHECK(blink::cuda::plan_copies(collective::allreduce, 2, 0, 1000, 0, alone).by_kernels == 1000);
}

TEST_CASE("of an AllReduce whose link is left to kernels each rank combines the host's share itself") {
    for (const std::size_t count : {1, 40, 203}) {
        for (const std::uint64_t in_place : {0U, 1U, 2U, 3U}) {
            for (copy_shape shape : copy_test::shapes) {
                if (!(shape.host_share > 0)) { continue; }
                shape.link_by_kernels = true;
                for (const bool staged : {false, true}) {
                    shape.staged = staged;
                    copy_test::check_collective(collective::allreduce, 2, 0, count, in_place, shape);
                }
            }
        }
    }
    const copy_plan plan = blink::cuda::plan_copies(
        collective::allreduce, 2, 0, 1000, 3,
        {.chunk = 10, .host_piece = 30, .host_share = 0.1, .link_by_kernels = true, .staged = true});
    CHECK(plan.by_kernels == 900);
    for (const blink::cuda::copy_step& s : plan.steps) {
        CHECK((s.combines || s.from.place == copy_place::host || s.to.place == copy_place::host));
        const bool own = s.from.place == copy_place::host || s.to.place == copy_place::host || s.from.rank == s.to.rank;
        CHECK(own);
    }
}

TEST_CASE("each queue with steps has a last one, those over the host have queues of their own") {
    using blink::cuda::copy_action;
    using blink::cuda::is_over_host;
    for (const collective kind : {collective::broadcast, collective::allreduce, collective::reduce_scatter}) {
        const copy_program program = blink::cuda::make_program(
            blink::cuda::plan_copies(kind, 2, 0, 1000, 0, {.chunk = 100, .host_piece = 10, .host_share = 0.2}));
        const std::vector<bool> last = blink::cuda::last_steps(program);
        REQUIRE(last.size() == program.actions.size());
        std::vector<int> left(2 * blink::cuda::copy_queues, -1); // last step of each queue
        for (const copy_action& a : program.actions) {
            if (a.what == copy_action::kind::step) { left[static_cast<std::size_t>(a.queue)] = a.index; }
        }
        bool link = false;
        bool host = false;
        for (std::size_t i = 0; i < last.size(); ++i) {
            const copy_action& a = program.actions[i];
            const bool ends = a.what == copy_action::kind::step && left[static_cast<std::size_t>(a.queue)] == a.index;
            CHECK(last[i] == ends);
            (is_over_host(a.queue) ? host : link) |= ends;
            if (a.what != copy_action::kind::step) { continue; }
            const blink::cuda::copy_step& s = program.steps[static_cast<std::size_t>(a.index)];
            const bool by_host = s.from.place == copy_place::host || s.to.place == copy_place::host;
            if (!s.combines) { CHECK(is_over_host(a.queue) == by_host); }
        }
        CHECK(host);
        CHECK(link == (kind != collective::reduce_scatter)); // kernels carry the rest of that
    }
}

TEST_CASE("memory is bounded by the slots, however long the call") {
    const copy_shape shape{.chunk = 16, .host_piece = 8, .host_share = 0.1, .slots = 3, .host_slots = 5};
    const copy_plan apart = blink::cuda::plan_copies(collective::allreduce, 2, 0, 100000, 0, shape);
    CHECK(apart.slot_elements == 3 * 8);
    CHECK(apart.host_elements == 2 * 5 * 8);
    CHECK(apart.by_kernels == 0);
    const copy_plan in_place = blink::cuda::plan_copies(collective::allreduce, 2, 0, 100000, 3, shape);
    CHECK(in_place.slot_elements == 2 * 16 + 3 * 8);
    const copy_plan scattered = blink::cuda::plan_copies(collective::reduce_scatter, 2, 0, 100000, 0, shape);
    CHECK(scattered.slot_elements == 3 * 8);
    CHECK(scattered.by_kernels == 90000);
    for (const collective kind : {collective::broadcast, collective::allgather, collective::reduce,
                                  collective::allreduce, collective::reduce_scatter}) {
        const auto memory = [&](double share, bool may_share) {
            copy_shape s = shape;
            s.host_share = share;
            s.may_share = may_share;
            const copy_plan plan = blink::cuda::plan_copies(kind, 2, 0, 1000, 3, s);
            return std::pair(plan.slot_elements, plan.host_elements);
        };
        for (const double share : {0.0, 0.001, 0.03}) { CHECK(memory(share, true) == memory(0.5, true)); }
        CHECK(memory(0.001, false).second == memory(0.5, false).second);
        CHECK(memory(0.5, false).first <= memory(0, true).first);
        CHECK(memory(0.5, false).second <= memory(0, true).second);
    }
    const copy_plan four = blink::cuda::plan_copies(collective::allreduce, 4, 0, 100000, 0, shape);
    CHECK(four.slot_elements == 3 * 3 * 16);
    CHECK(four.host_elements == 0);
}

TEST_CASE("the replay finds a wait that is missing") {
    const trial t{{64, 64}, {64, 64}, {true, true}, {0, 0}};
    for (const int slots : {1, 2}) {
        const copy_plan plan = blink::cuda::plan_copies(
            collective::allreduce, 2, 0, 64, ~0ULL,
            {.chunk = 8, .host_piece = 4, .host_share = 0.2, .slots = 3, .host_slots = 2, .link_slots = slots});
        std::size_t missed = 0;
        for (std::size_t i = 0; i < plan.steps.size(); ++i) {
            for (std::size_t k = 0; k < plan.after[i].size(); ++k) {
                const auto before = static_cast<std::size_t>(plan.after[i][k]);
                if (plan.steps[before].queue == plan.steps[i].queue) { continue; } // in order without a wait
                copy_plan broken = plan;
                broken.after[i].erase(broken.after[i].begin() + static_cast<std::ptrdiff_t>(k));
                if (replay(broken, t.place(plan)).race().empty()) { ++missed; }
            }
        }
        CHECK(missed == 0);
    }
}

TEST_CASE("a broadcast of two ranks is one copy and few events") {
    const copy_plan plan = blink::cuda::plan_copies(collective::broadcast, 2, 0, 1000, ~0ULL, {.chunk = 10});
    REQUIRE(plan.steps.size() == 1);
    const copy_program program = blink::cuda::make_program(plan);
    CHECK(program.actions.size() == 6); // marks of both ranks; the root waits, copies and marks; the other waits
}
