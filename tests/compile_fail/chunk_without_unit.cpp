// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A chunk size is a policy, not a naked number.
// expect-error: could not convert .*int.* to .*chunk_choice
#include <blink/schedule/chunk.hpp>

struct options {
    blink::chunk_choice chunk{};
};

int main() {
#ifdef WORKS
    const options o{.chunk = blink::fixed_chunk{65536}};
#else
    const options o{.chunk = 65536};
#endif
    return o.chunk.is_automatic() ? 1 : 0;
}
