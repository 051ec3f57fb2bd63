// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls every entry point once, with arguments in which every byte is another one, and prints what it is answered.
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <type_traits>

#include "nccl_calls.hpp"

namespace {

/// Makes values whose bytes count on from one argument to the next; never a number that NCCL's enums do not have.
struct maker {
    template <class T>
    operator T() const { // NOLINT: every argument's type is to be deduced
        static unsigned char next = 1;
        T value{};
        if constexpr (std::is_enum_v<T>) {
            return static_cast<T>(1 + next++ % 3);
        } else {
            unsigned char bytes[sizeof(T)];
            for (unsigned char& b : bytes) { b = next++; }
            std::memcpy(static_cast<void*>(&value), bytes, sizeof(T));
            return value;
        }
    }
};

void show(const char* words) { std::printf("-> %s\n", words); }
void show(int number) { std::printf("-> %d\n", number); }
void show(const team& t) { std::printf("-> %d %d %d\n", t.ranks, t.rank, t.stride); }

template <class Result, class... Parameters>
void call(Result (*function)(Parameters...)) {
    if constexpr (std::is_void_v<Result>) {
        function(static_cast<Parameters>(maker{})...);
    } else {
        show(function(static_cast<Parameters>(maker{})...));
    }
}

/// What Blink itself looks behind has to be memory; at an address that is the same in every run.
void call_with_memory() {
    void* const wanted = reinterpret_cast<void*>(0x100000000);
    void* const page =
        mmap(wanted, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != wanted) { std::printf("no memory\n"); }
    auto** const comms = static_cast<communicator**>(page);
    auto* const number = reinterpret_cast<int*>(comms + 2);
    auto* const options = reinterpret_cast<config*>(comms + 4);
    // Of a version that is too old for the member that Blink reads.
    *options = {8, 0xcafebeef, 22809, 0};
    unique_id id{};
    for (char& c : id.internal) { c = static_cast<char>(&c - id.internal); }
    show(ncclCommInitAll(comms, 1, number));
    show(ncclCommInitRank(comms, 1, id, 0));
    show(ncclCommInitRankConfig(comms, 1, id, 0, options));
    auto* const ids = reinterpret_cast<unique_id*>(comms + 64);
    ids[0] = ids[1] = id;
    show(ncclCommInitRankScalable(comms, 2, 1, 2, ids, options));
    show(ncclCommInitRankScalable(comms, 1, 0, 2, ids, nullptr)); // more ids than ranks
    show(ncclCommInitRankScalable(comms, 1, 0, 1, nullptr, options));
    show(ncclCommSplit(reinterpret_cast<communicator*>(0x4567), 5, 6, comms, options));
    show(ncclCommShrink(reinterpret_cast<communicator*>(0x4567), number, 1, comms, options, shrink_abort));
    show(ncclCommShrink(reinterpret_cast<communicator*>(0x4567), nullptr, -1, nullptr, nullptr, 0));
    auto* const op = reinterpret_cast<operation*>(comms + 12);
    show(ncclRedOpCreatePreMulSum(op, number, float32, scalar_host_immediate, comms[0]));
    show(ncclRedOpCreatePreMulSum(op, number, float64, scalar_device, comms[0]));
    show(ncclCommGetAsyncError(reinterpret_cast<communicator*>(0x4567), reinterpret_cast<result*>(number)));
}

} // namespace

#define BLINK_CALL(Result, name, parameters, arguments) call(&::name);
#define BLINK_CALL_TWIN(Result, name, parameters, arguments) call(&::p##name);

int main() {
    // The order of arguments' making is not fixed for a call, but it is the same in both runs of one program.
    BLINK_NCCL_FORWARDED(BLINK_CALL)
    BLINK_NCCL_FORWARDED_WITHOUT_TWIN(BLINK_CALL)
    BLINK_NCCL_FORWARDED(BLINK_CALL_TWIN)
    call_with_memory();
    call(&::ncclAllReduce);
    call(&::ncclReduce);
    call(&::ncclBroadcast);
    call(&::ncclAllGather);
    call(&::ncclReduceScatter);
    call(&::ncclRedOpDestroy);
    call(&::ncclCommFinalize);
    call(&::ncclCommRevoke);
    call(&::ncclCommDestroy);
    call(&::ncclCommAbort);
    call(&::ncclGroupStart);
    call(&::ncclGroupSimulateEnd);
    call(&::ncclGroupStart);
    call(&::ncclGroupStart);
    call(&::ncclCommCount);
    call(&::ncclGroupEnd);
    call(&::ncclGroupStart);
    call(&::ncclCommCount);
    call(&::ncclGroupEnd);
    call(&::ncclGroupEnd);
    call(&::ncclGroupEnd);
    call(&::ncclGetErrorString);
    call(&::ncclGetLastError);
}
