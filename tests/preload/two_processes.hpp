// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Ranks in several processes, for which threads stand in.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "agreement.hpp"
#include "fakes.hpp"

namespace preload_test {

using namespace std::chrono_literals;

inline constexpr nccl::unique_id some_id{{'a', 'b', 0, 'c'}};

/// A folder of this test alone.
struct folder {
    folder() : path(std::filesystem::temp_directory_path() / ("blink-agreement-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path);
    }
    ~folder() { std::filesystem::remove_all(path); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    std::filesystem::path path;
};

[[nodiscard]] inline settings choices(const folder& at) {
    settings s;
    s.rendezvous_folder = at.path.string();
    s.rendezvous_timeout = 5s;
    return s;
}

[[nodiscard]] inline std::unique_ptr<executor> make_part(const process_place& at, const settings&) {
    written().add("made " + std::to_string(at.rank) + " of " + std::to_string(at.ranks) + " on GPU " +
                  std::to_string(at.device));
    return std::make_unique<fake_executor>();
}
[[nodiscard]] inline std::unique_ptr<executor> make_but_for_rank_1(const process_place& at, const settings& s) {
    if (at.rank == 1) { throw blink::cuda_error("no memory"); }
    return make_part(at, s);
}

/// What each of three ranks was told; empty where it has an executor.
[[nodiscard]] inline std::array<std::string, 3> told(const std::array<settings, 3>& chosen,
                                                     process_executor_maker make) {
    std::array<std::string, 3> said;
    std::vector<std::thread> ranks;
    for (int r = 0; r < 3; ++r) {
        ranks.emplace_back([&, r] {
            const auto i = static_cast<std::size_t>(r);
            try {
                const auto made = agree({r, 3, 0, rendezvous_address(some_id, chosen[i])}, chosen[i], make);
                if (made == nullptr) { said[i] = "nothing"; }
            } catch (const blink::error& e) { said[i] = e.what(); }
        });
    }
    for (std::thread& t : ranks) { t.join(); }
    return said;
}

/// One process of a job of two, each a program of its own.
struct one_of_two {
    one_of_two(const settings& s, int rank, process_executor_maker make)
        : chosen(s), blink(nccl, make_fake, make, chosen) {
        nccl::communicator* made = comm(static_cast<std::size_t>(rank));
        CHECK(blink.init_rank(&made, 2, some_id, rank, true, yes) == nccl::success);
    }
    fake_nccl nccl;
    settings chosen;
    interposer blink;
};

/// Makes both processes at once, as threads, and lets each do something.
template <class Body>
void both(const settings& s, process_executor_maker make, const Body& body) {
    fake() = {};
    (void)written().taken();
    std::latch ready(2);
    std::vector<std::thread> threads;
    // The count of ranks in this process is an interposer's, so the threads pass for processes.
    for (const int r : {0, 1}) {
        threads.emplace_back([&, r] {
            one_of_two p(s, r, make);
            ready.arrive_and_wait();
            body(p, r);
        });
    }
    for (std::thread& t : threads) { t.join(); }
}

[[nodiscard]] inline lines sorted(lines l) {
    std::ranges::sort(l);
    return l;
}

[[nodiscard]] inline collective_call call_on(int rank, std::size_t count) {
    collective_call c{collective::allreduce};
    c.count = count;
    c.type = nccl::float32;
    c.comm = comm(static_cast<std::size_t>(rank));
    return c;
}

} // namespace preload_test
