// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// expect-error: direct links do not join these GPUs
#include <blink/packing/static_packing.hpp>
#include <blink/topology/machines.hpp>

int main() {
    return blink::static_packing<blink::dgx1v, 1, 4, 6>::allreduce.count; // no NVLink joins GPU 1 with 4 or 6
}
