// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/communicator/descriptor_passing.hpp>
#include <blink/communicator/shared_memory.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "processes.hpp"

using blink::shared_memory;

TEST_CASE("memory is mapped, zero, and goes where it is moved") {
    shared_memory one = shared_memory::make(100000);
    REQUIRE(one.is_mapped());
    CHECK(one.bytes() == 100000);
    CHECK(one.begin()[99999] == std::byte{0});
    one.begin()[5] = std::byte{7};
    shared_memory other = std::move(one);
    CHECK_FALSE(one.is_mapped());
    CHECK(other.begin()[5] == std::byte{7});
    CHECK_FALSE(shared_memory::make(0).is_mapped());
}

TEST_CASE("another process sees it, also when its maker has gone") {
    shared_memory own = shared_memory::make(5000);
    REQUIRE(own.is_mapped());
    std::optional<blink::net::descriptor_sender> sender;
    sender.emplace(1, [&own](std::size_t) { return own.file(); });
    process_test::processes running;
    const int reader = running.start([&] {
        shared_memory seen;
        const bool came = blink::net::receive_descriptors(
            sender->name(), 1, blink::net::clock::now() + std::chrono::seconds(20), [&](blink::net::descriptor file) {
                seen = shared_memory::of(std::move(file), 5000);
                return seen.is_mapped();
            });
        if (!came) { return std::string("nothing came"); }
        seen.begin()[4999] = std::byte{42};
        return std::string("stored");
    });
    CHECK(running.said(reader) == "stored");
    CHECK(own.begin()[4999] == std::byte{42});
    sender.reset(); // its thread looks at the memory
    shared_memory again = shared_memory::of(own.file(), 5000);
    own = {};
    REQUIRE(again.is_mapped());
    CHECK(again.begin()[4999] == std::byte{42});
}

TEST_CASE("a file of another length is not mapped") {
    const shared_memory own = shared_memory::make(5000);
    CHECK_FALSE(shared_memory::of(own.file(), 5001).is_mapped());
    CHECK_FALSE(shared_memory::of(own.file(), 4999).is_mapped());
    CHECK_FALSE(shared_memory::of({}, 5000).is_mapped());
}
