// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// One call of a communicator, as one rank sees it: its buffers between red zones, and the judgement of every element.
#pragma once

#include <blink/allgather.hpp>
#include <blink/allreduce.hpp>
#include <blink/broadcast.hpp>
#include <blink/communicator.hpp>
#include <blink/core/buffers.hpp>
#include <blink/reduce.hpp>
#include <blink/reduce_scatter.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "elements.hpp"

namespace gpu_test {

/// Checks that a process has made; the first that does not hold ends it.
inline int process_checks = 0;

inline void must(bool holds, const std::string& what) {
    ++process_checks;
    if (!holds) { throw std::runtime_error(what); }
}

struct process_shape {
    blink::collective kind = blink::collective::allreduce;
    std::size_t count = 0;
    int root = 0;
    bool in_place = false;
    std::size_t offset = 0; ///< elements by which buffers are off their alignment
    std::uint64_t seed = 1;
};

/// Buffers of one rank; `launch` may be repeated, `judge` looks at the last result.
template <class T, class Op>
class process_trial {
  public:
    process_trial(blink::communicator& comm, const process_shape& shape)
        : comm_(comm), shape_(shape), in_count_(blink::input_count(shape.kind, comm.size(), shape.count)),
          out_count_(blink::output_count(shape.kind, comm.size(), shape.count)),
          in_(comm.make_buffer<T>(2 * red_zone + shape.offset + in_count_)),
          out_(comm.make_buffer<T>(2 * red_zone + shape.offset + out_count_)) {
        const auto shard = static_cast<std::size_t>(comm.rank()) * shape.count;
        from_ = in_.data() + begin();
        to_ = out_.data() + begin();
        if (shape.in_place && in_count_ > out_count_) {
            to_ = from_ + shard;
        } else if (shape.in_place) {
            from_ = out_count_ > in_count_ ? to_ + shard : to_;
        }
        reset();
    }

    /// Poisons everything and makes the input anew.
    void reset() {
        std::vector<T> poisoned(in_.count());
        fill(poisoned);
        in_.assign(poisoned);
        poisoned.resize(out_.count());
        fill(poisoned);
        out_.assign(poisoned);
        std::vector<T> own(in_count_);
        for (std::size_t i = 0; i < in_count_; ++i) { own[i] = given(comm_.rank(), i); }
        blink::cuda::check(cudaMemcpy(from_, own.data(), in_count_ * sizeof(T), cudaMemcpyDefault), "cudaMemcpy");
        blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }

    void launch(cudaStream_t stream, const blink::options& choices = {}) {
        const bool reads = blink::reads_input(shape_.kind, shape_.root, comm_.rank());
        const bool writes = blink::writes_output(shape_.kind, shape_.root, comm_.rank());
        const T* const in = reads ? from_ : nullptr;
        T* const out = writes ? to_ : nullptr;
        switch (shape_.kind) {
        case blink::collective::allreduce:
            return blink::allreduce(comm_, in, out, shape_.count, Op{}, choices, stream);
        case blink::collective::broadcast:
            return blink::broadcast(comm_, in, out, shape_.count, shape_.root, choices, stream);
        case blink::collective::reduce:
            return blink::reduce(comm_, in, out, shape_.count, Op{}, shape_.root, choices, stream);
        case blink::collective::allgather:
            return blink::allgather(comm_, in, out, shape_.count, choices, stream);
        case blink::collective::reduce_scatter:
            return blink::reduce_scatter(comm_, in, out, shape_.count, Op{}, choices, stream);
        }
    }

    /// Where the output lies, unless it is in place in a longer input.
    [[nodiscard]] const blink::rank_buffer<T>& output_memory() const { return out_; }

    /// The bytes of the output.
    [[nodiscard]] std::string result() {
        comm_.synchronize();
        std::string bytes(out_count_ * sizeof(T), ' ');
        blink::cuda::check(cudaMemcpy(bytes.data(), to_, bytes.size(), cudaMemcpyDefault), "cudaMemcpy");
        return bytes;
    }

    /// Every element of the output, every byte around the buffers.
    void judge() {
        comm_.synchronize();
        const std::string what = std::string(to_string(shape_.kind)) + " of " + std::to_string(shape_.count) +
                                 " elements of " + std::to_string(sizeof(T)) + " bytes, root " +
                                 std::to_string(shape_.root) + (shape_.in_place ? ", in place" : "");
        if (blink::writes_output(shape_.kind, shape_.root, comm_.rank())) {
            std::vector<T> result(out_count_);
            blink::cuda::check(cudaMemcpy(result.data(), to_, out_count_ * sizeof(T), cudaMemcpyDefault), "cudaMemcpy");
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < out_count_; ++i) { wrong += right(result[i], i) ? 0 : 1; }
            must(wrong == 0, what + ": " + std::to_string(wrong) + " wrong elements");
        } else if (!shape_.in_place) {
            must(untouched(out_.read(), 0, out_.count()), what + ": wrote an output that is none");
        }
        must(surrounds_whole(in_, in_count_), what + ": wrote outside the input");
        must(surrounds_whole(out_, out_count_), what + ": wrote outside the output");
    }

  private:
    static constexpr std::size_t red_zone = 64;
    using reference = gpu_test::judge<T, Op>;

    [[nodiscard]] std::size_t begin() const { return red_zone + shape_.offset; }
    [[nodiscard]] bool multiplies() const {
        return reference::factors && shape_.kind != blink::collective::broadcast &&
               shape_.kind != blink::collective::allgather;
    }
    [[nodiscard]] T given(int rank, std::size_t i) const { return input<T>(shape_.seed, rank, i, multiplies()); }

    [[nodiscard]] bool right(const T& found, std::size_t i) const {
        if (shape_.kind == blink::collective::broadcast) { return reference::same(found, given(shape_.root, i)); }
        if (shape_.kind == blink::collective::allgather) {
            return reference::same(found, given(static_cast<int>(i / shape_.count), i % shape_.count));
        }
        const bool sharded = shape_.kind == blink::collective::reduce_scatter;
        const std::size_t shard = sharded ? static_cast<std::size_t>(comm_.rank()) * shape_.count : 0;
        return reference{shape_.seed, comm_.size()}.right(found, shard + i);
    }

    static void fill(std::vector<T>& v) { std::memset(static_cast<void*>(v.data()), 0xC5, v.size() * sizeof(T)); }

    [[nodiscard]] static bool untouched(const std::vector<T>& v, std::size_t first, std::size_t last) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(v.data());
        for (std::size_t b = first * sizeof(T); b < last * sizeof(T); ++b) {
            if (bytes[b] != 0xC5) { return false; }
        }
        return true;
    }

    [[nodiscard]] bool surrounds_whole(const blink::rank_buffer<T>& buffer, std::size_t count) const {
        const std::vector<T> all = buffer.read();
        return untouched(all, 0, begin()) && untouched(all, begin() + count, all.size());
    }

    blink::communicator& comm_;
    process_shape shape_;
    std::size_t in_count_;
    std::size_t out_count_;
    blink::rank_buffer<T> in_;
    blink::rank_buffer<T> out_;
    T* from_ = nullptr;
    T* to_ = nullptr;
};

/// A call, twice in a row, and its judgement.
template <class T, class Op>
void check_call(blink::communicator& comm, const process_shape& shape, const blink::options& choices = {}) {
    process_trial<T, Op> t(comm, shape);
    t.launch(comm.stream(), choices);
    if (!shape.in_place) { t.launch(comm.stream(), choices); }
    t.judge();
}

} // namespace gpu_test
