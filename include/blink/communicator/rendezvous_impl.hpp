// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the members of `rendezvous`.
#pragma once

#include <blink/communicator/gathering.hpp>
#include <blink/communicator/rendezvous.hpp>
#include <blink/communicator/rendezvous_file.hpp>
#include <blink/core/error.hpp>

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

/// @throw usage_error for a text that is no number from `least` to `most`
[[nodiscard]] inline int number_from(std::string_view text, int least, int most, const std::string& what) {
    int n = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (status != std::errc{} || end != text.data() + text.size() || n < least || n > most) {
        throw usage_error(what + " is '" + std::string(text) + "': expected a number from " + std::to_string(least) +
                          " to " + std::to_string(most));
    }
    return n;
}

[[nodiscard]] inline std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw usage_error("rendezvous 'env:' needs " + std::string(name) + ", which is not set");
    }
    return value;
}

/// Rank 0 at a file.
[[nodiscard]] inline std::vector<net::connection> gather_at_file(const std::string& path, int size,
                                                                 std::chrono::milliseconds timeout) {
    const rendezvous_file before = read_rendezvous(path);
    if (before.is_foreign) {
        throw usage_error("file:" + path + ": there is something else already; name a file that is not there");
    }
    std::string why;
    if (before.note) {
        // Who wrote it may live. Then this one is a second rank 0, and the other is told.
        if (auto other = net::connect_local(before.note->socket, why)) {
            (void)other->send(hello_frame(before.note->token, 0, size), net::clock::now() + std::chrono::seconds{1});
            throw usage_error("file:" + path + ": two processes say that they are rank 0");
        }
    }
    const rendezvous_note note{host_name(), "blink-" + random_name(), random_name()};
    gathering others(net::listen_local(note.socket), note.token, size, timeout);
    write_rendezvous(path, note);
    const struct remover {
        const std::string& path;
        const rendezvous_note& note;
        ~remover() { remove_rendezvous(path, note); }
    } at_the_end{path, note};
    return others.all();
}

[[nodiscard]] inline net::connection join_at_file(const std::string& path, int rank, int size,
                                                  std::chrono::milliseconds timeout) {
    const auto knock = [&](net::clock::time_point, std::string& token, std::string& why) {
        const rendezvous_file file = read_rendezvous(path);
        std::optional<net::connection> c;
        if (!file.note) {
            why = file.is_foreign ? "the file holds something else" : "rank 0 has not written the file";
            return c;
        }
        token = file.note->token;
        c = net::connect_local(file.note->socket, why);
        if (!c) {
            why = file.note->host == host_name()
                      ? "the process that wrote the file is gone"
                      : "a process on " + file.note->host + " wrote the file, this is " + host_name();
        }
        return c;
    };
    return join(rank, size, "file:" + path, timeout, knock);
}

} // namespace detail

BLINK_INLINE rendezvous::rendezvous(std::string address, std::chrono::milliseconds timeout)
    : address_(std::move(address)), timeout_(timeout) {
    const std::string name = "rendezvous '" + address_ + "'";
    if (timeout_ <= std::chrono::milliseconds::zero()) {
        throw usage_error(name + ": a timeout of " + std::to_string(timeout_.count()) + " ms");
    }
    if (address_.starts_with("file:")) {
        path_ = address_.substr(5);
        if (path_.empty()) { throw usage_error(name + " names no file"); }
        return;
    }
    way_ = way::tcp;
    if (address_.starts_with("env:")) {
        host_ = detail::variable("MASTER_ADDR");
        port_ = address_.size() > 4 ? address_.substr(4) : detail::variable("MASTER_PORT");
        size_ = detail::number_from(detail::variable("WORLD_SIZE"), 1, 1 << 20, "WORLD_SIZE");
        rank_ = detail::number_from(detail::variable("RANK"), 0, *size_ - 1, "RANK");
    } else if (address_.starts_with("tcp://")) {
        const std::string rest = address_.substr(6);
        const std::size_t colon = rest.rfind(':');
        if (colon == std::string::npos || colon == 0) { throw usage_error(name + ": expected tcp://HOST:PORT"); }
        host_ = rest.substr(0, colon);
        port_ = rest.substr(colon + 1);
        if (host_.starts_with('[') && host_.ends_with(']')) { host_ = host_.substr(1, host_.size() - 2); }
        if (host_.empty()) { throw usage_error(name + " names no host"); }
    } else {
        throw usage_error(name + ": expected file:PATH, tcp://HOST:PORT or env:");
    }
    (void)detail::number_from(port_, 1, 65535, name + ": the port");
}

BLINK_INLINE std::unique_ptr<meeting> rendezvous::meet(int rank, int size) const {
    if (size < 1 || rank < 0 || rank >= size) {
        throw usage_error("rank " + std::to_string(rank) + " of " + std::to_string(size) + ": expected one of 0.." +
                          std::to_string(size - 1));
    }
    if (rank_.value_or(rank) != rank || size_.value_or(size) != size) {
        throw usage_error("rank " + std::to_string(rank) + " of " + std::to_string(size) +
                          ", but the environment says rank " + std::to_string(*rank_) + " of " +
                          std::to_string(*size_));
    }
    std::vector<net::connection> to;
    if (size == 1) {
        to.emplace_back(); // nobody else, nowhere to meet
    } else if (rank == 0) {
        to =
            way_ == way::file
                ? detail::gather_at_file(path_, size, timeout_)
                : detail::gathering(net::listen_tcp(host_, port_), std::string(detail::greeting), size, timeout_).all();
    } else if (way_ == way::file) {
        to.push_back(detail::join_at_file(path_, rank, size, timeout_));
    } else {
        const auto knock = [&](net::clock::time_point ends, std::string& token, std::string& why) {
            token = detail::greeting;
            return net::connect_tcp(host_, port_, ends, why);
        };
        to.push_back(detail::join(rank, size, address_ == "env:" ? host_ + ":" + port_ : address_, timeout_, knock));
    }
    return std::make_unique<meeting>(rank, size, std::move(to), timeout_);
}

} // namespace blink
