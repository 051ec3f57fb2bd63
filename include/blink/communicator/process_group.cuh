// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One process a GPU: a communicator is one rank of a group whose other ranks are other processes of this machine.
#pragma once

#include <blink/communicator/call_check.hpp>
#include <blink/communicator/call_order.cuh>
#include <blink/communicator/chunk_searches.cuh>
#include <blink/communicator/one_rank_group.hpp>
#include <blink/communicator/options.hpp>
#include <blink/communicator/own_memory.cuh>
#include <blink/communicator/plan_key.hpp>
#include <blink/communicator/process_card.hpp>
#include <blink/communicator/process_long_call.cuh>
#include <blink/communicator/process_resources.cuh>
#include <blink/communicator/process_windows.cuh>
#include <blink/communicator/rank_buffer.hpp>
#include <blink/communicator/rank_group.hpp>
#include <blink/communicator/registered_buffer.hpp>
#include <blink/communicator/rendezvous.hpp>
#include <blink/communicator/short_call.cuh>
#include <blink/communicator/stream_facts.cuh>
#include <blink/core/buffers.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/execute/cuda/launch.cuh>
#include <blink/execute/cuda/protocol_choice.hpp>
#include <blink/plan.hpp>
#include <blink/schedule/exchange.hpp>
#include <blink/schedule/verify.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace blink {

class exchange_plans;
namespace cuda {

struct exchange_use;

/// See process_exchange.cuh, which the headers of exchanges include.
template <element T>
[[nodiscard]] exchange_use check_process_exchange(const exchange& e, int rank, int size, const T* in, T* out,
                                                  const options& choices);
template <element T, class Resources>
void launch_process_exchange(const Resources& resources, std::span<const int> gpus,
                             std::shared_ptr<exchange_plans>& plans, const exchange& e, const T* in,
                             std::span<T* const> out, const options& choices, const device_ranks& here,
                             const group_memory& memory);

} // namespace cuda

/// One rank on one GPU, among processes that met at a rendezvous. Every rank makes the same calls with the same counts
/// in the same order, and destroys its communicator at about the same time as the others. Calls only enqueue, and may
/// be captured; eager calls on different streams run one behind the other, graphs are ordered by who launches them.
///
/// Where a process ends, all others get a peer_lost_error that names its rank; their kernels leave at once.
///
/// @code
/// blink::communicator comm{rank, size, blink::rendezvous{"file:/tmp/job42"}};
/// blink::allreduce(comm, in, out, count, blink::sum{}, stream);
/// @endcode
class communicator {
  public:
    using stream_type = cudaStream_t;

    /// Waits for all ranks. Their processes may share GPUs; then each gets its turn, or MPS lets them run together.
    /// @throw usage_error for ranks that do not fit together, timeout_error naming those that did not come,
    ///        cuda_error, or aborted_error for what went wrong on another rank
    communicator(int rank, int size, const rendezvous& at, const process_options& choices = {})
        : resources_(at.meet(rank, size), choices), gpus_(choices.gpus),
          one_lane_(cuda::one_lane(collective::allreduce, size)), place_(resources_.here()), order_(place_.device) {
        if (gpus_.empty()) {
            gpus_.resize(static_cast<std::size_t>(size));
            std::iota(gpus_.begin(), gpus_.end(), 0);
        }
        if (static_cast<int>(gpus_.size()) != size) {
            throw usage_error("communicator: " + std::to_string(gpus_.size()) + " GPUs are named for " +
                              std::to_string(size) + " ranks");
        }
        (void)induced(machine(), gpus_);
    }

    /// The rank and size that the environment says, see `rendezvous`.
    /// @throw usage_error where the rendezvous is not `env:`
    explicit communicator(const rendezvous& at, const process_options& choices = {})
        : communicator(known(at.rank()), known(at.size()), at, choices) {}

    [[nodiscard]] int rank() const noexcept { return resources_.rank(); }
    [[nodiscard]] int size() const noexcept { return resources_.size(); }
    [[nodiscard]] int device() const noexcept { return resources_.here().device; }
    /// What calls without a stream go to.
    [[nodiscard]] cudaStream_t stream() const noexcept { return resources_.here().stream; }
    [[nodiscard]] const topology& machine() const noexcept { return resources_.machine(); }

    [[nodiscard]] group_status status() const {
        if (!failure_.empty()) { return group_status::failed; }
        if (!resources_.aborted()) { return group_status::ready; } // whatever goes wrong sets that word
        using reason = meeting_failure::reason;
        const reason what = resources_.met().failure().what;
        if (what == reason::none || what == reason::timed_out) { return group_status::timed_out; }
        return what == reason::aborted ? group_status::aborted : group_status::failed;
    }
    /// Why it is not ready, in the words that calls throw; empty where it is. From any thread.
    [[nodiscard]] std::string failure_text() const {
        return text_thrown_by([this] { check_ready(); });
    }

