// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Memory of the host that several processes map, as a file without a name. Linux alone.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <utility>

namespace blink {

/// A mapping, until it goes. The memory stays as long as anyone has it mapped or its file open.
class shared_memory {
  public:
    shared_memory() = default;
    /// Zeroed memory of this process; not mapped where the system refuses.
    [[nodiscard]] BLINK_INLINE static shared_memory make(std::size_t bytes);
    /// That of another process; not mapped where the file is not of so many bytes, or the system refuses.
    [[nodiscard]] BLINK_INLINE static shared_memory of(net::descriptor file, std::size_t bytes);

    shared_memory(shared_memory&& other) noexcept
        : file_(std::move(other.file_)), begin_(std::exchange(other.begin_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    shared_memory& operator=(shared_memory&& other) noexcept {
        std::swap(file_, other.file_);
        std::swap(begin_, other.begin_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    BLINK_INLINE ~shared_memory();

    [[nodiscard]] bool is_mapped() const noexcept { return begin_ != nullptr; }
    [[nodiscard]] std::byte* begin() const noexcept { return begin_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    /// Its file once more, for another process; not open where the system refuses.
    [[nodiscard]] BLINK_INLINE net::descriptor file() const noexcept;

  private:
    net::descriptor file_;
    std::byte* begin_ = nullptr;
    std::size_t bytes_ = 0;
};

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/shared_memory_impl.hpp>
#endif
