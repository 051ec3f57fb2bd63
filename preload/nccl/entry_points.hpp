// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// All entry points of libnccl as tables of X(what it returns, name, (parameters), (arguments)), to be used where the
/// names of `abi.hpp` are visible. A call that a later NCCL adds has to be entered here only where Blink is put in the
/// place of NCCL's file; under LD_PRELOAD it reaches NCCL by itself.
#pragma once

/// Calls in which Blink has a say.
#define BLINK_NCCL_DECIDED(X)                                                                                          \
    X(result, ncclAllReduce,                                                                                           \
      (const void* in, void* out, std::size_t count, data_type type, operation op, communicator* comm, stream* s),     \
      (in, out, count, type, op, comm, s))                                                                             \
    X(result, ncclBroadcast,                                                                                           \
      (const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm, stream* s),         \
      (in, out, count, type, root, comm, s))                                                                           \
    X(result, ncclBcast, (void* buffer, std::size_t count, data_type type, int root, communicator* comm, stream* s),   \
      (buffer, count, type, root, comm, s))                                                                            \
    X(result, ncclReduce,                                                                                              \
      (const void* in, void* out, std::size_t count, data_type type, operation op, int root, communicator* comm,       \
       stream* s),                                                                                                     \
      (in, out, count, type, op, root, comm, s))                                                                       \
    X(result, ncclAllGather,                                                                                           \
      (const void* in, void* out, std::size_t count, data_type type, communicator* comm, stream* s),                   \
      (in, out, count, type, comm, s))                                                                                 \
    X(result, ncclReduceScatter,                                                                                       \
      (const void* in, void* out, std::size_t count, data_type type, operation op, communicator* comm, stream* s),     \
      (in, out, count, type, op, comm, s))                                                                             \
    X(result, ncclSend, (const void* in, std::size_t count, data_type type, int peer, communicator* comm, stream* s),  \
      (in, count, type, peer, comm, s))                                                                                \
    X(result, ncclRecv, (void* out, std::size_t count, data_type type, int peer, communicator* comm, stream* s),       \
      (out, count, type, peer, comm, s))                                                                               \
    X(result, ncclAlltoAll,                                                                                            \
      (const void* in, void* out, std::size_t count, data_type type, communicator* comm, stream* s),                   \
      (in, out, count, type, comm, s))                                                                                 \
    X(result, ncclGather,                                                                                              \
      (const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm, stream* s),         \
      (in, out, count, type, root, comm, s))                                                                           \
    X(result, ncclScatter,                                                                                             \
      (const void* in, void* out, std::size_t count, data_type type, int root, communicator* comm, stream* s),         \
      (in, out, count, type, root, comm, s))                                                                           \
    X(result, ncclRedOpCreatePreMulSum,                                                                                \
      (operation * op, void* scalar, data_type type, scalar_residence residence, communicator* comm),                  \
      (op, scalar, type, residence, comm))                                                                             \
    X(result, ncclRedOpDestroy, (operation op, communicator * comm), (op, comm))                                       \
    X(result, ncclGroupStart, (), ())                                                                                  \
    X(result, ncclGroupEnd, (), ())                                                                                    \
    X(result, ncclGroupSimulateEnd, (simulation_info * info), (info))                                                  \
    X(result, ncclCommInitAll, (communicator * *comms, int count, const int* devices), (comms, count, devices))        \
    X(result, ncclCommInitRank, (communicator * *comm, int ranks, unique_id id, int rank), (comm, ranks, id, rank))    \
    X(result, ncclCommInitRankConfig, (communicator * *comm, int ranks, unique_id id, int rank, config* options),      \
      (comm, ranks, id, rank, options))                                                                                \
    X(result, ncclCommInitRankScalable,                                                                                \
      (communicator * *comm, int ranks, int rank, int id_count, unique_id* ids, config* options),                      \
      (comm, ranks, rank, id_count, ids, options))                                                                     \
    X(result, ncclCommSplit, (communicator * comm, int color, int key, communicator** created, config* options),       \
      (comm, color, key, created, options))                                                                            \
    X(result, ncclCommShrink,                                                                                          \
      (communicator * comm, int* excluded, int count, communicator** created, config* options, int flags),             \
      (comm, excluded, count, created, options, flags))                                                                \
    X(result, ncclCommFinalize, (communicator * comm), (comm))                                                         \
    X(result, ncclCommDestroy, (communicator * comm), (comm))                                                          \
    X(result, ncclCommAbort, (communicator * comm), (comm))                                                            \
    X(result, ncclCommRevoke, (communicator * comm, int flags), (comm, flags))                                         \
    X(result, ncclCommGetAsyncError, (communicator * comm, result * error), (comm, error))                             \
    X(const char*, ncclGetErrorString, (result code), (code))                                                          \
    X(const char*, ncclGetLastError, (communicator * comm), (comm))

