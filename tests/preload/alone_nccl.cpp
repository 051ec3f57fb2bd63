// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stands in for NCCL where that refuses to work, as with two ranks on one GPU: it makes communicators that can do
// nothing, and refuses every collective, so that what succeeds was Blink's.
#include <algorithm>
#include <cstdio>
#include <dlfcn.h>
#include <random>

#include "nccl_calls.hpp"

namespace blink::preload::nccl {

/// What a handle points to.
struct communicator {
    int rank;
    int ranks;
    int device;
};

} // namespace blink::preload::nccl

namespace {

/// The current CUDA device, as the driver says, which the program has started.
int current_device() {
    void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    const auto ask = reinterpret_cast<int (*)(int*)>(driver == nullptr ? nullptr : dlsym(driver, "cuCtxGetDevice"));
    int device = 0;
    return ask != nullptr && ask(&device) == 0 ? device : 0;
}

result refused(const char* name) {
    std::fprintf(stderr, "%s came to the stand-in of NCCL\n", name);
    return invalid_usage;
}

} // namespace

extern "C" {

result ncclGetVersion(int* version) {
    *version = 22800;
    return success;
}
result ncclGetUniqueId(unique_id* id) {
    std::random_device random;
    std::generate(std::begin(id->internal), std::end(id->internal), [&] { return static_cast<char>(random()); });
    return success;
}
result ncclCommInitRank(communicator** comm, int ranks, unique_id, int rank) {
    *comm = new communicator{rank, ranks, current_device()};
    return success;
}
result ncclCommInitRankConfig(communicator** comm, int ranks, unique_id id, int rank, config*) {
    return ncclCommInitRank(comm, ranks, id, rank);
}
result ncclCommInitRankScalable(communicator** comm, int ranks, int rank, int, unique_id* ids, config*) {
    return ncclCommInitRank(comm, ranks, ids[0], rank);
}
/// Ranks cannot tell each other their colors here: all have to give the same, or none, and keep their order.
result ncclCommSplit(communicator* comm, int color, int, communicator** created, config*) {
    *created = color < 0 ? nullptr : new communicator{*comm};
    return success;
}
result ncclCommShrink(communicator* comm, int* excluded, int count, communicator** created, config*, int) {
    const auto before = std::count_if(excluded, excluded + count, [&](int r) { return r < comm->rank; });
    *created = new communicator{comm->rank - static_cast<int>(before), comm->ranks - count, comm->device};
    return success;
}
result ncclCommFinalize(communicator*) { return success; }
result ncclCommDestroy(communicator* comm) {
    delete comm;
    return success;
}
result ncclCommAbort(communicator* comm) {
    delete comm;
    return success;
}
result ncclCommGetAsyncError(communicator*, result* error) {
    *error = success;
    return success;
}
result ncclCommCuDevice(communicator* comm, int* device) {
    *device = comm->device;
    return success;
}
result ncclCommCount(communicator* comm, int* count) {
    *count = comm->ranks;
    return success;
}
result ncclCommUserRank(communicator* comm, int* rank) {
    *rank = comm->rank;
    return success;
}
result ncclGroupStart() { return success; }
result ncclGroupEnd() { return success; }
const char* ncclGetErrorString(result) { return "an error that the stand-in of NCCL has passed on"; }
const char* ncclGetLastError(communicator*) { return "the stand-in of NCCL knows no errors"; }

result ncclRedOpCreatePreMulSum(operation* op, void*, data_type, scalar_residence, communicator*) {
    static int made = operation_count;
    *op = static_cast<operation>(made++);
    return success;
}
result ncclRedOpDestroy(operation, communicator*) { return success; }

result ncclAllReduce(const void*, void*, std::size_t, data_type, operation, communicator*, stream*) {
    return refused("ncclAllReduce");
}
result ncclReduce(const void*, void*, std::size_t, data_type, operation, int, communicator*, stream*) {
    return refused("ncclReduce");
}
result ncclBroadcast(const void*, void*, std::size_t, data_type, int, communicator*, stream*) {
    return refused("ncclBroadcast");
}
result ncclBcast(void*, std::size_t, data_type, int, communicator*, stream*) { return refused("ncclBcast"); }
result ncclAllGather(const void*, void*, std::size_t, data_type, communicator*, stream*) {
    return refused("ncclAllGather");
}
result ncclReduceScatter(const void*, void*, std::size_t, data_type, operation, communicator*, stream*) {
    return refused("ncclReduceScatter");
}
result ncclAlltoAll(const void*, void*, std::size_t, data_type, communicator*, stream*) {
    return refused("ncclAlltoAll");
}
result ncclGather(const void*, void*, std::size_t, data_type, int, communicator*, stream*) {
    return refused("ncclGather");
}
result ncclScatter(const void*, void*, std::size_t, data_type, int, communicator*, stream*) {
    return refused("ncclScatter");
}

} // extern "C"