    /// The plan of such a call; made and verified once, then kept. The others are told, without waiting, what it is.
    /// @throw plan_error where the machine cannot carry it out
    [[nodiscard]] const plan& plan_for(collective kind, int root = 0, const plan_options& planning = {}) {
        return entry_for(kind, root, planning).made;
    }

    /// What calls with a `miad_chunk` have taught the GPUs, the same on all ranks. Waits for nothing.
    [[nodiscard]] std::vector<cuda::learnt_chunk> learnt_chunks() const {
        return searches_.learnt(device(), resources_.memory().searches[static_cast<std::size_t>(rank())]);
    }

    /// Zeroed memory on this rank's GPU.
    template <element T>
    [[nodiscard]] rank_buffer<T> make_buffer(std::size_t count) const {
        return {std::make_shared<cuda::own_memory>(device()), count};
    }

    /// Enqueues this rank's part of a collective; see `one_rank_group`.
    /// @param in, out this rank's own; null where it reads or writes nothing
    /// @throw usage_error, plan_error before anything is launched; peer_lost_error, aborted_error, timeout_error,
    ///        cuda_error where the communicator has become unusable
    template <element T, collective_operator<T> Op>
    void run(collective kind, int root, const T* in, T* out, std::size_t count, const Op& op,
             const options& choices = {}, std::optional<cudaStream_t> on = std::nullopt) {
        check_ready();
        check_registration(choices, out, output_count(kind, size(), count) * sizeof(T));
        const bool writes = count > 0 && writes_output(kind, root, rank());
        const T* const alike = hands_on(kind) ? out : nullptr; // at one offset on all ranks
        const auto name = [&] {
            return text_of_call(kind, root, count, told_type_of<T>(), type_text<Op>(), choices, alike);
        };
        check_call(name, [&] {
            check_rank_buffers(kind, root, size(), rank(), in, out, count, sizeof(T), alignof(T));
            const bool reads = count > 0 && reads_input(kind, root, rank());
            if (reads) { check_on_device(to_string(kind), "in", in); }
            if (writes && !(reads && in == out)) { check_on_device(to_string(kind), "out", out); }
            const std::size_t bytes = output_count(kind, size(), count) * sizeof(T);
            windows_.check_into(to_string(kind), choices, count > 0 && hands_on(kind), out, bytes);
            if (choices.chunk.learns() && choices.chunk.search_options() == nullptr) {
                throw usage_error("communicator: a chunk policy that learns, and is no MIAD, differs by rank");
            }
        });
        const prepared& entry = entry_for(kind, root, planning(choices));
        if (count == 0) { return; }
        if constexpr (reduction_operator<Op, T>) {
            enqueue<T>(entry, in, out, count, op, choices, on.value_or(stream()));
        } else {
            enqueue<T>(entry, in, out, count, cuda::first_of_two{}, choices, on.value_or(stream()));
        }
    }

    /// The same for an exchange, such as a Gather: to be called through its own header, which has the kernels. With
    /// `options::into` every rank gives an output, also where nothing is written to it.
    template <element T>
    void run(const exchange& e, const T* in, T* out, const options& choices = {},
             std::optional<cudaStream_t> on = std::nullopt) {
        check_ready();
        check_registration(choices, out, choices.into == nullptr ? 0 : choices.into->bytes());
        const auto name = [&] { return text_of_call(e, told_type_of<T>(), choices, out); };
        check_call(name, [&] {
            const auto use = cuda::check_process_exchange<T>(e, rank(), size(), in, out, choices);
            if (use.reads) { check_on_device(e.name, "in", in); }
            if (use.writes) { check_on_device(e.name, "out", out); }
            windows_.check_into(e.name, choices, true, out, use.written * sizeof(T)); // each looks at its own
        });
        in_order(on.value_or(stream()), [&](const cuda::device_ranks& here) {
            cuda::launch_process_exchange<T>(resources_, gpus_, exchange_plans_, e, in,
                                             cuda::outputs_of(choices, out, rank(), size()), choices, here,
                                             memory_for(choices));
        });
    }

    /// Opens a buffer of every rank, memory of its GPU and as long on each, to all others: a call of all ranks, which
    /// waits for them. Where a rank's cannot be opened by another process (it is managed, or mapped by hand or from a
    /// pool without a file that stands for it) it is registered and not shared, on all ranks alike. Memory that is
    /// freed before it is unregistered ends the communicator.
    /// @throw usage_error on every rank, for what does not fit together or is no memory of a rank's GPU
    [[nodiscard]] registered_buffer register_buffer(void* p, std::size_t bytes) {
        check_ready();
        return windows_.add(resources_, p, bytes, [&] {
            if (p == nullptr || bytes == 0) { throw usage_error("register_buffer: there is no memory to register"); }
            check_on_device("register_buffer", "buffer", p);
        });
    }

