// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which searches for chunk sizes a group's GPUs carry out, and what they have found.
#pragma once

#include <blink/core/collective.hpp>
#include <blink/core/config.hpp>
#include <blink/execute/cuda/check.cuh>
#include <blink/execute/cuda/chunk_search.hpp>
#include <blink/execute/cuda/chunk_wish.hpp>
#include <blink/schedule/chunk.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace blink::cuda {

/// What a search on the GPUs has come to.
struct learnt_chunk {
    collective kind{};
    int root = 0;
    std::size_t bytes = 0;       ///< of the calls
    std::size_t chunk_bytes = 0; ///< in the last of them; 0: none has run
    bool settled = false;        ///< the search is over
};

/// Searches of a group, one for each call that differs in its plan or its bytes, numbered in the order in which these
/// are first made: alike on all ranks, since these make the same calls.
class chunk_searches {
  public:
    /// What is asked for a call of `bytes` whose policy the GPUs are to carry out. Once `max_searches` others are under
    /// way, and for a policy that is no MIAD, chunks have the policy's size of now.
    /// @param plan of the call, whose address tells it from others
    [[nodiscard]] BLINK_SELDOM chunk_wish wish(const chunk_choice& policy, const void* plan, collective kind, int root,
                                               std::size_t bytes) {
        chunk_wish wish = policy.chunk_bytes(bytes);
        const miad_options* const options = policy.search_options();
        if (options == nullptr) { return wish; }
        std::size_t number = 0;
        while (number < known_.size() && !(known_[number].plan == plan && known_[number].bytes == bytes)) { ++number; }
        if (number == max_searches) { return wish; }
        if (number == known_.size()) { known_.push_back({plan, kind, root, bytes}); }
        wish.search = *options;
        wish.number = static_cast<int>(number);
        return wish;
    }

    /// What the searches have come to, in their order. Waits for nothing.
    /// @param searches of this GPU
    /// @throw cuda_error where they cannot be read
    [[nodiscard]] BLINK_SELDOM std::vector<learnt_chunk> learnt(int device, const chunk_search* searches) const {
        const device_scope current(device);
        std::vector<chunk_search> found(known_.size());
        check(cudaMemcpy(found.data(), searches, found.size() * sizeof(chunk_search), cudaMemcpyDeviceToHost),
              "cudaMemcpy");
        std::vector<learnt_chunk> all;
        for (std::size_t i = 0; i < found.size(); ++i) {
            all.push_back({known_[i].kind, known_[i].root, known_[i].bytes, found[i].bytes, found[i].settled});
        }
        return all;
    }

  private:
    struct searched {
        const void* plan;
        collective kind;
        int root;
        std::size_t bytes;
    };
    std::vector<searched> known_;
};

} // namespace blink::cuda
