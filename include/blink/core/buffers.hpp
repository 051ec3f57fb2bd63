// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which buffers a collective reads and writes, and what is wrong with those that the caller gave.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace blink {

/// Whether `rank` contributes: in a broadcast only the root does.
[[nodiscard]] constexpr bool reads_input(collective kind, int root, int rank) noexcept {
    return kind != collective::broadcast || rank == root;
}

/// Whether `rank` gets a result: in a reduce only the root does.
[[nodiscard]] constexpr bool writes_output(collective kind, int root, int rank) noexcept {
    return kind != collective::reduce || rank == root;
}

/// Checks the buffers of a collective in which every rank gives and gets `count` elements of `element_bytes` each.
/// Buffers that it does not touch may be anything. In place (in[r] == out[r]) is right; every other overlap with
/// memory that is written is not.
/// @param in, out pointers by rank
/// @throw usage_error naming collective, rank and buffer
inline void check_buffers(collective kind, int root, int ranks, const std::vector<const void*>& in,
                          const std::vector<const void*>& out, std::size_t count, std::size_t element_bytes,
                          std::size_t alignment) {
    const auto fail = [&](const std::string& what) { throw usage_error(std::string(to_string(kind)) + ": " + what); };
    const auto number = [](auto n) { return std::to_string(n); };
    if (is_rooted(kind) && (root < 0 || root >= ranks)) {
        fail("root " + number(root) + " is none of the ranks 0.." + number(ranks - 1));
    }
    if (in.size() != static_cast<std::size_t>(ranks) || out.size() != static_cast<std::size_t>(ranks)) {
        fail(number(in.size()) + " inputs and " + number(out.size()) + " outputs for " + number(ranks) +
             " ranks: expected one each");
    }
    if (count == 0) { return; }
    if (count > std::numeric_limits<std::ptrdiff_t>::max() / element_bytes) {
        fail(number(count) + " elements of " + number(element_bytes) + " bytes fit into no memory");
    }

    struct buffer {
        std::uintptr_t begin = 0;
        int rank = 0;
        bool output = false;
    };
    const auto name = [&](const buffer& b) { return (b.output ? "out[" : "in[") + number(b.rank) + "]"; };
    std::vector<buffer> used;
    used.reserve(2 * in.size());
    const auto add = [&](const void* p, int rank, bool output) {
        const buffer b{reinterpret_cast<std::uintptr_t>(p), rank, output};
        if (p == nullptr) { fail(name(b) + " is null"); }
        if (b.begin % alignment != 0) { fail(name(b) + " is not aligned to " + number(alignment) + " bytes"); }
        used.push_back(b);
    };
    for (int r = 0; r < ranks; ++r) {
        if (reads_input(kind, root, r)) { add(in[static_cast<std::size_t>(r)], r, false); }
        if (writes_output(kind, root, r)) { add(out[static_cast<std::size_t>(r)], r, true); }
    }
    const std::uintptr_t bytes = count * element_bytes;
    for (std::size_t i = 0; i < used.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            const buffer &a = used[k], &b = used[i];
            const std::uintptr_t apart = a.begin < b.begin ? b.begin - a.begin : a.begin - b.begin;
            const bool in_place = apart == 0 && a.rank == b.rank;
            if (apart < bytes && (a.output || b.output) && !in_place) {
                fail(name(a) + " and " + name(b) + " overlap: use the same buffer, or buffers apart");
            }
        }
    }
}

} // namespace blink
