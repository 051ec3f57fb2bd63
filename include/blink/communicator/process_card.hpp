// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What processes of a communicator tell each other before they start, and what does not fit together in it.
#pragma once

#include <blink/core/config.hpp>
#include <blink/core/tuning.hpp>
#include <blink/topology/topology.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace blink {

/// Choices of a communicator. All but `device` are the same on every rank.
struct process_options {
    std::optional<int> device{};               ///< CUDA device of this process; none: rank modulo the visible ones
    std::optional<topology> machine{};         ///< none: the GPUs of the ranks, as the drivers describe them
    std::vector<int> gpus{};                   ///< rank -> GPU of `machine`; empty: 0, 1, 2, ...
    std::chrono::milliseconds timeout{10'000}; ///< a rank that waits longer for one chunk fails the communicator
    int blocks = 0;                            ///< thread blocks a rank and collective; 0: as tuned
    tuning tuned{};                            ///< how calls run that leave it open, such as `read_tuning(file)`
    bool check_calls = false;                  ///< compare each call between the ranks before it is made: slow
    bool copy_room = false;                    ///< two ranks have memory for reductions by copy engines and for copies
                                               ///< over the host: 144 MiB of each GPU, 64 of the host
};

/// Whether calls are compared: where the options say so, or the variable BLINK_CHECK_CALLS is set to other than 0.
[[nodiscard]] BLINK_INLINE bool checks_calls(const process_options& choices);

/// A process and its GPU, as the others have to know them.
struct process_card {
    std::string host;    ///< differs between machines, and between starts of one
    std::string process; ///< differs between processes
    std::string bus_id;  ///< of the GPU
    std::string gpu;     ///< its name
    int multiprocessors = 0;
    int compute_capability = 0; ///< times ten
    std::string version;        ///< of Blink
    std::string choices;        ///< all options that have to be the same, as text

    [[nodiscard]] BLINK_INLINE std::string packed() const;
    [[nodiscard]] BLINK_INLINE static process_card unpacked(std::string_view bytes);
};

/// The card of this process, with host, process, version and choices; the GPU is the caller's to add.
[[nodiscard]] BLINK_INLINE process_card make_process_card(const process_options& choices);

/// Ranks that share the GPU that most of them share.
[[nodiscard]] BLINK_INLINE int most_on_one_gpu(const std::vector<process_card>& cards);

/// Blocks that every rank can hold at once, the same on all; 0: as many as a GPU of their kind takes.
/// @param asked by the user; 0: nothing
[[nodiscard]] BLINK_INLINE int common_blocks(const std::vector<process_card>& cards, int asked);

/// @throw usage_error for several machines, two ranks in one process, or choices or versions that differ
BLINK_INLINE void check_cards(const std::vector<process_card>& cards);

/// The machine of the ranks: as given, else the GPUs at their bus ids, else, where ranks share a GPU, equal ones behind
/// one switch. Rank 0 asks, and tells the others as JSON.
/// @throw topology_error where the drivers say nothing of a GPU
[[nodiscard]] BLINK_INLINE std::string machine_json(const std::vector<process_card>& cards,
                                                    const process_options& choices);

/// The machine of such a text.
[[nodiscard]] BLINK_INLINE topology machine_from(const std::string& json);

} // namespace blink

#if !defined(BLINK_DECLARATIONS_ONLY)
#include <blink/communicator/process_card_impl.hpp>
#endif
