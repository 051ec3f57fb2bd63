// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Litmus tests of memory between two GPUs, one line each: what was seen that the kernels take for impossible, which
/// has to be nothing, and what they allow for. 77 where two GPUs that reach each other are missing.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "litmus_copies.cuh"
#include "litmus_tests.cuh"

namespace {

using namespace litmus;

/// Why the tests cannot run; empty where they can. Opens the way between the GPUs.
std::string obstacle() {
    const int visible = blink::cuda::visible_gpus();
    if (visible < 2) { return std::to_string(visible) + " GPUs are visible, two are needed"; }
    for (const auto& [from, to] : {std::pair(0, 1), std::pair(1, 0)}) {
        int possible = 0;
        check(cudaDeviceCanAccessPeer(&possible, from, to), "cudaDeviceCanAccessPeer");
        if (possible == 0) {
            return "GPU " + std::to_string(from) + " does not reach the memory of GPU " + std::to_string(to);
        }
        const device_scope current(from);
        check(cudaDeviceEnablePeerAccess(to, 0), "cudaDeviceEnablePeerAccess");
    }
    return "";
}

bool has_bulk_copies() {
    int least = 9;
    for (int gpu = 0; gpu < 2; ++gpu) {
        int major = 0;
        check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu), "cudaDeviceGetAttribute");
        least = major < least ? major : least;
    }
    return least >= 9;
}

/// The reader poisons its data in a kernel and asks for new ones in the next.
outcome run_poison(ground& on, std::uint64_t rounds) {
    const auto at = on.make_stages({}, rounds);
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        {
            const device_scope current(1);
            blink::cuda::start_kernel(poison_data, dim3(blocks), most_threads,
                                      blink::cuda::launch_place{1, on.stream(1, {})}, at[1], round);
            blink::cuda::start_kernel(poll_data, dim3(blocks), most_threads,
                                      blink::cuda::launch_place{1, on.stream(1, {})}, at[1], round);
        }
        const device_scope current(0);
        blink::cuda::start_kernel(send_data, dim3(blocks), most_threads, blink::cuda::launch_place{0, on.stream(0, {})},
                                  at[0], round);
    }
    return on.finish({}, start);
}

/// Prints a line a test and counts.
class report {
  public:
    enum class kind : unsigned { judged, measured };

    /// @param allowed what the test counts besides, in words
    void add(const std::string& name, const outcome& o, kind k = kind::judged, const std::string& allowed = "") {
        constexpr unsigned long long fewest_looks = 1'000'000; // fewer would say nothing
        const bool bad =
            !o.fault.empty() || o.found.looks < fewest_looks || (k == kind::judged && o.found.forbidden != 0);
        ++(bad ? failed : passed);
        std::printf("%s  %-78s %llu of %llu wrong",
                    bad                 ? "FAIL"
                    : k == kind::judged ? "ok  "
                                        : "info",
                    name.c_str(), o.found.forbidden, o.found.looks);
        if (!allowed.empty()) { std::printf(", %llu %s", o.found.allowed, allowed.c_str()); }
        std::printf(" (%.2f s)%s%s\n", o.seconds, o.fault.empty() ? "" : " ", o.fault.c_str());
        std::fflush(stdout);
        if (!o.fault.empty()) { throw blink::timeout_error("the tests behind a deadline are left out"); }
    }

    void skip(const std::string& name, const std::string& why) {
        ++skipped;
        std::printf("skip  %s (%s)\n", name.c_str(), why.c_str());
    }

    int passed = 0;
    int failed = 0;
    int skipped = 0;
};

void run_messages(ground& on, report& lines) {
    for (const bool fenced : {true, false}) {
        const auto kind = fenced ? report::kind::judged : report::kind::measured;
        const std::string between = fenced ? ", fence" : ", no fence";
        for (const bool at_writer : {false, true}) {
            const std::string where = between + (at_writer ? ", data pulled" : ", data pushed");
            lines.add("message passing by a thread" + where,
                      on.run(message_passing{fenced, 37}, 1, 60'000, {.at_writer = at_writer}), kind);
            lines.add("message passing by a block" + where,
                      on.run(message_passing{fenced, 1}, most_threads, 40'000, {.at_writer = at_writer}), kind);
        }
    }
    for (const bool whole : {true, false}) {
        const std::string name = std::string("message passing by cp.async.bulk, wait_group") + (whole ? "" : ".read");
        if (!has_bulk_copies()) {
            lines.skip(name, "a GPU has a compute capability below 9.0");
            continue;
        }
        lines.add(name, on.run(bulk_message_passing{whole}, most_threads, 40'000),
                  whole ? report::kind::judged : report::kind::measured);
    }
}

void run_tears(ground& on, report& lines) {
    for (const bool in_words : {false, true}) {
        for (const int apart : {1, 8}) {
            lines.add(std::string("cells of ") + (in_words ? "four words" : "two halves") +
                          (apart == 1 ? ", side by side" : ", one in 128 bytes"),
                      on.run(torn_cells{in_words, apart}, 256, apart == 1 ? 200'000 : 60'000),
                      in_words ? report::kind::measured : report::kind::judged, "of 16 bytes torn");
        }
    }
}

} // namespace

int main() {
    // A kernel that is loaded when it is first started may wait for one that runs, and that one for it.
    setenv("CUDA_MODULE_LOADING", "EAGER", 1);
    report lines;
    try {
        if (const std::string why = obstacle(); !why.empty()) {
            std::printf("skip  litmus tests (%s)\n", why.c_str());
            return 77;
        }
        ground on;
        run_messages(on, lines);
        run_tears(on, lines);
        lines.add("poison of an earlier kernel under data of the peer", run_poison(on, 15'000));
        lines.add("a copy to the peer, then a kernel that raises flags", run_copied(on, 10'000));
        lines.add("a kernel that waits for a flag, then a copy of what the peer stored", run_copied_onward(on, 10'000));
    } catch (const blink::error& e) {
        std::printf("FAIL  %s\n", e.what());
        ++lines.failed;
    }
    std::printf("%d passed, %d failed, %d skipped\n", lines.passed, lines.failed, lines.skipped);
    return lines.failed == 0 ? 0 : 1;
}
