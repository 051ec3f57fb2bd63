// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Bytes that tell where they come from, what AlltoAll, Gather and Scatter make of them, and the shapes in which test
/// programs try these.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "cases.hpp"
#include "values.hpp"

namespace preload_test {

using bytes = std::vector<unsigned char>;

/// What rank `r` has: `count` bytes from its byte `first` on, different for each rank.
[[nodiscard]] inline bytes pattern(std::size_t r, std::size_t first, std::size_t count) {
    bytes made(count);
    for (std::size_t i = 0; i < count; ++i) {
        made[i] = static_cast<unsigned char>((first + i) * 7 + (first + i) / 251 + r * 53);
    }
    return made;
}

[[nodiscard]] inline bool holds(const bytes& found, std::size_t at, const bytes& wanted) {
    return found.size() >= at + wanted.size() &&
           std::equal(wanted.begin(), wanted.end(), found.begin() + static_cast<std::ptrdiff_t>(at));
}

/// What rank `own` of `n` has after an AlltoAll of patterns in shards of so many bytes.
[[nodiscard]] inline bytes after_alltoall(std::size_t n, std::size_t own, std::size_t shard) {
    bytes all;
    for (std::size_t q = 0; q < n; ++q) {
        const bytes part = pattern(q, own * shard, shard);
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

/// What the root has after a Gather of everyone's first shard.
[[nodiscard]] inline bytes after_gather(std::size_t n, std::size_t shard) { return after_alltoall(n, 0, shard); }

/// What rank `own` has after a Scatter of the root's pattern.
[[nodiscard]] inline bytes after_scatter(std::size_t root, std::size_t own, std::size_t shard) {
    return pattern(root, own * shard, shard);
}

/// Attempts `moves(type, elements of a shard)` with types of each size, and shards of one element up to `most`.
template <class Moves>
void every_shard(std::size_t most, const Moves& moves) {
    for (const data_type type : {uint8, bfloat16, float32, int64}) {
        for (const std::size_t count : {std::size_t{1}, std::size_t{1021}, most}) {
            attempt("shards of " + std::to_string(count) + " elements of type " + std::to_string(type),
                    [&] { return moves(type, count); });
        }
    }
}

} // namespace preload_test
