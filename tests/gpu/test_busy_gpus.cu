// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/machines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "drawn_calls.cuh"
#include "groups.cuh"
#include "trial.cuh"

using namespace gpu_test;
using blink::collective;
using clock_type = std::chrono::steady_clock;

namespace {

double milliseconds_since(clock_type::time_point start) {
    return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

/// Each block says that it is there, in a word of its own, and stays for `ns`, or until `leave` is set.
__global__ void stay(volatile unsigned* there, const volatile unsigned* leave, std::uint64_t ns) {
    if (threadIdx.x != 0) { return; }
    const std::uint64_t start = blink::cuda::gpu_machine::now_ns();
    there[blockIdx.x] = 1;
    while (blink::cuda::gpu_machine::now_ns() - start < ns && *leave == 0) {}
}

/// Blocks that hold multiprocessors of one GPU. What allocates is done before they start, since the driver may wait for
/// what runs.
class occupant {
  public:
    /// @param stream where it stays; null: on one of its own
    explicit occupant(int device, cudaStream_t stream = nullptr) : device_(device), stream_(stream) {
        const blink::cuda::device_scope current(device);
        check(
            cudaHostAlloc(&words_, (most_blocks + 1) * sizeof(unsigned), cudaHostAllocPortable | cudaHostAllocMapped));
        std::fill_n(words_, most_blocks + 1, 0U);
        if (stream == nullptr) {
            check(cudaStreamCreateWithFlags(&own_stream_, cudaStreamNonBlocking));
            stream_ = own_stream_;
        }
    }

    ~occupant() {
        open();
        const blink::cuda::device_scope current(device_);
        (void)cudaDeviceSynchronize();
        if (own_stream_ != nullptr) { (void)cudaStreamDestroy(own_stream_); }
        (void)cudaFreeHost(words_);
    }
    occupant(const occupant&) = delete;
    occupant& operator=(const occupant&) = delete;

    /// @param spared multiprocessors that stay free; each other one is filled by a block that takes all shared memory
    void fill(int spared, std::chrono::nanoseconds time) {
        const blink::cuda::device_scope current(device_);
        int multiprocessors = 0;
        int shared = 0;
        check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device_));
        check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_));
        check(cudaFuncSetAttribute(stay, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
        start(static_cast<unsigned>(multiprocessors - spared), static_cast<std::size_t>(shared), time);
    }

    /// What follows on the stream waits until `open`, 5 s at most.
    void close() { start(1, 0, std::chrono::seconds(5)); }
    void open() { *static_cast<volatile unsigned*>(words_) = 1; }

    /// Whether all blocks run, after a while.
    [[nodiscard]] bool in_place() const {
        const auto start = clock_type::now();
        for (unsigned block = 0; block < blocks_; ++block) {
            while (static_cast<volatile unsigned*>(words_)[1 + block] == 0) {
                if (milliseconds_since(start) > 2000) { return false; }
            }
        }
        return true;
    }

  private:
    static constexpr unsigned most_blocks = 1024;

    void start(unsigned blocks, std::size_t shared, std::chrono::nanoseconds time) {
        const blink::cuda::device_scope current(device_);
        blocks_ = std::min(blocks, most_blocks);
        stay<<<blocks_, 32, shared, stream_>>>(words_ + 1, words_, static_cast<std::uint64_t>(time.count()));
        check(cudaGetLastError());
    }

    static void check(cudaError_t status) { blink::cuda::check(status, "an occupant of the test"); }

    int device_;
    unsigned blocks_ = 0;
    unsigned* words_ = nullptr; ///< in host memory: whether to leave; behind it, by block, who is there
    cudaStream_t stream_ = nullptr;
    cudaStream_t own_stream_ = nullptr;
};

/// Calls beside blocks that hold all but a few multiprocessors.
void check_beside_occupants(blink::cuda_group& group, const std::vector<int>& devices, bool pulls) {
    caller calls(group, 8, pulls);
    const auto batch = [&](int count) {
        for (int i = 0; i < count; ++i) { calls.call<float>(blink::sum{}); }
    };
    batch(150); // kernels are loaded, plans made
    REQUIRE(calls.wrong() == 0);
    for (const int spared : {0, 1, 2, 16}) {
        CAPTURE(spared);
        CAPTURE(devices.size());
        std::vector<std::unique_ptr<occupant>> there;
        for (const int d : devices) { there.push_back(std::make_unique<occupant>(d)); }
        for (const auto& o : there) { o->fill(spared, std::chrono::milliseconds(300)); }
        for (const auto& o : there) { CHECK(o->in_place()); }
        const auto start = clock_type::now();
        batch(25);
        CHECK(calls.wrong() == 0);
        MESSAGE(spared << " multiprocessors left on " << devices.size() << " GPU(s): 25 calls took "
                       << milliseconds_since(start) << " ms");
    }
}

