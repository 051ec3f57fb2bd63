// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asks NCCL what it can be asked without a GPU, mostly wrongly, and prints the answers. It is run with and without
// Blink, and the answers have to be the same.
#include <cstdio>

#include "nccl_calls.hpp"

namespace {

void show(const char* what, int answer) { std::printf("%s: %d\n", what, answer); }

void ask_for_communicators(const unique_id& id) {
    communicator* one = nullptr;
    communicator* two[2] = {};
    const int same[2] = {0, 0};
    const int negative[2] = {-1, 0};
    show("init rank", ncclCommInitRank(&one, 1, id, 0));
    show("init rank without a place", ncclCommInitRank(nullptr, 1, id, 0));
    show("init rank of none", ncclCommInitRank(&one, 0, id, 0));
    show("init rank beyond the last", ncclCommInitRank(&one, 2, id, 5));
    show("init rank config", ncclCommInitRankConfig(&one, 1, id, 0, nullptr));
    unique_id ids[2] = {id, id};
    show("init rank of several ids", ncclCommInitRankScalable(&one, 2, 0, 2, ids, nullptr));
    show("init rank of several ids without a place", ncclCommInitRankScalable(nullptr, 1, 0, 1, ids, nullptr));
    show("init rank of no ids", ncclCommInitRankScalable(&one, 1, 0, 0, ids, nullptr));
    show("init rank of more ids than ranks", ncclCommInitRankScalable(&one, 1, 0, 2, ids, nullptr));
    show("init all", ncclCommInitAll(two, 2, nullptr));
    show("init all without a place", ncclCommInitAll(nullptr, 2, nullptr));
    show("init all of fewer than none", ncclCommInitAll(two, -1, nullptr));
    show("init all on one GPU twice", ncclCommInitAll(two, 2, same));
    show("init all on no GPU", ncclCommInitAll(two, 2, negative));
    show("group start", ncclGroupStart());
    show("init rank in a group", ncclCommInitRank(&one, 1, id, 0));
    show("group end", ncclGroupEnd());
}

void call_without_communicator() {
    float x = 0;
    communicator* const none = nullptr;
    show("allreduce", ncclAllReduce(&x, &x, 1, float32, sum, none, nullptr));
    show("allreduce of an unknown type", ncclAllReduce(&x, &x, 1, type_count, sum, none, nullptr));
    show("allreduce by an unknown operator", ncclAllReduce(&x, &x, 1, float32, operation(77), none, nullptr));
    show("broadcast", ncclBroadcast(&x, &x, 1, float32, 0, none, nullptr));
    show("broadcast from a negative root", ncclBroadcast(&x, &x, 1, float32, -1, none, nullptr));
    show("bcast", ncclBcast(&x, 1, float32, 0, none, nullptr));
    show("reduce", ncclReduce(&x, &x, 1, float32, sum, 0, none, nullptr));
    show("allgather", ncclAllGather(&x, &x, 1, float32, none, nullptr));
    show("reduce scatter", ncclReduceScatter(&x, &x, 1, float32, sum, none, nullptr));
    show("allreduce of nothing", ncclAllReduce(nullptr, nullptr, 0, float32, sum, none, nullptr));
    show("send", ncclSend(&x, 1, float32, 0, none, nullptr));
    show("recv", ncclRecv(&x, 1, float32, 0, none, nullptr));
    result error = success;
    int number = 0;
    operation made = sum;
    void* handle = nullptr;
    show("async error", ncclCommGetAsyncError(none, &error));
    show("count", ncclCommCount(none, &number));
    show("device", ncclCommCuDevice(none, &number));
    show("rank", ncclCommUserRank(none, &number));
    show("register", ncclCommRegister(none, &x, 4, &handle));
    show("premulsum", ncclRedOpCreatePreMulSum(&made, &x, float32, scalar_host_immediate, none));
    show("split", ncclCommSplit(none, 0, 0, nullptr, nullptr));
    show("finalize", ncclCommFinalize(none));
    show("destroy", ncclCommDestroy(none));
    show("abort", ncclCommAbort(none));
}

void open_and_close_groups() {
    float x = 0;
    show("start", ncclGroupStart());
    show("start within", ncclGroupStart());
    show("allreduce within", ncclAllReduce(&x, &x, 1, float32, sum, nullptr, nullptr));
    show("end within", ncclGroupEnd());
    show("end", ncclGroupEnd());
    show("end of none", ncclGroupEnd());
    show("start", ncclGroupStart());
    show("end", ncclGroupEnd());
    show("start by the other name", pncclGroupStart());
    show("end by the other name", pncclGroupEnd());
    show("end of none by the other name", pncclGroupEnd());
}

} // namespace

int main() {
    int version = 0;
    show("version", ncclGetVersion(&version));
    show("is", version);
    show("version without a place", ncclGetVersion(nullptr));
    unique_id id{};
    show("unique id", ncclGetUniqueId(&id));
    show("unique id without a place", ncclGetUniqueId(nullptr));
    ask_for_communicators(id);
    call_without_communicator();
    open_and_close_groups();
    void* memory = nullptr;
    show("memory", ncclMemAlloc(&memory, 1024));
    show("no memory", ncclMemFree(nullptr));
    for (int code = -1; code <= result_count; ++code) { std::printf("%s\n", ncclGetErrorString(result(code))); }
    std::printf("last error: %s\n", ncclGetLastError(nullptr));
}
