// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How collectives call a group of which this process drives one rank.
#include <blink/allgather.hpp>
#include <blink/allreduce.hpp>
#include <blink/broadcast.hpp>
#include <blink/communicator/rank_buffer.hpp>
#include <blink/reduce.hpp>
#include <blink/reduce_scatter.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

using blink::collective;

namespace {

struct some_stream;

/// Keeps what it was told.
struct listening_rank {
    using stream_type = some_stream*;

    [[nodiscard]] int rank() const { return 1; }
    [[nodiscard]] int size() const { return 3; }
    [[nodiscard]] blink::group_status status() const { return blink::group_status::ready; }
    template <blink::element T, blink::collective_operator<T> Op>
    void run(collective k, int r, const T* i, T* o, std::size_t n, const Op& /*op*/, const blink::options& choices,
             std::optional<stream_type> s) {
        kind = k;
        root = r;
        in = i;
        out = o;
        count = n;
        max_trees = choices.max_trees;
        stream = s;
        takes_max = std::is_same_v<Op, blink::max>;
    }
    void synchronize() {}
    void abort() {}

    collective kind{};
    int root = -1;
    const void* in = nullptr;
    const void* out = nullptr;
    std::size_t count = 0;
    int max_trees = -1;
    std::optional<stream_type> stream;
    bool takes_max = false;
};

struct no_stream {
    [[nodiscard]] int rank() const { return 0; }
};

static_assert(blink::one_rank_group<listening_rank> && !blink::one_rank_group<no_stream> &&
              !blink::one_rank_group<blink::host_group> && !blink::rank_group<listening_rank>);

} // namespace

TEST_CASE("a collective hands one rank's buffers, options and stream on") {
    listening_rank comm;
    std::vector<float> from(4);
    std::vector<float> to(4);
    auto* const stream = reinterpret_cast<some_stream*>(from.data());
    const auto heard = [&](collective kind, const void* in, const void* out, int root, int trees, bool on_stream) {
        CHECK(comm.kind == kind);
        CHECK(comm.in == in);
        CHECK(comm.out == out);
        CHECK(comm.count == 4);
        CHECK(comm.root == root);
        CHECK(comm.max_trees == trees);
        CHECK(comm.stream == (on_stream ? std::optional(stream) : std::nullopt));
        comm = {};
    };
    const float* const in = from.data();
    float* const out = to.data();
    blink::allreduce(comm, in, out, 4);
    heard(collective::allreduce, in, out, 0, 0, false);
    blink::allreduce(comm, out, out, 4, blink::max{}, stream);
    CHECK(comm.takes_max);
    heard(collective::allreduce, out, out, 0, 0, true);
    blink::allreduce(comm, in, out, 4, blink::max{}, {.max_trees = 3});
    heard(collective::allreduce, in, out, 0, 3, false);
    blink::allreduce(comm, in, out, 4, blink::sum{}, {.max_trees = 2}, stream);
    heard(collective::allreduce, in, out, 0, 2, true);
    blink::broadcast(comm, nullptr, out, 4, 2, stream);
    heard(collective::broadcast, nullptr, out, 2, 0, true);
    blink::broadcast(comm, in, out, 4, 1, {.max_trees = 1}, stream);
    heard(collective::broadcast, in, out, 1, 1, true);
    blink::reduce(comm, in, nullptr, 4, blink::max{}, 2, stream);
    CHECK(comm.takes_max);
    heard(collective::reduce, in, nullptr, 2, 0, true);
    blink::reduce(comm, from.data(), out, 4);
    heard(collective::reduce, in, out, 0, 0, false);
    blink::allgather(comm, in, out, 4, stream);
    heard(collective::allgather, in, out, 0, 0, true);
    blink::allgather(comm, in, out, 4, {.max_trees = 5});
    heard(collective::allgather, in, out, 0, 5, false);
    blink::reduce_scatter(comm, in, out, 4, blink::max{}, stream);
    CHECK(comm.takes_max);
    heard(collective::reduce_scatter, in, out, 0, 0, true);
    blink::reduce_scatter(comm, in, out, 4);
    heard(collective::reduce_scatter, in, out, 0, 0, false);
}

TEST_CASE("the buffer of one rank is filled, assigned and read") {
    blink::rank_buffer<int> buffer(std::make_shared<blink::host_memory>(), 5);
    CHECK(buffer.read() == std::vector<int>(5, 0));
    buffer.fill(7);
    CHECK(buffer.data()[4] == 7);
    buffer.fill([](std::size_t i) { return static_cast<int>(i); });
    CHECK(buffer.read() == std::vector<int>{0, 1, 2, 3, 4});
    buffer.assign(std::vector<int>{5, 4, 3, 2, 1});
    CHECK(buffer.data()[0] == 5);
    CHECK_THROWS_AS(buffer.assign(std::vector<int>(4)), blink::usage_error);
    CHECK(buffer.bytes() == 5 * sizeof(int));
}
