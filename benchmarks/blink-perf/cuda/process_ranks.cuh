// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The rank of this process as a group of all ranks, so that it is measured by the same steps.
#pragma once

#include <blink/communicator/exchange_group.hpp>
#include <blink/communicator/process_group.cuh>
#include <blink/communicator/rank_group.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <span>
#include <vector>

namespace blink_perf {

/// A communicator with buffers that all ranks may store into, unless that is switched off. Of the other ranks it has
/// null for every address.
class process_ranks {
  public:
    /// @param registered whether buffers are opened to the other processes
    process_ranks(int rank, int size, const blink::rendezvous& at, const blink::process_options& choices,
                  bool registered)
        : shared_(std::make_shared<shared>(rank, size, at, choices)), registered_(registered) {}

    [[nodiscard]] int size() const noexcept { return own().size(); }
    [[nodiscard]] int rank() const noexcept { return own().rank(); }
    [[nodiscard]] bool drives(int rank) const noexcept { return rank == own().rank(); }
    /// Of this process's rank.
    [[nodiscard]] int device(int /*rank*/) const noexcept { return own().device(); }
    [[nodiscard]] cudaStream_t stream(int /*rank*/) const noexcept { return own().stream(); }
    [[nodiscard]] const blink::topology& machine() const noexcept { return own().machine(); }
    [[nodiscard]] blink::group_status status() const { return own().status(); }
    [[nodiscard]] const blink::plan& plan_for(blink::collective kind, int root = 0,
                                              const blink::plan_options& planning = {}) {
        return own().plan_for(kind, root, planning);
    }

    /// A call of all ranks where the buffers are opened, as is their end.
    template <blink::element T>
    [[nodiscard]] blink::rank_buffers<T> make_buffers(std::size_t count) const {
        return {std::make_shared<memory>(shared_, registered_), size(), count};
    }

    template <blink::element T, blink::collective_operator<T> Op>
    void run(blink::collective kind, int root, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
             const Op& op, blink::options choices = {}) {
        const auto place = static_cast<std::size_t>(rank());
        choices.into = shared_->opened(out[place]);
        own().run(kind, root, in[place], out[place], count, op, choices, stream(rank()));
    }

    /// In place the ranks' outputs need not begin at the same place, so they are then no opened buffer.
    template <blink::element T>
    void run(const blink::exchange& e, std::span<const T* const> in, std::span<T* const> out,
             blink::options choices = {}) {
        const auto place = static_cast<std::size_t>(rank());
        choices.into = shared_->opened(out[place]);
        if (choices.into == shared_->opened(in[place])) { choices.into = nullptr; }
        own().run(e, in[place], out[place], choices, stream(rank()));
    }

    void synchronize() { own().synchronize(); }
    void abort() noexcept { own().abort(); }

  private:
    struct shared {
        shared(int rank, int size, const blink::rendezvous& at, const blink::process_options& choices)
            : comm(rank, size, at, choices) {}

        /// The opened buffer that `p` is in; null where it is in none.
        [[nodiscard]] const blink::registered_buffer* opened(const void* p) const {
            std::size_t offset = 0;
            const auto found =
                std::ranges::find_if(windows, [&](const auto& w) { return blink::lies_in(*w, p, 1, offset); });
            return found == windows.end() ? nullptr : found->get();
        }

        blink::communicator comm;
        std::vector<std::unique_ptr<blink::registered_buffer>> windows;
    };

    class memory final : public blink::rank_memory {
      public:
        memory(std::shared_ptr<shared> of, bool registered)
            : of_(std::move(of)), plain_(of_->comm.device()), registered_(registered) {}

        void* allocate(int rank, std::size_t bytes) override {
            if (rank != of_->comm.rank()) { return nullptr; }
            void* const p = plain_.allocate(rank, bytes);
            if (registered_) {
                of_->windows.push_back(std::make_unique<blink::registered_buffer>(of_->comm.register_buffer(p, bytes)));
            }
            return p;
        }
        void release(int rank, void* p, std::size_t bytes) noexcept override {
            const auto found = std::ranges::find_if(of_->windows, [&](const auto& w) { return w->data() == p; });
            // Where this rank alone leaves, the others come to no such call.
            if (found != of_->windows.end() && std::uncaught_exceptions() == 0) {
                try {
                    of_->comm.unregister_buffer(**found);
                } catch (const std::exception& e) {
                    std::cerr << "blink-perf: rank " << of_->comm.rank() << ": " << e.what() << "\n";
                }
                of_->windows.erase(found);
            }
            plain_.release(rank, p, bytes);
        }
        void write(int rank, void* to, const void* from, std::size_t bytes) override {
            plain_.write(rank, to, from, bytes);
        }
        void read(int rank, void* to, const void* from, std::size_t bytes) override {
            plain_.read(rank, to, from, bytes);
        }

      private:
        std::shared_ptr<shared> of_;
        blink::cuda::own_memory plain_;
        bool registered_;
    };

    [[nodiscard]] blink::communicator& own() const noexcept { return shared_->comm; }

    std::shared_ptr<shared> shared_;
    bool registered_;
};

static_assert(blink::rank_group<process_ranks>);
static_assert(blink::exchange_group<process_ranks>);

} // namespace blink_perf
