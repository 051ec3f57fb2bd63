// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Buffers that are not from cudaMalloc, in groups of one process: who may use them is asked, and the bits are the same.
#include <blink/communicator/cuda_exchange.cuh>

#include <cuda.h>
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "groups.cuh"
#include "mapped_buffer.cuh"
#include "pooled_buffer.cuh"

using namespace gpu_test;
using blink::collective;
using blink::cuda::all_may_use;
using blink::cuda::check;
using blink::cuda::device_scope;

namespace {

using numbers = blink::cuda::driver_numbers;
static_assert(numbers::is_managed == CU_POINTER_ATTRIBUTE_IS_MANAGED);
static_assert(numbers::device_ordinal == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
static_assert(numbers::is_legacy_ipc == CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE);
static_assert(numbers::pool_handle == CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE);
static_assert(numbers::read_write == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
static_assert(sizeof(CUdeviceptr) == sizeof(blink::cuda::access_driver::address));
static_assert(sizeof(CUmemLocation) == sizeof(cudaMemLocation) && sizeof(CUmemLocation::type) == sizeof(int));

enum class origin {
    plain,
    managed,
    pooled,      ///< other GPUs have no right to it
    pooled_open, ///< all GPUs have
    mapped,      ///< as `pooled`, of three pieces
    mapped_open
};

constexpr origin all_origins[] = {origin::plain,       origin::managed, origin::pooled,
                                  origin::pooled_open, origin::mapped,  origin::mapped_open};

/// A buffer of any origin on one GPU.
class any_buffer {
  public:
    any_buffer(origin from, int device, std::size_t bytes, const std::vector<int>& all) {
        const device_scope current(device);
        std::vector<int> others;
        for (const int d : all) {
            if (d != device) { others.push_back(d); }
        }
        if (from == origin::plain || from == origin::managed) {
            void* p = nullptr;
            check(from == origin::plain ? cudaMalloc(&p, bytes) : cudaMallocManaged(&p, bytes), "cudaMalloc");
            whole_ = std::shared_ptr<void>(p, [](void* m) { (void)cudaFree(m); });
            data_ = p;
        } else if (from == origin::pooled || from == origin::pooled_open) {
            auto made = std::make_shared<pooled_buffer>(device, bytes, false,
                                                        from == origin::pooled_open ? others : std::vector<int>{});
            data_ = made->data<void>();
            whole_ = made;
        } else {
            const std::size_t granules = bytes / (std::size_t{2} << 20) + 1;
            auto made = std::make_shared<mapped_buffer>(device, std::vector<std::size_t>{1, granules, 2}, false,
                                                        from == origin::mapped_open ? others : std::vector<int>{});
            data_ = made->data<std::byte>() + 4096; // over the ends of pieces where it is long
            whole_ = made;
        }
    }
    template <class T>
    [[nodiscard]] T* data() const {
        return static_cast<T*>(data_);
    }

  private:
    std::shared_ptr<void> whole_;
    void* data_ = nullptr;
};

std::vector<int> devices_of(const blink::cuda_group& group) {
    std::vector<int> devices;
    for (int r = 0; r < group.size(); ++r) { devices.push_back(group.device(r)); }
    return devices;
}

/// Random buffers of one call, inputs of one origin and outputs of another; both on the ranks' GPUs.
class call_buffers {
  public:
    call_buffers(const blink::cuda_group& group, origin in, origin out, std::size_t in_count, std::size_t out_count)
        : out_count_(out_count) {
        const std::vector<int> all = devices_of(group);
        std::uint32_t seed = 7;
        std::vector<float> values(in_count);
        for (const int d : all) {
            const device_scope current(d);
            ins_.emplace_back(in, d, in_count * sizeof(float), all);
            outs_.emplace_back(out, d, out_count * sizeof(float), all);
            for (float& v : values) { v = static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) * 0x1p-24F; }
            check(cudaMemcpy(ins_.back().data<float>(), values.data(), in_count * sizeof(float), cudaMemcpyDefault),
                  "cudaMemcpy");
            check(cudaMemset(outs_.back().data<float>(), 0xC5, out_count * sizeof(float)), "cudaMemset");
            check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
            from.push_back(ins_.back().data<const float>());
            to.push_back(outs_.back().data<float>());
        }
    }

    /// The bits of all outputs.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> results(blink::cuda_group& group) const {
        group.synchronize();
        std::vector<std::vector<std::uint32_t>> all;
        for (int r = 0; r < group.size(); ++r) {
            const device_scope current(group.device(r)); // others may have no right to it
            all.emplace_back(out_count_);
            check(cudaMemcpy(all.back().data(), to[static_cast<std::size_t>(r)], out_count_ * sizeof(float),
                             cudaMemcpyDefault),
                  "cudaMemcpy");
        }
        return all;
    }

    std::vector<const float*> from;
    std::vector<float*> to;

  private:
    std::size_t out_count_;
    std::vector<any_buffer> ins_, outs_;
};

using bits = std::vector<std::vector<std::uint32_t>>;

bits bits_of(blink::cuda_group& group, collective kind, std::size_t count, origin in, origin out,
             const blink::options& choices) {
    const call_buffers b(group, in, out, blink::input_count(kind, group.size(), count),
                         blink::output_count(kind, group.size(), count));
    for (int twice = 0; twice < 2; ++twice) { group.run<float>(kind, 0, b.from, b.to, count, blink::sum{}, choices); }
    return b.results(group);
}

bits bits_of(blink::cuda_group& group, const blink::exchange& e, origin in, origin out) {
    const call_buffers b(group, in, out, blink::input_count(e), blink::output_count(e));
    for (int twice = 0; twice < 2; ++twice) {
        group.run<float>(e, std::span<const float* const>(b.from), std::span<float* const>(b.to));
    }
    return b.results(group);
}

/// By rank how many words differ.
std::vector<std::size_t> differing(const bits& a, const bits& b) {
    std::vector<std::size_t> counts;
    for (std::size_t r = 0; r < a.size(); ++r) {
        counts.push_back(0);
        for (std::size_t i = 0; i < a[r].size(); ++i) { counts.back() += a[r][i] != b[r][i] ? 1 : 0; }
    }
    return counts;
}

void check_same(const bits& a, const bits& b) {
    REQUIRE(a.size() == b.size());
    const std::vector<std::size_t> counts = differing(a, b);
    for (std::size_t r = 0; r < counts.size(); ++r) {
        CAPTURE(r);
        CHECK(counts[r] == 0);
    }
}

void check_all_origins(blink::cuda_group& group) {
    for (const origin from : all_origins) {
        CAPTURE(static_cast<int>(from));
        for (const std::size_t count : {100, 30'001, 700'001}) {
            CAPTURE(count);
            for (const auto how : {blink::protocol::automatic, blink::protocol::chunks}) {
                for (const collective kind : {collective::allreduce, collective::broadcast, collective::reduce,
                                              collective::allgather, collective::reduce_scatter}) {
                    CAPTURE(to_string(kind));
                    const bits plain = bits_of(group, kind, count, origin::plain, origin::plain, {.how = how});
                    check_same(bits_of(group, kind, count, from, origin::plain, {.how = how}), plain);
                    check_same(bits_of(group, kind, count, origin::plain, from, {.how = how}), plain);
                }
            }
            const blink::exchange e = blink::make_alltoall(group.size(), count);
            const bits plain = bits_of(group, e, origin::plain, origin::plain);
            check_same(bits_of(group, e, from, from), plain);
        }
    }
}

} // namespace

