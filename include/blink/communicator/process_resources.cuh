// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What one rank of a communicator owns, and what it sees of the others': flags, slots and rings of all ranks, those of
/// other processes mapped into this one by CUDA's inter-process memory handles.
#pragma once

#include <blink/communicator/call_check.hpp>
#include <blink/communicator/device_pool.cuh>
#include <blink/communicator/meeting.hpp>
#include <blink/communicator/process_card.hpp>
#include <blink/communicator/shared_host_memory.cuh>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/call.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/execute/cuda/copy_flags.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/stream.hpp>
#include <blink/topology/topology.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace blink::cuda {

/// Where the parts of a rank's memory lie, from its beginning.
struct process_layout {
    static constexpr std::size_t slot_bytes = std::size_t{32} << 20;
    static constexpr std::size_t flags = 0;
    static constexpr std::size_t streams = flags + max_blocks * sizeof(block_flags);
    static constexpr std::size_t searches = streams + stream_max_blocks * sizeof(stream_flags);
    static constexpr std::size_t slots = searches + max_searches * sizeof(chunk_search);
    static constexpr std::size_t rings = slots + slot_bytes;

    static_assert(streams % alignof(stream_flags) == 0 && searches % alignof(chunk_search) == 0 && slots % 128 == 0);

    [[nodiscard]] static constexpr std::size_t bytes(int ranks) { return rings + stream_memory(ranks); }

    /// What calls by copy engines need lies behind that: flags, and where they are asked for slots, for two pieces of
    /// 64 MiB over the link, or four of 32, and four of 4 MiB over the host.
    static constexpr std::size_t copy_slot_bytes = std::size_t{144} << 20;
    [[nodiscard]] static constexpr std::size_t copies(int ranks) { return (bytes(ranks) + 511) / 512 * 512; }
    static constexpr std::size_t copy_flag_bytes = (sizeof(copy_flags) + 511) / 512 * 512;
    static constexpr std::size_t host_bytes = std::size_t{64} << 20; ///< of the host, for both ranks together
};

/// Memory of one rank through which calls by copies pass.
struct process_copy_memory {
    copy_flags* flags;
    std::byte* slots;
    std::size_t bytes; ///< of the slots
};

/// One rank's side of a communicator. To be made, and destroyed, by all ranks at about the same time.
class process_resources {
  public:
    /// @throw what goes wrong here; aborted_error naming the rank where it goes wrong on another
    process_resources(std::unique_ptr<meeting> met, const process_options& choices)
        : met_(std::move(met)), opened_(static_cast<std::size_t>(met_->size()), nullptr),
          reach_(static_cast<std::size_t>(met_->size())), checks_calls_(blink::checks_calls(choices)) {
        meet_gpus(choices);
        meet_memory(choices);
        direct_memory_ = memory_;
        direct_memory_.staged = false;
        met_->watch([this] { words_->abort(); }, [this] { return fault_text(); });
    }

    ~process_resources() {
        {
            const device_scope current(here_.device);
            (void)cudaDeviceSynchronize(); // the others may wait for what is still to be done here
        }
        if (!close_all()) { pool_->keep_memory(); }
        met_->watch({}, {});
    }
    process_resources(const process_resources&) = delete;
    process_resources& operator=(const process_resources&) = delete;

    [[nodiscard]] int rank() const noexcept { return met_->rank(); }
    [[nodiscard]] int size() const noexcept { return met_->size(); }
    [[nodiscard]] meeting& met() const noexcept { return *met_; }
    [[nodiscard]] const topology& machine() const noexcept { return *machine_; }
    [[nodiscard]] const device_ranks& here() const noexcept { return here_; }
    /// @param direct for calls into buffers that the ranks have opened to each other
    [[nodiscard]] const group_memory& memory(bool direct = false) const noexcept {
        return direct ? direct_memory_ : memory_;
    }
    [[nodiscard]] bool checks_calls() const noexcept { return checks_calls_; }
    /// Whether calls may go by copies: two ranks, which reach each other.
    [[nodiscard]] bool may_copy() const noexcept { return may_copy_; }
    /// The same bytes on every rank; none where no memory was asked for.
    [[nodiscard]] const process_copy_memory& copies(int rank) const { return copies_[static_cast<std::size_t>(rank)]; }
    /// Through which copies pass beside the link; none, on every rank, where one cannot have it.
    [[nodiscard]] const shared_host_memory& host_memory() const noexcept { return host_memory_; }

