// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One executor with its ranks, as the driver sees it: a thing that measures jobs.
#pragma once

#include <blink/core/protocol.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pattern.hpp"

namespace blink_perf {

struct options;
struct seat;

/// One measurement: a collective of `count` elements, out of place or in place.
struct job {
    pattern data;
    element_type type = element_type::float32;
    std::size_t count = 0;
    bool in_place = false;
    bool check = true;
    int iterations = 20;
    int warmup = 1;
    int graphs = 0;
    bool blocking = false;
    std::size_t chunk = 0; ///< 0: the executor chooses
    std::vector<int> relays{};
    blink::protocol how = blink::protocol::automatic;
};

/// How long Blink took and, where it was measured in turn, NCCL. A sample is the seconds that one call took, as the
/// mean of calls that were timed together; all samples cover as many calls, or one call more or less, so that their
/// median means something.
struct timings {
    std::vector<double> samples;
    std::vector<double> peer_samples;   ///< of NCCL with plain buffers
    std::vector<double> window_samples; ///< of NCCL with buffers in symmetric windows
};

/// What came out of a job.
struct outcome : timings {
    std::optional<std::size_t> wrong; ///< elements; none where nothing was checked
    std::size_t out_of_bounds = 0;    ///< elements next to a result that changed
};

/// What Blink is compared with, call by call.
struct comparison {
    bool nccl = false;   ///< with plain buffers
    bool window = false; ///< with buffers in its symmetric windows, too
};

class session {
  public:
    session() = default;
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    virtual ~session() = default;

    [[nodiscard]] virtual int ranks() const = 0;
    /// True for the types that the executor can combine.
    [[nodiscard]] virtual bool carries(element_type /*type*/) const { return true; }
    /// What each rank runs on, a line a rank.
    [[nodiscard]] virtual std::vector<std::string> rank_lines() const = 0;
    /// The process of each rank; empty: this one.
    [[nodiscard]] virtual std::vector<int> processes() const { return {}; }
    /// The columns beside Blink's: what was asked for and is there.
    [[nodiscard]] virtual comparison compared() const { return {}; }
    /// The bus bandwidth that the wires of the ranks allow; 0 where it is not known.
    [[nodiscard]] virtual double ceiling_GBps() const { return 0; }
    /// Lines that say how the numbers came about, where that is not plain.
    [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
    /// @throw blink::usage_error for a type that the executor does not carry
    virtual outcome measure(const job& j) = 0;
};

/// Threads of this process over shared memory.
[[nodiscard]] std::unique_ptr<session> make_host_session(const options& o);

/// Modelled time on a machine; no data move.
[[nodiscard]] std::unique_ptr<session> make_simulate_session(const options& o);

/// GPUs.
/// @throw blink::usage_error in a build without CUDA, or without a GPU
[[nodiscard]] std::unique_ptr<session> make_cuda_session(const options& o);

/// The GPU of one rank, whose process met those of the other ranks.
/// @throw as `make_cuda_session`; blink::error where ranks do not come or do not fit together
[[nodiscard]] std::unique_ptr<session> make_process_session(const options& o, const seat& s);

/// Virtual ranks on one GPU over the links of another machine; float sums.
/// @throw as `make_cuda_session`; blink::usage_error without a topology
[[nodiscard]] std::unique_ptr<session> make_emulated_session(const options& o);

/// GPUs that `make_cuda_session` could use; 0 in a build without CUDA.
[[nodiscard]] int usable_gpus() noexcept;

} // namespace blink_perf
