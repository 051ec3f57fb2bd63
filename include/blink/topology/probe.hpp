// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The topology of the GPUs of this machine that CUDA shows this process, GPU i being CUDA's device i.
///
/// The CUDA driver says which GPUs are visible and in which order (CUDA_VISIBLE_DEVICES, CUDA_DEVICE_ORDER); NVML
/// knows their links. Both libraries are opened at run time; one of them is enough. Programs that call this link with
/// -ldl where the C library is older than glibc 2.34.
#pragma once

#include <blink/core/config.hpp>
#include <blink/topology/topology.hpp>

#include <span>
#include <string>
#include <vector>

namespace blink {

struct gpu_facts;

/// What the drivers of this machine say of its visible GPUs.
/// @throw topology_error where no GPU is visible, with the reasons that the drivers give
[[nodiscard]] BLINK_INLINE std::vector<gpu_facts> probe_facts();

/// The topology of the visible GPUs of this machine.
/// @throw topology_error where no GPU is visible, with the reasons that the drivers give
[[nodiscard]] BLINK_INLINE topology probe();

/// The topology of the GPUs with these PCI bus ids, such as 0000:1A:00.0, GPU i being the i-th of them. They need not
/// be visible to this process where NVML is there.
/// @throw topology_error where nobody knows one of them
[[nodiscard]] BLINK_INLINE topology probe_at(std::span<const std::string> bus_ids);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/topology/probe_impl.hpp>
#endif
