// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Ranks on the GPUs of one process: a GPU each, or several virtual ranks on one GPU.
#pragma once

#include <blink/communicator/call_memory.hpp>
#include <blink/communicator/call_timer.cuh>
#include <blink/communicator/chunk_searches.cuh>
#include <blink/communicator/cuda_resources.cuh>
#include <blink/communicator/long_call.cuh>
#include <blink/communicator/options.hpp>
#include <blink/communicator/peer_access.cuh>
#include <blink/communicator/placement.hpp>
#include <blink/communicator/plan_key.hpp>
#include <blink/communicator/rank_buffers.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/communicator/relay_room.cuh>
#include <blink/communicator/share_timer.cuh>
#include <blink/communicator/short_call.cuh>
#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/host_shares.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/relay_stops.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace blink {

struct exchange;
class exchange_plans;

/// A group of ranks on GPUs that one process drives. `run` enqueues on the group's streams and returns; under stream
/// capture it records. Kernels of a group must all be resident at once: do not fill the GPUs with other long-running
/// work, or the deadline ends the wait.
class cuda_group {
  public:
    /// All visible GPUs with the probed topology, unless `choices` says otherwise. With `virtual_ranks` = n, n ranks
    /// share each GPU and play the machine that `choices.machine` names (a DGX-1V where it names none).
    /// @throw cuda_error where no GPU is visible; usage_error where ranks, GPUs and machine do not fit together
    BLINK_SELDOM explicit cuda_group(const group_options& choices = {})
        : machine_(machine_of(choices)), checks_buffers_(choices.checks_buffers), shares_(choices.learn_host_share) {
        const int visible = cuda::visible_gpus();
        if (visible == 0) { throw cuda_error("cuda_group: no GPU is visible to this process"); }
        where_ = place_ranks(choices, machine_.gpu_count(), visible);
        (void)induced(machine_, where_.gpus);
        one_lane_ = cuda::one_lane(collective::allreduce, size());
        resources_ = std::make_shared<cuda::group_resources>(where_.devices, choices.timeout, choices.blocks,
                                                             choices.staged, choices.tuned);
    }

    [[nodiscard]] int size() const noexcept { return where_.size(); }
    [[nodiscard]] const topology& machine() const noexcept { return machine_; }

    [[nodiscard]] group_status status() const noexcept {
        if (!failure_.empty()) { return group_status::failed; }
        if (!resources_->aborted()) { return group_status::ready; } // a fault wakes everyone by that word
        return resources_->fault_text().empty() ? group_status::aborted : group_status::timed_out;
    }
    /// Why it is not ready, in the words that calls throw; empty where it is.
    [[nodiscard]] std::string failure_text() const {
        return text_thrown_by([this] { check_ready(); });
    }

    /// The plan of such a call; made and verified once, then kept.
    /// @throw plan_error where the machine cannot carry it out, such as for a relay that this process does not see
    [[nodiscard]] const plan& plan_for(collective kind, int root = 0, const plan_options& planning = {}) {
        return entry_for(kind, root, planning).made;
    }

    template <element T>
    [[nodiscard]] rank_buffers<T> make_buffers(std::size_t count) const {
        return {std::make_shared<cuda::device_memory>(resources_), size(), count};
    }

    /// The stream of `rank`. Ranks on one GPU share it.
    [[nodiscard]] cudaStream_t stream(int rank) const { return resources_->of(rank).stream; }
    [[nodiscard]] int device(int rank) const { return resources_->of(rank).device; }

    /// What calls so far have taught about the shares that go over the host; see `group_options::learn_host_share`.
    [[nodiscard]] std::vector<cuda::learnt_share> host_shares() const { return shares_.shares().all(); }

    /// What captured calls with a `miad_chunk` have taught the GPUs so far. Waits for nothing.
    [[nodiscard]] std::vector<cuda::learnt_chunk> learnt_chunks() const {
        return searches_.learnt(device(0), resources_->memory().searches.front());
    }

    /// Sends what the ranks on `device` are told from now on to a stream of the caller's.
    /// @param mark what calls may record there by their launch, see `launch_mark`; not where they are captured
    /// @throw usage_error for a device that has no rank here
    void use_stream(int device, cudaStream_t stream, cuda::launch_mark* mark = nullptr) {
        resources_->use_stream(device, stream, mark);
    }

