// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Kernels of one thread that stand before and behind a call whose chunk size the GPUs search for.
#pragma once

#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/execute/cuda/chunk_wish.hpp>
#include <blink/execute/cuda/deadline.hpp>
#include <blink/execute/cuda/gpu_machine.cuh>
#include <blink/execute/cuda/shape.hpp>
#include <blink/execute/cuda/start_kernel.cuh>
#include <blink/schedule/miad_search.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace blink::cuda {

template <class Machine>
__global__ void begin_searched_kernel(chunk_search* own, const searched_call call, const patience limits) {
    Machine::take_turn();
    (void)begin_searched(Machine{}, *own, call, limits); // the abort word tells of a failure
}

template <class Machine>
__global__ void end_searched_kernel(const __grid_constant__ chunk_search_table searches, chunk_search* own,
                                    const searched_call call) {
    Machine::take_turn();
    end_searched(Machine{}, searches, *own, call);
}

/// Loads the code of these kernels on the current device, which may have to wait for kernels that run.
inline void load_search_kernels() {
    cudaFuncAttributes ignored{};
    check(cudaFuncGetAttributes(&ignored, begin_searched_kernel<gpu_machine>), "cudaFuncGetAttributes");
    check(cudaFuncGetAttributes(&ignored, end_searched_kernel<gpu_machine>), "cudaFuncGetAttributes");
}

/// The searching part of one call.
class search_launch {
  public:
    /// @param searches by rank, those of GPU after GPU; the ranks of a GPU share one
    /// @param shape of the call, with slots for `wish.most_bytes()` where these fit
    BLINK_SELDOM search_launch(const chunk_wish& wish, const std::vector<chunk_search*>& searches,
                               const call_shape& shape, std::size_t element_bytes, std::size_t bytes,
                               const patience& limits)
        : call_(call_of(wish, shape, element_bytes, bytes)), limits_(limits) {
        for (chunk_search* const s : searches) {
            chunk_search* const own = s + wish.number;
            own_.push_back(own);
            if (table_.count == 0 || table_.of[table_.count - 1] != own) { table_.of[table_.count++] = own; }
        }
    }

    /// Where kernels of the call on the GPU of `rank` find the size of its chunks.
    [[nodiscard]] const std::uint32_t* chunk_of(int rank) const { return &own(rank)->elements; }
    /// Whether something follows the call on the GPU whose first rank this is.
    [[nodiscard]] bool follows(int first_rank) const { return first_rank == call_.leader; }

    /// Enqueues what comes before the call on the GPU whose first rank is `rank`.
    BLINK_SELDOM void before(int rank, const launch_place& at) {
        call_.rank = static_cast<std::uint8_t>(rank);
        start_kernel(begin_searched_kernel<gpu_machine>, dim3(1), 1, {at.device, at.stream}, own(rank), call_, limits_);
    }

    /// Enqueues what comes behind it, where something does.
    BLINK_SELDOM void behind(int rank, const launch_place& at) const {
        if (!follows(rank)) { return; }
        start_kernel(end_searched_kernel<gpu_machine>, dim3(1), 1, at, table_, own(rank), call_);
    }

  private:
    [[nodiscard]] static searched_call call_of(const chunk_wish& wish, const call_shape& shape,
                                               std::size_t element_bytes, std::size_t bytes) {
        searched_call call{};
        call.options = *wish.search;
        call.options.largest = std::min(call.options.largest, std::size_t{shape.chunk_elements} * element_bytes);
        call.options.start = std::clamp<std::size_t>(wish.bytes, 1, call.options.largest);
        call.options.smallest = std::min(std::max(call.options.smallest, least_chunk_bytes(bytes)), call.options.start);
        call.bytes = bytes;
        call.grain = shape.grain;
        call.grain_bytes = static_cast<std::uint32_t>(shape.grain * element_bytes);
        call.most_elements = shape.chunk_elements;
        return call;
    }

    [[nodiscard]] chunk_search* own(int rank) const { return own_[static_cast<std::size_t>(rank)]; }

    searched_call call_;
    patience limits_;
    std::vector<chunk_search*> own_; ///< by rank
    chunk_search_table table_{};
};

} // namespace blink::cuda
