// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ranks that do not make the same call are told so, all of them, before anything moves.
#include <blink/communicator/call_check.hpp>
#include <blink/communicator/options.hpp>
#include <blink/communicator/process_card.hpp>
#include <blink/communicator/registered_buffer.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/schedule/chunk.hpp>
#include <blink/schedule/exchange.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

using namespace blink;
using namespace std::chrono_literals;

namespace {

/// Meetings of all ranks in one process, by rank.
std::vector<std::unique_ptr<meeting>> meetings(int size, std::chrono::milliseconds patience = 20s) {
    std::vector<std::vector<net::connection>> of(static_cast<std::size_t>(size));
    of[0].resize(1);
    for (std::size_t r = 1; r < of.size(); ++r) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        of[0].emplace_back(net::descriptor(ends[0]));
        of[r].emplace_back(net::descriptor(ends[1]));
    }
    std::vector<std::unique_ptr<meeting>> all;
    for (int r = 0; r < size; ++r) {
        all.push_back(std::make_unique<meeting>(r, size, std::move(of[static_cast<std::size_t>(r)]), patience));
    }
    return all;
}

/// What each rank gets from `call(meeting, rank)`: its text, or "TYPE: what it throws".
std::vector<std::string> on_all(const std::vector<std::unique_ptr<meeting>>& met,
                                const std::function<std::string(meeting&, int)>& call) {
    std::vector<std::string> said(met.size());
    std::vector<std::jthread> ranks;
    for (std::size_t r = 0; r < met.size(); ++r) {
        ranks.emplace_back([&, r] {
            try {
                said[r] = call(*met[r], static_cast<int>(r));
            } catch (const usage_error& e) {
                said[r] = std::string("usage: ") + e.what();
            } catch (const plan_error& e) {
                said[r] = std::string("plan: ") + e.what();
            } catch (const timeout_error& e) { said[r] = std::string("timeout: ") + e.what(); }
        });
    }
    ranks.clear();
    return said;
}

std::string sum_of(std::size_t count, const options& choices = {}, const void* out = nullptr) {
    return text_of_call(collective::allreduce, 0, count, told_type_of<float>(), type_text<sum>(), choices, out);
}

} // namespace

TEST_CASE("ranks that make the same call go on with what each of them says") {
    const auto met = meetings(3);
    for (int turn = 0; turn < 3; ++turn) {
        const auto said = on_all(met, [](meeting& m, int rank) {
            std::string joined;
            for (const auto& s : tell_call(m, sum_of(100), [&] { return std::to_string(10 * rank); })) {
                joined += s + " ";
            }
            return joined;
        });
        CHECK(said == std::vector<std::string>(3, "0 10 20 "));
    }
}

TEST_CASE("ranks that make different calls hear the same, which says who asks for what, and may go on") {
    const auto met = meetings(4);
    const std::string expected =
        "usage: the ranks do not make the same call: ranks 0, 1, 3 ask for allreduce of 100 float (4 bytes each), "
        "operator sum; rank 2 asks for allreduce of 99 float (4 bytes each), operator sum";
    for (int turn = 0; turn < 2; ++turn) {
        const auto wrong = on_all(met, [](meeting& m, int rank) {
            (void)tell_call(m, sum_of(rank == 2 ? 99 : 100), [] { return ""; });
            return std::string("went on");
        });
        CHECK(wrong == std::vector<std::string>(4, expected));
        const auto right = on_all(
            met, [](meeting& m, int) { return std::to_string(tell_call(m, sum_of(5), [] { return ""; }).size()); });
        CHECK(right == std::vector<std::string>(4, "4"));
    }
}

TEST_CASE("what is wrong on one rank is told to all, on that rank as it was thrown") {
    const auto met = meetings(3);
    const auto said = on_all(met, [](meeting& m, int rank) {
        (void)tell_call(m, sum_of(7), [&] {
            if (rank == 1) { throw plan_error("in[1] is null"); }
            return "";
        });
        return std::string("went on");
    });
    CHECK(said == std::vector<std::string>{"usage: rank 1: in[1] is null", "plan: in[1] is null",
                                           "usage: rank 1: in[1] is null"});
    // Where the calls differ too, that is the news.
    const auto both = on_all(met, [](meeting& m, int rank) {
        (void)tell_call(m, sum_of(rank == 1 ? 8 : 7), [&] {
            if (rank == 1) { throw plan_error("in[1] is null"); }
            return "";
        });
        return std::string("went on");
    });
    for (const std::string& s : both) { CHECK(s == both[0]); }
    CHECK(both[1].starts_with("usage: the ranks do not make the same call"));
}

TEST_CASE("a rank that makes no call ends the wait of the others") {
    const auto met = meetings(3, 200ms);
    const auto said = on_all(met, [](meeting& m, int rank) {
        if (rank == 2) { return std::string("elsewhere"); }
        (void)tell_call(m, sum_of(7), [] { return ""; });
        return std::string("went on");
    });
    CHECK(said == std::vector<std::string>{"timeout: rank 2 did not come within 200 ms",
                                           "timeout: rank 2 did not come within 200 ms", "elsewhere"});
}

