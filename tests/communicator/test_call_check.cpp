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
