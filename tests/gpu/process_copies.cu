// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls by copy engines between real processes, which share a GPU where there is one. A line a case, then one of
/// counts; 77 where there is no GPU.
///
///     process_copies [PART OF A CASE'S NAME]
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "call_graphs.cuh"
#include "process_cases.cuh"
#include "process_trial.cuh"
#include "recorded_calls.cuh"

using namespace gpu_test;
using namespace std::chrono_literals;
using blink::collective;
using blink::protocol;

namespace {

constexpr collective reductions[] = {collective::allreduce, collective::reduce, collective::reduce_scatter};
constexpr collective moves[] = {collective::broadcast, collective::allgather};

const blink::process_options with_room{.timeout = 30s, .copy_room = true};

/// Without NVLink no call takes copies by itself.
void needs_nvlink(blink::communicator& comm) {
    if (!blink::cuda::is_all_nvlink(comm.plan_for(collective::allreduce).fabric)) { throw not_here("needs NVLink"); }
}

blink::options by_copies(std::size_t chunk_bytes = 0) {
    return {.chunk = chunk_bytes > 0 ? blink::chunk_choice(blink::fixed_chunk{chunk_bytes}) : blink::chunk_choice{},
            .how = protocol::copies};
}

/// Right in every element, and the bits of chunks.
template <class T, class Op>
void same_as_chunks(blink::communicator& comm, const process_shape& shape, std::size_t chunk_bytes) {
    process_trial<T, Op> t(comm, shape);
    t.launch(comm.stream(), {.how = protocol::chunks});
    const std::string bits = t.result();
    t.reset();
    t.launch(comm.stream(), by_copies(chunk_bytes));
    t.judge();
    const bool writes = blink::writes_output(shape.kind, shape.root, comm.rank());
    must(!writes || t.result() == bits, "the bits of chunks");
    if (shape.kind != collective::allreduce) { return; }
    t.reset();
    const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
    blink::options direct = by_copies(chunk_bytes);
    direct.into = &window;
    t.launch(comm.stream(), direct);
    t.judge();
    must(t.result() == bits, "the bits of chunks in registered buffers");
    comm.unregister_buffer(window);
}

template <class T, class Op>
void reduce_all_ways(blink::communicator& comm, const std::vector<std::size_t>& counts) {
    for (const std::size_t count : counts) {
        for (const collective kind : reductions) {
            for (int root = 0; root < (blink::is_rooted(kind) ? comm.size() : 1); ++root) {
                for (const bool in_place : {false, true}) {
                    same_as_chunks<T, Op>(comm, {kind, count, root, in_place, count % 3, count}, 64 << 10);
                }
            }
        }
    }
}

void reductions_of_any_buffers(const seat& s) {
    blink::communicator comm = s.join(with_room);
    reduce_all_ways<float, blink::sum>(comm, {1, 127, 128, 1023, 100003, 1000003});
    reduce_all_ways<std::uint8_t, blink::max>(comm, {1, 300001});
    reduce_all_ways<double, blink::avg>(comm, {257, 70001});
    reduce_all_ways<__half, blink::min>(comm, {70001});
    reduce_all_ways<__half, blink::sum>(comm, {8, 70001, 300001});
    reduce_all_ways<triple, add_triples>(comm, {70001});
    same_as_chunks<float, blink::sum>(comm, {collective::allreduce, 20'000'003, 0, false, 1, 5}, 0);
    same_as_chunks<float, blink::sum>(comm, {collective::allreduce, 20'000'003, 0, true, 0, 6}, 0);
}

/// So few that each thread combines many elements.
void few_blocks(const seat& s) {
    blink::communicator comm = s.join({.timeout = 30s, .blocks = 2, .copy_room = true});
    reduce_all_ways<float, blink::sum>(comm, {1023, 1000003});
    reduce_all_ways<std::uint8_t, blink::max>(comm, {300001});
    reduce_all_ways<double, blink::avg>(comm, {70001});
    reduce_all_ways<__half, blink::sum>(comm, {170001});
    reduce_all_ways<triple, add_triples>(comm, {70001});
    same_as_chunks<float, blink::sum>(comm, {collective::allreduce, 20'000'003, 0, false, 0, 6}, 0);
}

/// One rank in place and the other one apart, which neither knows of the other.
void in_place_on_one_rank(const seat& s) {
    blink::communicator comm = s.join(with_room);
    for (const std::size_t chunk : {4096, 65536}) {
        same_as_chunks<float, blink::sum>(comm, {collective::allreduce, 200003, 0, s.rank == 0, 0, 9}, chunk);
    }
}

void moves_into_registered_buffers(const seat& s) {
    blink::communicator comm = s.join(with_room);
    for (const std::size_t count : {1, 1023, 1000003}) {
        for (const collective kind : moves) {
            for (int root = 0; root < (blink::is_rooted(kind) ? comm.size() : 1); ++root) {
                for (const bool in_place : {false, true}) {
                    process_trial<float, blink::sum> t(comm, {kind, count, root, in_place, count % 3, count});
                    must_throw<blink::usage_error>([&] { t.launch(comm.stream(), by_copies()); }, "registered");
                    const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
                    blink::options direct = by_copies();
                    direct.into = &window;
                    t.launch(comm.stream(), direct);
                    t.launch(comm.stream(), direct);
                    t.judge();
                    comm.unregister_buffer(window);
                }
            }
        }
    }
}

/// Replays, eager calls on two streams and calls by kernels in turn.
void graphs(const seat& s) {
    blink::communicator comm = s.join(with_room);
    const blink::cuda::device_scope current(comm.device());
    cudaStream_t stream = nullptr;
    blink::cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    process_trial<float, blink::sum> sum(comm, {collective::allreduce, 500003});
    process_trial<float, blink::max> most(comm, {collective::allreduce, 70001, 0, false, 1, 7});
    process_trial<float, blink::sum> small(comm, {collective::allreduce, 501, 0, false, 1, 8});
    process_trial<float, blink::sum> cast(comm, {collective::broadcast, 300007, s.size - 1});
    const auto window = comm.register_buffer(cast.output_memory().data(), cast.output_memory().bytes());
    blink::options direct = by_copies();
    direct.into = &window;
    const auto judge_all = [&] {
        sum.judge(), most.judge(), small.judge(), cast.judge();
        sum.reset(), most.reset(), small.reset(), cast.reset();
    };
    const auto enqueue = [&](cudaStream_t on) {
        sum.launch(on, by_copies(64 << 10));
        small.launch(on);
        cast.launch(on, direct);
        most.launch(on, by_copies(32 << 10));
        most.launch(on, by_copies(64 << 10));
    };
    enqueue(comm.stream());
    judge_all();
    const recorded_calls graph({stream}, [&] { enqueue(stream); });
    for (int round = 0; round < 4; ++round) {
        for (int replay = 0; replay < 5; ++replay) { graph.replay(); }
        judge_all();
        for (int call = 0; call < 3; ++call) {
            enqueue(stream);
            enqueue(comm.stream());
        }
        judge_all();
    }
    // One rank replays what the other one calls.
    for (int call = 0; call < 5; ++call) {
        if (s.rank == 0) {
            graph.replay();
        } else {
            enqueue(stream);
        }
    }
    judge_all();
    comm.unregister_buffer(window);
    blink::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

template <class Enqueue>
cudaGraph_t recorded_on(cudaStream_t stream, const Enqueue& enqueue) {
    blink::cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    enqueue();
    cudaGraph_t graph = nullptr;
    blink::cuda::check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    return graph;
}

/// A tuned size takes copies by itself, which a graph shows; what is only moved needs no room for that.
void by_themselves(const seat& s, bool room) {
    blink::tuning tuned;
    tuned.copies_from = 1 << 19;
    tuned.copies_reduce_from = tuned.host_share_from = tuned.copies_all_reduce_from = 1 << 20;
    blink::communicator comm = s.join({.timeout = 30s, .tuned = tuned, .copy_room = room});
    needs_nvlink(comm);
    const blink::cuda::device_scope current(comm.device());
    const auto copies = [&](collective kind, std::size_t count, bool registered) {
        process_trial<float, blink::sum> t(comm, {kind, count});
        const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
        const blink::options choices{.into = registered ? &window : nullptr};
        t.launch(comm.stream(), choices);
        t.judge();
        t.reset();
        const std::size_t found = copies_in(recorded_on(comm.stream(), [&] { t.launch(comm.stream(), choices); }));
        t.launch(comm.stream(), choices);
        t.judge();
        comm.unregister_buffer(window);
        return found;
    };
    constexpr std::size_t megabyte = 1 << 18;
    const bool root = s.rank == 0;
    must((copies(collective::broadcast, megabyte, true) > 0) == root, "copies broadcast a megabyte");
    must(copies(collective::broadcast, megabyte - 1, true) == 0, "kernels broadcast less");
    must(copies(collective::broadcast, megabyte, false) == 0, "and into buffers that are not registered");
    must(copies(collective::allgather, megabyte / 2, true) > 0, "copies gather a megabyte");
    must(copies(collective::allreduce, megabyte, true) == 0, "kernels carry an AllReduce");
    must((copies(collective::reduce, 64 * megabyte, false) > 0) == room, "copies over the host take part in a reduce");
}

/// An AllReduce of which kernels carry what goes over the link, where a tuning says so.
void shares_beside_kernels(const seat& s) {
    blink::tuning tuned;
    tuned.copies_all_reduce_from = tuned.host_share_all_reduce_from = 1 << 20;
    tuned.host_share_beside_kernels = 88;
    blink::communicator comm = s.join({.timeout = 30s, .tuned = tuned, .copy_room = true});
    needs_nvlink(comm);
    const blink::cuda::device_scope current(comm.device());
    for (const bool in_place : {false, true}) {
        process_trial<float, blink::sum> t(comm, {collective::allreduce, 20'000'003, 0, in_place, 1, 5});
        t.launch(comm.stream(), {.how = protocol::chunks});
        const std::string bits = t.result();
        const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
        for (const bool registered : {false, true}) {
            const blink::options choices{.into = registered ? &window : nullptr};
            const auto again = [&](const auto& launch) {
                t.reset();
                launch();
                t.judge();
                must(t.result() == bits, "the bits of chunks");
            };
            again([&] { t.launch(comm.stream(), choices); });
            const recorded_calls graph({comm.stream()}, [&] { t.launch(comm.stream(), choices); });
            again([&] { graph.replay(); });
            again([&] { t.launch(comm.stream(), choices); });
            again([&] { graph.replay(); });
        }
        must(copies_in(recorded_on(comm.stream(), [&] { t.launch(comm.stream()); })) > 0, "a part goes by copies");
        comm.unregister_buffer(window);
    }
    process_trial<double, blink::max> row(comm, {collective::allreduce, 600'001, 0, false, 0, 6});
    for (int call = 0; call < 50; ++call) { row.launch(comm.stream()); }
    row.judge();
}

/// Many calls in a row, of which none waits for the host.
void in_a_row(const seat& s) {
    blink::communicator comm = s.join(with_room);
    process_trial<float, blink::sum> a(comm, {collective::allreduce, 70001, 0, false, 0, 3});
    process_trial<std::int32_t, blink::sum> b(comm, {collective::allreduce, 3001, 0, false, 1, 4});
    for (int call = 0; call < 500; ++call) {
        a.launch(comm.stream(), by_copies(call % 2 == 0 ? 16 << 10 : 128 << 10));
        b.launch(comm.stream(), by_copies());
    }
    a.judge();
    b.judge();
}

void refused(const seat& s) {
    {
        blink::communicator bare = s.join();
        process_trial<float, blink::sum> t(bare, {collective::allreduce, 1001});
        must_throw<blink::usage_error>([&] { t.launch(bare.stream(), by_copies()); }, "copy_room");
    }
    blink::communicator comm = s.join(with_room);
    process_trial<float, sum_by_rank> prepared(comm, {collective::allreduce, 1001});
    must_throw<blink::usage_error>([&] { prepared.launch(comm.stream(), by_copies()); }, "prepares");
    process_trial<float, blink::sum> large(comm, {collective::reduce, 40'000'001});
    must_throw<blink::usage_error>([&] { large.launch(comm.stream(), by_copies(std::size_t{1} << 30)); }, "find room");
    check_call<float, blink::sum>(comm, {collective::allreduce, 100003}, by_copies(std::size_t{1} << 30));
}

void never_calls(const seat& s) {
    blink::communicator comm = s.join({.timeout = 3s, .copy_room = true});
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 200001});
    t.launch(comm.stream(), by_copies());
    t.judge();
    if (s.rank == s.size - 1) {
        std::this_thread::sleep_for(6s);
    } else {
        t.launch(comm.stream(), by_copies());
    }
    must_throw<blink::timeout_error>([&] { comm.synchronize(); }, "the call to be entered");
    must(comm.status() == blink::group_status::timed_out, "the status");
}

/// The last rank is killed where it sleeps, or where it calls again and again.
void killed(const seat& s, bool asleep) {
    blink::communicator comm = s.join(with_room);
    process_trial<float, blink::sum> t(comm, {collective::allreduce, 30'000'001});
    const auto begin = std::chrono::steady_clock::now();
    if (s.rank == s.size - 1 && asleep) { std::this_thread::sleep_for(600s); }
    must_throw<blink::peer_lost_error>(
        [&] {
            for (;;) {
                for (int call = 0; call < 20; ++call) { t.launch(comm.stream(), by_copies()); }
                comm.synchronize();
            }
        },
        "rank " + std::to_string(s.size - 1) + "'s process ended");
    must(std::chrono::steady_clock::now() - begin < 20s, "the end was noticed before the deadline of a kernel");
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<test_case> cases{
        {"copies carry reductions of any buffers", 2, reductions_of_any_buffers},
        {"few blocks combine what copies brought", 2, few_blocks},
        {"in place on one rank alone", 2, in_place_on_one_rank},
        {"copies move into registered buffers", 2, moves_into_registered_buffers},
        {"graph replays and eager calls mix", 2, graphs},
        {"a tuned size takes copies by itself", 2, [](const seat& s) { by_themselves(s, true); }},
        {"and without room where nothing is combined", 2, [](const seat& s) { by_themselves(s, false); }},
        {"a share over the host beside kernels", 2, shares_beside_kernels},
        {"a thousand calls in a row", 2, in_a_row},
        {"what copies cannot carry is refused", 2, refused},
        {"a rank never makes the call", 2, never_calls},
        {"a rank is killed while another waits for it", 2, [](const seat& s) { killed(s, true); }, 10},
        {"a rank is killed while it copies", 2, [](const seat& s) { killed(s, false); }, 10},
    };
    return run_cases(cases, argc, argv);
}
