// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of the transfer of open files.
#pragma once

#include <blink/communicator/connection_impl.hpp>
#include <blink/communicator/descriptor_passing.hpp>
#include <blink/communicator/rendezvous_file.hpp>
#include <blink/core/error.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace blink::net {
namespace detail {

/// A message of one byte, and room for the file that goes with it.
struct file_message {
    file_message() noexcept {
        bytes = {&byte, 1};
        head.msg_iov = &bytes;
        head.msg_iovlen = 1;
        head.msg_control = control;
        head.msg_controllen = sizeof control;
    }
    file_message(const file_message&) = delete;
    file_message& operator=(const file_message&) = delete;

    char byte = 0;
    iovec bytes{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr head{};
};

/// True where the process at the other end runs as the same user. Names of sockets are no secret.
[[nodiscard]] inline bool is_own_user(int socket) noexcept {
    ucred who{};
    socklen_t size = sizeof who;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == ::geteuid();
}

[[nodiscard]] inline bool send_file(int socket, int file) noexcept {
    file_message m;
    cmsghdr* const part = CMSG_FIRSTHDR(&m.head);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(part), &file, sizeof file);
    return ::sendmsg(socket, &m.head, MSG_NOSIGNAL) == 1;
}

/// The file of the next message; none where the other end is gone, or sent something else.
[[nodiscard]] inline descriptor receive_file(int socket) noexcept {
    file_message m;
    if (::recvmsg(socket, &m.head, MSG_CMSG_CLOEXEC) != 1) { return {}; }
    const cmsghdr* const part = CMSG_FIRSTHDR(&m.head);
    if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
        part->cmsg_len != CMSG_LEN(sizeof(int))) {
        return {};
    }
    int file = -1;
    std::memcpy(&file, CMSG_DATA(part), sizeof file);
    return descriptor(file);
}

/// Who asks for files, a byte for each.
struct file_receiver {
    connection to;
    std::size_t next = 0;
};

} // namespace detail

BLINK_INLINE descriptor_sender::descriptor_sender(std::size_t count, std::function<descriptor(std::size_t)> open_one)
    : count_(count), open_one_(std::move(open_one)), at_(listen_local("blink-files-" + blink::detail::random_name())),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop_.is_open()) { throw rendezvous_error("cannot make an event: " + detail::reason(errno)); }
    thread_ = std::thread([this] { serve(); });
}

BLINK_INLINE descriptor_sender::~descriptor_sender() {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
    thread_.join();
}

/// Answers whoever asks. Nobody is waited for: an answer is a byte for a receiver that has none before it.
BLINK_INLINE void descriptor_sender::serve() {
    std::vector<detail::file_receiver> receivers;
    std::vector<pollfd> watched;
    for (;;) {
        watched = {{stop_.get(), POLLIN, 0}, {at_.socket.get(), POLLIN, 0}};
        for (const detail::file_receiver& r : receivers) { watched.push_back({r.to.fd(), POLLIN, 0}); }
        if (::poll(watched.data(), static_cast<nfds_t>(watched.size()), -1) < 0 && errno != EINTR) { return; }
        if (watched[0].revents != 0) { return; }
        std::vector<detail::file_receiver> stay;
        for (std::size_t i = 0; i < receivers.size(); ++i) {
            detail::file_receiver& r = receivers[i];
            if (watched[i + 2].revents != 0) {
                char asked = 0;
                if (::recv(r.to.fd(), &asked, 1, 0) != 1 || r.next == count_) { continue; }
                const descriptor file = open_one_(r.next++);
                if (!file.is_open() || !detail::send_file(r.to.fd(), file.get())) { continue; }
            }
            stay.push_back(std::move(r));
        }
        receivers = std::move(stay);
        if (watched[1].revents != 0) {
            std::optional<connection> c = accept_one(at_);
            if (c && detail::is_own_user(c->fd())) { receivers.push_back({std::move(*c)}); }
        }
    }
}

BLINK_INLINE bool receive_descriptors(const std::string& name, std::size_t count, clock::time_point deadline,
                                      const std::function<bool(descriptor)>& take) {
    std::string why;
    const std::optional<connection> from = connect_local(name, why);
    if (!from || !detail::is_own_user(from->fd())) { return false; }
    for (std::size_t i = 0; i < count; ++i) {
        if (::send(from->fd(), "", 1, MSG_NOSIGNAL) != 1) { return false; }
        if (!detail::wait_for(from->fd(), POLLIN, deadline)) { return false; }
        descriptor file = detail::receive_file(from->fd());
        if (!file.is_open() || !take(std::move(file))) { return false; }
    }
    return true;
}

} // namespace blink::net