    /// Ends a registration: a call of all ranks, which waits for all work on the GPU and then for the others. Graphs
    /// with calls into the buffer must not be launched any more.
    /// @throw usage_error on every rank where they do not name the same buffer, or one that is not registered
    void unregister_buffer(const registered_buffer& buffer) {
        check_ready();
        windows_.remove(resources_, buffer);
    }

    /// What is enqueued on `on` from here on follows all eager calls made so far, whatever streams they went to.
    /// @throw cuda_error where the driver refuses
    void follow_calls(cudaStream_t on) const {
        const cuda::device_scope current(device());
        order_.catch_up(on, stream());
    }

    /// Waits for everything on this rank's GPU.
    /// @throw peer_lost_error, timeout_error, aborted_error or cuda_error for what went wrong, here or on another rank;
    ///        the communicator stays unusable then
    void synchronize() {
        try {
            const cuda::device_scope current(device());
            cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        } catch (const cuda_error& e) {
            failure_ = e.what();
            throw;
        }
        check_ready();
    }

    /// Makes every rank leave its kernels soon; from any thread.
    void abort() noexcept {
        resources_.abort();
        resources_.met().fail(
            {meeting_failure::reason::aborted, rank(), "rank " + std::to_string(rank()) + " aborted the communicator"});
    }

  private:
    struct prepared {
        plan made;
        cuda::runtime_schedule form;
        bool all_pairs_joined = false; ///< by hops of the plan's fabric
        bool copies_pay = false;       ///< these are NVLink
        mutable cuda::known_shape known{};
    };

    static int known(const std::optional<int>& number) {
        if (!number) { throw usage_error("communicator: only a rendezvous 'env:' says rank and size"); }
        return *number;
    }

    template <class T, class Op>
    void enqueue(const prepared& entry, const T* own_in, T* own_out, std::size_t count, const Op& op,
                 const options& choices, cudaStream_t stream) {
        const schedule& s = entry.made.schedule;
        std::vector<const T*> in(static_cast<std::size_t>(size()), nullptr);
        in[static_cast<std::size_t>(rank())] = own_in;
        std::vector<T*> out = cuda::outputs_of(choices, own_out, rank(), size());
        in_order(stream, [&](const cuda::device_ranks& here) {
            const std::span<const cuda::device_ranks> devices(&here, 1);
            const bool straight = s.kind == collective::allreduce && resources_.all_reach_all();
            const cuda::chunk_wish chunk = wish(choices, entry, count * sizeof(T));
            const cuda::process_call call{s.kind,
                                          s.root,
                                          count,
                                          sizeof(T),
                                          choices.how,
                                          chunk.search ? 0 : chunk.bytes,
                                          cuda::combines_copies<Op, T>,
                                          cuda::is_direct(choices),
                                          entry.copies_pay};
            const auto in_chunks = [&](std::size_t first, const cuda::chunk_wish& cut, std::size_t stride) {
                cuda::launch<T>(s, entry.form, std::span<const T* const>(in), std::span<T* const>(out), first, op,
                                devices, memory_for(choices), cut, cuda::gpu_machine{}, std::false_type{}, stride);
            };
            if (cuda::launch_by_copies<T>(copies_, resources_, call, std::span<const T* const>(in),
                                          std::span<T* const>(out), op, here,
                                          [&](std::size_t first) { in_chunks(first, 0, first < count ? count : 0); })) {
                return;
            }
            const cuda::short_ways ways{s, entry.form, one_lane_, entry.known, true, straight, entry.all_pairs_joined};
            if (!cuda::launch_short<T>(choices.how, ways, std::span<const T* const>(in), std::span<T* const>(out),
                                       count, op, devices, resources_.memory())) {
                in_chunks(count, chunk, 0);
            }
        });
    }

    /// Calls `enqueue(this rank's place)` for a stream, see `call_order`.
    template <class Enqueue>
    void in_order(cudaStream_t stream, const Enqueue& enqueue) {
        const cuda::device_scope current(device());
        const bool eager = !cuda::is_captured(stream);
        place_.stream = stream;
        place_.mark = eager ? order_.before(stream, this->stream()) : nullptr;
        enqueue(std::as_const(place_));
        if (eager) { order_.after(stream); }
    }

    /// Checks a call; before that compares it with the other ranks' where they do so.
    template <class Name, class Check>
    void check_call(const Name& name, const Check& check) {
        if (!resources_.checks_calls()) { return check(); }
        (void)tell_call(resources_.met(), name(), [&] {
            check();
            return std::string();
        });
    }

