// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A sum over ranks on GPUs, or another collective, of whose buffers every element is known, those around them too.
#pragma once

#include <blink/communicator/cuda_group.cuh>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace gpu_test {

using blink::collective;

inline constexpr std::size_t red_zone = 64; ///< elements before and behind every buffer

/// Where the buffers of a call are.
struct call_shape {
    collective kind = collective::allreduce;
    int root = 0;
    std::size_t count = 0;
    std::size_t in_offset = 0; ///< elements from an aligned address
    std::size_t out_offset = 0;
    bool in_place = false;
};

/// Buffers between red zones, as bytes that the host knows: whole numbers of which sums are exact.
template <class T>
class copied_call {
  public:
    copied_call(blink::cuda_group& group, const call_shape& shape, unsigned seed)
        : group_(group), shape_(shape), in_count_(blink::input_count(shape.kind, group.size(), shape.count)),
          out_count_(blink::output_count(shape.kind, group.size(), shape.count)),
          in_(group.make_buffers<T>(std::max(in_count_, out_count_) + 2 * red_zone + 4)),
          out_(group.make_buffers<T>(out_count_ + 2 * red_zone + 4)) {
        std::mt19937 random(seed);
        for (int r = 0; r < group.size(); ++r) {
            std::vector<float> row(in_count_);
            for (float& x : row) { x = static_cast<float>(random() % 25); }
            values_.push_back(row);
            T* const larger = in_[r] + red_zone + shape.in_offset;
            const std::size_t shard = static_cast<std::size_t>(r) * shape.count;
            from_.push_back(larger + (shape.in_place && out_count_ > in_count_ ? shard : 0));
            to_.push_back(!shape.in_place ? out_[r] + red_zone + shape.out_offset
                                          : larger + (in_count_ > out_count_ ? shard : 0));
        }
        reset();
    }

    /// Poisons everything and puts the inputs in.
    void reset() {
        before_.clear();
        for (int r = 0; r < group_.size(); ++r) {
            std::vector<T> in(in_.count());
            std::vector<T> out(out_.count());
            std::memset(static_cast<void*>(in.data()), 0xC5, in.size() * sizeof(T));
            std::memset(static_cast<void*>(out.data()), 0xC5, out.size() * sizeof(T));
            const auto i = static_cast<std::size_t>(r);
            T* const first = in.data() + (from_[i] - in_[r]);
            for (std::size_t e = 0; e < in_count_; ++e) { first[e] = static_cast<T>(values_[i][e]); }
            in_.assign(r, in);
            out_.assign(r, out);
            before_.push_back({in, out});
        }
        group_.synchronize();
    }

    void launch(const blink::options& choices) {
        group_.run<T>(shape_.kind, shape_.root, from_, to_, shape_.count, blink::sum{}, choices);
    }

    /// Elements that differ from what has to be in all buffers now, red zones included.
    [[nodiscard]] std::size_t wrong() {
        group_.synchronize();
        std::size_t total = 0;
        for (int r = 0; r < group_.size(); ++r) {
            const auto i = static_cast<std::size_t>(r);
            auto [in, out] = before_[i];
            if (blink::writes_output(shape_.kind, shape_.root, r)) {
                T* const first = shape_.in_place ? in.data() + (to_[i] - in_[r]) : out.data() + (to_[i] - out_[r]);
                for (std::size_t e = 0; e < out_count_; ++e) { first[e] = static_cast<T>(expected(r, e)); }
            }
            total += differing(in, in_.read(r)) + differing(out, out_.read(r));
        }
        return total;
    }

  private:
    static std::size_t differing(const std::vector<T>& a, const std::vector<T>& b) {
        std::size_t count = 0;
        for (std::size_t i = 0; i < a.size(); ++i) { count += std::memcmp(&a[i], &b[i], sizeof(T)) == 0 ? 0 : 1; }
        return count;
    }

    [[nodiscard]] float expected(int rank, std::size_t e) const {
        if (shape_.kind == collective::broadcast) { return values_[static_cast<std::size_t>(shape_.root)][e]; }
        if (shape_.kind == collective::allgather) { return values_[e / shape_.count][e % shape_.count]; }
        const bool shards = shape_.kind == collective::reduce_scatter;
        float total = 0;
        for (const auto& row : values_) {
            total += row[e + (shards ? static_cast<std::size_t>(rank) * shape_.count : 0)];
        }
        return total;
    }

    blink::cuda_group& group_;
    call_shape shape_;
    std::size_t in_count_, out_count_;
    blink::rank_buffers<T> in_, out_;
    std::vector<std::vector<float>> values_;
    std::vector<const T*> from_;
    std::vector<T*> to_;
    std::vector<std::pair<std::vector<T>, std::vector<T>>> before_;
};

} // namespace gpu_test
