// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Proof by symbolic execution that a schedule, or a program, does what its collective promises.
///
/// Every element contributes exactly once, arrives everywhere, in the same order on every rank, over FIFOs of
/// `slots` chunks, without anybody waiting for ever and with nothing left on the way.
#pragma once

#include <blink/core/config.hpp>
#include <blink/schedule/schedule.hpp>

namespace blink {

struct program;

/// One slot is the hardest case for waiting: what runs with one runs with more.
struct verify_options {
    int chunks = 3; ///< in every lane
    int slots = 1;  ///< chunks that a FIFO between two ranks holds
};

/// Executes `p` symbolically.
/// @throw schedule_error that names rank, lane and chunk and says what happened: a lost or doubled contribution, a
///        chunk out of order, another order than on another rank, a wait for ever (for whom), a message left over,
///        an unknown rank
/// @throw usage_error for less than one slot
BLINK_INLINE void verify(const program& p, int slots = 1);

/// Checks the lanes of `s`, writes them out and executes them symbolically.
/// @throw schedule_error as above, and for shares that do not add up to 1
/// @throw usage_error for less than one slot
BLINK_INLINE void verify(const schedule& s, const verify_options& options = {});

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/schedule/verify_impl.hpp>
#endif
