// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of shared_memory.hpp.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/communicator/shared_memory.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace blink {

BLINK_INLINE shared_memory shared_memory::make(std::size_t bytes) {
    net::descriptor file(::memfd_create("blink", MFD_CLOEXEC));
    if (!file.is_open() || ::ftruncate(file.get(), static_cast<::off_t>(bytes)) != 0) { return {}; }
    return of(std::move(file), bytes);
}

BLINK_INLINE shared_memory shared_memory::of(net::descriptor file, std::size_t bytes) {
    shared_memory made;
    struct ::stat facts {};
    if (bytes == 0 || !file.is_open() || ::fstat(file.get(), &facts) != 0 ||
        facts.st_size != static_cast<::off_t>(bytes)) {
        return made;
    }
    void* const begin = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (begin == MAP_FAILED) { return made; }
    made.file_ = std::move(file);
    made.begin_ = static_cast<std::byte*>(begin);
    made.bytes_ = bytes;
    return made;
}

BLINK_INLINE shared_memory::~shared_memory() {
    if (begin_ != nullptr) { (void)::munmap(begin_, bytes_); }
}

BLINK_INLINE net::descriptor shared_memory::file() const noexcept {
    return file_.is_open() ? net::descriptor(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)) : net::descriptor();
}

} // namespace blink
