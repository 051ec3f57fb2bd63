// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Runs an exchange on threads over shared memory: the workers share out pieces of the transfers and copy them.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/host/chunk_queue.hpp>
#include <blink/execute/host/worker_pool.hpp>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace blink::host {

namespace detail {

/// Bytes that a worker copies at once, between two looks at the abort flag and the clock.
inline constexpr std::size_t exchange_piece_bytes = 256_KiB;

/// Bytes of one transfer, with both addresses.
struct copied_piece {
    const transfer* of;
    std::byte* to;
    const std::byte* from;
    std::size_t bytes;
};

inline void copy_piece(const exchange& e, const copied_piece& p, const execute_options& options) {
    if (options.abort != nullptr && options.abort->load(std::memory_order_relaxed)) {
        throw aborted_error(e.name + ": aborted");
    }
    const auto start = std::chrono::steady_clock::now();
    std::memcpy(p.to, p.from, p.bytes);
    const auto taken = std::chrono::steady_clock::now() - start;
    if (taken > options.timeout) {
        throw timeout_error(e.name + ": " + std::to_string(p.bytes) + " bytes from rank " + std::to_string(p.of->from) +
                            " to rank " + std::to_string(p.of->to) + " took longer than " +
                            std::to_string(options.timeout.count()) + " ms");
    }
}

} // namespace detail

/// Runs an exchange with the workers of `pool`; returns when every output is written.
/// @param in, out buffers by rank; null where no element of one moves
/// @throw usage_error before anything moves: see `check_exchange`
/// @throw timeout_error, aborted_error; the outputs are then undefined
template <element T>
void execute(worker_pool& pool, const exchange& e, std::span<const T* const> in, std::span<T* const> out,
             const execute_options& options = {}) {
    check_exchange(e, {in.begin(), in.end()}, {out.begin(), out.end()}, sizeof(T), alignof(T));
    std::vector<detail::copied_piece> pieces;
    std::size_t total = 0;
    for (const transfer& t : e.transfers) {
        if (t.count == 0) { continue; }
        const auto* const from = reinterpret_cast<const std::byte*>(in[static_cast<std::size_t>(t.from)] + t.in_offset);
        auto* const to = reinterpret_cast<std::byte*>(out[static_cast<std::size_t>(t.to)] + t.out_offset);
        if (from == to) { continue; }
        const std::size_t bytes = t.count * sizeof(T);
        total += bytes;
        const std::size_t wanted =
            options.chunk.is_automatic() ? detail::exchange_piece_bytes : options.chunk.chunk_bytes(bytes);
        const std::size_t most = std::max<std::size_t>(wanted, 1);
        for (std::size_t done = 0; done < bytes; done += most) {
            pieces.push_back({&t, to + done, from + done, std::min(most, bytes - done)});
        }
    }
    if (pieces.empty()) { return; }

    std::atomic<std::size_t> next{0};
    std::mutex guard;
    std::exception_ptr error;
    const auto work = [&](int /*worker*/) {
        try {
            for (std::size_t i = next++; i < pieces.size(); i = next++) { detail::copy_piece(e, pieces[i], options); }
        } catch (...) {
            const std::lock_guard lock(guard);
            if (!error) { error = std::current_exception(); }
            next = pieces.size();
        }
    };
    // Less than this much a worker is copied sooner than a thread wakes up.
    const std::size_t useful = std::min(pieces.size(), 1 + total / 256_KiB);
    const auto start = std::chrono::steady_clock::now();
    pool.run(static_cast<int>(std::min(useful, static_cast<std::size_t>(pool.size()))), work);
    if (error) { std::rethrow_exception(error); }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    chunk_choice(options.chunk).observe(total, seconds.count());
}

} // namespace blink::host
