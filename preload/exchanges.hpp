// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Calls that move data without combining them, as exchanges of bytes.
#pragma once

#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "calls.hpp"

namespace blink::preload {

/// An exchange of bytes and its buffers: one entry a rank, or that of the only rank that is known here.
struct byte_exchange {
    exchange what;
    std::vector<const std::uint8_t*> in;
    std::vector<std::uint8_t*> out;
};

/// Sends and receives have an address each. Offsets are from the lowest one of the rank.
[[nodiscard]] inline byte_exchange byte_exchange_of_transfers(const matched_call& call, int ranks) {
    byte_exchange made{{"send_recv", ranks, {}}, {}, {}};
    made.in.resize(static_cast<std::size_t>(ranks), nullptr);
    made.out.resize(static_cast<std::size_t>(ranks), nullptr);
    const auto lower = [](auto* known, auto* other) {
        return known == nullptr || std::less<>{}(other, known) ? other : known;
    };
    for (const matched_transfer& t : call.transfers) {
        const std::uint8_t*& in = made.in[static_cast<std::size_t>(t.from)];
        std::uint8_t*& out = made.out[static_cast<std::size_t>(t.to)];
        in = lower(in, static_cast<const std::uint8_t*>(t.in));
        out = lower(out, static_cast<std::uint8_t*>(t.out));
    }
    for (const matched_transfer& t : call.transfers) {
        const auto in = reinterpret_cast<std::uintptr_t>(t.in);
        const auto out = reinterpret_cast<std::uintptr_t>(t.out);
        made.what.transfers.push_back(
            {t.from, t.to, in - reinterpret_cast<std::uintptr_t>(made.in[static_cast<std::size_t>(t.from)]),
             out - reinterpret_cast<std::uintptr_t>(made.out[static_cast<std::size_t>(t.to)]), t.bytes});
    }
    return made;
}

/// @param call one without trees
/// @param ranks in all processes
/// @throw usage_error for a buffer that is longer than memory
[[nodiscard]] inline byte_exchange byte_exchange_of(const matched_call& call, int ranks) {
    if (call.kind == call_kind::send_recv) { return byte_exchange_of_transfers(call, ranks); }
    const std::size_t bytes = call.count * size_of(call.type);
    byte_exchange made;
    made.what = call.kind == call_kind::alltoall ? make_alltoall(ranks, bytes)
                : call.kind == call_kind::gather ? make_gather(ranks, call.root, bytes)
                                                 : make_scatter(ranks, call.root, bytes);
    for (const void* const p : call.in) { made.in.push_back(static_cast<const std::uint8_t*>(p)); }
    for (void* const p : call.out) { made.out.push_back(static_cast<std::uint8_t*>(p)); }
    return made;
}

} // namespace blink::preload
