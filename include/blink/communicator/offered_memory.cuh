// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of a GPU that a process offers to others, and that these open: by a handle of CUDA's where it comes from
/// cudaMalloc, by open files where it is mapped piece by piece or comes from a pool.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/descriptor_passing.hpp>
#include <blink/communicator/mapped_memory.cuh>
#include <blink/communicator/pool_memory.cuh>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// What the others need to open a buffer, as long as this lives.
struct offered_memory {
    std::string told; ///< to them; empty: they cannot
    std::unique_ptr<net::descriptor_sender> files{};
};

namespace detail {

/// How it is opened; the first thing that an offer says.
enum class offer_kind : std::uint64_t { handle, pieces, pool };

/// Longest wait for a file of another process, which has nothing else to do.
inline constexpr std::chrono::seconds file_patience{20};

[[nodiscard]] inline net::packer offer_of(offer_kind kind, std::size_t offset) {
    net::packer told;
    told.number(static_cast<std::uint64_t>(kind)).number(offset);
    return told;
}

} // namespace detail

/// Offers `bytes` at `p`.
/// @param pieces of it, where it has some; they outlive the offer
/// @param device whose memory it is, the current one
[[nodiscard]] inline offered_memory offer_memory(void* p, std::size_t bytes, const std::vector<mapped_piece>& pieces,
                                                 int device) {
    using detail::offer_kind;
    if (const auto exported = export_memory(p, bytes)) {
        return {detail::offer_of(offer_kind::handle, exported->offset).text(exported->handle).take()};
    }
    try {
        if (const auto exported = export_pool_memory(p, bytes)) {
            auto files = std::make_unique<net::descriptor_sender>(
                1, [pool = exported->pool, device](std::size_t /*i*/) noexcept {
                    const device_scope current(device);
                    return file_of(pool);
                });
            net::packer told = detail::offer_of(offer_kind::pool, exported->offset);
            return {told.text(files->name()).text(exported->pointer).take(), std::move(files)};
        }
        if (pieces.empty() || !std::ranges::all_of(pieces, has_file)) { return {}; }
        auto files = std::make_unique<net::descriptor_sender>(pieces.size(), [&pieces, device](std::size_t i) noexcept {
            const device_scope current(device);
            return file_of(pieces[i]);
        });
        net::packer told =
            detail::offer_of(offer_kind::pieces, reinterpret_cast<CUdeviceptr>(p) - pieces.front().begin);
        told.text(files->name()).number(pieces.size());
        for (const mapped_piece& piece : pieces) { told.number(piece.bytes); }
        return {told.take(), std::move(files)};
    } catch (const rendezvous_error&) { return {}; } // the system gives no socket, so nobody opens anything
}

/// Memory of another process, which is closed when the last copy of `held` goes.
struct opened_memory {
    std::shared_ptr<void> held;
    std::byte* buffer = nullptr; ///< null: it could not be opened
};

namespace detail {

[[nodiscard]] inline opened_memory open_by_handle(net::unpacker& told) {
    const std::string text = told.text();
    cudaIpcMemHandle_t handle{};
    if (text.size() != sizeof handle) { return {}; }
    std::memcpy(&handle, text.data(), sizeof handle);
    void* begin = nullptr;
    if (cudaIpcOpenMemHandle(&begin, handle, cudaIpcMemLazyEnablePeerAccess) != cudaSuccess) {
        (void)cudaGetLastError();
        return {};
    }
    return {{begin, [](void* p) { (void)cudaIpcCloseMemHandle(p); }}, static_cast<std::byte*>(begin)};
}

[[nodiscard]] inline opened_memory open_pieces(net::unpacker& told, int device) {
    const std::string name = told.text();
    std::vector<std::size_t> pieces(told.number());
    std::size_t bytes = 0;
    for (std::size_t& piece : pieces) { bytes += piece = told.number(); }
    auto range = std::make_shared<imported_range>(bytes);
    std::size_t next = 0;
    const bool all =
        net::receive_descriptors(name, pieces.size(), net::clock::now() + file_patience,
                                 [&](const net::descriptor& file) { return range->add(file, pieces[next++]); });
    std::byte* const begin = all && range->open_to(device) ? range->begin() : nullptr;
    return {std::move(range), begin};
}

[[nodiscard]] inline opened_memory open_in_pool(net::unpacker& told, int device) {
    const std::string name = told.text();
    const std::string pointer = told.text();
    auto memory = std::make_shared<imported_pool_memory>();
    const bool opened =
        net::receive_descriptors(name, 1, net::clock::now() + file_patience,
                                 [&](const net::descriptor& file) { return memory->open(file, pointer, device); });
    std::byte* const begin = opened ? memory->begin() : nullptr;
    return {std::move(memory), begin};
}

} // namespace detail

/// Opens what another process has offered.
/// @param device the current one, whose kernels will use it
[[nodiscard]] inline opened_memory open_memory(const std::string& offer, int device) {
    using detail::offer_kind;
    net::unpacker told(offer);
    const auto kind = static_cast<offer_kind>(told.number());
    const std::size_t offset = told.number();
    opened_memory opened;
    if (kind == offer_kind::handle) { opened = detail::open_by_handle(told); }
    if (kind == offer_kind::pieces) { opened = detail::open_pieces(told, device); }
    if (kind == offer_kind::pool) { opened = detail::open_in_pool(told, device); }
    if (opened.buffer != nullptr) { opened.buffer += offset; }
    return opened;
}

} // namespace blink::cuda
