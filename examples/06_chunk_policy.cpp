// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chunk sizes: an own policy, and one that learns from the running collectives.
#include <blink/allreduce.hpp>
#include <blink/core/units.hpp>
#include <blink/topology/machines.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

struct halves {
    std::size_t chunk_bytes(std::size_t lane_bytes) const { return std::max<std::size_t>(lane_bytes / 2, 4096); }
    void observe(std::size_t /*bytes*/, double /*seconds*/) {}
};

int main() {
    using namespace blink::literals;
    // Four ranks that play GPUs 0 to 3 of a DGX-1V.
    blink::local_group ranks{{.machine = blink::topology{blink::dgx1v}, .gpus = {0, 1, 2, 3}}};
    auto data = ranks.make_buffers<float>(1_MiB);

    blink::allreduce(ranks, data, data, data.count(), blink::max{}, {.chunk = halves{}});
    blink::allreduce(ranks, data, data, data.count(), blink::max{},
                     {.chunk = blink::fixed_chunk{64_KiB}, .slack = 0.0});

    const auto learns = std::make_shared<blink::miad_chunk>();
    for (int call = 0; call < 40; ++call) {
        blink::allreduce(ranks, data, data, data.count(), blink::max{}, {.chunk = learns});
        ranks.synchronize();
    }
    std::cout << "chunks of " << learns->chunk_bytes(data.bytes()) << " bytes after 40 calls\n";
}
