// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Exchanges on the GPUs of one process: everything between the user's pointers and the kernels. Apart from the group,
/// so that programs without exchanges do not pay for compiling them.
#pragma once

#include <blink/communicator/cuda_group.cuh>
#include <blink/communicator/cuda_resources.cuh>
#include <blink/communicator/exchange_plans.hpp>
#include <blink/communicator/long_call.cuh>
#include <blink/communicator/options.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/core/protocol.hpp>
#include <blink/execute/cuda/copy_choice.hpp>
#include <blink/execute/cuda/copy_program.hpp>
#include <blink/execute/cuda/exchange_launch.cuh>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace blink::cuda {

/// Checks everything about an exchange that could go wrong on the device.
/// @param check_memory `check_memory(which, rank, pointer)` throws where that is no device memory
/// @throw usage_error
template <element T, class CheckMemory>
void check_device_exchange(const exchange& e, int ranks, std::span<const T* const> in, std::span<T* const> out,
                           protocol how, const CheckMemory& check_memory) {
    if (e.ranks != ranks) {
        throw usage_error(e.name + " among " + std::to_string(e.ranks) + " ranks in a group of " +
                          std::to_string(ranks));
    }
    if (how != protocol::automatic && how != protocol::chunks && how != protocol::copies) {
        throw usage_error(e.name + ": protocol " + std::string(to_string(how)) +
                          " carries no transfers, only chunks and copies");
    }
    check_exchange(e, {in.begin(), in.end()}, {out.begin(), out.end()}, sizeof(T), alignof(T));
    std::uint32_t reads = 0; // ranks whose buffer is touched, a bit each
    std::uint32_t writes = 0;
    for (const transfer& t : e.transfers) {
        if (t.count == 0) { continue; }
        reads |= 1U << t.from;
        writes |= 1U << t.to;
    }
    for (int r = 0; r < ranks; ++r) {
        if ((reads >> r & 1U) != 0) { check_memory("in", r, in[static_cast<std::size_t>(r)]); }
        if ((writes >> r & 1U) != 0) { check_memory("out", r, out[static_cast<std::size_t>(r)]); }
    }
}

/// Enqueues a checked exchange by copies; see `launch_copies` of a collective.
template <element T>
void enqueue_copies(const exchange& e, std::unique_ptr<copy_room>& room, std::span<const T* const> in,
                    std::span<T* const> out, group_resources& resources, std::size_t chunk_bytes) {
    std::vector<bool> in_place;
    for (const transfer& t : e.transfers) {
        in_place.push_back(in[static_cast<std::size_t>(t.from)] + t.in_offset ==
                           out[static_cast<std::size_t>(t.to)] + t.out_offset);
    }
    if (room == nullptr) { room = std::make_unique<copy_room>(resources); }
    room->run(program_of(e, sizeof(T), in_place, chunk_bytes, resources.memory().tuned), job_of<T>(in, out));
}

/// Elements of rank `r`'s input or output that an exchange touches, from the buffer's beginning on.
[[nodiscard]] inline std::size_t extent_of(const exchange& e, int r, bool of_output) {
    std::size_t extent = 0;
    for (const transfer& t : e.transfers) {
        if (t.count == 0 || (of_output ? t.to : t.from) != r) { continue; }
        extent = std::max(extent, (of_output ? t.out_offset : t.in_offset) + t.count);
    }
    return extent;
}

/// Enqueues a checked exchange; see `launch_exchange`.
template <element T>
void enqueue_exchange(const exchange& e, const exchange_plans::routes& routes, std::span<const T* const> in,
                      std::span<T* const> out, std::span<const device_ranks> devices, const group_memory& memory,
                      std::size_t chunk_bytes) {
    using unit = exchange_unit<T>;
    std::vector<const unit*> from;
    std::vector<unit*> to;
    for (const T* p : in) { from.push_back(reinterpret_cast<const unit*>(p)); }
    for (T* p : out) { to.push_back(reinterpret_cast<unit*>(p)); }
    launch_exchange<unit>(e, routes, from, to, sizeof(T) / sizeof(unit), devices, memory, chunk_bytes, !memory.staged);
}

} // namespace blink::cuda

namespace blink {

template <element T>
void cuda_group::run(const exchange& e, std::span<const T* const> in, std::span<T* const> out, const options& choices) {
    check_ready();
    cuda::check_device_exchange<T>(e, size(), in, out, choices.how, [&](const char* which, int r, const void* p) {
        check_on_device(e.name, which, r, p);
    });
    if (output_count(e) == 0) { return; }
    const auto seen = [&](const auto& buffers, bool outputs) {
        std::vector<memory_range> touched;
        for (int r = 0; r < size(); ++r) {
            touched.push_back({buffers[static_cast<std::size_t>(r)], cuda::extent_of(e, r, outputs) * sizeof(T)});
        }
        return all_seen(touched);
    };
    const cuda::copy_call long_call = cuda::copy_call_of(e, sizeof(T));
    if (cuda::takes_copies(choices.how, long_call, resources_->memory().tuned,
                           [this] { return cuda::is_captured(stream(0)); })) {
        const prepared& straight = entry_for(collective::allgather, 0, planning(choices));
        const bool all = seen(in, false) && seen(out, true);
        if (cuda::can_copy(choices.how, e.name, true, copy_ways_of(straight, all), resources_->devices())) {
            return timed(choices.chunk, long_call.bytes, [&](std::size_t chunk_bytes) {
                cuda::enqueue_copies<T>(e, copies_, in, out, *resources_, chunk_bytes);
            });
        }
    }
    const auto joined = [this](int from, int to) {
        return resources_->reaches(device(from), device(to)) && resources_->reaches(device(to), device(from));
    };
    if (routes_ == nullptr) { routes_ = std::make_shared<exchange_plans>(); }
    const cuda::group_memory& memory = resources_->memory(seen(out, true));
    const auto& routes = routes_->of(e, machine_, where_.gpus, choices.links, joined, memory.staged);
    timed(choices.chunk, input_count(e) * sizeof(T), [&](std::size_t chunk_bytes) {
        cuda::enqueue_exchange<T>(e, routes, in, out, resources_->devices(), memory, chunk_bytes);
    });
}

} // namespace blink
