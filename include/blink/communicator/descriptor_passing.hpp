// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Open files that one process hands to others, such as those that stand for memory of a GPU. Linux alone.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <thread>

namespace blink::net {

/// Hands a list of files to every process of the same user that asks for it by name, until this goes. The name is one
/// of Linux' abstract namespace, so both sides have to be in one network namespace, and nothing else: no process needs
/// the right to look into another, as it would to fetch a file by pidfd_getfd.
class descriptor_sender {
  public:
    /// @param count files of the list
    /// @param open_one `open_one(i)` opens file i, for each receiver anew; what is not open ends the transfer. Called
    ///        by a thread of the sender's; must not throw
    /// @throw rendezvous_error where the system refuses
    BLINK_INLINE descriptor_sender(std::size_t count, std::function<descriptor(std::size_t)> open_one);
    BLINK_INLINE ~descriptor_sender();
    descriptor_sender(const descriptor_sender&) = delete;
    descriptor_sender& operator=(const descriptor_sender&) = delete;

    /// What receivers call it.
    [[nodiscard]] const std::string& name() const noexcept { return at_.address; }

  private:
    BLINK_INLINE void serve();

    std::size_t count_;
    std::function<descriptor(std::size_t)> open_one_;
    listener at_;
    descriptor stop_;    ///< an event that ends the thread
    std::thread thread_; ///< last: it uses all of the above
};

/// Takes all files of the sender `name`, one at a time and in order, so that neither side has many open at once.
/// @param count files that there have to be
/// @param take `take(file)`; false ends the transfer
/// @return whether all came before the deadline and were taken
[[nodiscard]] BLINK_INLINE bool receive_descriptors(const std::string& name, std::size_t count,
                                                    clock::time_point deadline,
                                                    const std::function<bool(descriptor)>& take);

} // namespace blink::net

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/descriptor_passing_impl.hpp>
#endif
