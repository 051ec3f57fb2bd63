// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs of a machine to give out: the rate of every choice, and what idle GPUs as relays would add.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/plan.hpp>
#include <blink/topology/topology.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace blink {

/// Some GPUs and the rate of their plan.
struct rated_choice {
    std::vector<int> gpus;    ///< ascending; the first of the choices that do as well, in lexicographic order
    double GBps = 0;          ///< 0 where no allowed link joins them
    std::uint64_t equals = 1; ///< choices that do as well, this one included
};

/// The rates of all choices.
struct choice_rates {
    rated_choice best;
    rated_choice worst;
    double mean_GBps = 0;      ///< over all choices
    std::uint64_t fast = 0;    ///< choices that NVLink and network join
    double fast_mean_GBps = 0; ///< over these
};

/// What to give out.
struct advice {
    collective kind = collective::allreduce;
    std::vector<int> candidates; ///< GPUs to choose from
    int count = 0;               ///< GPUs to choose
    std::uint64_t choices = 0;   ///< ways to choose them
    std::uint64_t planned = 0;   ///< choices that were planned; fewer where GPUs are interchangeable
    choice_rates alone;          ///< with no relays
    choice_rates relayed;        ///< with all candidates that are not chosen as relays
    double seconds = 0;          ///< time that it took
};

/// More choices than this, after those that interchangeable GPUs make alike, are refused.
inline constexpr std::uint64_t most_advised_choices = 4000;

/// Plans `kind` for every choice of `count` of the GPUs `candidates`, a rooted collective at its best root. Of choices
/// that differ only in GPUs with the same wires to all others one is planned for all.
/// @param options as for `make_plan`; `relays` has to be empty
/// @throw usage_error for unknown or repeated GPUs, a count outside 1 .. candidates, relays, or too many choices
[[nodiscard]] BLINK_INLINE advice advise(const topology& machine, std::span<const int> candidates, int count,
                                         collective kind, const plan_options& options = {});

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/advise_impl.hpp>
#endif
