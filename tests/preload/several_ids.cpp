// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The second of two ranks, whose other one never comes, makes a communicator from two ids. It needs no GPU; what the
// library says meanwhile tells whether it took part.
#include <cstdio>

#include "nccl_calls.hpp"

int main() {
    unique_id ids[2]{};
    communicator* comm = nullptr;
    for (unique_id& id : ids) { std::printf("an id: %d\n", ncclGetUniqueId(&id)); }
    std::printf("a communicator of two ids: %d\n", ncclCommInitRankScalable(&comm, 2, 1, 2, ids, nullptr));
    std::printf("its end: %d\n", ncclCommDestroy(comm));
}