    /// Enqueues a collective over the packed trees of this machine; see `rank_group`.
    /// @throw usage_error, plan_error before anything is launched; aborted_error, timeout_error, cuda_error where the
    ///        group has become unusable
    template <element T, collective_operator<T> Op>
    void run(collective kind, int root, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
             const Op& op, const options& choices = {}) {
        check_ready();
        check_memory<T>(kind, root, in, out, count);
        const prepared& entry = entry_for(kind, root, planning(choices));
        if (count == 0) { return; }
        const auto enqueue = [&](const auto& combine) {
            using combiner = std::remove_cvref_t<decltype(combine)>;
            const bool fits = !reduces(kind) || cuda::combines_copies<combiner, T>;
            if (cuda::takes_copies(choices.how, cuda::copy_call_of(kind, size(), count, sizeof(T)),
                                   resources_->memory().tuned, [this] { return cuda::is_captured(stream(0)); }) &&
                cuda::can_copy(choices.how, to_string(kind), fits,
                               copy_ways_of(entry, all_seen(memory_read(kind, root, in, count)) &&
                                                       outputs_seen(kind, root, out, count)),
                               resources_->devices())) {
                return timed(choices.chunk, count * sizeof(T), [&](std::size_t chunk_bytes) {
                    cuda::launch_copies<T>(copies_, shares_, *resources_, kind, root, in, out, count, combine,
                                           chunk_bytes, [&](std::size_t first) {
                                               cuda::launch<T>(entry.made.schedule, entry.form, in, out, first, combine,
                                                               resources_->devices(), resources_->memory(), 0,
                                                               cuda::gpu_machine{}, std::false_type{},
                                                               first < count ? count : 0);
                                           });
                });
            }
            if (cuda::launch_short<T>(choices.how, ways_of(entry), in, out, count, combine, resources_->devices(),
                                      resources_->memory())) {
                return;
            }
            const bool seen = outputs_seen(kind, root, out, count, entry.room.get());
            timed(choices.chunk, count * sizeof(T), [&](std::size_t chunk_bytes) {
                const cuda::chunk_wish chunk = wish(choices.chunk, chunk_bytes, &entry, kind, root, count * sizeof(T));
                if constexpr (cuda::pullable_operator<combiner, T>) {
                    if (cuda::is_pulled(choices.how, ways_of(entry), count * sizeof(T), resources_->memory().tuned) &&
                        cuda::may_pull(choices.how, kind, seen && all_seen(memory_read(kind, root, in, count)))) {
                        return cuda::launch<T>(entry.made.schedule, entry.form, in, out, count, combine,
                                               resources_->devices(), resources_->memory(), chunk, cuda::gpu_machine{},
                                               std::true_type{});
                    }
                }
                launch_over<T>(entry.made.schedule, entry.form, entry.room.get(), in, out, count, combine, chunk,
                               cuda::gpu_machine{}, seen);
            });
        };
        if constexpr (reduction_operator<Op, T>) {
            enqueue(op);
        } else {
            enqueue(cuda::first_of_two{});
        }
    }

    /// Enqueues the transfers of an exchange, each straight where there is a hop and over other ranks where there is
    /// none; see `exchange_group` and `exchange_routes`.
    /// @throw as `run` of a collective does; usage_error for a protocol other than chunks
    template <element T>
    void run(const exchange& e, std::span<const T* const> in, std::span<T* const> out, const options& choices = {});

    /// Enqueues a collective over a schedule that the compiler knows: `run_static<static_schedule<...>>(...)`.
    template <class Form, element T, reduction_operator<T> Op>
    void run_static(collective kind, std::span<const T* const> in, std::span<T* const> out, std::size_t count,
                    const Op& op, const chunk_choice& chunk = {}) {
        static_assert(cuda::device_schedule<Form>);
        check_ready();
        const schedule s = Form::value(kind);
        if (s.ranks != size()) {
            throw usage_error("a schedule of " + std::to_string(s.ranks) + " ranks in a group of " +
                              std::to_string(size()));
        }
        check_memory<T>(kind, s.root, in, out, count);
        verify(s);
        check_reach(s, where_.devices);
        if (count == 0) { return; }
        const std::size_t chunk_bytes = chunk.is_automatic() ? 0 : chunk.chunk_bytes(count * sizeof(T));
        cuda::launch<T, Op>(s, Form{}, in, out, count, op, resources_->devices(),
                            resources_->memory(outputs_seen(kind, s.root, out, count)), chunk_bytes);
    }

    /// Waits for everything that was enqueued.
    /// @throw timeout_error, aborted_error or cuda_error for what went wrong; the group stays unusable then
    void synchronize() {
        try {
            resources_->wait();
            timer_.tell();
            shares_.tell();
        } catch (const cuda_error& e) {
            failure_ = e.what();
            throw;
        }
        check_ready();
    }

    /// Makes every rank leave its kernels soon; from any thread.
    void abort() noexcept { resources_->abort(); }

