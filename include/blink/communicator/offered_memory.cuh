// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of a GPU that a process offers to others, and that these open: by a handle of CUDA's where it comes from
/// cudaMalloc, by open files where it is mapped piece by piece.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/descriptor_passing.hpp>
#include <blink/communicator/mapped_memory.cuh>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
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

/// Offers `bytes` at `p`.
/// @param pieces of it, where it has some; they outlive the offer
/// @param device whose memory it is
[[nodiscard]] inline offered_memory offer_memory(void* p, std::size_t bytes, const std::vector<mapped_piece>& pieces,
                                                 int device) {
    if (const auto exported = export_memory(p, bytes)) {
        return {net::packer().text(exported->handle).number(exported->offset).take()};
    }
    if (pieces.empty() || !std::ranges::all_of(pieces, has_file)) { return {}; }
    try {
        auto files = std::make_unique<net::descriptor_sender>(pieces.size(), [&pieces, device](std::size_t i) {
            const device_scope current(device);
            return file_of(pieces[i]);
        });
        net::packer told;
        told.text("").number(reinterpret_cast<CUdeviceptr>(p) - pieces.front().begin);
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

[[nodiscard]] inline opened_memory open_by_handle(const std::string& text, std::size_t offset) {
    cudaIpcMemHandle_t handle{};
    if (text.size() != sizeof handle) { return {}; }
    std::memcpy(&handle, text.data(), sizeof handle);
    void* begin = nullptr;
    if (cudaIpcOpenMemHandle(&begin, handle, cudaIpcMemLazyEnablePeerAccess) != cudaSuccess) {
        (void)cudaGetLastError();
        return {};
    }
    return {{begin, [](void* p) { (void)cudaIpcCloseMemHandle(p); }}, static_cast<std::byte*>(begin) + offset};
}

[[nodiscard]] inline opened_memory open_by_files(net::unpacker& told, std::size_t offset, int device) {
    constexpr std::chrono::seconds patience{20};
    const std::string name = told.text();
    std::vector<std::size_t> pieces(told.number());
    std::size_t bytes = 0;
    for (std::size_t& piece : pieces) { bytes += piece = told.number(); }
    auto range = std::make_shared<imported_range>(bytes);
    std::size_t next = 0;
    const bool all =
        net::receive_descriptors(name, pieces.size(), net::clock::now() + patience,
                                 [&](const net::descriptor& file) { return range->add(file, pieces[next++]); });
    if (!all || !range->open_to(device)) { return {}; }
    std::byte* const begin = range->begin();
    return {std::move(range), begin + offset};
}

} // namespace detail

/// Opens what another process has offered.
/// @param device the current one, whose kernels will use it
[[nodiscard]] inline opened_memory open_memory(const std::string& offer, int device) {
    net::unpacker told(offer);
    const std::string handle = told.text();
    const std::size_t offset = told.number();
    return handle.empty() ? detail::open_by_files(told, offset, device) : detail::open_by_handle(handle, offset);
}

} // namespace blink::cuda
