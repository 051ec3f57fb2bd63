// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Where the ranks of a communicator are processes of their own: how they meet without the user's help, and agree
/// whether Blink serves them. All of them take it or none does.
#pragma once

#include <memory>
#include <string>

#include "executor.hpp"
#include "nccl/abi.hpp"
#include "settings.hpp"

namespace blink::preload {

/// The rendezvous of the ranks that were made from `id`: the same text in all their processes, and no other's.
[[nodiscard]] std::string rendezvous_address(const nccl::unique_id& id, const settings& chosen);

/// Meets the other ranks at `at.address`, compares the settings that decide which calls are Blink's, and makes the
/// executor. Waits for the others no longer than `chosen.rendezvous_timeout` a step.
/// @throw blink::error on every rank where one of them cannot; the message says which, and why
[[nodiscard]] std::unique_ptr<executor> agree(const process_place& at, const settings& chosen,
                                              process_executor_maker make);

} // namespace blink::preload
