// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One process a GPU, with real processes: collectives, and what goes wrong with them. A line a case, then one of
/// counts; 77 where there is no GPU.
///
///     processes [PART OF A CASE'S NAME]
#include <blink/schedule/miad.hpp>
#include <blink/topology/machines.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "process_cases.cuh"
#include "process_trial.cuh"
#include "recorded_calls.cuh"

using namespace gpu_test;
using namespace std::chrono_literals;
using blink::collective;

namespace {

constexpr collective all_kinds[] = {collective::allreduce, collective::broadcast, collective::reduce,
                                    collective::allgather, collective::reduce_scatter};

template <class T, class Op>
void sweep(blink::communicator& comm, const std::vector<std::size_t>& counts, const blink::options& choices = {}) {
    for (const std::size_t count : counts) {
        for (const collective kind : all_kinds) {
            for (int root = 0; root < (blink::is_rooted(kind) ? comm.size() : 1); ++root) {
                for (const bool in_place : {false, true}) {
                    check_call<T, Op>(comm,
                                      {kind, count, root, in_place, count % 3, count + static_cast<std::size_t>(root)},
                                      choices);
                }
            }
        }
    }
}

void sizes_and_roots(const seat& s) {
    blink::communicator comm = s.join();
    must(comm.rank() == s.rank && comm.size() == s.size && comm.status() == blink::group_status::ready, "the group");
    sweep<float, blink::sum>(comm, {0, 1, 2, 3, 31, 127, 1023, 4097, 16385, 100003});
    for (const collective kind : all_kinds) { check_call<float, blink::sum>(comm, {kind, 1000003, s.size - 1}); }
}

void types(const seat& s) {
    blink::communicator comm = s.join();
    const std::vector<std::size_t> counts{1, 1001, 70001};
    sweep<std::uint8_t, blink::max>(comm, counts);
    sweep<std::int32_t, blink::sum>(comm, counts);
    sweep<std::uint64_t, blink::prod>(comm, counts);
    sweep<double, blink::avg>(comm, counts);
    sweep<__half, blink::min>(comm, counts);
    sweep<located, larger_magnitude>(comm, counts);
    sweep<triple, add_triples>(comm, counts); // twelve bytes: a cell each
}

void protocols(const seat& s) {
    blink::communicator comm = s.join();
    for (const std::size_t count : {1, 7, 1000, 3000}) {
        sweep<float, blink::sum>(comm, {count}, {.how = blink::protocol::cells});
        sweep<float, blink::sum>(comm, {count}, {.how = blink::protocol::chunks});
        check_call<float, blink::sum>(comm, {collective::allreduce, count}, {.how = blink::protocol::all_pairs});
    }
    for (const std::size_t bytes : {1, 4096, 1 << 20}) {
        sweep<float, blink::sum>(comm, {50001}, {.chunk = blink::fixed_chunk{bytes}});
    }
    check_call<float, blink::sum>(comm, {collective::allreduce, 1 << 22}, {.how = blink::protocol::cells});
    check_call<float, blink::sum>(comm, {collective::allreduce, 1 << 22}, {.how = blink::protocol::all_pairs});
}

void machines(const seat& s) {
    blink::communicator comm = s.join(
        {.machine = blink::topology(blink::dgx1v), .gpus = std::vector<int>{0, 1, 4}, .timeout = 30s, .blocks = 16});
    must(comm.machine().name() == "dgx1v", "the machine that was named");
    sweep<std::int32_t, blink::sum>(comm, {1, 5003, 200003});
}

/// Graph replays on a stream of the user's, eager calls on that stream and the communicator's own in turn.
void graphs(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    cudaStream_t stream = nullptr;
    blink::cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    process_trial<float, blink::sum> sum(comm, {collective::allreduce, 100003});
    process_trial<float, blink::sum> small(comm, {collective::allreduce, 501, 0, false, 1, 7});
    process_trial<float, blink::sum> cast(comm, {collective::broadcast, 777, s.size - 1});
    const auto judge_all = [&] {
        for (auto* t : {&sum, &small, &cast}) {
            t->judge();
            t->reset();
        }
    };
    const auto enqueue = [&](cudaStream_t on) {
        for (auto* t : {&sum, &small, &cast, &small}) { t->launch(on); }
    };
    enqueue(comm.stream());
    judge_all();
    const recorded_calls graph({stream}, [&] { enqueue(stream); });
    for (int round = 0; round < 5; ++round) {
        for (int replay = 0; replay < 4; ++replay) { graph.replay(); }
        judge_all();
        for (int call = 0; call < 3; ++call) {
            enqueue(stream);
            must_throw<blink::usage_error>([&] { sum.launch(stream, {.how = blink::protocol::pull}); }, "pull");
            enqueue(comm.stream()); // behind the last call that did not fail
        }
        judge_all();
    }
    blink::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
    check_call<float, blink::sum>(comm, {collective::allreduce, 100003}); // behind a stream that is gone
}

/// Calls and replays of them, whose chunk size the GPUs search for, are right and come to the same on all ranks; other
/// policies that learn are refused.
void searches(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    const blink::options searching{
        .chunk = blink::miad_chunk({.start = 16 << 10, .smallest = 8 << 10, .largest = 64 << 10, .samples = 1}),
        .how = blink::protocol::chunks};
    process_trial<std::int32_t, blink::sum> sum(comm, {collective::allreduce, 300'001});
    process_trial<std::int32_t, blink::sum> sent(comm, {collective::broadcast, 300'001, comm.size() - 1});
    const auto enqueue = [&] {
        sum.launch(comm.stream(), searching);
        sent.launch(comm.stream(), searching);
    };
    enqueue();
    comm.synchronize();
    const recorded_calls graph({comm.stream()}, enqueue);
    for (int round = 0; round < 20; ++round) {
        sum.reset();
        sent.reset();
        graph.replay();
        enqueue();
        graph.replay();
        sum.judge();
        sent.judge();
    }
    const auto learnt = comm.learnt_chunks();
    must(learnt.size() == 2, "two searches");
    auto size = comm.make_buffer<std::int64_t>(1);
    for (const blink::cuda::learnt_chunk& l : learnt) {
        must(l.bytes == 300'001 * sizeof(std::int32_t), "the bytes of the calls");
        must(l.settled, "61 calls settle a search");
        must(l.chunk_bytes >= 8 << 10 && l.chunk_bytes <= 64 << 10, "a size within its limits");
        size.fill(static_cast<std::int64_t>(l.chunk_bytes));
        blink::allreduce(comm, size.data(), size.data(), 1);
        comm.synchronize();
        must(size.read()[0] == comm.size() * static_cast<std::int64_t>(l.chunk_bytes), "the same size on all ranks");
    }
    struct own_policy {
        std::size_t chunk_bytes(std::size_t /*lane_bytes*/) const { return 4096; }
        void observe(std::size_t /*bytes*/, double /*seconds*/) {}
    };
    must_throw<blink::usage_error>(
        [&] { blink::allreduce(comm, size.data(), size.data(), 1, blink::sum{}, {.chunk = own_policy{}}); },
        "is no MIAD");
}

void several(const seat& s) {
    for (int turn = 0; turn < 3; ++turn) {
        blink::communicator one = s.join();
        blink::communicator other = s.join();
        check_call<float, blink::sum>(one, {collective::allreduce, 2001});
        check_call<float, blink::sum>(other, {collective::allgather, 2001});
        check_call<float, blink::sum>(one, {collective::reduce_scatter, 30001});
    }
}

void bad_input(const seat& s) {
    must_throw<blink::usage_error>([&] { (void)s.join({.timeout = std::chrono::milliseconds(30'000 + s.rank)}); },
                                   "different options");
    blink::communicator comm = s.join();
    const auto buffer = comm.make_buffer<float>(100);
    std::vector<float> host(100);
    float* const p = buffer.data();
    must_throw<blink::usage_error>([&] { blink::allreduce(comm, host.data(), p, 100); }, "is not memory of GPU");
    must_throw<blink::usage_error>([&] { blink::allreduce(comm, p, p + 1, 99); }, "overlap");
    must_throw<blink::usage_error>([&] { blink::broadcast(comm, p, p, 100, s.size); }, "root");
    must_throw<blink::usage_error>([&] { blink::allreduce(comm, p, p, 9, blink::sum{}, {.relays = {7}}); }, "relays");
    if (blink::cuda::visible_gpus() > 1) {
        const int other = comm.device() == 0 ? 1 : 0;
        const blink::cuda::device_scope current(other);
        cudaStream_t stream = nullptr;
        blink::cuda::check(cudaStreamCreate(&stream), "cudaStreamCreate");
        must_throw<blink::usage_error>([&] { blink::allreduce(comm, p, p, 9, blink::sum{}, {}, stream); },
                                       "a stream of GPU " + std::to_string(other));
        blink::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
    }
    check_call<float, blink::sum>(comm, {collective::allreduce, 2001});
}

/// The last rank is killed where it sleeps, while the others wait for it in a kernel or call again and again.
void killed(const seat& s, bool in_kernel) {
    blink::communicator comm = s.join();
    check_call<float, blink::sum>(comm, {collective::allreduce, 2001});
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 2001});
    const auto begin = std::chrono::steady_clock::now();
    if (s.rank == s.size - 1 && in_kernel) { std::this_thread::sleep_for(600s); }
    must_throw<blink::peer_lost_error>(
        [&] {
            for (;;) {
                t.launch(comm.stream());
                comm.synchronize();
            }
        },
        "rank " + std::to_string(s.size - 1) + "'s process ended");
    must(std::chrono::steady_clock::now() - begin < 20s, "the end was noticed before the deadline of a kernel");
    must(comm.status() == blink::group_status::failed, "the status");
    must_throw<blink::peer_lost_error>([&] { t.launch(comm.stream()); }, "process ended");
}

void never_calls(const seat& s) {
    blink::communicator comm = s.join({.timeout = 5s});
    check_call<float, blink::sum>(comm, {collective::allreduce, 2001});
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 2001});
    if (s.rank == s.size - 1) {
        std::this_thread::sleep_for(12s);
    } else {
        t.launch(comm.stream());
    }
    must_throw<blink::timeout_error>([&] { comm.synchronize(); }, "waited longer than 5000 ms");
    must(comm.status() == blink::group_status::timed_out, "the status");
}

void aborted(const seat& s) {
    blink::communicator comm = s.join();
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 200001});
    if (s.rank == s.size - 1) {
        std::this_thread::sleep_for(1s);
        comm.abort();
    } else {
        t.launch(comm.stream());
    }
    must_throw<blink::aborted_error>([&] { comm.synchronize(); }, "aborted the communicator");
    must(comm.status() == blink::group_status::aborted, "the status");
}

void never_comes(const seat& s) {
    must_throw<blink::timeout_error>([&] { blink::communicator(s.rank, s.size + 2, blink::rendezvous(s.address, 2s)); },
                                     "ranks " + std::to_string(s.size) + ", " + std::to_string(s.size + 1));
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<test_case> cases{
        {"sizes and roots", 0, sizes_and_roots},
        {"three processes", 3, sizes_and_roots},
        {"one process alone", 1, sizes_and_roots},
        {"types", 0, types},
        {"protocols and chunk sizes", 0, protocols},
        {"a machine that is named", 3, machines},
        {"graph replays and eager calls mix", 0, graphs},
        {"chunk sizes that the GPUs search for", 0, searches},
        {"chunk sizes that the GPUs of three processes search for", 3, searches},
        {"several communicators", 0, several},
        {"bad input is refused and changes nothing", 0, bad_input},
        {"a rank is killed while others wait for it in a kernel", 3, [](const seat& s) { killed(s, true); }, 12},
        {"a rank is killed between calls", 0, [](const seat& s) { killed(s, false); }, 12},
        {"a rank never makes the call", 0, never_calls},
        {"a rank aborts", 3, aborted},
        {"ranks that never come", 0, never_comes},
    };
    return run_cases(cases, argc, argv);
}
