// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The file through which processes of one machine find rank 0: it names a local socket that no other job can have.
#pragma once

#include <blink/core/error.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace blink::detail {

/// 128 random bits in hexadecimal digits.
[[nodiscard]] inline std::string random_name() {
    std::random_device random;
    std::string name;
    for (int i = 0; i < 32; ++i) { name += "0123456789abcdef"[random() % 16]; }
    return name;
}

[[nodiscard]] inline std::string host_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') { return "unknown"; }
    return name;
}

/// What a rendezvous file says.
struct rendezvous_note {
    std::string host;   ///< name of rank 0's machine, for messages
    std::string socket; ///< name in the abstract namespace
    std::string token;  ///< who says it has read the file

    friend bool operator==(const rendezvous_note&, const rendezvous_note&) = default;

    static constexpr std::string_view first_line = "blink rendezvous 1";

    [[nodiscard]] std::string text() const {
        return std::string(first_line) + "\nhost " + host + "\nsocket " + socket + "\ntoken " + token + "\n";
    }

    /// None for a text that is none of ours.
    [[nodiscard]] static std::optional<rendezvous_note> from(const std::string& text) {
        std::istringstream lines(text);
        std::string first;
        std::array<std::string, 3> keys;
        rendezvous_note note;
        if (!std::getline(lines, first) || first != first_line) { return std::nullopt; }
        if (!(lines >> keys[0] >> note.host >> keys[1] >> note.socket >> keys[2] >> note.token)) {
            return std::nullopt;
        }
        if (keys[0] != "host" || keys[1] != "socket" || keys[2] != "token" || note.socket.size() > 100) {
            return std::nullopt;
        }
        return note;
    }
};

/// The file as it is: missing or empty, a note, or something else, which stays as it is.
struct rendezvous_file {
    bool is_foreign = false;
    std::optional<rendezvous_note> note{};
};

[[nodiscard]] inline rendezvous_file read_rendezvous(const std::string& path) {
    struct stat known {};
    if (::stat(path.c_str(), &known) != 0) { return {}; }
    if (!S_ISREG(known.st_mode) || known.st_size > 4096) { return {true, {}}; }
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.empty()) { return {}; }
    auto note = rendezvous_note::from(text);
    return {!note.has_value(), std::move(note)};
}

/// Puts a note at `path`, so that whoever reads sees all of it or nothing; only this user may read it.
/// @throw rendezvous_error where the file cannot be written
inline void write_rendezvous(const std::string& path, const rendezvous_note& note) {
    const std::string beside = path + "." + note.socket;
    const auto refuse = [&] {
        const int code = errno;
        (void)::unlink(beside.c_str());
        throw rendezvous_error("cannot write " + path + ": " + std::generic_category().message(code));
    };
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) { refuse(); }
    const std::string text = note.text();
    const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (::close(fd) != 0 || !whole || ::rename(beside.c_str(), path.c_str()) != 0) { refuse(); }
}

/// Removes what `write_rendezvous` wrote, unless another job has put its own in its place.
inline void remove_rendezvous(const std::string& path, const rendezvous_note& note) {
    if (read_rendezvous(path).note == note) { (void)::unlink(path.c_str()); }
}

} // namespace blink::detail