TEST_CASE("everything that has to be the same on all ranks is in the text of a call") {
    std::vector<float> memory(100);
    registered_buffer::record record{3, 400, reinterpret_cast<std::byte*>(memory.data()), {}, 0, true};
    const registered_buffer buffer(std::make_shared<registered_buffer::record>(record));
    const told_type floats = told_type_of<float>();
    const auto text = [&](collective kind, int root, const told_type& type, const std::string& op,
                          const options& o = {},
                          const void* out = nullptr) { return text_of_call(kind, root, 100, type, op, o, out); };
    const std::vector<std::string> different{
        text(collective::allreduce, 0, floats, "sum"),
        text(collective::allreduce, 0, floats, "max"),
        text(collective::allreduce, 0, told_type_of<int>(), "sum"),
        text(collective::allreduce, 0, told_type_of<double>(), "sum"),
        text(collective::reduce, 0, floats, "sum"),
        text(collective::reduce, 1, floats, "sum"),
        text(collective::broadcast, 1, floats, ""),
        text(collective::allgather, 0, floats, ""),
        text(collective::allreduce, 0, floats, "sum", {.chunk = fixed_chunk{4096}}),
        text(collective::allreduce, 0, floats, "sum", {.links = link_choice::pcie}),
        text(collective::allreduce, 0, floats, "sum", {.slack = 0.0}),
        text(collective::allreduce, 0, floats, "sum", {.max_trees = 1}),
        text(collective::allreduce, 0, floats, "sum", {.how = protocol::cells}),
        text(collective::allreduce, 0, floats, "sum", {.relays = {1}}),
        text(collective::allreduce, 0, floats, "sum", {.into = &buffer}),
        text(collective::allreduce, 0, floats, "sum", {.into = &buffer}, memory.data()),
        text(collective::allreduce, 0, floats, "sum", {.into = &buffer}, memory.data() + 1),
        text_of_call(make_gather(4, 0, 25), floats, {}, nullptr),
        text_of_call(make_gather(4, 1, 25), floats, {}, nullptr),
        text_of_call(make_scatter(4, 0, 25), floats, {}, nullptr),
        text_of_call(make_alltoall(4, 25), floats, {}, nullptr),
        text_of_call(make_alltoall(4, 25), floats, {.into = &buffer}, memory.data() + 2),
    };
    CHECK(std::set<std::string>(different.begin(), different.end()).size() == different.size());
    CHECK(text(collective::broadcast, 1, floats, "a") == text(collective::broadcast, 1, floats, "b"));
    CHECK(text(collective::allgather, 0, floats, "") == text(collective::allgather, 3, floats, ""));
    CHECK(text_of_call(make_gather(4, 0, 25), floats, {}, nullptr).find("gather of 4 transfers") == 0);
    CHECK(type_text<float>() == "float");
    CHECK(type_text<int>() == "int");
}

TEST_CASE("a registered buffer knows what lies in it") {
    std::vector<std::byte> memory(100);
    registered_buffer::record record{1, 100, memory.data(), {}, 0, true};
    const auto of = std::make_shared<registered_buffer::record>(record);
    const registered_buffer buffer(of);
    std::size_t offset = 0;
    CHECK(lies_in(buffer, memory.data() + 40, 60, offset));
    CHECK(offset == 40);
    CHECK(lies_in(buffer, memory.data() + 100, 0, offset));
    CHECK_FALSE(lies_in(buffer, memory.data() + 40, 61, offset));
    CHECK_FALSE(lies_in(buffer, memory.data() - 1, 1, offset));
    CHECK_FALSE(lies_in(buffer, memory.data() + 1, static_cast<std::size_t>(-1), offset));
    CHECK(buffer.is_registered());
    CHECK_FALSE(buffer.is_shared());
    of->bases = {memory.data()};
    CHECK(buffer.is_shared());
    of->open = false;
    CHECK_FALSE(buffer.is_shared());
    CHECK_FALSE(registered_buffer().is_registered());
    CHECK_FALSE(lies_in(registered_buffer(), memory.data(), 1, offset));
}

TEST_CASE("calls are compared where the options or the environment say so") {
    (void)::unsetenv("BLINK_CHECK_CALLS");
    CHECK_FALSE(checks_calls({}));
    CHECK(checks_calls({.check_calls = true}));
    const std::string without = make_process_card({}).choices;
    CHECK(make_process_card({.check_calls = true}).choices != without);
    for (const char* value : {"1", "yes"}) {
        (void)::setenv("BLINK_CHECK_CALLS", value, 1);
        CHECK(checks_calls({}));
        CHECK(make_process_card({}).choices != without);
    }
    for (const char* value : {"0", ""}) {
        (void)::setenv("BLINK_CHECK_CALLS", value, 1);
        CHECK_FALSE(checks_calls({}));
    }
    (void)::unsetenv("BLINK_CHECK_CALLS");
}
