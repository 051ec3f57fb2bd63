// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The part of NCCL that a comparison needs, from the library that is installed, without its header.
///
/// Names, numbers and signatures are those of NCCL 2's stable C interface.
#pragma once

#include <blink/core/error.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <dlfcn.h>
#include <string>

namespace blink_perf {

using nccl_communicator = struct ncclComm*;

class nccl_library {
  public:
    /// @throw blink::usage_error where NCCL cannot be loaded
    nccl_library() : handle_(dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) { throw blink::usage_error(std::string("--compare nccl: ") + dlerror()); }
        load(comm_init_all, "ncclCommInitAll");
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

    int (*comm_init_all)(nccl_communicator*, int, const int*) = nullptr;
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

  private:
    template <class Function>
    void load(Function& f, const char* name) {
        f = reinterpret_cast<Function>(dlsym(handle_, name));
        if (f == nullptr) { throw blink::usage_error(std::string("--compare nccl: libnccl.so.2 has no ") + name); }
    }

    void* handle_;
};

} // namespace blink_perf
