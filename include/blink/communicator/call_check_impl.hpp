// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of what processes tell each other of their calls.
#pragma once

#include <blink/communicator/call_check.hpp>
#include <blink/communicator/connection.hpp>
#include <blink/communicator/meeting_impl.hpp>
#include <blink/communicator/registered_buffer.hpp>
#include <blink/core/protocol.hpp>
#include <blink/schedule/exchange.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace blink {

BLINK_INLINE std::string told_call::packed() const {
    return net::packer().text(call).number(possible ? 1 : 0).text(says).take();
}

BLINK_INLINE told_call told_call::unpacked(std::string_view bytes) {
    net::unpacker u(bytes);
    told_call c;
    c.call = u.text();
    c.possible = u.number() != 0;
    c.says = u.text();
    return c;
}

BLINK_INLINE std::string differences(const std::vector<told_call>& calls) {
    std::vector<std::pair<std::string, std::vector<int>>> groups; // in the order of their first ranks
    for (std::size_t r = 0; r < calls.size(); ++r) {
        auto known = groups.begin();
        while (known != groups.end() && known->first != calls[r].call) { ++known; }
        if (known == groups.end()) { known = groups.insert(known, {calls[r].call, {}}); }
        known->second.push_back(static_cast<int>(r));
    }
    if (groups.size() < 2) { return {}; }
    std::string text;
    for (const auto& [call, ranks] : groups) {
        text += (text.empty() ? "" : "; ") + detail::ranks_text(ranks) +
                (ranks.size() == 1 ? " asks for " : " ask for ") + call;
    }
    return text;
}

BLINK_INLINE void check_told(const std::vector<told_call>& calls) {
    if (const std::string text = differences(calls); !text.empty()) {
        throw usage_error("the ranks do not make the same call: " + text);
    }
    for (std::size_t r = 0; r < calls.size(); ++r) {
        if (!calls[r].possible) { throw usage_error("rank " + std::to_string(r) + ": " + calls[r].says); }
    }
}

namespace detail {

[[nodiscard]] inline std::string text_of(const told_type& type) {
    return type.name + " (" + std::to_string(type.bytes) + " bytes each)";
}

/// What is not left to the library; empty for options as they are.
[[nodiscard]] inline std::string text_of(const options& o, std::size_t bytes, const void* out) {
    std::string text;
    if (o.how != protocol::automatic) { text += ", protocol " + std::string(to_string(o.how)); }
    if (!o.chunk.is_automatic() && !o.chunk.learns()) {
        text += ", chunks of " + std::to_string(o.chunk.chunk_bytes(bytes)) + " bytes";
    }
    if (const options usual; o.links != usual.links || o.slack != usual.slack || o.max_trees != usual.max_trees) {
        text += ", links " + std::to_string(static_cast<int>(o.links)) + ", slack " + std::to_string(o.slack) +
                ", at most " + std::to_string(o.max_trees) + " trees";
    }
    for (const int relay : o.relays) { text += ", relay " + std::to_string(relay); }
    std::size_t offset = 0;
    if (o.into != nullptr) {
        text += ", into registered buffer " + std::to_string(o.into->number());
        if (out != nullptr && lies_in(*o.into, out, 0, offset)) { text += " at byte " + std::to_string(offset); }
    }
    return text;
}

} // namespace detail

BLINK_INLINE std::string text_of_call(collective kind, int root, std::size_t count, const told_type& type,
                                      const std::string& op, const options& choices, const void* out) {
    std::string text = std::string(to_string(kind)) + " of " + std::to_string(count) + " " + detail::text_of(type);
    if (is_rooted(kind)) { text += " with root " + std::to_string(root); }
    if (reduces(kind)) { text += ", operator " + op; }
    return text + detail::text_of(choices, count * type.bytes, out);
}

BLINK_INLINE std::string text_of_call(const exchange& e, const told_type& type, const options& choices,
                                      const void* out) {
    std::uint64_t hash = 0xCBF29CE484222325U; // FNV-1a, 64 bits
    std::size_t most = 0;
    for (const transfer& t : e.transfers) {
        for (const std::size_t word :
             {static_cast<std::size_t>(t.from), static_cast<std::size_t>(t.to), t.in_offset, t.out_offset, t.count}) {
            for (int i = 0; i < 8; ++i) { hash = (hash ^ (word >> (8 * i) & 0xFFU)) * 0x100000001B3U; }
        }
        most = std::max(most, t.count);
    }
    char sign[17] = {};
    (void)std::snprintf(sign, sizeof sign, "%016llx", static_cast<unsigned long long>(hash));
    return e.name + " of " + std::to_string(e.transfers.size()) + " transfers (sign " + sign + ") of " +
           detail::text_of(type) + ", " + std::to_string(most) + " at most" +
           detail::text_of(choices, most * type.bytes, out);
}

} // namespace blink
