// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The symbols of libnccl, as this library offers them.
#include <cstddef>
#include <cstdlib>
#include <dlfcn.h>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "derived_ids.hpp"
#include "entry_table.hpp"
#include "executor.hpp"
#include "interposer.hpp"
#include "log.hpp"
#include "nccl/abi.hpp"
#include "nccl/below.hpp"
#include "nccl/entry_points.hpp"
#include "settings.hpp"

namespace blink::preload {

using namespace nccl;

namespace {

class real_nccl final : public nccl_beneath {
  public:
    result collective(const collective_call& c) override {
        switch (c.kind) {
        case call_kind::allreduce:
            return below::ncclAllReduce(c.in, c.out, c.count, c.type, c.op, c.comm, c.stream);
        case call_kind::broadcast:
            return below::ncclBroadcast(c.in, c.out, c.count, c.type, c.root, c.comm, c.stream);
        case call_kind::reduce:
            return below::ncclReduce(c.in, c.out, c.count, c.type, c.op, c.root, c.comm, c.stream);
        case call_kind::allgather:
            return below::ncclAllGather(c.in, c.out, c.count, c.type, c.comm, c.stream);
        case call_kind::reduce_scatter:
            return below::ncclReduceScatter(c.in, c.out, c.count, c.type, c.op, c.comm, c.stream);
        case call_kind::alltoall:
            return below::ncclAlltoAll(c.in, c.out, c.count, c.type, c.comm, c.stream);
        case call_kind::gather:
            return below::ncclGather(c.in, c.out, c.count, c.type, c.root, c.comm, c.stream);
        case call_kind::scatter:
            return below::ncclScatter(c.in, c.out, c.count, c.type, c.root, c.comm, c.stream);
        case call_kind::send_recv:
            return c.receives ? below::ncclRecv(c.out, c.count, c.type, c.root, c.comm, c.stream)
                              : below::ncclSend(c.in, c.count, c.type, c.root, c.comm, c.stream);
        }
        return internal_error;
    }
    result group_start() override { return below::start_group(); }
    result group_end() override { return below::end_group(); }
    result device(communicator* comm, int* device) override { return below::ncclCommCuDevice(comm, device); }
    result place(communicator* comm, int* ranks, int* rank) override {
        const result counted = below::ncclCommCount(comm, ranks);
        return counted == success ? below::ncclCommUserRank(comm, rank) : counted;
    }
};

/// Never destroyed: programs and other libraries call NCCL while the process ends.
const settings& chosen() {
    static const settings& s = *[] {
        auto* const read =
            new settings(read_settings([](const char* name) { return std::getenv(name); }, log::problem));
        log::set_level(read->debug);
        return read;
    }();
    return s;
}

interposer& program() {
    static auto& nccl = *new real_nccl;
    static auto& one = *new interposer(nccl, make_executor, make_process_executor, chosen());
    return one;
}

/// No exception leaves the library: the program may be C.
template <class Call>
result guarded(const Call& call) noexcept {
    try {
        return call();
    } catch (const std::exception& e) { log::problem(std::string("internal error: ") + e.what()); } catch (...) {
        log::problem("internal error");
    }
    return internal_error;
}

bool is_blocking(const config* options) {
    const bool has_member = options != nullptr && options->size >= offsetof(config, blocking) + sizeof(int);
    if (has_member && options->blocking != undefined) { return options->blocking != 0; }
    const char* const everywhere = std::getenv("NCCL_COMM_BLOCKING");
    return everywhere == nullptr || std::string_view(everywhere) != "0";
}

/// NCCL's words, for where there is no NCCL that could be asked.
const char* own_words(result code) {
    switch (code) {
    case success:
        return "no error";
    case unhandled_cuda_error:
        return "unhandled cuda error";
    case system_error:
        return "unhandled system error";
    case internal_error:
        return "internal error";
    case invalid_argument:
        return "invalid argument";
    case invalid_usage:
        return "invalid usage";
    case remote_error:
        return "remote process exited or there was a network error";
    case in_progress:
        return "NCCL operation in progress";
    default:
        return "unknown result code";
    }
}

} // namespace

/// What Blink answers to the calls in which it has a say, by their names.
namespace decided {

result run(call_kind kind, const void* in, void* out, std::size_t count, data_type type, operation op, int root,
           communicator* comm, stream* s) {
    return guarded([&] { return program().collective({kind, in, out, count, type, op, root, comm, s}); });
}

result ncclAllReduce(const void* in, void* out, std::size_t count, data_type type, operation op, communicator* comm,
                     stream* s) {
    return run(call_kind::allreduce, in, out, count, type, op, 0, comm, s);
}
result ncclBroadcast(const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm,
                     stream* s) {
    return run(call_kind::broadcast, in, out, count, type, sum, root, comm, s);
}
result ncclBcast(void* buffer, std::size_t count, data_type type, int root, communicator* comm, stream* s) {
    return run(call_kind::broadcast, buffer, buffer, count, type, sum, root, comm, s);
}
result ncclReduce(const void* in, void* out, std::size_t count, data_type type, operation op, int root,
                  communicator* comm, stream* s) {
    return run(call_kind::reduce, in, out, count, type, op, root, comm, s);
}
result ncclAllGather(const void* in, void* out, std::size_t count, data_type type, communicator* comm, stream* s) {
    return run(call_kind::allgather, in, out, count, type, sum, 0, comm, s);
}
result ncclReduceScatter(const void* in, void* out, std::size_t count, data_type type, operation op, communicator* comm,
                         stream* s) {
    return run(call_kind::reduce_scatter, in, out, count, type, op, 0, comm, s);
}

result ncclAlltoAll(const void* in, void* out, std::size_t count, data_type type, communicator* comm, stream* s) {
    return run(call_kind::alltoall, in, out, count, type, sum, 0, comm, s);
}
result ncclGather(const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm,
                  stream* s) {
    return run(call_kind::gather, in, out, count, type, sum, root, comm, s);
}
result ncclScatter(const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm,
                   stream* s) {
    return run(call_kind::scatter, in, out, count, type, sum, root, comm, s);
}
result ncclSend(const void* in, std::size_t count, data_type type, int peer, communicator* comm, stream* s) {
    return run(call_kind::send_recv, in, nullptr, count, type, sum, peer, comm, s);
}
result ncclRecv(void* out, std::size_t count, data_type type, int peer, communicator* comm, stream* s) {
    return guarded([&] {
        return program().collective(
            {call_kind::send_recv, nullptr, out, count, type, sum, peer, comm, s, std::nullopt, true});
    });
}

result ncclRedOpCreatePreMulSum(operation* op, void* scalar, data_type type, scalar_residence residence,
                                communicator* comm) {
    return guarded([&] {
        return program().create_premul_sum(op, scalar, type, residence, comm, [&] {
            return below::ncclRedOpCreatePreMulSum(op, scalar, type, residence, comm);
        });
    });
}
result ncclRedOpDestroy(operation op, communicator* comm) {
    return guarded(
        [&] { return program().destroy_operator(op, comm, [&] { return below::ncclRedOpDestroy(op, comm); }); });
}

result ncclGroupStart() {
    return guarded([] { return program().group_start(); });
}
result ncclGroupEnd() {
    return guarded([] { return program().group_end(); });
}
result ncclGroupSimulateEnd(simulation_info* info) {
    return guarded([&] { return program().group_simulate_end([&] { return below::ncclGroupSimulateEnd(info); }); });
}

result ncclCommInitAll(communicator** comms, int count, const int* devices) {
    return guarded([&] {
        return program().init_all(comms, count, [&] { return below::ncclCommInitAll(comms, count, devices); });
    });
}
result ncclCommInitRank(communicator** comm, int ranks, unique_id id, int rank) {
    return guarded([&] {
        return program().init_rank(comm, ranks, id, rank, is_blocking(nullptr),
                                   [&] { return below::ncclCommInitRank(comm, ranks, id, rank); });
    });
}
result ncclCommInitRankConfig(communicator** comm, int ranks, unique_id id, int rank, config* options) {
    return guarded([&] {
        return program().init_rank(comm, ranks, id, rank, is_blocking(options),
                                   [&] { return below::ncclCommInitRankConfig(comm, ranks, id, rank, options); });
    });
}
result ncclCommInitRankScalable(communicator** comm, int ranks, int rank, int id_count, unique_id* ids,
                                config* options) {
    return guarded([&] {
        const auto to_nccl = [&] { return below::ncclCommInitRankScalable(comm, ranks, rank, id_count, ids, options); };
        if (ids == nullptr || id_count < 1 || id_count > ranks) { return to_nccl(); } // which says what is wrong
        const unique_id all = id_of_several(std::span(ids, static_cast<unsigned>(id_count)));
        return program().init_rank(comm, ranks, all, rank, is_blocking(options), to_nccl);
    });
}

result ncclCommSplit(communicator* comm, int color, int key, communicator** created, config* options) {
    return guarded([&] {
        return program().split(comm, color, created, is_blocking(options),
                               [&] { return below::ncclCommSplit(comm, color, key, created, options); });
    });
}

result ncclCommShrink(communicator* comm, int* excluded, int count, communicator** created, config* options,
                      int flags) {
    return guarded([&] {
        const std::span<const int> without(excluded,
                                           excluded == nullptr || count < 0 ? 0 : static_cast<unsigned>(count));
        return program().shrink(comm, without, (flags & shrink_abort) != 0, created, is_blocking(options),
                                [&] { return below::ncclCommShrink(comm, excluded, count, created, options, flags); });
    });
}

result ncclCommFinalize(communicator* comm) {
    return guarded([&] {
        return program().end(comm, interposer::ending::finalize, [&] { return below::ncclCommFinalize(comm); });
    });
}
result ncclCommDestroy(communicator* comm) {
    return guarded(
        [&] { return program().end(comm, interposer::ending::destroy, [&] { return below::ncclCommDestroy(comm); }); });
}
result ncclCommAbort(communicator* comm) {
    return guarded(
        [&] { return program().end(comm, interposer::ending::abort, [&] { return below::ncclCommAbort(comm); }); });
}
result ncclCommRevoke(communicator* comm, int flags) {
    return guarded([&] {
        return program().end(comm, interposer::ending::revoke, [&] { return below::ncclCommRevoke(comm, flags); });
    });
}

result ncclCommGetAsyncError(communicator* comm, result* error) {
    return guarded(
        [&] { return program().async_error(comm, error, [&] { return below::ncclCommGetAsyncError(comm, error); }); });
}
const char* ncclGetErrorString(result code) {
    const char* const words = below::ncclGetErrorString(code);
    return words == nullptr ? own_words(code) : words;
}
const char* ncclGetLastError(communicator* comm) {
    thread_local std::string text;
    (void)guarded([&] { return text = program().last_error(comm), success; });
    if (!text.empty()) { return text.c_str(); }
    const char* const words = below::ncclGetLastError(comm);
    return words == nullptr ? below::why_absent() : words;
}

} // namespace decided

} // namespace blink::preload

