// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Holds our declarations of NCCL's interface against NCCL's own header. All of it happens at compile time.
#include <nccl.h>
#include <nccl_device.h>

#include <cstddef>
#include <type_traits>

#include "nccl/abi.hpp"
#include "nccl/entry_points.hpp"

namespace abi = blink::preload::nccl;

/// Types that a call passes in the same way: the same size, and both by address, by number or in memory.
template <class Ours, class Theirs>
inline constexpr bool
    alike = sizeof(Ours) == sizeof(Theirs) && alignof(Ours) == alignof(Theirs) &&
            std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>&& std::is_class_v<Ours> == std::is_class_v<Theirs>;
template <>
inline constexpr bool alike<void, void> = true;

template <class Ours, class Theirs>
inline constexpr bool same_call = false;
template <class R, class... P, class S, class... Q>
requires(sizeof...(P) == sizeof...(Q)) inline constexpr bool same_call<R(P...), S(Q...)> = alike<R, S> &&
                                                                                           (alike<P, Q> && ...);

namespace blink::preload::nccl {
#define BLINK_SIGNATURE(Result, name, parameters, arguments) using signature_of_##name = Result parameters;
BLINK_NCCL_DECIDED(BLINK_SIGNATURE)
BLINK_NCCL_FORWARDED(BLINK_SIGNATURE)
} // namespace blink::preload::nccl

#define BLINK_SAME_AS(name, function)                                                                                  \
    static_assert(same_call<abi::signature_of_##name, std::remove_pointer_t<decltype(function)>>, #name);
#define BLINK_SAME(name) BLINK_SAME_AS(name, &::name)
#define BLINK_SAME_DECIDED(Result, name, parameters, arguments) BLINK_SAME(name)
BLINK_NCCL_DECIDED(BLINK_SAME_DECIDED)
BLINK_SAME(ncclGetVersion)
BLINK_SAME(ncclGetUniqueId)
BLINK_SAME(ncclMemAlloc)
BLINK_SAME(ncclMemFree)
BLINK_SAME(ncclCommCount)
BLINK_SAME(ncclCommCuDevice)
BLINK_SAME(ncclCommUserRank)
BLINK_SAME(ncclCommRegister)
BLINK_SAME(ncclCommDeregister)
BLINK_SAME(ncclCommWindowRegister)
BLINK_SAME(ncclCommWindowDeregister)
BLINK_SAME(ncclDevCommCreate)
BLINK_SAME(ncclDevCommDestroy)
BLINK_SAME(ncclLsaBarrierCreateRequirement)
BLINK_SAME(ncclGinBarrierCreateRequirement)
BLINK_SAME(ncclLLA2ACalcSlots)
BLINK_SAME(ncclLLA2ACreateRequirement)
// These have namesakes for the device.
BLINK_SAME_AS(ncclTeamWorld, static_cast<ncclTeam_t (*)(ncclComm_t)>(&::ncclTeamWorld))
BLINK_SAME_AS(ncclTeamLsa, static_cast<ncclTeam_t (*)(ncclComm_t)>(&::ncclTeamLsa))
BLINK_SAME_AS(ncclTeamRail, static_cast<ncclTeam_t (*)(ncclComm_t)>(&::ncclTeamRail))
BLINK_SAME_AS(ncclTeamRankToWorld, static_cast<int (*)(ncclComm_t, ncclTeam_t, int)>(&::ncclTeamRankToWorld))
BLINK_SAME_AS(ncclTeamRankToLsa, static_cast<int (*)(ncclComm_t, ncclTeam_t, int)>(&::ncclTeamRankToLsa))

static_assert(sizeof(abi::unique_id) == sizeof(ncclUniqueId) && sizeof(abi::team) == sizeof(ncclTeam_t));
static_assert(offsetof(abi::config, size) == offsetof(ncclConfig_t, size) &&
              offsetof(abi::config, blocking) == offsetof(ncclConfig_t, blocking) &&
              abi::undefined == NCCL_CONFIG_UNDEF_INT && abi::shrink_abort == NCCL_SHRINK_ABORT);
static_assert(int{abi::success} == ncclSuccess && int{abi::unhandled_cuda_error} == ncclUnhandledCudaError &&
              int{abi::system_error} == ncclSystemError && int{abi::internal_error} == ncclInternalError &&
              int{abi::invalid_argument} == ncclInvalidArgument && int{abi::invalid_usage} == ncclInvalidUsage &&
              int{abi::remote_error} == ncclRemoteError && int{abi::in_progress} == ncclInProgress);
static_assert(int{abi::int8} == ncclInt8 && int{abi::uint8} == ncclUint8 && int{abi::int32} == ncclInt32 &&
              int{abi::uint32} == ncclUint32 && int{abi::int64} == ncclInt64 && int{abi::uint64} == ncclUint64 &&
              int{abi::float16} == ncclFloat16 && int{abi::float32} == ncclFloat32 &&
              int{abi::float64} == ncclFloat64 && int{abi::bfloat16} == ncclBfloat16 &&
              int{abi::float8e4m3} == ncclFloat8e4m3 && int{abi::float8e5m2} == ncclFloat8e5m2);
static_assert(int{abi::sum} == ncclSum && int{abi::prod} == ncclProd && int{abi::max} == ncclMax &&
              int{abi::min} == ncclMin && int{abi::avg} == ncclAvg && int{abi::operation_count} == ncclNumOps);

int main() {}
