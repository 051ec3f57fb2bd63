// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The errors that Blink throws. Each message names the thing and the place.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace blink {

/// Base of everything that Blink throws on purpose.
class error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A call that cannot be meant: null buffer, wrong count of buffers, unknown root. Nothing has moved yet.
class usage_error : public error {
  public:
    using error::error;
};

/// A machine description that is malformed, cut short, or contradicts itself.
class topology_error : public error {
  public:
    using error::error;

    /// @param file where the text came from, as the user named it
    /// @param line 1-based line of the first offending character
    /// @param found_and_expected what stands there and what was expected instead
    topology_error(std::string_view file, int line, std::string_view found_and_expected)
        : error(std::string(file) + ":" + std::to_string(line) + ": " + std::string(found_and_expected)), file_(file),
          line_(line) {}

    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] int line() const noexcept { return line_; }

  private:
    std::string file_;
    int line_ = 0;
};

/// No plan exists (ranks that cannot reach each other), or a plan does not keep what it promises.
class plan_error : public error {
  public:
    using error::error;
};

/// A schedule that would lose, double or reorder data, or wait for ever.
class schedule_error : public error {
  public:
    using error::error;
};

/// A call into the CUDA runtime or driver that failed.
class cuda_error : public error {
  public:
    using error::error;
};

/// A rank waited longer than the deadline; the communicator is unusable afterwards.
class timeout_error : public error {
  public:
    using error::error;
};

/// The communicator was aborted, by the user or by another rank's failure.
class aborted_error : public error {
  public:
    using error::error;
};

/// The process of a rank has ended, or has left while others still needed it; the communicator is unusable afterwards.
class peer_lost_error : public aborted_error {
  public:
    peer_lost_error(int rank, const std::string& what) : aborted_error(what), rank_(rank) {}

    /// The rank that is gone.
    [[nodiscard]] int rank() const noexcept { return rank_; }

  private:
    int rank_;
};

/// Processes that cannot talk to each other: a socket that cannot be opened, or an answer that is no answer.
class rendezvous_error : public error {
  public:
    using error::error;
};

/// The words of the error that `call()` throws; empty where it throws none of Blink's.
template <class Call>
[[nodiscard]] std::string text_thrown_by(const Call& call) {
    try {
        call();
    } catch (const error& e) { return e.what(); }
    return {};
}

} // namespace blink
