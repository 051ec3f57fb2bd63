// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Virtual ranks on one GPU, joined by links as fast as those of another machine.
#pragma once

#include <blink/communicator/cuda_group.cuh>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/lane_ends.hpp>
#include <blink/execute/cuda/paced_links.hpp>
#include <blink/execute/cuda/paced_machine.cuh>
#include <blink/schedule/schedule.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/fabric.hpp>

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace blink {

/// A `cuda_group` whose kernels are unchanged but for this: what one rank stores for another is announced when the
/// links of the machine would have carried it. Links serve chunk after chunk at their rate, whichever lane it is of.
/// Times so measured are those of the emulated machine as long as the GPU itself is faster; where it is not, give all
/// links the same `scale` below 1.
class emulated_group : private cuda_group {
  public:
    /// @param choices the machine, its GPUs and `virtual_ranks`, as of a `cuda_group`
    /// @param scale of every link's rate
    /// @throw as `cuda_group`; usage_error where the ranks are not all on one GPU
    explicit emulated_group(const group_options& choices, double scale = 1) : cuda_group(choices), scale_(scale) {
        if (resources().devices().size() != 1) {
            throw usage_error("emulated_group: all ranks have to share one GPU; give virtual_ranks");
        }
        if (!(scale > 0)) {
            throw usage_error("emulated_group: links at " + std::to_string(scale) + " times their rate");
        }
    }

    using cuda_group::abort;
    using cuda_group::device;
    using cuda_group::learnt_chunks;
    using cuda_group::machine;
    using cuda_group::make_buffers;
    using cuda_group::plan_for;
    using cuda_group::size;
    using cuda_group::status;
    using cuda_group::stream;
    using cuda_group::synchronize;

    [[nodiscard]] double scale() const noexcept { return scale_; }

    /// As `cuda_group::run`, over paced links. Captures into a graph only once a call of its kind and root has run.
    template <element T, collective_operator<T> Op>
    void run(collective kind, int root, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
             const Op& op, const options& choices = {}) {
        check_ready();
        check_memory<T>(kind, root, in, out, count);
        const cuda_group::prepared& known = entry_for(kind, root, planning(choices));
        const plan& p = known.made;
        if (known.room == nullptr) {
            run_paced<T>(p.schedule, paced_for(p.schedule, p.fabric), nullptr, in, out, count, op, choices);
        } else {
            const relayed_schedule& apart = known.room->relayed();
            run_paced<T>(p.schedule, paced_for(apart.participants, apart.hops), known.room.get(), in, out, count, op,
                         choices);
        }
    }

    /// Runs any schedule whose hops are those of `f`, such as a baseline.
    /// @throw schedule_error where the schedule does not do what its collective promises; plan_error where it names a
    ///        hop that `f` does not have; as `run`
    template <element T, collective_operator<T> Op>
    void run_schedule(const schedule& s, const fabric& f, std::span<const T* const> in, std::span<T* const> out,
                      std::size_t count, const Op& op, const options& choices = {}) {
        check_ready();
        check_memory<T>(s.kind, s.root, in, out, count);
        if (s.ranks != size()) {
            throw usage_error("a schedule of " + std::to_string(s.ranks) + " ranks in a group of " +
                              std::to_string(size()));
        }
        if (find(s) == nullptr) { verify(s); }
        paced& over = paced_for(s, f);
        if (times_lanes_) { over.machine.links.ends = cleared_ends(over); }
        run_paced<T>(s, over, nullptr, in, out, count, op, choices);
    }

    /// Whether calls of `run_schedule` from now on stamp when each of their lanes ends.
    void time_lanes(bool on) noexcept { times_lanes_ = on; }

    /// By lane and rank, seconds of the GPU's clock from the first chunk of the last timed call of `s` that asked for a
    /// link to the last one that came to the rank or, on the way up, from it. 0 where none did. Waits for what was
    /// enqueued.
    /// @throw usage_error where `s` has not been run and timed; as `synchronize`
    [[nodiscard]] std::vector<std::vector<double>> lane_ends(const schedule& s) {
        synchronize();
        const paced* known = find(s);
        if (known == nullptr || known->ends == nullptr) {
            throw usage_error("emulated_group: lane_ends of a schedule that has not been run and timed");
        }
        const cuda::device_scope current(device(0));
        std::vector<unsigned long long> words(cuda::lane_end_words(s.lanes.size(), s.ranks));
        cuda::check(cudaMemcpy(words.data(), known->ends.get(), words.size() * sizeof(unsigned long long),
                               cudaMemcpyDeviceToHost),
                    "cudaMemcpy");
        return cuda::lane_ends(words, s.lanes.size(), s.ranks);
    }

  private:
    /// A schedule over links that are on the device.
    struct paced {
        schedule of;
        cuda::runtime_schedule form;
        cuda::paced_machine machine;
        std::shared_ptr<void> memory;
        std::shared_ptr<void> ends; ///< record of its lanes; null until it is timed
    };

    template <class T, class Op>
    void run_paced(const schedule& s, const paced& over, cuda::relay_room* room, std::span<const T* const> in,
                   std::span<T* const> out, std::size_t count, const Op& op, const options& choices) {
        if (choices.how != protocol::automatic && choices.how != protocol::chunks) {
            throw usage_error("emulated_group: paced links carry chunks alone, not " +
                              std::string(to_string(choices.how)));
        }
        if (count == 0) { return; }
        const auto enqueue = [&](const auto& combine) {
            timed(choices.chunk, count * sizeof(T), [&](std::size_t chunk_bytes) {
                launch_over<T>(s, over.form, room, in, out, count, combine,
                               wish(choices.chunk, chunk_bytes, &over, s.kind, s.root, count * sizeof(T)),
                               over.machine);
            });
        };
        if constexpr (reduction_operator<Op, T>) {
            enqueue(op);
        } else {
            enqueue(cuda::first_of_two{});
        }
    }

    [[nodiscard]] paced* find(const schedule& s) {
        const auto known = std::ranges::find(paced_, s, &paced::of);
        return known == paced_.end() ? nullptr : &*known;
    }

    /// Without a record of lanes, which a call has to ask for.
    paced& paced_for(const schedule& s, const fabric& f) {
        if (paced* const known = find(s)) {
            known->machine.links.ends = nullptr;
            return *known;
        }
        paced entry{s, cuda::to_runtime_schedule(s), {}, nullptr, nullptr};
        place(cuda::pace(s, f, scale_), entry);
        return paced_.emplace_back(std::move(entry));
    }

    /// The record of the lanes, made on first use; emptied in the order of the stream.
    unsigned long long* cleared_ends(paced& entry) {
        const cuda::device_scope current(device(0));
        const std::size_t bytes =
            cuda::lane_end_words(entry.of.lanes.size(), entry.of.ranks) * sizeof(unsigned long long);
        if (entry.ends == nullptr) {
            void* memory = nullptr;
            cuda::check(cudaMalloc(&memory, bytes), "cudaMalloc");
            entry.ends = std::shared_ptr<void>(memory, [](void* m) { (void)cudaFree(m); });
        }
        cuda::check(cudaMemsetAsync(entry.ends.get(), 0, bytes, stream(0)), "cudaMemsetAsync");
        return static_cast<unsigned long long*>(entry.ends.get());
    }

    /// Copies the links to the device: free_at, ns_per_byte, routes in one allocation.
    void place(const cuda::paced_plan& p, paced& entry) {
        const cuda::device_scope current(device(0));
        const std::size_t words = p.ns_per_byte.size() * sizeof(double);
        const std::size_t route_bytes = p.routes.size() * sizeof(cuda::paced_route);
        void* memory = nullptr;
        cuda::check(cudaMalloc(&memory, 2 * words + route_bytes), "cudaMalloc");
        entry.memory = std::shared_ptr<void>(memory, [](void* m) { (void)cudaFree(m); });
        auto* const bytes = static_cast<std::byte*>(memory);
        cuda::check(cudaMemset(bytes, 0, words), "cudaMemset");
        cuda::check(cudaMemcpy(bytes + words, p.ns_per_byte.data(), words, cudaMemcpyHostToDevice), "cudaMemcpy");
        cuda::check(cudaMemcpy(bytes + 2 * words, p.routes.data(), route_bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
        cuda::paced_links& links = entry.machine.links;
        links.free_at = reinterpret_cast<unsigned long long*>(bytes);
        links.ns_per_byte = reinterpret_cast<const double*>(bytes + words);
        links.routes = reinterpret_cast<const cuda::paced_route*>(bytes + 2 * words);
        links.ranks = p.ranks;
    }

    double scale_;
    bool times_lanes_ = false;
    std::list<paced> paced_;
};

static_assert(rank_group<emulated_group>);

} // namespace blink