    [[nodiscard]] const cuda::group_memory& memory_for(const options& o) const {
        return resources_.memory(cuda::is_direct(o));
    }

    /// What was freed while others may store into it ends the communicator.
    void check_registration(const options& o, const void* out, std::size_t bytes) {
        if (o.into == nullptr || windows_.is_there(*o.into, out, bytes)) { return; }
        const std::string what = "registered buffer " + std::to_string(o.into->number()) + " was freed by rank " +
                                 std::to_string(rank()) + " while it was registered";
        resources_.abort();
        resources_.met().fail({meeting_failure::reason::aborted, rank(), what});
        throw usage_error(what);
    }

    /// Of a call's chunks. A policy that learns is left to the GPUs, which find the same on every rank.
    [[nodiscard]] cuda::chunk_wish wish(const options& o, const prepared& entry, std::size_t bytes) {
        const bool searches = o.chunk.learns() && resources_.all_reach_all(); // rank 0 tells all
        if (!searches) { return o.chunk.is_automatic() ? 0 : o.chunk.chunk_bytes(bytes); }
        return searches_.wish(o.chunk, &entry, entry.made.schedule.kind, entry.made.schedule.root, bytes);
    }

    const prepared& entry_for(collective kind, int root, const plan_options& p) {
        const plan_key key = key_of(kind, is_rooted(kind) ? root : 0, p);
        if (const auto known = plans_.find(key); known != plans_.end()) { return known->second; }
        if (!p.relays.empty()) { throw usage_error("communicator: relays are for groups of one process"); }
        prepared entry{make_plan(machine(), gpus_, kind, is_rooted(kind) ? root : 0, p), {}, false, false};
        verify(entry.made.schedule);
        check_reach(entry.made.schedule);
        entry.form = cuda::to_runtime_schedule(entry.made.schedule);
        entry.all_pairs_joined = cuda::joins_all_pairs(entry.made.fabric);
        entry.copies_pay = entry.all_pairs_joined && cuda::is_all_nvlink(entry.made.fabric);
        resources_.met().claim(name_of(key), std::to_string(digest_of(entry.made.schedule)));
        return plans_.emplace(key, std::move(entry)).first->second;
    }

    /// A hop is a store into the peer's memory, so both ends of every edge must reach each other.
    void check_reach(const schedule& s) const {
        for (const lane& l : s.lanes) {
            for (int r = 0; r < s.ranks; ++r) {
                const role& own = l.roles[static_cast<std::size_t>(r)];
                for (const int peer : {own.reduce_to, own.broadcast_from}) {
                    if (peer == no_rank || (resources_.reaches(r, peer) && resources_.reaches(peer, r))) { continue; }
                    throw plan_error("rank " + std::to_string(r) + " and rank " + std::to_string(peer) +
                                     " cannot store into each other's memory: no peer access between their GPUs");
                }
            }
        }
    }

    void check_on_device(std::string_view what, const char* which, const void* p) const {
        cudaPointerAttributes attributes{};
        cuda::check(cudaPointerGetAttributes(&attributes, p), "cudaPointerGetAttributes");
        if (attributes.type == cudaMemoryTypeManaged || attributes.type == cudaMemoryTypeHost) { return; } // pinned
        if (attributes.type != cudaMemoryTypeDevice || attributes.device != device()) {
            throw usage_error(std::string(what) + ": " + which + "[" + std::to_string(rank()) +
                              "] is not memory of GPU " + std::to_string(device()));
        }
    }

    void check_ready() const {
        if (!failure_.empty()) { throw cuda_error(failure_); }
        if (!resources_.aborted()) { return; }
        meeting& met = resources_.met();
        met.failure().raise();
        if (std::string fault = resources_.fault_text(); !fault.empty()) {
            met.fail({meeting_failure::reason::timed_out, rank(), std::move(fault)});
        }
        met.failure().raise();
        throw aborted_error("this communicator was aborted");
    }

    cuda::process_resources resources_;
    std::vector<int> gpus_;
    std::map<plan_key, prepared> plans_;
    schedule one_lane_;        ///< of calls without trees
    cuda::device_ranks place_; ///< of this rank, on the stream of the call that is enqueued
    cuda::call_order order_;
    cuda::chunk_searches searches_;
    cuda::process_windows windows_;                ///< goes before `resources_`, as what follows
    std::unique_ptr<cuda::process_copies> copies_; ///< made by the first call that needs it
    std::shared_ptr<exchange_plans> exchange_plans_;
    std::string failure_;
};

static_assert(one_rank_group<communicator>);

} // namespace blink
