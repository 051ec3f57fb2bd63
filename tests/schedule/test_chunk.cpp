// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/schedule/chunk.hpp>

#include <doctest/doctest.h>

#include <memory>

using namespace blink::literals;

namespace {

struct options {
    blink::chunk_choice chunk{};
    double slack = 0.05;
};

struct counting {
    int* observed;
    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane) const { return lane / 2; }
    void observe(std::size_t, double) const { ++*observed; }
};

struct no_policy {
    [[nodiscard]] std::size_t chunk_bytes(std::size_t lane) const { return lane; }
};

static_assert(blink::chunk_policy<blink::chunk_choice>);
static_assert(blink::chunk_policy<counting>);
static_assert(!blink::chunk_policy<no_policy>);
static_assert(!std::is_convertible_v<no_policy, blink::chunk_choice>);

} // namespace

TEST_CASE("a fixed chunk has its size whatever it observes") {
    const blink::fixed_chunk policy{64_KiB};
    policy.observe(1_MiB, 1e-3);
    CHECK(policy.chunk_bytes(1) == 64_KiB);
    CHECK(policy.chunk_bytes(1_GiB) == 64_KiB);
    CHECK_THROWS_WITH_AS((void)blink::fixed_chunk{0}.chunk_bytes(1),
                         "fixed_chunk: chunks of 0 bytes never end; expected 1 or more", blink::usage_error);
}

TEST_CASE("an automatic chunk grows with the root of the lane between its limits") {
    const blink::automatic_chunk policy;
    CHECK(policy.chunk_bytes(16_MiB) == 1_MiB);
    CHECK(policy.chunk_bytes(4_MiB) == 512_KiB);
    CHECK(policy.chunk_bytes(0) == policy.smallest);
    CHECK(policy.chunk_bytes(64_GiB) == policy.largest);
}

TEST_CASE("options take any policy by name and leave the choice open by default") {
    const options open{};
    CHECK(open.chunk.is_automatic());
    CHECK(open.chunk.chunk_bytes(16_MiB) == 1_MiB);
    const options fixed{.chunk = blink::fixed_chunk{64_KiB}, .slack = 0.0};
    CHECK_FALSE(fixed.chunk.is_automatic());
    CHECK(fixed.chunk.chunk_bytes(16_MiB) == 64_KiB);
    int observed = 0;
    options user{.chunk = counting{&observed}};
    user.chunk.observe(1, 1);
    CHECK(user.chunk.chunk_bytes(10) == 5);
    CHECK(observed == 1);
}

TEST_CASE("a choice made of a pointer or a reference learns for its owner") {
    const auto shared = std::make_shared<blink::miad_chunk>(blink::miad_options{.samples = 1});
    blink::chunk_choice by_pointer = shared;
    by_pointer.observe(100_MiB, 1e-2);
    CHECK(shared->best_GBps() == doctest::Approx(10.48576));
    CHECK(by_pointer.chunk_bytes(100_MiB) == 2_MiB);

    blink::miad_chunk own{{.samples = 1}};
    options by_reference{.chunk = std::ref(own)};
    const options copy = by_reference;
    by_reference.chunk.observe(100_MiB, 1e-2);
    CHECK(own.chunk_bytes(100_MiB) == 2_MiB);
    CHECK(copy.chunk.chunk_bytes(100_MiB) == 2_MiB);
    CHECK_THROWS_AS(blink::chunk_choice(std::shared_ptr<blink::miad_chunk>{}), blink::usage_error);
}

TEST_CASE("a box says whether its policy learns") {
    CHECK_FALSE(blink::chunk_choice{}.learns());
    CHECK_FALSE(blink::chunk_choice{blink::fixed_chunk{4096}}.learns());
    CHECK_FALSE(blink::chunk_choice{blink::automatic_chunk{}}.learns());
    CHECK(blink::chunk_choice{blink::miad_chunk{}}.learns());
}
