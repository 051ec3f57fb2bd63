// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chunk sizes that are learnt from the running collectives, on a group that says which machine it plays.
#include <blink/allreduce.hpp>
#include <blink/core/units.hpp>
#include <blink/schedule/miad.hpp>
#include <blink/topology/machines.hpp>

#include <iostream>
#include <memory>

int main() {
    using namespace blink::literals;
    blink::local_group ranks{{.machine = blink::topology{blink::dgx1v}, .gpus = {0, 1, 2, 3}}};
    auto data = ranks.make_buffers<float>(1_MiB);

    const auto learnt = std::make_shared<blink::miad_chunk>();
    for (int call = 0; call < 40; ++call) {
        blink::allreduce(ranks, data, data, data.count(), blink::max{}, {.chunk = learnt, .slack = 0.0});
        ranks.synchronize();
    }
    std::cout << "chunks of " << learnt->chunk_bytes(data.bytes()) << " bytes after 40 calls\n";
}
