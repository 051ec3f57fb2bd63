// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The NCCL beneath Blink: every entry point of the library that the program would have called without Blink.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "abi.hpp"
#include "entry_points.hpp"

namespace blink::preload::nccl::below {

/// The address of `name` in the NCCL beneath, or null where there is none; then `why_absent` says why. The NCCL is the
/// file that BLINK_NCCL_LIBRARY names; else the next libnccl in the program's order of libraries; else one that the
/// program has opened by itself; else `libnccl.so.2` where the loader or the CUDA Toolkit has it.
[[nodiscard]] void* find(const char* name) noexcept;

/// What the last failed `find` of this thread was about; empty where none failed.
[[nodiscard]] const char* why_absent() noexcept;

/// True in a thread that is inside the NCCL beneath, which calls some of its own entry points by name and so meets
/// those of Blink: they go on to NCCL without another look.
[[nodiscard]] inline int& depth() noexcept {
    thread_local int calls = 0;
    return calls;
}

/// Groups of this thread that NCCL has not been told of: it has to know of them once it gets a call in one, and of most
/// it gets none.
[[nodiscard]] inline int& deferred_groups() noexcept {
    thread_local int groups = 0;
    return groups;
}
/// Tells NCCL of them.
inline void begin_deferred_groups();

/// Marks the time that this thread spends in the NCCL beneath.
class visit {
  public:
    visit() {
        if (depth()++ == 0 && deferred_groups() > 0) { begin_deferred_groups(); }
    }
    ~visit() { --depth(); }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
};

/// An entry point by name, looked up at its first use.
class entry {
  public:
    explicit constexpr entry(const char* name) noexcept : name_(name) {}

    [[nodiscard]] void* address() noexcept {
        void* known = address_.load(std::memory_order_acquire);
        if (known == nullptr) {
            known = find(name_);
            address_.store(known, std::memory_order_release);
        }
        return known;
    }

  private:
    const char* name_;
    std::atomic<void*> address_{nullptr};
};

/// What a call answers where there is no NCCL beneath.
template <class Result>
[[nodiscard]] Result absent() {
    return Result{};
}
template <>
[[nodiscard]] inline result absent<result>() {
    return system_error;
}
template <>
inline void absent<void>() {}

#define BLINK_NCCL_BELOW(Result, name, parameters, arguments)                                                          \
    inline Result name parameters {                                                                                    \
        static constinit entry known{#name};                                                                           \
        void* const address = known.address();                                                                         \
        if (address == nullptr) { return absent<Result>(); }                                                           \
        const visit inside;                                                                                            \
        return reinterpret_cast<Result(*) parameters>(address) arguments;                                              \
    }
#define BLINK_NCCL_TWIN_BELOW(Result, name, parameters, arguments)                                                     \
    BLINK_NCCL_BELOW(Result, p##name, parameters, arguments)
BLINK_NCCL_DECIDED(BLINK_NCCL_BELOW)
BLINK_NCCL_FORWARDED(BLINK_NCCL_BELOW)
BLINK_NCCL_FORWARDED_WITHOUT_TWIN(BLINK_NCCL_BELOW)
BLINK_NCCL_DECIDED(BLINK_NCCL_TWIN_BELOW)
BLINK_NCCL_FORWARDED(BLINK_NCCL_TWIN_BELOW)
#undef BLINK_NCCL_BELOW
#undef BLINK_NCCL_TWIN_BELOW

inline void begin_deferred_groups() {
    for (int groups = std::exchange(deferred_groups(), 0); groups > 0; --groups) { (void)ncclGroupStart(); }
}

/// As ncclGroupStart, but NCCL is told before its next call from this thread.
[[nodiscard]] inline result start_group() {
    static constinit entry known{"ncclGroupStart"};
    if (known.address() == nullptr) { return ncclGroupStart(); }
    ++deferred_groups();
    return success;
}

/// The end of the innermost group: of NCCL's, unless it was not told of that.
[[nodiscard]] inline result end_group() {
    if (deferred_groups() == 0) { return ncclGroupEnd(); }
    --deferred_groups();
    return success;
}

} // namespace blink::preload::nccl::below
