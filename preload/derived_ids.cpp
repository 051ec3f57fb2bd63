// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "derived_ids.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace blink::preload {

namespace {

std::uint64_t half_digest(std::string_view text, std::uint64_t seed) {
    for (const char c : text) { seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3; }
    return seed;
}

std::string in_hexadecimal(std::uint64_t number) {
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) { text += "0123456789abcdef"[(number >> shift) & 15]; }
    return text;
}

/// @param name of fewer characters than an id has bytes
nccl::unique_id id_named(std::string_view name) {
    nccl::unique_id id{};
    std::ranges::copy(name, id.internal);
    return id;
}

std::string text_of(const nccl::unique_id& id) { return {id.internal, sizeof id.internal}; }

} // namespace

std::string digest_of(std::string_view text) {
    const std::uint64_t first = half_digest(text, 0xcbf29ce484222325);
    return in_hexadecimal(first) + in_hexadecimal(half_digest(text, first));
}

nccl::unique_id id_of_several(std::span<const nccl::unique_id> ids) {
    if (ids.size() == 1) { return ids.front(); }
    std::string all;
    for (const nccl::unique_id& id : ids) { all += text_of(id); }
    return id_named("several " + digest_of(all));
}

nccl::unique_id new_id_here() {
    static std::atomic<std::uint64_t> made{0};
    return id_named("here " + std::to_string(made++));
}

nccl::unique_id child_ids::of_split(const nccl::communicator* rank, int color) {
    const std::lock_guard lock(guard_);
    const unsigned nth = made_[{rank, "split"}]++;
    return id_named("split " +
                    digest_of(text_of(parent_) + " split " + std::to_string(nth) + " color " + std::to_string(color)));
}

nccl::unique_id child_ids::of_shrink(const nccl::communicator* rank, std::vector<int> excluded) {
    std::ranges::sort(excluded);
    const auto repeated = std::ranges::unique(excluded);
    excluded.erase(repeated.begin(), repeated.end());
    std::string without = "without";
    for (const int r : excluded) { without += " " + std::to_string(r); }
    const std::lock_guard lock(guard_);
    const unsigned nth = made_[{rank, without}]++;
    return id_named("shrink " + digest_of(text_of(parent_) + " " + without + " for the time " + std::to_string(nth)));
}

} // namespace blink::preload
