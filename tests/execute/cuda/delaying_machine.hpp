// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A thread of a block that waits a pseudo-random time before it publishes or looks at anything of another rank.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>

#include "thread_machine.hpp"

namespace kernel_test {

/// Widens the windows between data and flags: every flag operation, of cells too, may come late.
struct delaying_machine : thread_machine {
    std::minstd_rand* random;
    std::atomic<std::uint64_t>* delays; ///< how many were made

    /// One operation in eight comes up to 100 us late.
    void delay() const {
        const auto draw = static_cast<unsigned>((*random)());
        if (draw % 8 != 0) { return; }
        delays->fetch_add(1, std::memory_order_relaxed);
        std::this_thread::sleep_for(std::chrono::microseconds(draw / 8 % 100));
    }
    [[nodiscard]] std::uint64_t load(const std::uint64_t* flag) const {
        delay();
        return thread_machine::load(flag);
    }
    void store(std::uint64_t* flag, std::uint64_t v) const {
        delay();
        thread_machine::store(flag, v);
    }
    [[nodiscard]] std::uint64_t peek(const std::uint64_t* flag) const {
        delay();
        return thread_machine::peek(flag);
    }
    [[nodiscard]] blink::cuda::cell load_cell(const blink::cuda::cell* from) const {
        delay();
        return thread_machine::load_cell(from);
    }
    void store_cell(blink::cuda::cell* to, const blink::cuda::cell& x) const {
        delay();
        thread_machine::store_cell(to, x);
    }
};

} // namespace kernel_test