    /// True where kernels of rank `from` may store into memory of rank `to`; known of all pairs on every rank.
    [[nodiscard]] bool reaches(int from, int to) const {
        return reach_[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)] == '1';
    }
    [[nodiscard]] bool all_reach_all() const {
        return std::ranges::all_of(reach_, [](const std::string& row) { return row.find('0') == std::string::npos; });
    }

    [[nodiscard]] bool aborted() const noexcept { return words_->aborted(); }
    void abort() noexcept { words_->abort(); }
    [[nodiscard]] std::string fault_text() const { return words_->text(memory_.timeout_ns, size()); }

  private:
    /// What `work()` gives on every rank. Where it throws on one, it throws on all.
    template <class Work>
    [[nodiscard]] std::vector<std::string> exchange(const Work& work) {
        std::string own = "+";
        std::exception_ptr problem;
        try {
            own += work();
        } catch (const std::exception& e) {
            own = std::string("-") + e.what();
            problem = std::current_exception();
        }
        std::vector<std::string> all = met_->exchange(own);
        if (problem) { std::rethrow_exception(problem); }
        for (std::size_t r = 0; r < all.size(); ++r) {
            if (!all[r].starts_with('+')) {
                throw aborted_error("rank " + std::to_string(r) + ": " + (all[r].empty() ? "" : all[r].substr(1)));
            }
            all[r].erase(0, 1);
        }
        return all;
    }

    /// Which GPU every rank has; what does not fit together is known to all alike.
    void meet_gpus(const process_options& choices) {
        std::vector<process_card> cards;
        for (const std::string& text : exchange([&] { return own_card(choices).packed(); })) {
            cards.push_back(process_card::unpacked(text));
        }
        check_cards(cards);
        memory_.blocks = common_blocks(cards, choices.blocks);
        const std::vector<std::string> machines =
            exchange([&] { return rank() == 0 ? machine_json(cards, choices) : std::string(); });
        machine_ = std::make_unique<topology>(machine_from(machines[0]));
        memory_.tuned = choices.tuned;
        may_copy_ = size() == 2;
    }

    [[nodiscard]] process_card own_card(const process_options& choices) {
        process_card card = make_process_card(choices);
        const int visible = visible_gpus();
        if (visible == 0) { throw cuda_error("communicator: no GPU is visible to this process"); }
        here_.device = choices.device.value_or(rank() % visible);
        here_.ranks = {rank()};
        if (here_.device < 0 || here_.device >= visible) {
            throw usage_error("communicator: device " + std::to_string(here_.device) + ", but " +
                              std::to_string(visible) + " GPUs are visible");
        }
        if (size() > max_ranks) {
            throw usage_error("communicator: " + std::to_string(size()) + " ranks, at most " +
                              std::to_string(max_ranks));
        }
        if (choices.timeout <= std::chrono::milliseconds::zero() || choices.blocks < 0) {
            throw usage_error("communicator: the timeout has to be positive, and blocks not negative");
        }
        cudaDeviceProp facts{};
        check(cudaGetDeviceProperties(&facts, here_.device), "cudaGetDeviceProperties");
        char bus_id[32] = {};
        check(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, here_.device), "cudaDeviceGetPCIBusId");
        card.bus_id = bus_id;
        card.gpu = facts.name;
        card.multiprocessors = facts.multiProcessorCount;
        card.compute_capability = 10 * facts.major + facts.minor;
        return card;
    }

    /// Makes this rank's memory, opens that of the others. No rank goes on before all have.
    void meet_memory(const process_options& choices) {
        std::byte* own = nullptr;
        const std::vector<std::string> handles = exchange([&] {
            words_ = std::make_unique<fault_words>();
            pool_ = std::make_unique<device_pool>();
            const device_scope current(here_.device);
            const std::size_t slots = choices.copy_room ? process_layout::copy_slot_bytes : 0;
            const std::size_t bytes =
                process_layout::copies(size()) + (may_copy_ ? process_layout::copy_flag_bytes + slots : 0);
            own = static_cast<std::byte*>(pool_->allocate(here_.device, bytes));
            check(cudaMemset(own + process_layout::rings, filler_byte, stream_memory(size())), "cudaMemset");
            here_.stream = pool_->make_stream(here_.device);
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
            if (size() == 1) { return std::string(); }
            cudaIpcMemHandle_t handle{};
            check(cudaIpcGetMemHandle(&handle, own), "cudaIpcGetMemHandle");
            return std::string(reinterpret_cast<const char*>(&handle), sizeof handle);
        });
        memory_.timeout_ns =
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(choices.timeout).count());
        memory_.abort = words_->abort_word();
        memory_.faults = words_->faults();
        memory_.slot_memory = process_layout::slot_bytes;
        memory_.staged = true; // ranks of different processes do not see each other's buffers
        try {
            reach_ = exchange([&] {
                std::string reached;
                for (int r = 0; r < size(); ++r) {
                    std::byte* const base = r == rank() ? own : open(r, handles[static_cast<std::size_t>(r)]);
                    reached += base != nullptr ? '1' : '0';
                    memory_.flags.push_back(part<block_flags>(base, process_layout::flags));
                    memory_.streams.push_back(part<stream_flags>(base, process_layout::streams));
                    memory_.searches.push_back(part<chunk_search>(base, process_layout::searches));
                    memory_.slots.push_back(part<std::byte>(base, process_layout::slots));
                    memory_.rings.push_back(part<std::byte>(base, process_layout::rings));
                    const std::size_t at = process_layout::copies(size());
                    copies_.push_back(
                        {part<copy_flags>(base, at), part<std::byte>(base, at + process_layout::copy_flag_bytes), 0});
                }
                return reached;
            });
            may_copy_ = may_copy_ && all_reach_all();
            if (may_copy_ && choices.copy_room) {
                for (process_copy_memory& c : copies_) { c.bytes = process_layout::copy_slot_bytes; }
                host_memory_.meet(rank(), process_layout::host_bytes,
                                  [this](const auto& work) { return exchange(work); });
            }
        } catch (...) {
            if (!close_all()) { pool_->keep_memory(); }
            throw;
        }
    }

    template <class T>
    [[nodiscard]] static T* part(std::byte* base, std::size_t offset) {
        return base == nullptr ? nullptr : reinterpret_cast<T*>(base + offset);
    }

    /// The memory of rank `r` as this process sees it; null where the GPUs do not reach each other.
    [[nodiscard]] std::byte* open(int r, const std::string& text) {
        cudaIpcMemHandle_t handle{};
        if (text.size() != sizeof handle) {
            throw rendezvous_error("rank " + std::to_string(r) + " sent a memory handle of " +
                                   std::to_string(text.size()) + " bytes");
        }
        std::memcpy(&handle, text.data(), sizeof handle);
        const device_scope current(here_.device);
        void*& base = opened_[static_cast<std::size_t>(r)];
        const cudaError_t status = cudaIpcOpenMemHandle(&base, handle, cudaIpcMemLazyEnablePeerAccess);
        if (status == cudaErrorPeerAccessUnsupported) {
            (void)cudaGetLastError();
            base = nullptr;
            return nullptr;
        }
        check(status, "cudaIpcOpenMemHandle");
        return static_cast<std::byte*>(base);
    }

    /// Closes the others' memory, and waits until they have closed this rank's; false where one of them may still
    /// have it open.
    [[nodiscard]] bool close_all() noexcept {
        try {
            const device_scope current(here_.device);
            for (void*& base : opened_) {
                if (base != nullptr) { (void)cudaIpcCloseMemHandle(std::exchange(base, nullptr)); }
            }
            if (met_->size() == 1) { return true; }
            // Another rank may be at a call of its own instead, with this rank's memory open.
            const told_call end{"the end of the communicator"};
            std::vector<told_call> all;
            for (const std::string& bytes : met_->exchange(end.packed())) { all.push_back(told_call::unpacked(bytes)); }
            return differences(all).empty();
        } catch (const std::exception&) { return false; }
    }

    std::unique_ptr<fault_words> words_; ///< goes late: kernels look at it
    std::unique_ptr<device_pool> pool_;
    std::unique_ptr<meeting> met_;
    std::unique_ptr<topology> machine_;
    device_ranks here_;
    group_memory memory_;
    group_memory direct_memory_;
    std::vector<void*> opened_; ///< by rank; null for this one
    std::vector<std::string> reach_;
    std::vector<process_copy_memory> copies_; ///< by rank
    shared_host_memory host_memory_;
    bool may_copy_ = false; ///< two ranks that reach each other
    bool checks_calls_;
};

} // namespace blink::cuda
