// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/rank_program.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "copy_trial.hpp"

namespace {

using namespace copy_test;
using namespace blink::cuda;
using kind = rank_action::kind;

constexpr collective reductions[] = {collective::allreduce, collective::reduce, collective::reduce_scatter};

copy_shape staged(copy_shape shape) {
    shape.staged = true;
    return shape;
}

/// Whether a step of `rank`'s queues touches a buffer of another rank.
bool strays(const copy_step& s) {
    const auto is_buffer_of_other = [&](const copy_end& e) {
        return (e.place == copy_place::in || e.place == copy_place::out) && e.rank != rank_of_queue(s.queue);
    };
    return is_buffer_of_other(s.from) || is_buffer_of_other(s.to);
}

/// Whether an earlier step of the same queue waited for `before` too.
bool waited_before(const copy_plan& plan, std::size_t step, int before) {
    for (std::size_t k = 0; k < step; ++k) {
        const std::vector<int>& own = plan.after[k];
        const bool waits = std::find(own.begin(), own.end(), before) != own.end();
        if (waits && plan.steps[k].queue == plan.steps[step].queue) { return true; }
    }
    return false;
}

/// "" or how the parts do not fit together: what one of them hears nobody tells, a flag that goes back, a stream that
/// the rank's own one does not wait for.
std::string misfit(const copy_program& program) {
    std::set<std::pair<int, std::uint32_t>> told, heard;
    for (int r = 0; r < program.ranks; ++r) {
        std::map<int, std::uint32_t> last;
        std::map<int, std::set<int>> behind; // streams whose actions so far are before what comes next on a stream
        std::map<int, std::set<int>> marked;
        std::set<int> used;
        for (const rank_action& a : part_of(program, r).actions) {
            if (a.what == kind::enter || a.what == kind::raise) {
                if (a.count <= last[a.queue] || rank_of_queue(a.queue) != r) { return "a flag goes back"; }
                if ((a.peers >> r & 1U) != 0) { return "a rank tells itself"; }
                last[a.queue] = a.count;
                for (int to = 0; to < program.ranks; ++to) {
                    if ((a.peers >> to & 1U) == 0) { continue; }
                    told.insert({a.queue * 100 + to, a.count});
                    if (a.what == kind::enter) { heard.insert({a.queue * 100 + to, a.count}); } // or not
                }
            }
            if (a.what == kind::hear) { heard.insert({a.queue * 100 + r, a.count}); }
            used.insert(a.stream);
            for (auto& [stream, seen] : behind) { seen.erase(a.stream); }
            for (auto& [event, seen] : marked) {
                if (a.what != kind::mark || event != a.index) { seen.erase(a.stream); }
            }
            behind[a.stream].insert(a.stream);
            if (a.what == kind::mark) { marked[a.index] = behind[a.stream]; }
            if (a.what == kind::wait) { behind[a.stream].insert(marked[a.index].begin(), marked[a.index].end()); }
        }
        if (!used.contains(own_stream) || behind[own_stream] != used) { return "a stream is left open"; }
    }
    return told == heard ? "" : "flags that nobody hears, or nobody raises";
}

} // namespace

TEST_CASE("staged, every order gives every reduction between two ranks, and no rank touches another one's buffers") {
    for (const collective what : reductions) {
        for (const copy_shape& shape : shapes) {
            for (const std::size_t count : {1, 2, 7, 40, 61}) {
                for (const std::uint64_t in_place : {0, 1, 2, 3}) {
                    for (int root = 0; root < (blink::is_rooted(what) ? 2 : 1); ++root) {
                        check_collective(what, 2, root, count, in_place, staged(shape));
                        for (const copy_step& s : plan_copies(what, 2, root, count, in_place, staged(shape)).steps) {
                            REQUIRE_FALSE(strays(s));
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE("a plan for buffers in place serves any buffers") {
    for (const copy_shape& shape : shapes) {
        for (const copy_shape& cut : {shape, staged(shape)}) {
            const copy_plan plan = plan_copies(collective::allreduce, 2, 0, 61, 3, cut);
            for (const bool in_place : {false, true}) {
                const trial t{{61, 61}, {61, 61}, {in_place, false}, {0, 0}};
                check_orders(plan, t, [](int, std::size_t i) { return given(0, i) + given(1, i); });
            }
        }
    }
}

TEST_CASE("a rank only stores into outputs of others that it sends to, and reads no buffer of theirs") {
    for (const collective what : {collective::broadcast, collective::allgather}) {
        for (const copy_shape& shape : shapes) {
            for (const copy_step& s : plan_copies(what, 2, 0, 61, 0, shape).steps) {
                CHECK((s.from.place == copy_place::host || s.from.rank == rank_of_queue(s.queue)));
            }
        }
    }
}

TEST_CASE("parts fit together: every flag is raised and heard, grows, and no stream is left open") {
    for (const collective what : {collective::broadcast, collective::reduce, collective::allreduce,
                                  collective::allgather, collective::reduce_scatter}) {
        for (const copy_shape& shape : shapes) {
            for (const std::size_t count : {1, 61, 400}) {
                CHECK(misfit(make_program(plan_copies(what, 2, 1, count, 0, shape))) == "");
                CHECK(misfit(make_program(plan_copies(what, 4, 1, count, 0, shape))) == "");
                if (reduces(what)) {
                    CHECK(misfit(make_program(plan_copies(what, 2, 1, count, 3, staged(shape)))) == "");
                }
            }
        }
    }
}

TEST_CASE("copies of a rank follow each other without a kernel in between") {
    const copy_program program =
        make_program(plan_copies(collective::allreduce, 2, 0, 4000, 3, {.chunk = 500, .host_share = 0}));
    for (int r = 0; r < 2; ++r) {
        const rank_program part = part_of(program, r);
        bool copied = false;
        int left = 0;
        for (const rank_action& a : part.actions) { left += a.what == kind::step && a.stream == own_stream ? 1 : 0; }
        CHECK(left == 8); // four pieces of what the other one owns, and four results
        for (const rank_action& a : part.actions) {
            if (a.stream != own_stream) { continue; }
            copied = copied || a.what == kind::step;
            left -= a.what == kind::step ? 1 : 0;
            if (copied && left > 0) { CHECK((a.what == kind::step || a.what == kind::mark || a.what == kind::wait)); }
        }
    }
}

TEST_CASE("the replay of parts finds a flag that is missing") {
    const trial t{{64, 64}, {64, 64}, {true, true}, {0, 0}};
    const copy_plan plan = plan_copies(collective::allreduce, 2, 0, 64, 3, staged({.chunk = 8, .link_slots = 2}));
    std::size_t missed = 0;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        for (std::size_t k = 0; k < plan.after[i].size(); ++k) {
            if (waited_before(plan, i, plan.after[i][k])) { continue; }
            copy_plan broken = plan;
            broken.after[i].erase(broken.after[i].begin() + static_cast<std::ptrdiff_t>(k));
            if (replay(broken, t.place(plan), true).race().empty()) { ++missed; }
        }
    }
    CHECK(missed == 0);
}

TEST_CASE("a call that is only moved takes few actions") {
    const copy_program program = make_program(plan_copies(collective::broadcast, 2, 0, 1000, 3, {}));
    const auto kinds = [&](int rank) {
        std::vector<kind> list;
        for (const rank_action& a : part_of(program, rank).actions) { list.push_back(a.what); }
        return list;
    };
    CHECK(kinds(0) == std::vector{kind::enter, kind::mark, kind::hear, kind::step, kind::raise, kind::mark});
    CHECK(kinds(1) == std::vector{kind::enter, kind::mark, kind::hear});
}