/// Three groups on all GPUs. Each takes few blocks, so that those of all, and the kernels that wait in place for their
/// turn, fit on the GPUs at once.
struct three_groups {
    std::vector<std::unique_ptr<blink::cuda_group>> groups;
    std::vector<std::unique_ptr<caller>> callers;

    three_groups() {
        for (unsigned i = 0; i < 3; ++i) {
            groups.push_back(std::make_unique<blink::cuda_group>(blink::group_options{.blocks = 20}));
            callers.push_back(std::make_unique<caller>(*groups.back(), 30 + i, true));
        }
    }
};

/// How two groups fared that each fill the GPUs.
struct fate {
    bool timed_out = false;
    bool right = false;
    std::string text = "right";

    explicit fate(trial<float, blink::sum>& t) {
        try {
            right = t.judged().clean();
            if (!right) { text = "wrong"; }
        } catch (const blink::timeout_error& e) {
            timed_out = true;
            text = e.what();
        }
    }
};

} // namespace

TEST_CASE("calls beside a kernel that fills the GPU are right on virtual ranks" * doctest::skip(!one_gpu())) {
    blink::cuda_group group({.machine = blink::topology(blink::dgx1v), .gpus = {0, 3}, .virtual_ranks = 2});
    check_beside_occupants(group, {0}, true);
}

TEST_CASE("calls beside a kernel that fills the GPUs are right between GPUs" * doctest::skip(!two_gpus())) {
    check_beside_occupants(real_gpus(), {0, 1}, true);
    check_beside_occupants(real_gpus(), {1}, true);
}

TEST_CASE("three groups in turns from one thread are right between GPUs" * doctest::skip(!two_gpus())) {
    three_groups three;
    for (int i = 0; i < 200; ++i) {
        for (const auto& c : three.callers) { c->call<float>(blink::sum{}); }
    }
    for (const auto& c : three.callers) { CHECK(c->wrong() == 0); }
}

TEST_CASE("three groups from a thread each are right between GPUs" * doctest::skip(!two_gpus())) {
    three_groups three;
    std::vector<std::future<unsigned>> threads;
    for (const auto& c : three.callers) {
        threads.push_back(std::async(std::launch::async, [&calls = *c] {
            for (int i = 0; i < 300; ++i) { calls.call<float>(blink::sum{}); }
            return calls.wrong();
        }));
    }
    for (auto& t : threads) { CHECK(t.get() == 0); }
}

/// Each group fills one GPU first and waits there for its other ranks, which find no room on the GPU that the other
/// group has filled. The deadline ends that with `timeout_error`; which group runs into it first is open, and the other
/// one may go on in the room that is left then. Who runs several groups at once gives them few blocks, as above.
TEST_CASE("two groups that keep each other off the GPUs end by the deadline" * doctest::skip(!two_gpus())) {
    blink::tuning greedy;
    greedy.most_blocks = blink::cuda::max_blocks;
    const blink::group_options all{.timeout = std::chrono::milliseconds(500), .tuned = greedy};
    blink::cuda_group a(all);
    blink::cuda_group b(all);
    const trial_shape shape{.count = std::size_t{8} << 20, .seed = 31};
    trial<float, blink::sum> of_a(a, collective::allreduce, shape);
    trial<float, blink::sum> of_b(b, collective::allreduce, shape);
    const blink::options chunks{.how = blink::protocol::chunks};
    for (trial<float, blink::sum>* t : {&of_a, &of_b}) {
        t->launch(chunks);
        REQUIRE(t->judged().clean());
        t->reset();
    }
    a.synchronize();
    b.synchronize();
    const auto start = clock_type::now();
    {
        occupant gate_of_a(a.device(1), a.stream(1));
        occupant gate_of_b(b.device(0), b.stream(0));
        gate_of_a.close();
        gate_of_b.close();
        CHECK(gate_of_a.in_place());
        CHECK(gate_of_b.in_place());
        for (trial<float, blink::sum>* t : {&of_a, &of_b}) {
            t->launch(chunks);
            t->launch(chunks); // takes what room is left, and waits for its turn
        }
        const auto filled = clock_type::now();
        while (milliseconds_since(filled) < 50) {}
        gate_of_a.open();
        gate_of_b.open();
    }
    const fate one(of_a);
    const fate other(of_b);
    CHECK((one.timed_out || one.right));
    CHECK((other.timed_out || other.right));
    CHECK(milliseconds_since(start) < 5000);
    MESSAGE("one: " << one.text << "; other: " << other.text);
}
