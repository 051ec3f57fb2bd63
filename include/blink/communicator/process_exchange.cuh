// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Exchanges between processes, each with a GPU: this rank's part of one, behind the communicator's checks. Apart from
/// the communicator, so that programs without exchanges do not pay for compiling them.
#pragma once

#include <blink/communicator/exchange_plans.hpp>
#include <blink/communicator/options.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/protocol.hpp>
#include <blink/execute/cuda/exchange_launch.cuh>
#include <blink/execute/cuda/launch.cuh>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace blink::cuda {

/// Which of its buffers a rank uses in an exchange.
struct exchange_use {
    bool reads = false;
    bool writes = false;
    std::size_t written = 0; ///< elements from the beginning of the output on, to the last that is written
};

/// Checks everything about this rank's part that does not need the driver.
/// @throw usage_error
template <element T>
[[nodiscard]] exchange_use check_process_exchange(const exchange& e, int rank, int size, const T* in, T* out,
                                                  const options& choices) {
    if (e.ranks != size) {
        throw usage_error(e.name + " among " + std::to_string(e.ranks) + " ranks in a communicator of " +
                          std::to_string(size));
    }
    if (choices.how != protocol::automatic && choices.how != protocol::chunks) {
        throw usage_error(e.name + ": protocol " + std::string(to_string(choices.how)) +
                          " carries no transfers, only chunks");
    }
    if (choices.chunk.learns()) {
        throw usage_error(e.name + ": a chunk policy that learns would learn something else on every rank");
    }
    std::vector<const void*> from(static_cast<std::size_t>(size), nullptr);
    std::vector<const void*> to(from.size(), nullptr);
    from[static_cast<std::size_t>(rank)] = in;
    to[static_cast<std::size_t>(rank)] = out;
    check_exchange(e, from, to, sizeof(T), alignof(T), rank);
    exchange_use use;
    for (const transfer& t : e.transfers) {
        use.reads = use.reads || (t.count > 0 && t.from == rank);
        use.writes = use.writes || (t.count > 0 && t.to == rank);
        if (t.to == rank && t.count > 0) { use.written = std::max(use.written, t.out_offset + t.count); }
    }
    return use;
}

/// Enqueues this rank's part of a checked exchange.
/// @tparam Resources `process_resources`, which programs without a communicator do not read
/// @param out by rank: this rank's, and, where `memory` is not staged, those of all others as this process sees them
template <element T, class Resources>
void launch_process_exchange(const Resources& resources, std::span<const int> gpus,
                             std::shared_ptr<exchange_plans>& plans, const exchange& e, const T* in,
                             std::span<T* const> out, const options& choices, const device_ranks& here,
                             const group_memory& memory) {
    using unit = exchange_unit<T>;
    std::vector<const unit*> from(out.size(), nullptr);
    std::vector<unit*> to;
    from[static_cast<std::size_t>(resources.rank())] = reinterpret_cast<const unit*>(in);
    for (T* p : out) { to.push_back(reinterpret_cast<unit*>(p)); }
    if (plans == nullptr) { plans = std::make_shared<exchange_plans>(); }
    const auto joined = [&](int a, int b) { return resources.reaches(a, b) && resources.reaches(b, a); };
    const auto& routes = plans->of(e, resources.machine(), gpus, choices.links, joined, memory.staged);
    const std::size_t chunk_bytes =
        choices.chunk.is_automatic() ? 0 : choices.chunk.chunk_bytes(input_count(e) * sizeof(T));
    launch_exchange<unit>(e, routes, from, to, sizeof(T) / sizeof(unit), std::span<const device_ranks>(&here, 1),
                          memory, chunk_bytes, false);
}

} // namespace blink::cuda
