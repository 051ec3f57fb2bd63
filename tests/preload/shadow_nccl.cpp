// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A libnccl.so.2 that does nothing but print what it is called with, byte by byte, and answer with a number of its own.
#include <cstdio>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "nccl_calls.hpp"

namespace {

/// Bytes of an argument, so that nothing that is passed in another way goes unnoticed.
template <class T>
void show(const T& value) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    std::printf(" ");
    for (const unsigned char b : bytes) { std::printf("%02x", b); }
}

int answers = 0;
int open_groups = 0;

template <class Result, class... Arguments>
Result shown(const char* name, const Arguments&... arguments) {
    const std::string_view called = name;
    if (called == "ncclGroupStart") { // Blink calls it before the first call in the group
        ++open_groups;
        return Result();
    }
    std::printf("%s", name);
    if (open_groups > 0) { std::printf(" (groups: %d)", open_groups); }
    if (open_groups > 0 && (called == "ncclGroupEnd" || called == "ncclGroupSimulateEnd")) { --open_groups; }
    (show(arguments), ...);
    std::printf("\n");
    ++answers;
    if constexpr (std::is_same_v<Result, const char*>) {
        return "words of NCCL";
    } else if constexpr (std::is_same_v<Result, team>) {
        return {answers, answers + 1, answers + 2};
    } else if constexpr (!std::is_void_v<Result>) {
        return static_cast<Result>(answers % result_count);
    }
}

} // namespace

#define BLINK_ARGUMENTS(...) __VA_OPT__(, ) __VA_ARGS__
#define BLINK_SHADOW(Result, name, parameters, arguments)                                                              \
    extern "C" __attribute__((weak)) Result name parameters { return shown<Result>(#name BLINK_ARGUMENTS arguments); }
#define BLINK_SHADOW_TWIN(Result, name, parameters, arguments)                                                         \
    extern "C" Result p##name parameters { return shown<Result>("p" #name BLINK_ARGUMENTS arguments); }

BLINK_NCCL_DECIDED(BLINK_SHADOW)
BLINK_NCCL_FORWARDED(BLINK_SHADOW)
BLINK_NCCL_FORWARDED_WITHOUT_TWIN(BLINK_SHADOW)
BLINK_NCCL_DECIDED(BLINK_SHADOW_TWIN)
BLINK_NCCL_FORWARDED(BLINK_SHADOW_TWIN)
