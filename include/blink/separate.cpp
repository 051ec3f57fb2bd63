// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The definitions that a program compiled with BLINK_SEPARATE_COMPILATION has once. Compile and link this file; it is
// plain C++, also where the others go through nvcc.
#if !defined(BLINK_SEPARATE_COMPILATION)
#define BLINK_SEPARATE_COMPILATION
#endif

#include <blink/advise_impl.hpp>
#include <blink/communicator/call_check_impl.hpp>
#include <blink/communicator/connection_impl.hpp>
#include <blink/communicator/descriptor_passing_impl.hpp>
#include <blink/communicator/host_group_impl.hpp>
#include <blink/communicator/meeting_impl.hpp>
#include <blink/communicator/placement_impl.hpp>
#include <blink/communicator/process_card_impl.hpp>
#include <blink/communicator/rendezvous_impl.hpp>
#include <blink/communicator/shared_memory_impl.hpp>
#include <blink/core/buffers_impl.hpp>
#include <blink/execute/cuda/copy_choice_impl.hpp>
#include <blink/execute/cuda/copy_plan_impl.hpp>
#include <blink/execute/cuda/copy_program_impl.hpp>
#include <blink/execute/cuda/device_schedule_impl.hpp>
#include <blink/execute/cuda/fault_impl.hpp>
#include <blink/execute/cuda/host_shares_impl.hpp>
#include <blink/execute/cuda/rank_program_impl.hpp>
#include <blink/execute/cuda/shape_impl.hpp>
#include <blink/execute/host/chunk_queue_impl.hpp>
#include <blink/execute/host/compile_impl.hpp>
#include <blink/execute/host/worker_pool_impl.hpp>
#include <blink/plan_impl.hpp>
#include <blink/repair_impl.hpp>
#include <blink/schedule/relay_stops_impl.hpp>
#include <blink/schedule/schedule_impl.hpp>
#include <blink/schedule/verify_impl.hpp>
#include <blink/topology/fabric_impl.hpp>
#include <blink/topology/probe_impl.hpp>
#include <blink/topology/topology_impl.hpp>
