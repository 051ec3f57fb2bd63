// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Input and output hold elements of one type: nothing is converted on the way.
// expect-error: no matching function for call to .*allreduce
#include <blink/allreduce.hpp>

#ifdef WORKS
using result = float;
#else
using result = double;
#endif

int main() {
    blink::local_group group;
    auto in = group.make_buffers<float>(4);
    auto out = group.make_buffers<result>(4);
    blink::allreduce(group, in, out, 4, blink::sum{});
}
