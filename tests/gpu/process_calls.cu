// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One process a GPU, with real processes: exchanges, buffers that ranks open to each other, and calls that are
/// compared before they are made. A line a case, then one of counts; 77 where there is no GPU.
///
///     process_calls [PART OF A CASE'S NAME]
#include <blink/alltoall.hpp>
#include <blink/gather.hpp>
#include <blink/scatter.hpp>
#include <blink/send_recv.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "process_cases.cuh"
#include "process_exchange_trial.cuh"
#include "process_memory_cases.cuh"
#include "process_trial.cuh"
#include "recorded_calls.cuh"

using namespace gpu_test;
using namespace std::chrono_literals;
using blink::collective;

namespace {

constexpr collective all_kinds[] = {collective::allreduce, collective::broadcast, collective::reduce,
                                    collective::allgather, collective::reduce_scatter};

void exchanges(const seat& s) {
    blink::communicator comm = s.join();
    exchange_sweep<float>(comm, false);
    exchange_sweep<std::uint8_t>(comm, false);
    exchange_sweep<triple>(comm, false);
    for (const std::size_t bytes : {128, 5000, 1 << 20}) {
        check_exchange<double>(comm, blink::make_alltoall(comm.size(), 50001), bytes, false, false,
                               {.chunk = blink::fixed_chunk{bytes}});
    }
    // The functions of users, with what each rank has.
    const auto n = static_cast<std::size_t>(comm.size());
    auto one = comm.make_buffer<int>(1);
    auto all = comm.make_buffer<int>(n);
    const bool root = s.rank == s.size - 1;
    one.fill(100 + s.rank);
    blink::gather(comm, static_cast<const int*>(one.data()), root ? all.data() : nullptr, 1, s.size - 1);
    comm.synchronize();
    for (std::size_t r = 0; root && r < n; ++r) { must(all.read()[r] == 100 + static_cast<int>(r), "gather"); }
    one.fill(0);
    blink::scatter(comm, root ? static_cast<const int*>(all.data()) : nullptr, one.data(), 1, s.size - 1);
    comm.synchronize();
    must(one.read()[0] == 100 + s.rank, "scatter");
    std::vector<transfer> ring;
    for (int r = 0; r < s.size; ++r) { ring.push_back({r, (r + 1) % s.size, 0, 0, 1}); }
    auto next = comm.make_buffer<int>(1);
    blink::send_recv(comm, ring, static_cast<const int*>(one.data()), next.data());
    comm.synchronize();
    must(next.read()[0] == 100 + (s.rank + s.size - 1) % s.size, "send_recv");
    all.fill([&](std::size_t i) { return 10 * s.rank + static_cast<int>(i); });
    auto columns = comm.make_buffer<int>(n);
    blink::alltoall(comm, static_cast<const int*>(all.data()), columns.data(), 1);
    comm.synchronize();
    for (std::size_t r = 0; r < n; ++r) { must(columns.read()[r] == 10 * static_cast<int>(r) + s.rank, "alltoall"); }
    if (s.size > 1) { // alone, a rank keeps what it has where it is
        must_throw<blink::usage_error>([&] { blink::alltoall(comm, all.data(), all.data(), 1); }, "in place");
    }
    must_throw<blink::usage_error>([&] { blink::gather(comm, one.data(), all.data(), 1, s.size); }, "root");
    exchange_trial<float> again(comm, blink::make_alltoall(s.size, 100), 3);
    again.launch(comm.stream());
    again.judge();
}

/// Replays of exchanges beside collectives, with and without opened outputs; eager calls between them.
void graphs(const seat& s) {
    blink::communicator comm = s.join();
    exchange_trial<float> rows(comm, blink::make_alltoall(s.size, 70001), 5);
    exchange_trial<float> shards(comm, blink::make_gather(s.size, s.size - 1, 3001), 6);
    process_trial<float, blink::sum> sum(comm, {collective::allreduce, 100003});
    const auto window = comm.register_buffer(sum.output_memory().data(), sum.output_memory().bytes());
    const blink::options direct{.how = blink::protocol::chunks, .into = &window};
    const blink::cuda::device_scope current(comm.device());
    cudaStream_t stream = nullptr;
    blink::cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    const auto enqueue = [&](cudaStream_t on) {
        rows.launch(on);
        sum.launch(on, direct);
        shards.launch(on);
        sum.launch(on);
    };
    const auto judge = [&] {
        rows.judge();
        shards.judge();
        sum.judge();
        rows.reset();
        shards.reset();
        sum.reset();
    };
    enqueue(comm.stream());
    judge();
    const recorded_calls graph({stream}, [&] { enqueue(stream); });
    for (int round = 0; round < 4; ++round) {
        for (int replay = 0; replay < 3; ++replay) { graph.replay(); }
        judge();
        enqueue(stream);
        enqueue(comm.stream());
        judge();
    }
    comm.unregister_buffer(window);
    blink::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

/// The same calls with and without opened outputs: both right, and the same bits.
template <class T, class Op>
void same_bits(blink::communicator& comm, const process_shape& shape, blink::options choices) {
    process_trial<T, Op> t(comm, shape);
    t.launch(comm.stream(), choices);
    t.judge();
    const std::string staged = t.result();
    t.reset();
    const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
    must(window.is_shared() && window.is_registered(), "a plain buffer is shared");
    choices.into = &window;
    t.launch(comm.stream(), choices);
    if (!shape.in_place) { t.launch(comm.stream(), choices); }
    t.judge();
    must(t.result() == staged, "the bits with an opened output");
    comm.unregister_buffer(window);
    must(!window.is_registered(), "it is registered no more");
    choices.into = &window;
    must_throw<blink::usage_error>([&] { t.launch(comm.stream(), choices); }, "no registered buffer");
}

void opened_outputs(const seat& s) {
    blink::communicator comm = s.join();
    for (const auto how : {blink::protocol::chunks, blink::protocol::automatic}) {
        for (const std::size_t count : {1, 1023, 16385, 1000003}) {
            for (const collective kind : all_kinds) {
                for (int root = 0; root < (blink::is_rooted(kind) ? comm.size() : 1); ++root) {
                    for (const bool in_place : {false, true}) {
                        const process_shape shape{kind, count, root, in_place, count % 3, count};
                        same_bits<float, blink::sum>(comm, shape, {.how = how});
                    }
                }
            }
        }
    }
    same_bits<triple, add_triples>(comm, {collective::allreduce, 70001}, {});
    same_bits<double, blink::avg>(comm, {collective::allreduce, 70001}, {.chunk = blink::fixed_chunk{1000}});
    exchange_sweep<std::uint16_t>(comm, true);
}

/// As the documentation shows it.
void documented(const seat& s) {
    blink::communicator comm = s.join();
    const std::size_t count = 1 << 20;
    auto grads = comm.make_buffer<float>(count);
    grads.fill(1.0F + static_cast<float>(s.rank));
    const auto window = comm.register_buffer(grads.data(), grads.bytes()); // all ranks; waits for them
    blink::allreduce(comm, grads.data(), grads.data(), count, blink::sum{}, {.into = &window});
    comm.unregister_buffer(window); // all ranks; then the memory may be freed
    const std::vector<float> sums = grads.read();
    const auto expected = static_cast<float>(s.size * (s.size + 1) / 2);
    must(std::count(sums.begin(), sums.end(), expected) == static_cast<std::ptrdiff_t>(count), "the sums");
}

/// Memory that another process cannot open, on one rank or on all: registered, not shared, and no different to use.
void not_shared(const seat& s) {
    blink::communicator comm = s.join();
    constexpr std::size_t count = 5001;
    enum class sort { plain, managed, pooled };
    for (const sort what : {sort::managed, sort::pooled}) {
        for (const bool on_all : {false, true}) {
            const sort own = on_all || s.rank == s.size - 1 ? what : sort::plain;
            const blink::cuda::device_scope current(comm.device());
            float* p = nullptr;
            if (own == sort::managed) {
                blink::cuda::check(cudaMallocManaged(&p, count * sizeof(float)), "cudaMallocManaged");
            } else if (own == sort::pooled) {
                blink::cuda::check(cudaMallocAsync(&p, count * sizeof(float), comm.stream()), "cudaMallocAsync");
                blink::cuda::check(cudaStreamSynchronize(comm.stream()), "cudaStreamSynchronize");
            } else {
                blink::cuda::check(cudaMalloc(&p, count * sizeof(float)), "cudaMalloc");
            }
            const auto window = comm.register_buffer(p, count * sizeof(float));
            must(window.is_registered() && !window.is_shared(), "memory that others cannot open");
            auto in = comm.make_buffer<float>(count);
            in.fill([&](std::size_t i) { return static_cast<float>(i % 100 + static_cast<std::size_t>(s.rank)); });
            const blink::options choices{.how = blink::protocol::chunks, .into = &window};
            for (int turn = 0; turn < 2; ++turn) {
                blink::cuda::check(cudaMemset(p, 0xC5, count * sizeof(float)), "cudaMemset");
                blink::allreduce(comm, static_cast<const float*>(in.data()), p, count, blink::sum{}, choices);
                comm.synchronize();
                std::vector<float> found(count);
                blink::cuda::check(cudaMemcpy(found.data(), p, count * sizeof(float), cudaMemcpyDefault), "cudaMemcpy");
                std::size_t wrong = 0;
                for (std::size_t i = 0; i < count; ++i) {
                    const auto sum = static_cast<std::size_t>(s.size) * (i % 100) +
                                     static_cast<std::size_t>(s.size * (s.size - 1) / 2);
                    wrong += found[i] == static_cast<float>(sum) ? 0 : 1;
                }
                must(wrong == 0, std::to_string(wrong) + " wrong elements");
            }
            comm.unregister_buffer(window);
            blink::cuda::check(own == sort::pooled ? cudaFreeAsync(p, comm.stream()) : cudaFree(p), "cudaFree");
        }
    }
}

/// Registrations that are refused, on all ranks alike; after each of them the communicator works.
void bad_registrations(const seat& s) {
    blink::communicator comm = s.join();
    auto one = comm.make_buffer<float>(1000);
    auto other = comm.make_buffer<float>(1000);
    std::vector<float> host(1000);
    const bool last = s.rank == s.size - 1;
    const std::string by_last = last ? "is not memory of GPU" : "rank " + std::to_string(s.size - 1) + ": register";
    must_throw<blink::usage_error>([&] { (void)comm.register_buffer(last ? host.data() : one.data(), 4000); }, by_last);
    must_throw<blink::usage_error>([&] { (void)comm.register_buffer(one.data(), last ? 3996 : 4000); },
                                   "rank " + std::to_string(s.size - 1) + " asks for the registration of buffer");
    must_throw<blink::usage_error>([&] { (void)comm.register_buffer(nullptr, 4000); }, "no memory");
    const auto a = comm.register_buffer(one.data() + 10, 3600); // inside an allocation
    const auto b = comm.register_buffer(other.data(), 4000);
    must(a.is_shared() && b.is_shared(), "two buffers are shared");
    float* const p = one.data();
    const auto into_a = [&](float* out, std::size_t count) {
        blink::allgather(comm, static_cast<const float*>(other.data()), out, count, {.into = &a});
    };
    const auto n = static_cast<std::size_t>(s.size);
    must_throw<blink::usage_error>([&] { into_a(p + 9, 10); }, "is not inside registered buffer");
    must_throw<blink::usage_error>([&] { into_a(p + 911 - 10 * n, 10); }, "is not inside registered buffer");
    must_throw<blink::usage_error>([&] { comm.unregister_buffer(last ? a : b); }, "do not make the same call");
    {
        blink::communicator second = s.join();
        must_throw<blink::usage_error>([&] { blink::broadcast(second, p, p, 9, 0, {.into = &b}); }, "no registered");
        must_throw<blink::usage_error>([&] { second.unregister_buffer(b); }, "no registered buffer");
    }
    into_a(p + 910 - 10 * n, 10);
    comm.synchronize();
    comm.unregister_buffer(a);
    check_call<float, blink::sum>(comm, {collective::allreduce, 200001});
} // b goes with the communicator

/// A buffer is freed while it is registered: its rank is told, and so are all others.
void freed(const seat& s) {
    blink::communicator comm = s.join();
    const blink::cuda::device_scope current(comm.device());
    constexpr std::size_t bytes = 8 << 20;
    float* p = nullptr;
    blink::cuda::check(cudaMalloc(&p, bytes), "cudaMalloc");
    const auto window = comm.register_buffer(p, bytes);
    const auto call = [&] { blink::broadcast(comm, p, p, 1000, 0, {.how = blink::protocol::chunks, .into = &window}); };
    call();
    comm.synchronize();
    const std::string what = "registered buffer 1 was freed by rank " + std::to_string(s.size - 1);
    if (s.rank == s.size - 1) {
        blink::cuda::check(cudaFree(p), "cudaFree");
        must_throw<blink::usage_error>(call, what);
        must_throw<blink::aborted_error>([&] { comm.synchronize(); }, what);
    } else {
        must_throw<blink::aborted_error>(
            [&] {
                call();
                for (;;) { comm.synchronize(); }
            },
            what);
    }
    must(comm.status() == blink::group_status::aborted, "the status");
}

/// Ranks that do not make the same call hear so before anything moves, and may go on.
void compared(const seat& s) {
    blink::communicator comm = s.join({.timeout = 30s, .check_calls = true});
    auto in = comm.make_buffer<float>(1000);
    auto out = comm.make_buffer<float>(1000 * static_cast<std::size_t>(s.size));
    const bool last = s.rank == s.size - 1;
    const float* const from = in.data();
    float* const to = out.data();
    const std::string name = "rank " + std::to_string(s.size - 1);
    const auto differ = [&](const auto& call, const std::string& part) {
        must_throw<blink::usage_error>(call, name + " asks for " + part);
        check_call<float, blink::sum>(comm, {collective::allreduce, 501});
    };
    differ([&] { blink::allreduce(comm, from, to, last ? 99 : 100); }, "allreduce of 99 float");
    differ([&] { blink::broadcast(comm, from, to, 100, last ? 1 : 0); },
           "broadcast of 100 float (4 bytes each) with root 1");
    differ([&] { last ? blink::allreduce(comm, from, to, 10) : blink::allgather(comm, from, to, 10); }, "allreduce");
    differ([&] { last ? blink::allreduce(comm, from, to, 10, blink::max{}) : blink::allreduce(comm, from, to, 10); },
           "allreduce of 10 float (4 bytes each), operator ");
    differ(
        [&] {
            if (!last) { return blink::allreduce(comm, from, to, 10); }
            blink::allreduce(comm, reinterpret_cast<const int*>(from), reinterpret_cast<int*>(to), 10);
        },
        "allreduce of 10 int");
    differ([&] { blink::allreduce(comm, from, to, 10, blink::sum{}, {.max_trees = last ? 1 : 0}); }, "allreduce of 10");
    differ([&] { blink::gather(comm, from, to, 10, last ? 1 : 0); }, "gather of ");
    differ([&] { last ? (void)comm.register_buffer(to, 400) : blink::allreduce(comm, from, to, 10); },
           "the registration of buffer");
    std::vector<float> host(100);
    const std::string own = last ? "is not memory of GPU" : name + ": allreduce: in";
    must_throw<blink::usage_error>([&] { blink::allreduce(comm, last ? host.data() : from, to, 100); }, own);
    const auto window = comm.register_buffer(to, 4000);
    differ([&] { blink::broadcast(comm, from, last ? to + 1 : to, 10, 0, {.into = &window}); }, "broadcast");
    for (const collective kind : all_kinds) { check_call<float, blink::sum>(comm, {kind, 4001, s.size - 1}); }
    check_exchange<float>(comm, blink::make_alltoall(s.size, 4001), 1, false, true);
}

/// One rank leaves while the others make a call.
void one_leaves(const seat& s) {
    auto comm = std::make_unique<blink::communicator>(s.rank, s.size, s.at(),
                                                      blink::process_options{.timeout = 30s, .check_calls = true});
    auto buffer = comm->make_buffer<float>(100);
    if (s.rank < s.size - 1) {
        must_throw<blink::usage_error>([&] { blink::allreduce(*comm, buffer.data(), buffer.data(), 100); },
                                       "asks for the end of the communicator");
    }
    comm.reset();
    must(true, "");
}

/// The last rank is killed while the others store into its memory, again and again.
void killed(const seat& s) {
    blink::communicator comm = s.join();
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 3000001});
    const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
    must_throw<blink::peer_lost_error>(
        [&] {
            for (;;) {
                t.launch(comm.stream(), {.into = &window});
                comm.synchronize();
            }
        },
        "rank " + std::to_string(s.size - 1) + "'s process ended");
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<test_case> cases{
        {"exchanges", 0, exchanges},
        {"exchanges of three processes", 3, exchanges},
        {"exchanges of one process alone", 1, exchanges},
        {"graph replays of exchanges and opened outputs", 0, graphs},
        {"opened outputs give the same bits", 0, opened_outputs},
        {"opened outputs of three processes", 3, opened_outputs},
        {"opened outputs as documented", 0, documented},
        {"memory that cannot be shared", 0, not_shared},
        {"memory mapped piece by piece gives the same bits", 0, mapped_in_all_ways},
        {"memory mapped piece by piece of three processes", 3, mapped_in_one_way},
        {"memory of pools gives the same bits", 0, pooled},
        {"mapped memory without files", 0, mapped_without_files},
        {"a piece of mapped memory is replaced while it is registered", 0, piece_replaced},
        {"registrations that are refused", 0, bad_registrations},
        {"a buffer is freed while it is registered", 0, freed},
        {"calls are compared", 0, compared},
        {"calls of three processes are compared", 3, compared},
        {"one rank leaves while others make a call", 3, one_leaves},
        {"a rank is killed while others store into its memory", 0, killed, 12},
    };
    return run_cases(cases, argc, argv);
}
