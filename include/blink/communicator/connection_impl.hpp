// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the sockets between processes.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace blink::net {
namespace detail {

[[nodiscard]] inline std::string reason(int code) { return std::generic_category().message(code); }

/// Waits until the socket can take or give something; false at the deadline.
[[nodiscard]] inline bool wait_for(int fd, short what, clock::time_point deadline) {
    for (;;) {
        pollfd p{fd, what, 0};
        const int n = ::poll(&p, 1, ms_until(deadline));
        if (n > 0) { return true; }
        if (clock::now() >= deadline) { return false; }
        if (n < 0 && errno != EINTR) { return false; }
    }
}

/// The address of an abstract name: a zero byte and the name.
struct local_address {
    explicit local_address(const std::string& name) {
        if (name.size() + 1 > sizeof at.sun_path) { throw rendezvous_error("socket name '" + name + "' is too long"); }
        at.sun_family = AF_UNIX;
        std::copy(name.begin(), name.end(), at.sun_path + 1);
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    }
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&at); }
    sockaddr_un at{};
    socklen_t size = 0;
};

using addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

/// @param why is set where there are none
[[nodiscard]] inline addresses resolve(const std::string& host, const std::string& port, bool to_listen,
                                       std::string& why) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
    addrinfo* found = nullptr;
    if (const int status = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &found); status != 0) {
        why = host + ":" + port + ": " + ::gai_strerror(status);
        return {nullptr, &::freeaddrinfo};
    }
    return {found, &::freeaddrinfo};
}

[[nodiscard]] inline descriptor open_socket(int family) {
    return descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// A waiting peer learns of each message at once.
inline void send_at_once(int fd) {
    const int yes = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // not for local sockets, which never wait
}

} // namespace detail

BLINK_INLINE int ms_until(clock::time_point deadline, int most) noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, most));
}

BLINK_INLINE descriptor::~descriptor() {
    if (fd_ >= 0) { (void)::close(fd_); }
}

BLINK_INLINE std::uint64_t unpacker::number() {
    if (rest_.size() < 8) { throw rendezvous_error("a message between processes is cut short"); }
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < 8; ++i) { n |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i); }
    rest_.remove_prefix(8);
    return n;
}

BLINK_INLINE std::string unpacker::text() {
    const std::uint64_t size = number();
    if (rest_.size() < size) { throw rendezvous_error("a message between processes is cut short"); }
    std::string s(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return s;
}

BLINK_INLINE bool connection::send(const frame& f, clock::time_point deadline) {
    std::string bytes = packer().number(f.body.size() << 8 | static_cast<std::uint64_t>(f.what)).take();
    bytes += f.body;
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const ssize_t n = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n > 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!detail::wait_for(socket_.get(), POLLOUT, deadline)) { return false; }
        } else if (n < 0 && errno != EINTR) {
            return false;
        }
    }
    return true;
}

BLINK_INLINE bool connection::read_some() {
    char buffer[16384];
    for (;;) {
        const ssize_t n = ::recv(socket_.get(), buffer, sizeof buffer, 0);
        if (n > 0) {
            unread_.append(buffer, static_cast<std::size_t>(n));
            if (static_cast<std::size_t>(n) < sizeof buffer) { return true; }
        } else if (n == 0) {
            return false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
}

BLINK_INLINE std::optional<frame> connection::take(std::size_t most) {
    if (unread_.size() < 8) { return std::nullopt; }
    const std::uint64_t head = unpacker(unread_).number();
    const auto what = static_cast<std::uint8_t>(head & 0xFFU);
    const std::uint64_t size = head >> 8;
    if (what < static_cast<std::uint8_t>(message::hello) || what > static_cast<std::uint8_t>(message::goodbye) ||
        size > most) {
        throw rendezvous_error("the other end of a connection does not speak as Blink does");
    }
    if (unread_.size() - 8 < size) { return std::nullopt; }
    frame f{static_cast<message>(what), unread_.substr(8, size)};
    unread_.erase(0, 8 + size);
    return f;
}

BLINK_INLINE listener listen_local(const std::string& name) {
    const detail::local_address address(name);
    descriptor s = detail::open_socket(AF_UNIX);
    if (!s.is_open() || ::bind(s.get(), address.get(), address.size) != 0 || ::listen(s.get(), 128) != 0) {
        throw rendezvous_error("cannot listen on the local socket " + name + ": " + detail::reason(errno));
    }
    return {std::move(s), name};
}

BLINK_INLINE listener listen_tcp(const std::string& host, const std::string& port) {
    std::string why;
    const detail::addresses found = detail::resolve(host, port, true, why);
    for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
        descriptor s = detail::open_socket(a->ai_family);
        const int yes = 1;
        if (s.is_open() && ::setsockopt(s.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
            ::bind(s.get(), a->ai_addr, a->ai_addrlen) == 0 && ::listen(s.get(), 128) == 0) {
            return {std::move(s), host + ":" + port};
        }
        why = host + ":" + port + ": " + detail::reason(errno);
    }
    throw rendezvous_error("rank 0 cannot listen at " + why);
}

BLINK_INLINE std::optional<connection> accept_one(const listener& l) {
    descriptor s(::accept4(l.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!s.is_open()) { return std::nullopt; }
    detail::send_at_once(s.get());
    return connection(std::move(s));
}

BLINK_INLINE std::optional<connection> connect_local(const std::string& name, std::string& why) {
    const detail::local_address address(name);
    descriptor s = detail::open_socket(AF_UNIX);
    if (!s.is_open() || ::connect(s.get(), address.get(), address.size) != 0) {
        why = detail::reason(errno);
        return std::nullopt;
    }
    return connection(std::move(s));
}

BLINK_INLINE std::optional<connection> connect_tcp(const std::string& host, const std::string& port,
                                                   clock::time_point deadline, std::string& why) {
    const detail::addresses found = detail::resolve(host, port, false, why);
    for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
        descriptor s = detail::open_socket(a->ai_family);
        int status = !s.is_open() || ::connect(s.get(), a->ai_addr, a->ai_addrlen) != 0 ? errno : 0;
        if (status == EINPROGRESS) {
            socklen_t size = sizeof status;
            status = ETIMEDOUT;
            if (detail::wait_for(s.get(), POLLOUT, deadline)) {
                (void)::getsockopt(s.get(), SOL_SOCKET, SO_ERROR, &status, &size);
            }
        }
        if (status == 0) {
            detail::send_at_once(s.get());
            return connection(std::move(s));
        }
        why = detail::reason(status);
    }
    return std::nullopt;
}

} // namespace blink::net
