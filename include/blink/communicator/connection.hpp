// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Stream sockets between the processes of a job, and the frames that pass over them. POSIX alone; nothing waits
/// without a deadline.
#pragma once

#include <blink/core/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace blink::net {

using clock = std::chrono::steady_clock;

/// A file descriptor that closes itself.
class descriptor {
  public:
    descriptor() = default;
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    BLINK_INLINE ~descriptor();

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

/// What a frame says.
enum class message : std::uint8_t {
    hello = 1, ///< who connects: token, rank, size
    welcome,   ///< all ranks are there
    part,      ///< one rank's bytes of an exchange
    whole,     ///< the bytes of all ranks
    claim,     ///< a name and a value that is the same on all ranks
    failed,    ///< what ends the meeting
    goodbye    ///< who sent it leaves in good order
};

/// A message and its bytes, which `packer` writes and `unpacker` reads.
struct frame {
    message what{};
    std::string body;
};

/// Numbers and strings, one behind the other; little endian.
class packer {
  public:
    packer& number(std::uint64_t n) {
        for (int i = 0; i < 8; ++i) { bytes_.push_back(static_cast<char>(n >> (8 * i) & 0xFFU)); }
        return *this;
    }
    packer& text(std::string_view s) {
        number(s.size());
        bytes_ += s;
        return *this;
    }
    [[nodiscard]] std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

/// Reads what a `packer` wrote.
class unpacker {
  public:
    explicit unpacker(std::string_view bytes) : rest_(bytes) {}
    /// @throw rendezvous_error where the bytes end too early
    [[nodiscard]] BLINK_INLINE std::uint64_t number();
    [[nodiscard]] BLINK_INLINE std::string text();
    /// A number that was an int.
    [[nodiscard]] int integer() { return static_cast<int>(static_cast<std::int64_t>(number())); }

  private:
    std::string_view rest_;
};

/// A connected socket that does not block. Which thread reads and which one writes is the owner's affair.
class connection {
  public:
    connection() = default;
    explicit connection(descriptor socket) : socket_(std::move(socket)) {}

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }

    /// Sends a frame; false where the other end is gone, or takes nothing until the deadline.
    [[nodiscard]] BLINK_INLINE bool send(const frame& f, clock::time_point deadline);

    /// Reads what has come; false where the other end is gone. What came before that can still be taken.
    [[nodiscard]] BLINK_INLINE bool read_some();

    /// The next frame, where all of it has come.
    /// @param most bytes of its body
    /// @throw rendezvous_error for a longer one, or bytes that are no frame
    [[nodiscard]] BLINK_INLINE std::optional<frame> take(std::size_t most);

  private:
    descriptor socket_;
    std::string unread_;
};

/// A socket that others connect to.
struct listener {
    descriptor socket;
    std::string address; ///< for messages
};

/// Listens under a name in Linux' abstract namespace: it goes with the process, and leaves no file.
/// @throw rendezvous_error where the system refuses
[[nodiscard]] BLINK_INLINE listener listen_local(const std::string& name);
/// @throw rendezvous_error where the system refuses, also for a port in use
[[nodiscard]] BLINK_INLINE listener listen_tcp(const std::string& host, const std::string& port);

/// Somebody who connected; none where nobody did.
[[nodiscard]] BLINK_INLINE std::optional<connection> accept_one(const listener& l);

/// Connects; none where nobody listens (any more, or yet), with the reason in `why`.
[[nodiscard]] BLINK_INLINE std::optional<connection> connect_local(const std::string& name, std::string& why);
[[nodiscard]] BLINK_INLINE std::optional<connection> connect_tcp(const std::string& host, const std::string& port,
                                                                 clock::time_point deadline, std::string& why);

/// Milliseconds until then, for poll; at least 0, at most `most`.
[[nodiscard]] BLINK_INLINE int ms_until(clock::time_point deadline, int most = 60'000) noexcept;

} // namespace blink::net

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/connection_impl.hpp>
#endif
