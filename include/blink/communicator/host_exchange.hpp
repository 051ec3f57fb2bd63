// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Exchanges among host ranks. Apart from the group, so that programs without exchanges do not pay for compiling them.
#pragma once

#include <blink/communicator/host_group.hpp>
#include <blink/communicator/options.hpp>
#include <blink/core/error.hpp>
#include <blink/core/operators.hpp>
#include <blink/execute/host/exchange.hpp>
#include <blink/schedule/exchange.hpp>

#include <span>
#include <string>

namespace blink {

template <element T>
void host_group::run(const exchange& e, std::span<const T* const> in, std::span<T* const> out, const options& choices) {
    const in_use only_one(busy_, e.name);
    throw_if_unusable();
    if (e.ranks != size()) {
        throw usage_error(e.name + " among " + std::to_string(e.ranks) + " ranks in a group of " +
                          std::to_string(size()));
    }
    keeping_failures(
        [&] { host::execute<T>(pool_, e, in, out, {.chunk = choices.chunk, .timeout = timeout_, .abort = &stop_}); });
}

} // namespace blink
