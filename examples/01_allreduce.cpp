// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The sum of one buffer a rank, left on every rank. The README shows this program.
#include <blink/allreduce.hpp>

#include <iostream>

int main() {
    blink::local_group gpus;                        // every visible GPU; host ranks where there is none
    auto grads = gpus.make_buffers<float>(1 << 20); // one buffer a rank
    for (int r = 0; r < gpus.size(); ++r) { grads.fill(r, static_cast<float>(r)); }

    blink::allreduce(gpus, grads, grads, grads.count(), blink::sum{}); // in place; returns at once
    gpus.synchronize();                                                // throws what went wrong on any rank

    std::cout << "each of " << gpus.size() << " ranks has " << grads.read(0).front() << '\n';
}
