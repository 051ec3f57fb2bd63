// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of what is checked of buffers.
#pragma once

#include <blink/core/buffers.hpp>
#include <blink/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace blink {
namespace detail {

/// The buffers of some ranks of a collective, from rank `first` on.
struct known_buffers {
    int first = 0;
    std::vector<const void*> in;
    std::vector<const void*> out;
};

/// Checks what is known of the buffers, see `check_buffers`.
inline void check_known_buffers(collective kind, int root, int ranks, const known_buffers& known, std::size_t count,
                                std::size_t element_bytes, std::size_t alignment) {
    const auto fail = [&](const std::string& what) { throw usage_error(std::string(to_string(kind)) + ": " + what); };
    const auto number = [](auto n) { return std::to_string(n); };
    if (is_rooted(kind) && (root < 0 || root >= ranks)) {
        fail("root " + number(root) + " is none of the ranks 0.." + number(ranks - 1));
    }
    if (count == 0) { return; }
    if (count > std::numeric_limits<std::ptrdiff_t>::max() / element_bytes / static_cast<std::size_t>(ranks)) {
        fail(number(count) + " elements of " + number(element_bytes) + " bytes fit into no memory");
    }

    struct buffer {
        std::uintptr_t begin = 0;
        std::uintptr_t bytes = 0;
        int rank = 0;
        bool output = false;
    };
    const auto name = [&](const buffer& b) { return (b.output ? "out[" : "in[") + number(b.rank) + "]"; };
    std::vector<buffer> used;
    used.reserve(2 * known.in.size());
    const auto add = [&](const void* p, int rank, bool output) {
        const std::size_t elements = output ? output_count(kind, ranks, count) : input_count(kind, ranks, count);
        const buffer b{reinterpret_cast<std::uintptr_t>(p), elements * element_bytes, rank, output};
        if (p == nullptr) { fail(name(b) + " is null"); }
        if (b.begin % alignment != 0) { fail(name(b) + " is not aligned to " + number(alignment) + " bytes"); }
        used.push_back(b);
    };
    for (std::size_t i = 0; i < known.in.size(); ++i) {
        const int r = known.first + static_cast<int>(i);
        if (reads_input(kind, root, r)) { add(known.in[i], r, false); }
        if (writes_output(kind, root, r)) { add(known.out[i], r, true); }
    }
    // In place the smaller buffer of a sharded collective is its rank's shard of the larger one.
    const auto in_place = [&](const buffer& a, const buffer& b) {
        if (a.rank != b.rank || a.output == b.output) { return false; }
        const auto& [small, large] = a.bytes < b.bytes ? std::pair(a, b) : std::pair(b, a);
        const bool shard = small.bytes != large.bytes;
        return small.begin == large.begin + (shard ? static_cast<std::uintptr_t>(a.rank) * small.bytes : 0);
    };
    for (std::size_t i = 0; i < used.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            const buffer &a = used[k], &b = used[i];
            const bool overlap = a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
            if (overlap && (a.output || b.output) && !in_place(a, b)) {
                fail(name(a) + " and " + name(b) + " overlap: use the same buffer, or buffers apart");
            }
        }
    }
}

} // namespace detail

BLINK_INLINE void check_buffers(collective kind, int root, int ranks, const std::vector<const void*>& in,
                                const std::vector<const void*>& out, std::size_t count, std::size_t element_bytes,
                                std::size_t alignment) {
    const auto n = static_cast<std::size_t>(ranks);
    if (in.size() != n || out.size() != n) {
        throw usage_error(std::string(to_string(kind)) + ": " + std::to_string(in.size()) + " inputs and " +
                          std::to_string(out.size()) + " outputs for " + std::to_string(ranks) +
                          " ranks: expected one each");
    }
    detail::check_known_buffers(kind, root, ranks, {0, in, out}, count, element_bytes, alignment);
}

BLINK_INLINE void check_rank_buffers(collective kind, int root, int ranks, int rank, const void* in, const void* out,
                                     std::size_t count, std::size_t element_bytes, std::size_t alignment) {
    detail::check_known_buffers(kind, root, ranks, {rank, {in}, {out}}, count, element_bytes, alignment);
}

} // namespace blink
