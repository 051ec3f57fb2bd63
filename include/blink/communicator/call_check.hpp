// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How processes find out that they do not make the same call, before any of them makes it: each says in words which
/// one it is about to make, and all compare.
#pragma once

#include <blink/communicator/meeting.hpp>
#include <blink/communicator/options.hpp>
#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/core/error.hpp>

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink {

struct exchange;

/// What a rank is about to do, and what it tells the others with it.
struct told_call {
    std::string call;     ///< the same on all ranks
    bool possible = true; ///< false: `says` is the reason
    std::string says{};   ///< of this rank alone

    [[nodiscard]] BLINK_INLINE std::string packed() const;
    /// @throw rendezvous_error for bytes that are none
    [[nodiscard]] BLINK_INLINE static told_call unpacked(std::string_view bytes);
};

/// What the ranks do not agree on, "rank 1 asks for a broadcast ..., ranks 0, 2 ask for an allreduce ..."; empty where
/// they do.
[[nodiscard]] BLINK_INLINE std::string differences(const std::vector<told_call>& calls);

/// @throw usage_error where the calls differ, or one is not possible on its rank: the same on every rank
BLINK_INLINE void check_told(const std::vector<told_call>& calls);

/// A type as the compiler names it, the same in all processes of one program.
template <class T>
[[nodiscard]] std::string type_text() {
    const std::string_view whole = __PRETTY_FUNCTION__;
    const std::size_t begin = whole.find("T = ") + 4; // "... [with T = float; std::string = ...]", or without the rest
    const std::size_t end = whole.find_first_of(";]", begin);
    return std::string(whole.substr(begin, end - begin));
}

/// Elements of a call.
struct told_type {
    std::string name;
    std::size_t bytes = 0;
};
template <class T>
[[nodiscard]] told_type told_type_of() {
    return {type_text<T>(), sizeof(T)};
}

/// Everything about a call that has to be the same on all ranks: "reduce of 100 float (4 bytes each) with root 2,
/// operator sum".
/// @param out this rank's output, or null: said is where it lies in `choices.into`
[[nodiscard]] BLINK_INLINE std::string text_of_call(collective kind, int root, std::size_t count, const told_type& type,
                                                    const std::string& op, const options& choices, const void* out);

/// Likewise: "gather of 4 transfers (sign 1f) of float (4 bytes each), 100 at most"; the sign differs where any of the
/// transfers does.
[[nodiscard]] BLINK_INLINE std::string text_of_call(const exchange& e, const told_type& type, const options& choices,
                                                    const void* out);

/// Tells all ranks which call this one is about to make, and what `work()` gives here; returns what it gives on each,
/// by rank. Every rank has to take part, as in `meeting::exchange`, and every rank gets an error where one does.
/// @throw usage_error on every rank where the calls differ, or `work` throws on any; on that rank what it throws
template <class Work>
std::vector<std::string> tell_call(meeting& met, const std::string& call, const Work& work) {
    told_call own{call};
    std::exception_ptr problem;
    try {
        own.says = work();
    } catch (const std::exception& e) {
        own.possible = false;
        own.says = e.what();
        problem = std::current_exception();
    }
    std::vector<told_call> all;
    for (const std::string& bytes : met.exchange(own.packed())) { all.push_back(told_call::unpacked(bytes)); }
    if (problem && differences(all).empty()) { std::rethrow_exception(problem); }
    check_told(all);
    std::vector<std::string> says;
    for (told_call& c : all) { says.push_back(std::move(c.says)); }
    return says;
}

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/call_check_impl.hpp>
#endif