/// Calls that go to the NCCL beneath as they are.
#define BLINK_NCCL_FORWARDED(X)                                                                                        \
    X(result, ncclGetVersion, (int* version), (version))                                                               \
    X(result, ncclGetUniqueId, (unique_id * id), (id))                                                                 \
    X(result, ncclMemAlloc, (void** memory, std::size_t bytes), (memory, bytes))                                       \
    X(result, ncclMemFree, (void* memory), (memory))                                                                   \
    X(result, ncclCommCount, (communicator * comm, int* count), (comm, count))                                         \
    X(result, ncclCommCuDevice, (communicator * comm, int* device), (comm, device))                                    \
    X(result, ncclCommUserRank, (communicator * comm, int* rank), (comm, rank))                                        \
    X(result, ncclCommRegister, (communicator * comm, void* memory, std::size_t bytes, void** handle),                 \
      (comm, memory, bytes, handle))                                                                                   \
    X(result, ncclCommDeregister, (communicator * comm, void* handle), (comm, handle))                                 \
    X(result, ncclCommWindowRegister,                                                                                  \
      (communicator * comm, void* memory, std::size_t bytes, window** created, int flags),                             \
      (comm, memory, bytes, created, flags))                                                                           \
    X(result, ncclCommWindowDeregister, (communicator * comm, window * w), (comm, w))                                  \
    X(void, ncclResetDebugInit, (), ())                                                                                \
    X(result, ncclDevCommCreate,                                                                                       \
      (communicator * comm, const device_requirements* wanted, device_communicator* created), (comm, wanted, created)) \
    X(result, ncclDevCommDestroy, (communicator * comm, const device_communicator* of_device), (comm, of_device))      \
    X(team, ncclTeamWorld, (communicator * comm), (comm))                                                              \
    X(team, ncclTeamLsa, (communicator * comm), (comm))                                                                \
    X(team, ncclTeamRail, (communicator * comm), (comm))                                                               \
    X(int, ncclTeamRankToWorld, (communicator * comm, team t, int rank), (comm, t, rank))                              \
    X(int, ncclTeamRankToLsa, (communicator * comm, team t, int rank), (comm, t, rank))                                \
    X(result, ncclLsaBarrierCreateRequirement,                                                                         \
      (team t, int barriers, lsa_barrier* created, resource_requirements* needed), (t, barriers, created, needed))     \
    X(result, ncclGinBarrierCreateRequirement,                                                                         \
      (communicator * comm, team t, int barriers, gin_barrier* created, resource_requirements* needed),                \
      (comm, t, barriers, created, needed))                                                                            \
    X(int, ncclLLA2ACalcSlots, (int most_elements, int most_bytes), (most_elements, most_bytes))                       \
    X(result, ncclLLA2ACreateRequirement,                                                                              \
      (int blocks, int slots, low_latency_alltoall* created, resource_requirements* needed),                           \
      (blocks, slots, created, needed))

/// Calls without a twin in NCCL's profiling interface (`pnccl...`).
#define BLINK_NCCL_FORWARDED_WITHOUT_TWIN(X) X(void, ncclResetDebugInitInternal, (), ())