  protected:
    struct prepared {
        plan made;
        cuda::runtime_schedule form;            ///< of the ranks, and of the relays' stops where there is a room
        std::unique_ptr<cuda::relay_room> room; ///< for relays; null without
        bool all_pairs_joined = false;          ///< by hops of the plan's fabric
        mutable cuda::known_shape known{};
    };

    [[nodiscard]] const cuda::group_resources& resources() const noexcept { return *resources_; }

    /// The ways of a short call of this plan.
    [[nodiscard]] cuda::short_ways ways_of(const prepared& entry) const {
        const schedule& s = entry.made.schedule;
        const bool trees = entry.room == nullptr;
        const bool straight = s.kind == collective::allreduce && trees && all_reach_all();
        return {s,
                entry.form,
                one_lane_,
                entry.known,
                trees,
                straight,
                entry.all_pairs_joined,
                trees && !resources_->memory().staged && cuda::can_pull(s) && all_reach_all()};
    }

    /// What of this plan, its group and the user's memory decides about copies.
    /// @param seen all GPUs may use what the call reads and writes
    [[nodiscard]] BLINK_SELDOM cuda::copy_ways copy_ways_of(const prepared& entry, bool seen) const {
        const bool each_alone = resources_->devices().size() == where_.gpus.size() && !resources_->memory().staged;
        return {each_alone && entry.room == nullptr && all_reach_all() && seen,
                entry.all_pairs_joined && cuda::is_all_nvlink(entry.made.fabric)};
    }

    /// True where kernels of every rank may store into the memory of every other.
    [[nodiscard]] bool all_reach_all() const {
        for (const cuda::device_ranks& from : resources_->devices()) {
            for (const cuda::device_ranks& to : resources_->devices()) {
                if (!resources_->reaches(from.device, to.device)) { return false; }
            }
        }
        return true;
    }

    /// Whether kernels of all ranks, and of the stops where there is a `room`, may store into the outputs that others
    /// store into. Where they may not, results come through slots, as in a staged group.
    template <class T>
    [[nodiscard]] BLINK_SELDOM bool outputs_seen(collective kind, int root, std::span<T* const> out, std::size_t count,
                                                 const cuda::relay_room* room = nullptr) const {
        return all_seen(memory_written(kind, root, out, count), room == nullptr ? where_.devices : room->devices());
    }

    /// Whether kernels on all `devices` may use such memory. The driver is asked, unless there is but one device or the
    /// group is staged anyway.
    [[nodiscard]] BLINK_SELDOM bool all_seen(const std::vector<memory_range>& memory) const {
        return all_seen(memory, where_.devices);
    }
    [[nodiscard]] BLINK_SELDOM bool all_seen(const std::vector<memory_range>& memory,
                                             const std::vector<int>& devices) const {
        if (std::ranges::count(devices, devices.front()) == std::ssize(devices) || resources_->memory().staged) {
            return true;
        }
        const cuda::peer_reach reaches{[](const void* of, int from, int to) {
                                           return static_cast<const cuda::group_resources*>(of)->reaches(from, to);
                                       },
                                       resources_.get()};
        for (const memory_range& m : memory) {
            if (m.bytes > 0 && !cuda::all_may_use(m.begin, m.bytes, devices, reaches)) { return false; }
        }
        return true;
    }

    /// Enqueues the kernels of the ranks, and of the stops where there is a `room`.
    /// @param seen false: results come through slots, see `outputs_seen`
    template <class T, class Form, class Op, class Machine = cuda::gpu_machine>
    BLINK_SELDOM void launch_over(const schedule& s, const Form& form, cuda::relay_room* room,
                                  std::span<const T* const> in, std::span<T* const> out, std::size_t count,
                                  const Op& op, const cuda::chunk_wish& chunk, const Machine& on = {},
                                  bool seen = true) {
        std::vector<cuda::device_ranks> places;
        if (room != nullptr) { places = room->enter(resources_->devices()); }
        cuda::launch<T>(s, form, in, out, count, op,
                        room == nullptr ? resources_->devices() : std::span<const cuda::device_ranks>(places),
                        room == nullptr ? resources_->memory(seen) : room->memory(seen), chunk, on);
        if (room != nullptr) { room->leave(places.front()); }
    }

    /// The plan of such a call, ready to run; made once.
    const prepared& entry_for(collective kind, int root, const plan_options& p) {
        const int wanted = is_rooted(kind) ? root : 0;
        const plan_key key = key_of(kind, wanted, p);
        const auto known = plans_.find(key);
        return known != plans_.end() ? known->second : plans_.emplace(key, made(kind, wanted, p)).first->second;
    }

