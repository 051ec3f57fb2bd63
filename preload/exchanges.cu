// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One kernel for all that moves without being combined: in bytes, which travel sixteen at a time where they can.
#include <blink/communicator/exchange_group.hpp>

#include <cstdint>
#include <span>

#include "exchanges.hpp"
#include "reductions.cuh"

namespace blink::preload {

void run_exchange(cuda_group& group, const matched_call& call) {
    const byte_exchange bytes = byte_exchange_of(call, group.size());
    group.run<std::uint8_t>(bytes.what, std::span(bytes.in), std::span<std::uint8_t* const>(bytes.out));
}

void run_exchange(blink::communicator& own, const matched_call& call) {
    const byte_exchange bytes = byte_exchange_of(call, own.size());
    own.run<std::uint8_t>(bytes.what, bytes.in[0], bytes.out[0], options{}, to_cuda(call.streams[0]));
}

} // namespace blink::preload
