// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A machine needs links before some of its GPUs can be picked out.
// expect-error: no matching function for call to .*induced
// expect-error: capacity_graph
#include <blink/topology/machines.hpp>

struct only_a_name {
    std::string name() const { return "box"; }
};

int main() {
#ifdef WORKS
    const auto machine = blink::dgx1v;
#else
    const only_a_name machine;
#endif
    const int gpus[] = {0, 1};
    return blink::induced(machine, gpus).gpu_count();
}