// A call from inside the NCCL beneath is one of NCCL's own, and goes back to it.
#define BLINK_EXPORT extern "C" __attribute__((visibility("default")))
#define BLINK_EXPORT_DECIDED(Result, name, parameters, arguments)                                                      \
    BLINK_EXPORT Result name parameters {                                                                              \
        return below::depth() > 0 ? below::name arguments : blink::preload::decided::name arguments;                   \
    }
#define BLINK_EXPORT_FORWARDED(Result, name, parameters, arguments)                                                    \
    BLINK_EXPORT Result name parameters {                                                                              \
        (void)blink::preload::chosen();                                                                                \
        return below::name arguments;                                                                                  \
    }
#define BLINK_EXPORT_TWIN(Result, name, parameters, arguments)                                                         \
    BLINK_EXPORT Result p##name parameters { return below::depth() > 0 ? below::p##name arguments : name arguments; }

using namespace blink::preload::nccl;
BLINK_NCCL_DECIDED(BLINK_EXPORT_DECIDED)
BLINK_NCCL_FORWARDED(BLINK_EXPORT_FORWARDED)
BLINK_NCCL_FORWARDED_WITHOUT_TWIN(BLINK_EXPORT_FORWARDED)
BLINK_NCCL_DECIDED(BLINK_EXPORT_TWIN)
#define BLINK_EXPORT_FORWARDED_TWIN(Result, name, parameters, arguments)                                               \
    BLINK_EXPORT_FORWARDED(Result, p##name, parameters, arguments)
BLINK_NCCL_FORWARDED(BLINK_EXPORT_FORWARDED_TWIN)

#define BLINK_ENTRY(Result, name, parameters, arguments) {#name, reinterpret_cast<void*>(&::name)},
#define BLINK_TWIN_ENTRY(Result, name, parameters, arguments) {"p" #name, reinterpret_cast<void*>(&::p##name)},
extern "C" __attribute__((visibility("default"))) const blink::preload::entry_address blink_entry_points[] = {
    BLINK_NCCL_DECIDED(BLINK_ENTRY) BLINK_NCCL_FORWARDED(BLINK_ENTRY) BLINK_NCCL_DECIDED(BLINK_TWIN_ENTRY)
        BLINK_NCCL_FORWARDED(BLINK_TWIN_ENTRY){nullptr, nullptr}};

namespace {

/// Shows the table to the audit library, where there is one, before the program runs.
__attribute__((constructor)) void show_entries() {
    // The loader looks up who asks by the return address: a jump in the place of the call would leave it none.
    void* volatile found = dlsym(RTLD_DEFAULT, BLINK_ENTRY_TABLE);
    (void)found;
}

} // namespace
