// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of users that the ranks of a communicator have opened to each other.
#pragma once

#include <blink/communicator/allocation.cuh>
#include <blink/communicator/call_check.hpp>
#include <blink/communicator/mapped_memory.cuh>
#include <blink/communicator/meeting.hpp>
#include <blink/communicator/offered_memory.cuh>
#include <blink/communicator/options.hpp>
#include <blink/communicator/process_resources.cuh>
#include <blink/communicator/registered_buffer.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/check.cuh>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink::cuda {

/// Results go straight into the outputs of all ranks: known from the options alone, which are the same everywhere.
[[nodiscard]] inline bool is_direct(const options& o) { return o.into != nullptr && o.into->is_shared(); }

/// By rank what `rank`, whose own is `own`, knows of the outputs.
template <class T>
[[nodiscard]] std::vector<T*> outputs_of(const options& o, T* own, int rank, int size) {
    std::vector<T*> out(static_cast<std::size_t>(size), nullptr);
    std::size_t offset = 0;
    if (is_direct(o) && own != nullptr && lies_in(*o.into, own, 0, offset)) {
        for (std::size_t r = 0; r < out.size(); ++r) {
            std::byte* const base = o.into->of()->bases[r];
            if (base != nullptr) { out[r] = reinterpret_cast<T*>(base + offset); }
        }
    }
    out[static_cast<std::size_t>(rank)] = own;
    return out;
}

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
        opened_.clear();
    }

    /// All ranks agree on a buffer of each, or on an error. Shared where every rank could open all that it reaches.
    /// @param check throws where this rank's memory will not do
    /// @throw usage_error on every rank
    template <class Check>
    [[nodiscard]] registered_buffer add(const process_resources& resources, void* p, std::size_t bytes,
                                        const Check& check) {
        device_ = resources.here().device;
        const device_scope current(device_);
        window w{std::make_shared<registered_buffer::record>(), {}, {}};
        offered_memory offer;
        registered_buffer::record& made = *w.of;
        made.number = count_ + 1;
        made.bytes = bytes;
        made.own = static_cast<std::byte*>(p);
        const std::string call =
            "the registration of buffer " + std::to_string(made.number) + ", " + std::to_string(bytes) + " bytes";
        const std::vector<std::string> told = tell_call(resources.met(), call, [&] {
            check();
            made.allocation = allocation_number(p);
            w.pieces = mapped_pieces(p, bytes);
            offer = offer_memory(p, bytes, w.pieces, device_);
            return offer.told;
        });
        ++count_; // on all ranks or on none
        bool offered = true;
        for (const std::string& t : told) { offered = offered && !t.empty(); }
        if (offered) { open_all(resources, call, told, w); }
        offer = {}; // before the pieces that it speaks of go elsewhere
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
        opened_.erase(opened_.begin() + static_cast<std::ptrdiff_t>(at));
        (void)resources.met().exchange(told_call{"the end of a buffer"}.packed());
    }

    [[nodiscard]] bool knows(const registered_buffer& buffer) const noexcept { return find(buffer) != nullptr; }

    /// Checks what a call says about the buffer that its output lies in.
    /// @param looked_at whether the output has to be in the buffer that the options name
    /// @throw usage_error
    void check_into(std::string_view what, const options& o, bool looked_at, const void* out, std::size_t bytes) const {
        std::size_t offset = 0;
        if (o.into != nullptr && !knows(*o.into)) {
            throw usage_error(std::string(what) + ": options::into is no registered buffer of this communicator");
        }
        if (o.into == nullptr || !looked_at || lies_in(*o.into, out, bytes, offset)) { return; }
        throw usage_error(std::string(what) + ": the output of " + std::to_string(bytes) +
                          " bytes is not inside registered buffer " + std::to_string(o.into->number()));
    }

    /// Whether this rank's memory is still that which was registered, as far as a call on `bytes` at `p` touches it: of
    /// a range of pieces the first is looked at, and those that the call lies in.
    [[nodiscard]] bool is_there(const registered_buffer& buffer, const void* p, std::size_t bytes) const {
        const window* const known = find(buffer);
        if (known == nullptr) { return true; }
        if (known->pieces.empty()) { return allocation_number(buffer.data()) == buffer.of()->allocation; }
        const auto begin = reinterpret_cast<CUdeviceptr>(p);
        for (const mapped_piece& piece : known->pieces) {
            const bool touched =
                piece.begin + piece.bytes > begin && (piece.begin < begin || piece.begin - begin < bytes);
            if ((touched || &piece == &known->pieces.front()) && !piece.is_there()) { return false; }
        }
        return true;
    }

  private:
    struct window {
        std::shared_ptr<registered_buffer::record> of;
        std::vector<mapped_piece> pieces;          ///< of this rank's memory, where it has some
        std::vector<std::shared_ptr<void>> opened; ///< of other ranks
    };

    [[nodiscard]] const window* find(const registered_buffer& buffer) const noexcept {
        for (const window& w : opened_) {
            if (w.of == buffer.of()) { return &w; }
        }
        return nullptr;
    }

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
                opened_memory there = open_memory(told[static_cast<std::size_t>(r)], resources.here().device);
                base = there.buffer;
                opened = opened && base != nullptr;
                w.opened.push_back(std::move(there.held));
            }
        }
        for (const std::string& all : tell_call(resources.met(), call, [&] { return opened ? "1" : "0"; })) {
            opened = opened && all == "1";
        }
        if (opened) {
            w.of->bases = std::move(bases);
            return;
        }
        w.opened.clear();
        (void)resources.met().exchange(told_call{call}.packed()); // nobody has it open any more
    }

    int device_ = 0;
    int count_ = 0; ///< registrations so far
    std::vector<window> opened_;
};

} // namespace blink::cuda