TEST_CASE("memory of every origin gives the same bits on one GPU" * doctest::skip(!one_gpu())) {
    blink::cuda_group group({.ranks = 3, .machine = blink::topology(blink::dgx1v), .virtual_ranks = 3});
    check_all_origins(group);
}

TEST_CASE("memory of every origin gives the same bits, whoever may use it" * doctest::skip(!two_gpus())) {
    check_all_origins(real_gpus());
}

TEST_CASE("rights to memory are asked each time" * doctest::skip(!two_gpus())) {
    blink::cuda_group& group = real_gpus();
    const std::vector<int> all = devices_of(group);
    const int own[] = {0};
    const std::size_t bytes = 5 << 20;
    const blink::cuda::peer_reach open{[](const void* /*of*/, int /*from*/, int /*to*/) { return true; }, nullptr};
    const blink::cuda::peer_reach closed{[](const void* /*of*/, int /*from*/, int /*to*/) { return false; }, nullptr};
    const any_buffer plain(origin::plain, 0, bytes, all);
    CHECK(all_may_use(plain.data<void>(), bytes, all, open));
    CHECK(!all_may_use(plain.data<void>(), bytes, all, closed));
    CHECK(all_may_use(plain.data<void>(), bytes, own, closed));
    CHECK(all_may_use(any_buffer(origin::managed, 0, bytes, all).data<void>(), bytes, all, closed));
    CHECK(all_may_use(any_buffer(origin::pooled_open, 0, bytes, all).data<void>(), bytes, all, closed));
    CHECK(all_may_use(any_buffer(origin::mapped_open, 0, bytes, all).data<void>(), bytes, all, closed));
    CHECK(!all_may_use(any_buffer(origin::mapped, 0, bytes, all).data<void>(), bytes, all, open));
    CHECK(all_may_use(any_buffer(origin::mapped, 0, bytes, all).data<void>(), bytes, own, open));
    const pooled_buffer pooled(0, bytes, false);
    CHECK(!all_may_use(pooled.data<void>(), bytes, all, open));
    CHECK(all_may_use(pooled.data<void>(), bytes, own, open));
    pooled.open_to({all.begin() + 1, all.end()});
    CHECK(all_may_use(pooled.data<void>(), bytes, all, open));
    std::vector<float> host(10);
    CHECK(!all_may_use(host.data(), 40, own, open));
    // The right to a part of a range is no right to the whole.
    mapped_buffer range(0, {1, 1, 1}, false, {all.begin() + 1, all.end()});
    range.close(1);
    CHECK(all_may_use(range.data<std::byte>(), range.offset(1), all, closed));
    CHECK(!all_may_use(range.data<std::byte>(), range.offset(1) + 1, all, closed));
    CHECK(!all_may_use(range.data<std::byte>() + range.offset(1), 1, all, closed));
    CHECK(all_may_use(range.data<std::byte>() + range.offset(2), range.bytes() - range.offset(2), all, closed));
    CHECK(!all_may_use(range.data<std::byte>() + range.offset(2), range.bytes(), all, closed)); // behind its end
}

