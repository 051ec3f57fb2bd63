// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of the host that the processes of a communicator share, pinned for the GPU of each.
#pragma once

#include <blink/communicator/descriptor_passing.hpp>
#include <blink/communicator/offered_memory.cuh>
#include <blink/communicator/shared_memory.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// This process's mapping, until it goes; nothing uses it then.
class shared_host_memory {
  public:
    shared_host_memory() = default;
    shared_host_memory(const shared_host_memory&) = delete;
    shared_host_memory& operator=(const shared_host_memory&) = delete;
    BLINK_SELDOM ~shared_host_memory() { drop(); }

    /// Made by rank 0, and mapped and pinned by all ranks, or by none: where one of them cannot, there is none.
    /// @param exchange `exchange(work)` gives what `work()` gave on each rank
    template <class Exchange>
    BLINK_SELDOM void meet(int rank, std::size_t bytes, const Exchange& exchange) {
        std::unique_ptr<net::descriptor_sender> sender;
        const std::vector<std::string> names = exchange([&] {
            if (rank == 0) { sender = offer(bytes); }
            return sender == nullptr ? std::string() : sender->name();
        });
        const std::string& name = names.front();
        const std::vector<std::string> pinned =
            exchange([&] { return std::string((rank == 0 || fetch(name, bytes)) && pin() ? "1" : "0"); });
        sender.reset(); // whose thread looks at the memory
        for (const std::string& p : pinned) {
            if (p != "1") { return drop(); }
        }
    }

    /// Null where there is none.
    [[nodiscard]] std::byte* begin() const noexcept { return memory_.begin(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return memory_.bytes(); }

  private:
    /// Null where the system gives no memory, or no socket.
    BLINK_SELDOM std::unique_ptr<net::descriptor_sender> offer(std::size_t bytes) {
        memory_ = shared_memory::make(bytes);
        if (!memory_.is_mapped()) { return nullptr; }
        try {
            return std::make_unique<net::descriptor_sender>(
                1, [this](std::size_t /*i*/) noexcept { return memory_.file(); });
        } catch (const rendezvous_error&) { return nullptr; }
    }

    BLINK_SELDOM bool fetch(const std::string& name, std::size_t bytes) {
        if (name.empty()) { return false; }
        return net::receive_descriptors(name, 1, net::clock::now() + detail::file_patience, [&](net::descriptor file) {
            memory_ = shared_memory::of(std::move(file), bytes);
            return memory_.is_mapped();
        });
    }

    BLINK_SELDOM bool pin() {
        if (!memory_.is_mapped()) { return false; }
        pinned_ = cudaHostRegister(memory_.begin(), memory_.bytes(), cudaHostRegisterPortable) == cudaSuccess;
        if (!pinned_) { (void)cudaGetLastError(); }
        return pinned_;
    }

    BLINK_SELDOM void drop() {
        if (std::exchange(pinned_, false)) { (void)cudaHostUnregister(memory_.begin()); }
        memory_ = {};
    }

    shared_memory memory_;
    bool pinned_ = false;
};

} // namespace blink::cuda
