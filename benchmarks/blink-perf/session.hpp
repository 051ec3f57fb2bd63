// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One executor with its ranks, as the driver sees it: a thing that measures jobs.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "pattern.hpp"

namespace blink_perf {

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

/// What came out of it. A sample is the seconds that one call took, as the mean of calls that were timed together; all
/// samples of an outcome cover as many calls, or one call more or less, so that their median means something.
struct outcome {
    std::vector<double> samples;
    std::vector<double> peer_samples; ///< of NCCL, where it was measured in turn
    std::optional<std::size_t> wrong; ///< elements; none where nothing was checked
    std::size_t out_of_bounds = 0;    ///< elements next to a result that changed
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

/// Virtual ranks on one GPU over the links of another machine; float sums.
/// @throw as `make_cuda_session`; blink::usage_error without a topology
[[nodiscard]] std::unique_ptr<session> make_emulated_session(const options& o);

/// GPUs that `make_cuda_session` could use; 0 in a build without CUDA.
[[nodiscard]] int usable_gpus() noexcept;

} // namespace blink_perf
