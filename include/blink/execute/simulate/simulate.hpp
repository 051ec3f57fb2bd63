// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A schedule in modelled time: the same programs that the other executors run, on links that are shared fairly.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/units.hpp>
#include <blink/execute/simulate/event_loop.hpp>
#include <blink/schedule/program.hpp>
#include <blink/schedule/schedule.hpp>
#include <blink/topology/fabric.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace blink {

/// How long a collective of `bytes` takes in the model.
struct simulation {
    std::size_t bytes = 0;
    double seconds = 0;
    double GBps = 0; ///< bytes / seconds, which nccl-tests call algbw; 0 where nothing had to move
    std::size_t chunk_bytes = 0;
};

/// Times `s` on `f` in modelled time; `bytes` are those of the larger buffer.
///
/// A chunk waits for a free slot at its receiver, pays `overhead_us` (while the chunk before it may be on its way),
/// crosses its hop while every link on the way is shared max-min fairly, and can be used `latency_us` after its last
/// byte left. Chunks between two ranks go one
/// after the other, towards different ranks side by side. Reductions and the way of a freed slot back take no time.
/// Deterministic.
/// @throw schedule_error for a schedule that is malformed or waits for ever (`verify` says where)
/// @throw usage_error for options that cannot be meant, or more steps than can be simulated in reasonable time
[[nodiscard]] inline simulation simulate(const schedule& s, const fabric& f, std::size_t bytes,
                                         const model_options& options = {}) {
    const std::size_t shards = is_sharded(s.kind) ? static_cast<std::size_t>(s.ranks) : 1;
    const std::vector<element_range> parts = split(s, bytes / shards);
    std::vector<int> chunks;
    std::size_t all = 0;
    for (const element_range& part : parts) {
        chunks.push_back(detail::checked_chunk_count(part.size(), options.chunk_bytes));
        all += static_cast<std::size_t>(chunks.back());
    }
    constexpr std::size_t most = 5'000'000;
    if (all * static_cast<std::size_t>(s.ranks) > most) {
        throw usage_error("simulate: " + std::to_string(all) + " chunks among " + std::to_string(s.ranks) +
                          " ranks take too long; use larger chunks than " + std::to_string(options.chunk_bytes) +
                          " bytes");
    }
    const program p = expand(s, chunks);
    const double seconds = detail::event_loop(s, p, f, parts, options).run();
    return {bytes, seconds, seconds > 0 ? rate_GBps(static_cast<double>(bytes), seconds) : 0, options.chunk_bytes};
}

/// The fastest of the chunk sizes 16 MiB, 8 MiB, ... 16 KiB: where a policy that learns would end. Stops where two
/// sizes in a row are slower, or where smaller chunks would be too many to simulate at once.
/// @throw as `simulate`
[[nodiscard]] inline simulation simulate_best_chunk(const schedule& s, const fabric& f, std::size_t bytes,
                                                    model_options options = {}) {
    constexpr std::size_t most_chunks = 8192;
    simulation best;
    int worse = 0;
    for (options.chunk_bytes = 16_MiB; options.chunk_bytes >= 16_KiB && worse < 2; options.chunk_bytes /= 2) {
        const std::size_t chunks = bytes / options.chunk_bytes * static_cast<std::size_t>(s.ranks);
        if (best.chunk_bytes != 0 && chunks > most_chunks) { break; }
        const simulation one = simulate(s, f, bytes, options);
        const bool better = best.chunk_bytes == 0 || one.seconds < best.seconds * (1 - 1e-9);
        if (better) { best = one; }
        worse = one.seconds > best.seconds * (1 + 1e-9) ? worse + 1 : 0;
    }
    return best;
}

} // namespace blink
