// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Open files go from one process to others; each process is a real one.
#include <blink/communicator/descriptor_passing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "processes.hpp"

using namespace process_test;
using namespace std::chrono_literals;
using blink::net::descriptor;
using blink::net::descriptor_sender;
using blink::net::receive_descriptors;

namespace {

/// A file without a name that has this text in it.
descriptor file_with(const std::string& text) {
    descriptor file(::memfd_create("blink-test", MFD_CLOEXEC));
    if (!file.is_open() || ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        return {};
    }
    return file;
}

std::string text_in(const descriptor& file) {
    char text[64] = {};
    const ssize_t n = ::pread(file.get(), text, sizeof text, 0);
    return n < 0 ? "unreadable" : std::string(text, static_cast<std::size_t>(n));
}

std::string text_of(std::size_t i) { return "file " + std::to_string(i); }

/// What the files of a sender say, one behind the other; "refused" where not all came.
std::string texts_of(const std::string& name, std::size_t count, std::chrono::milliseconds patience = 20s) {
    std::string texts;
    const bool all = receive_descriptors(name, count, blink::net::clock::now() + patience, [&](descriptor file) {
        texts += text_in(file) + ";";
        return true;
    });
    return all ? texts : "refused";
}

std::string expected(std::size_t count) {
    std::string texts;
    for (std::size_t i = 0; i < count; ++i) { texts += text_of(i) + ";"; }
    return texts;
}

/// Descriptors that this process has open.
std::size_t open_files() {
    std::size_t open = 0;
    for (int fd = 0; fd < 1024; ++fd) { open += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0; }
    return open;
}

/// A pipe through which a process that was forked before is told a name.
struct name_line {
    name_line() { REQUIRE(::pipe(ends) == 0); }
    name_line(const name_line&) = delete;
    name_line& operator=(const name_line&) = delete;
    ~name_line() {
        for (const int end : ends) { (void)::close(end); }
    }
    void tell(const std::string& name) const {
        REQUIRE(::write(ends[1], name.data(), name.size()) == static_cast<ssize_t>(name.size()));
    }
    [[nodiscard]] std::string hear() const {
        char name[128] = {};
        const ssize_t n = ::read(ends[0], name, sizeof name);
        return n <= 0 ? "" : std::string(name, static_cast<std::size_t>(n));
    }
    int ends[2] = {-1, -1};
};

} // namespace

TEST_CASE("processes get the same files at the same time, more than any could have open") {
    constexpr std::size_t count = 3000;
    constexpr std::size_t receivers = 4;
    std::vector<name_line> lines(receivers);
    processes running;
    for (const name_line& line : lines) { // before this process has a thread
        running.start([&] {
            const std::size_t before = open_files();
            const std::string texts = texts_of(line.hear(), count);
            if (open_files() != before) { return std::string("files stay open"); }
            return texts == expected(count) ? std::string("right") : texts.substr(0, 200);
        });
    }
    const std::size_t before = open_files();
    {
        const descriptor_sender sender(count, [](std::size_t i) { return file_with(text_of(i)); });
        for (const name_line& line : lines) { line.tell(sender.name()); }
        for (int r = 0; r < static_cast<int>(receivers); ++r) { CHECK(running.said(r) == "right"); }
    }
    CHECK(open_files() == before);
}

TEST_CASE("a file is the sender's own, not a copy") {
    const descriptor own = file_with("before");
    processes running;
    const name_line line;
    running.start([&] {
        const bool all =
            receive_descriptors(line.hear(), 1, blink::net::clock::now() + 20s,
                                [](const descriptor& file) { return ::pwrite(file.get(), "behind", 6, 0) == 6; });
        return std::string(all ? "written" : "refused");
    });
    const descriptor_sender sender(1, [&](std::size_t /*i*/) { return descriptor(::dup(own.get())); });
    line.tell(sender.name());
    CHECK(running.said(0) == "written");
    CHECK(text_in(own) == "behind");
}

TEST_CASE("a list that is not complete is refused, and the sender goes on") {
    const std::size_t before = open_files();
    {
        const descriptor_sender sender(5, [](std::size_t i) { return i == 3 ? descriptor() : file_with(text_of(i)); });
        CHECK(texts_of(sender.name(), 5) == "refused");
        CHECK(texts_of(sender.name(), 3) == expected(3));
        int taken = 0;
        CHECK(!receive_descriptors(sender.name(), 3, blink::net::clock::now() + 20s,
                                   [&](const descriptor& /*file*/) { return ++taken < 2; }));
        CHECK(taken == 2);
        CHECK(texts_of(sender.name(), 3) == expected(3));
    }
    {
        const descriptor_sender sender(2, [](std::size_t i) { return file_with(text_of(i)); });
        CHECK(texts_of(sender.name(), 3) == "refused");
        CHECK(texts_of(sender.name(), 2) == expected(2));
        CHECK(texts_of(sender.name(), 0).empty());
    }
    CHECK(open_files() == before);
}

TEST_CASE("nobody is waited for in vain") {
    std::string gone;
    {
        const descriptor_sender sender(1, [](std::size_t i) { return file_with(text_of(i)); });
        gone = sender.name();
        CHECK(texts_of(gone, 1) == expected(1));
    }
    CHECK(texts_of(gone, 1) == "refused");
    const std::string silent = gone + "-silent";
    const blink::net::listener listens = blink::net::listen_local(silent);
    const auto begin = blink::net::clock::now();
    CHECK(texts_of(silent, 1, 50ms) == "refused");
    CHECK(blink::net::clock::now() - begin >= 50ms);
    CHECK(blink::net::clock::now() - begin < 10s);
}