TEST_CASE("parents pull from memory that all GPUs may use, and from no other" * doctest::skip(!two_gpus())) {
    blink::cuda_group& group = real_gpus();
    const blink::options pull{.how = blink::protocol::pull};
    const std::size_t count = 300'001;
    for (const collective kind : {collective::allreduce, collective::reduce}) {
        const bits plain = bits_of(group, kind, count, origin::plain, origin::plain, pull);
        for (const origin from : {origin::managed, origin::pooled_open, origin::mapped_open}) {
            check_same(bits_of(group, kind, count, from, from, pull), plain);
        }
        for (const origin from : {origin::pooled, origin::mapped}) {
            CHECK_THROWS_AS(bits_of(group, kind, count, from, origin::plain, pull), blink::usage_error);
        }
    }
}

TEST_CASE("copies take memory that all GPUs may use, and no other" * doctest::skip(!two_gpus())) {
    blink::cuda_group& group = real_gpus();
    const blink::options copies{.how = blink::protocol::copies};
    const std::size_t count = 3'000'001;
    const collective kind = collective::allgather;
    const bits plain = bits_of(group, kind, count, origin::plain, origin::plain, copies);
    for (const origin from : {origin::pooled_open, origin::mapped_open}) {
        check_same(bits_of(group, kind, count, from, from, copies), plain);
    }
    for (const origin from : {origin::pooled, origin::mapped}) {
        CHECK_THROWS_AS(bits_of(group, kind, count, from, origin::plain, copies), blink::usage_error);
        CHECK_THROWS_AS(bits_of(group, kind, count, origin::plain, from, copies), blink::usage_error);
        check_same(bits_of(group, kind, 20'000'001, from, from, {}),
                   bits_of(group, kind, 20'000'001, origin::plain, origin::plain, {}));
    }
}

TEST_CASE("calls on closed memory are captured, in turn with others" * doctest::skip(!two_gpus())) {
    blink::cuda_group group;
    const std::size_t count = 700'001;
    const call_buffers closed(group, origin::mapped, origin::mapped, count, count);
    const call_buffers open(group, origin::plain, origin::mapped_open, count, count);
    const bits expected = bits_of(group, collective::allreduce, count, origin::plain, origin::plain, {});
    const blink::options chunks{.how = blink::protocol::chunks};
    const auto launch = [&](const call_buffers& b) {
        group.run<float>(collective::allreduce, 0, b.from, b.to, count, blink::sum{}, chunks);
    };
    std::vector<cudaGraph_t> graphs(static_cast<std::size_t>(group.size()), nullptr);
    std::vector<cudaGraphExec_t> runnable(graphs.size(), nullptr);
    for (int r = 0; r < group.size(); ++r) {
        check(cudaStreamBeginCapture(group.stream(r), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    }
    launch(closed);
    launch(open);
    launch(closed);
    for (std::size_t r = 0; r < graphs.size(); ++r) {
        check(cudaStreamEndCapture(group.stream(static_cast<int>(r)), &graphs[r]), "cudaStreamEndCapture");
        check(cudaGraphInstantiate(&runnable[r], graphs[r], 0), "cudaGraphInstantiate");
    }
    for (int round = 0; round < 3; ++round) {
        launch(open);
        for (std::size_t r = 0; r < graphs.size(); ++r) {
            const int rank = static_cast<int>(r);
            const device_scope current(group.device(rank));
            check(cudaGraphLaunch(runnable[r], group.stream(rank)), "cudaGraphLaunch");
        }
        launch(closed);
        check_same(closed.results(group), expected);
        check_same(open.results(group), expected);
    }
    for (std::size_t r = 0; r < graphs.size(); ++r) {
        check(cudaGraphExecDestroy(runnable[r]), "cudaGraphExecDestroy");
        check(cudaGraphDestroy(graphs[r]), "cudaGraphDestroy");
    }
}
