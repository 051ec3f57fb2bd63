// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of users that the ranks of a communicator have opened to each other.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/call_check.hpp>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/meeting.hpp>
#include <blink/communicator/process_resources.cuh>
#include <blink/communicator/registered_buffer.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// The registrations of one rank. Goes before the communicator's own memory does, whose end is also the barrier behind
/// which every rank has closed what is open here.
class process_windows {
  public:
    process_windows() = default;
    process_windows(const process_windows&) = delete;
    process_windows& operator=(const process_windows&) = delete;
    ~process_windows() {
        if (opened_.empty()) { return; }
        const device_scope current(device_);
        (void)cudaDeviceSynchronize(); // kernels may still store into what is open
        for (const window& w : opened_) { close(w); }
    }

    /// All ranks agree on a buffer of each, or on an error. Shared where every rank could open all that it reaches.
    /// @param check throws where this rank's memory will not do
    /// @throw usage_error on every rank
    template <class Check>
    [[nodiscard]] registered_buffer add(const process_resources& resources, void* p, std::size_t bytes,
                                        const Check& check) {
        device_ = resources.here().device;
        const device_scope current(device_);
        window w{std::make_shared<registered_buffer::record>(), {}};
        registered_buffer::record& made = *w.of;
        made.number = count_ + 1;
        made.bytes = bytes;
        made.own = static_cast<std::byte*>(p);
        const std::string call =
            "the registration of buffer " + std::to_string(made.number) + ", " + std::to_string(bytes) + " bytes";
        const std::vector<std::string> told = tell_call(resources.met(), call, [&] {
            check();
            made.allocation = allocation_number(p);
            const auto exported = export_memory(p, bytes);
            if (!exported) { return std::string(); }
            return net::packer().text(exported->handle).number(exported->offset).take();
        });
        ++count_; // on all ranks or on none
        bool exported = true;
        for (const std::string& t : told) { exported = exported && !t.empty(); }
        if (exported) { open_all(resources, call, told, w); }
        opened_.push_back(std::move(w));
        return registered_buffer(opened_.back().of);
    }

    /// Closes it on every rank; its memory may be freed after that.
    /// @throw usage_error on every rank where they do not name the same registration
    void remove(const process_resources& resources, const registered_buffer& buffer) {
        const device_scope current(resources.here().device);
        std::size_t at = 0;
        while (at < opened_.size() && opened_[at].of != buffer.of()) { ++at; }
        (void)tell_call(resources.met(), "the end of buffer " + std::to_string(buffer.number()), [&] {
            if (at == opened_.size()) { throw usage_error("it is no registered buffer of this communicator"); }
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
            return std::string();
        });
        opened_[at].of->open = false;
        close(opened_[at]);
        opened_.erase(opened_.begin() + static_cast<std::ptrdiff_t>(at));
        (void)resources.met().exchange(told_call{"the end of a buffer"}.packed());
    }

    [[nodiscard]] bool knows(const registered_buffer& buffer) const noexcept {
        for (const window& w : opened_) {
            if (w.of == buffer.of()) { return true; }
        }
        return false;
    }

    /// Whether this rank's memory is still that which was registered.
    [[nodiscard]] static bool is_there(const registered_buffer& buffer) {
        return allocation_number(buffer.data()) == buffer.of()->allocation;
    }

  private:
    struct window {
        std::shared_ptr<registered_buffer::record> of;
        std::vector<void*> bases; ///< that this process has opened
    };

    /// Opens the buffers of all ranks that this one reaches, and keeps them so where every rank could.
    static void open_all(const process_resources& resources, const std::string& call,
                         const std::vector<std::string>& told, window& w) {
        const int size = resources.size();
        std::vector<std::byte*> bases(static_cast<std::size_t>(size), nullptr);
        bool opened = true;
        for (int r = 0; r < size; ++r) {
            std::byte*& base = bases[static_cast<std::size_t>(r)];
            if (r == resources.rank()) {
                base = w.of->own;
            } else if (resources.reaches(resources.rank(), r)) {
                net::unpacker there(told[static_cast<std::size_t>(r)]);
                void* const begin = open(there.text());
                if (begin != nullptr) { w.bases.push_back(begin); }
                if (begin != nullptr) { base = static_cast<std::byte*>(begin) + there.number(); }
                opened = opened && begin != nullptr;
            }
        }
        try {
            for (const std::string& all : tell_call(resources.met(), call, [&] { return opened ? "1" : "0"; })) {
                opened = opened && all == "1";
            }
        } catch (...) {
            close(w);
            throw;
        }
        if (opened) {
            w.of->bases = std::move(bases);
            return;
        }
        close(w);
        w.bases.clear();
        (void)resources.met().exchange(told_call{call}.packed()); // nobody has it open any more
    }

    /// Null where the driver refuses: then nobody opens anything.
    [[nodiscard]] static void* open(const std::string& text) {
        cudaIpcMemHandle_t handle{};
        if (text.size() != sizeof handle) { return nullptr; }
        std::memcpy(&handle, text.data(), sizeof handle);
        void* begin = nullptr;
        if (cudaIpcOpenMemHandle(&begin, handle, cudaIpcMemLazyEnablePeerAccess) != cudaSuccess) {
            (void)cudaGetLastError();
            return nullptr;
        }
        return begin;
    }

    static void close(const window& w) noexcept {
        for (void* base : w.bases) { (void)cudaIpcCloseMemHandle(base); }
    }

    int device_ = 0;
    int count_ = 0; ///< registrations so far
    std::vector<window> opened_;
};

} // namespace blink::cuda
