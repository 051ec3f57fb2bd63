// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What a measured call that only moves data asks of a group.
#pragma once

#include <blink/schedule/exchange.hpp>

#include <cstddef>
#include <vector>

#include "pattern.hpp"

namespace blink_perf {

/// The transfers of `data`, each of `data.count` elements.
[[nodiscard]] inline blink::exchange exchange_of(const pattern& data) {
    switch (data.moves) {
    case movement::gather:
        return blink::make_gather(data.ranks, data.root, data.count);
    case movement::scatter:
        return blink::make_scatter(data.ranks, data.root, data.count);
    case movement::alltoall:
        return blink::make_alltoall(data.ranks, data.count);
    default:
        break;
    }
    std::vector<blink::transfer> ring;
    for (int r = 0; r < data.ranks; ++r) { ring.push_back({r, (r + 1) % data.ranks, 0, 0, data.count}); }
    return blink::make_send_recv(data.ranks, ring);
}

} // namespace blink_perf
