// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The compiler packs trees over direct links alone, and says so where they do not join the GPUs.
// expect-error: direct links do not join these GPUs
#include <blink/packing/static_packing.hpp>
#include <blink/topology/machines.hpp>

int main() {
#ifdef WORKS
    using some = blink::static_packing<blink::dgx1v, 1, 5, 6>;
#else
    using some = blink::static_packing<blink::dgx1v, 1, 4, 6>;
#endif
    return some::allreduce.count;
}