    [[nodiscard]] BLINK_SELDOM prepared made(collective kind, int root, const plan_options& p) {
        prepared entry{make_plan(machine_, where_.gpus, kind, root, p), {}, nullptr, false};
        verify(entry.made.schedule);
        entry.all_pairs_joined = cuda::joins_all_pairs(entry.made.fabric);
        relayed_schedule relayed =
            with_relay_stops(entry.made.schedule, entry.made.fabric, static_cast<int>(p.relays.size()));
        if (relayed.relays.empty()) {
            check_reach(entry.made.schedule, where_.devices);
            entry.form = cuda::to_runtime_schedule(entry.made.schedule);
        } else {
            entry.room = make_room(std::move(relayed), p.relays);
            entry.form = entry.room->form();
        }
        return entry;
    }

    /// Calls `enqueue(bytes of a chunk, 0 for the executor's choice)` and lets the policy learn from its time.
    template <class Enqueue>
    void timed(const chunk_choice& policy, std::size_t bytes, const Enqueue& enqueue) {
        timer_.tell();
        const std::size_t chunk_bytes = policy.is_automatic() ? 0 : policy.chunk_bytes(bytes);
        const cudaEvent_t begun = timer_.begin(device(0), stream(0), policy);
        enqueue(chunk_bytes);
        timer_.end(begun, device(0), stream(0), policy, bytes);
    }

    /// The chunk of such a call as `timed` gives it, or for a captured one that the GPUs search for it by the policy.
    /// @param plan whose search that is
    [[nodiscard]] cuda::chunk_wish wish(const chunk_choice& policy, std::size_t chunk_bytes, const void* plan,
                                        collective kind, int root, std::size_t bytes) {
        if (!policy.learns() || !cuda::is_captured(stream(0)) || !all_reach_all()) { return chunk_bytes; }
        return searches_.wish(policy, plan, kind, root, bytes);
    }

    void check_ready() const {
        if (!failure_.empty()) { throw cuda_error(failure_); }
        if (!resources_->aborted()) { return; }
        if (const std::string fault = resources_->fault_text(); !fault.empty()) { throw timeout_error(fault); }
        throw aborted_error("this group was aborted");
    }

    /// Everything about the buffers that could go wrong on the device.
    template <class T>
    void check_memory(collective kind, int root, std::span<const T* const> in, std::span<T* const> out,
                      std::size_t count) const {
        if (!checks_buffers_) { return; }
        check_buffers(kind, root, size(), {in.begin(), in.end()}, {out.begin(), out.end()}, count, sizeof(T),
                      alignof(T));
        for (int r = 0; count > 0 && r < size(); ++r) {
            const auto i = static_cast<std::size_t>(r);
            const bool reads = reads_input(kind, root, r);
            if (reads) { check_on_device(to_string(kind), "in", r, in[i]); }
            if (writes_output(kind, root, r) && !(reads && in[i] == out[i])) {
                check_on_device(to_string(kind), "out", r, out[i]);
            }
        }
    }

  private:
    /// @throw plan_error where a relay has no device, or cannot reach its neighbours
    BLINK_SELDOM std::unique_ptr<cuda::relay_room> make_room(relayed_schedule relayed, const std::vector<int>& relays) {
        std::vector<int> devices;
        for (const int relay : relayed.relays) {
            devices.push_back(where_.relay_device(relays[static_cast<std::size_t>(relay)], relay));
        }
        auto room = std::make_unique<cuda::relay_room>(*resources_, std::move(relayed), devices);
        check_reach(room->relayed().participants, room->devices());
        return room;
    }

    void check_reach(const schedule& s, const std::vector<int>& devices) const {
        blink::check_reach(s, size(), devices, [this](int from, int to) { return resources_->reaches(from, to); });
    }

    static void check_on_device(std::string_view call, const char* which, int rank, const void* p) {
        cudaPointerAttributes attributes{};
        cuda::check(cudaPointerGetAttributes(&attributes, p), "cudaPointerGetAttributes");
        if (attributes.type != cudaMemoryTypeDevice && attributes.type != cudaMemoryTypeManaged) {
            throw usage_error(std::string(call) + ": " + which + "[" + std::to_string(rank) + "] is not device memory");
        }
    }

    topology machine_;
    placement where_;
    std::shared_ptr<cuda::group_resources> resources_;
    std::map<plan_key, prepared> plans_;
    std::shared_ptr<exchange_plans> routes_;
    std::unique_ptr<cuda::copy_room> copies_; ///< made by the first call that needs it
    schedule one_lane_;                       ///< of calls without trees
    bool checks_buffers_;
    cuda::call_timer timer_;
    cuda::chunk_searches searches_;
    cuda::share_timer shares_;
    std::string failure_;
};

} // namespace blink
