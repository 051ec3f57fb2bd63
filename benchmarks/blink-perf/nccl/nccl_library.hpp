// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The part of NCCL that a comparison needs, from the library that is installed, without its header.
///
/// Names, numbers and signatures are those of NCCL 2's stable C interface.
#pragma once

#include <blink/core/error.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <dlfcn.h>
#include <string>

namespace blink_perf {

using nccl_communicator = struct ncclComm*;
using nccl_window = struct ncclWindow_vidmem*;

/// What the ranks of a communicator in several processes have in common; handed over as bytes.
struct nccl_id {
    std::array<char, 128> bytes{};
};

class nccl_library {
  public:
    /// Multicast is switched off first: Blink does not use it, and what is compared are the same wires.
    /// @throw blink::usage_error where NCCL cannot be loaded
    nccl_library() : handle_(without_multicast()) {
        if (handle_ == nullptr) { throw blink::usage_error(std::string("--compare nccl: ") + dlerror()); }
        load(comm_init_all, "ncclCommInitAll");
        load(get_unique_id, "ncclGetUniqueId");
        load(comm_init_rank, "ncclCommInitRank");
        load(comm_destroy, "ncclCommDestroy");
        load(group_start, "ncclGroupStart");
        load(group_end, "ncclGroupEnd");
        load(all_reduce, "ncclAllReduce");
        load(broadcast, "ncclBroadcast");
        load(reduce, "ncclReduce");
        load(all_gather, "ncclAllGather");
        load(reduce_scatter, "ncclReduceScatter");
        load(create_premul_sum, "ncclRedOpCreatePreMulSum");
        load(destroy_operator, "ncclRedOpDestroy");
        load(send, "ncclSend");
        load(receive, "ncclRecv");
        load(error_string, "ncclGetErrorString");
        load(get_version, "ncclGetVersion");
        find(memory_alloc, "ncclMemAlloc");
        find(memory_free, "ncclMemFree");
        find(window_register, "ncclCommWindowRegister");
        find(window_deregister, "ncclCommWindowDeregister");
    }
    ~nccl_library() { dlclose(handle_); }
    nccl_library(const nccl_library&) = delete;
    nccl_library& operator=(const nccl_library&) = delete;

    /// @throw blink::error with NCCL's words where `status` is not success
    void check(int status, const char* what) const {
        if (status != 0) { throw blink::error(std::string(what) + ": " + error_string(status)); }
    }

    [[nodiscard]] std::string version() const {
        int v = 0;
        check(get_version(&v), "ncclGetVersion");
        return std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." + std::to_string(v % 100);
    }

    /// True where NCCL is so new (2.27) that it knows symmetric windows.
    [[nodiscard]] bool knows_windows() const noexcept {
        return memory_alloc != nullptr && memory_free != nullptr && window_register != nullptr &&
               window_deregister != nullptr;
    }

    int (*comm_init_all)(nccl_communicator*, int, const int*) = nullptr;
    int (*get_unique_id)(nccl_id*) = nullptr;
    int (*comm_init_rank)(nccl_communicator*, int, nccl_id, int) = nullptr;
    int (*comm_destroy)(nccl_communicator) = nullptr;
    int (*group_start)() = nullptr;
    int (*group_end)() = nullptr;
    int (*all_reduce)(const void*, void*, std::size_t, int, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*broadcast)(const void*, void*, std::size_t, int, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*reduce)(const void*, void*, std::size_t, int, int, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*all_gather)(const void*, void*, std::size_t, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*reduce_scatter)(const void*, void*, std::size_t, int, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*create_premul_sum)(int*, void*, int, int, nccl_communicator) = nullptr;
    int (*destroy_operator)(int, nccl_communicator) = nullptr;
    int (*send)(const void*, std::size_t, int, int, nccl_communicator, cudaStream_t) = nullptr;
    int (*receive)(void*, std::size_t, int, int, nccl_communicator, cudaStream_t) = nullptr;
    const char* (*error_string)(int) = nullptr;
    int (*get_version)(int*) = nullptr;

    // Null where NCCL is older; see `knows_windows`.
    int (*memory_alloc)(void**, std::size_t) = nullptr;
    int (*memory_free)(void*) = nullptr;
    int (*window_register)(nccl_communicator, void*, std::size_t, nccl_window*, int) = nullptr;
    int (*window_deregister)(nccl_communicator, nccl_window) = nullptr;

  private:
    static void* without_multicast() {
        setenv("NCCL_NVLS_ENABLE", "0", 1); // NCCL reads it once, when the first communicator is made
        return dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    }

    template <class Function>
    void find(Function& f, const char* name) {
        f = reinterpret_cast<Function>(dlsym(handle_, name));
    }

    template <class Function>
    void load(Function& f, const char* name) {
        find(f, name);
        if (f == nullptr) { throw blink::usage_error(std::string("--compare nccl: libnccl.so.2 has no ") + name); }
    }

    void* handle_;
};

} // namespace blink_perf
