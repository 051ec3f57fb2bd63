// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The first argument is a group of ranks; a number of ranks is none.
// expect-error: no matching function for call to .*allreduce
// expect-error: rank_group
#include <blink/allreduce.hpp>

int main() {
    blink::local_group group;
    auto buffers = group.make_buffers<float>(4);
#ifdef WORKS
    auto& ranks = group;
#else
    int ranks = 8;
#endif
    blink::allreduce(ranks, buffers, buffers, 4, blink::sum{});
}
