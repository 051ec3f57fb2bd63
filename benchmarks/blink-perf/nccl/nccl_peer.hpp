// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The same collective by NCCL, one process for all GPUs, on streams of the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "../exchange_of.hpp"
#include "../nccl/nccl_library.hpp"
#include "../session.hpp"

namespace blink_perf {

class nccl_peer {
  public:
    /// @param devices CUDA device of every rank, each once
    explicit nccl_peer(const std::vector<int>& devices) : communicators_(devices.size()) {
        library_.check(library_.comm_init_all(communicators_.data(), static_cast<int>(devices.size()), devices.data()),
                       "ncclCommInitAll");
    }
    ~nccl_peer() {
        forget_operators();
        for (const nccl_communicator c : communicators_) { (void)library_.comm_destroy(c); }
    }
    nccl_peer(const nccl_peer&) = delete;
    nccl_peer& operator=(const nccl_peer&) = delete;

    [[nodiscard]] std::string version() const { return library_.version(); }

    /// Enqueues the collective of `j` on `streams`.
    template <class T>
    void run(const job& j, const std::vector<const T*>& in, const std::vector<T*>& out,
             const std::vector<cudaStream_t>& streams) {
        if (j.data.op == reduction::mulsum) { make_operators<T>(j.type); }
        library_.check(library_.group_start(), "ncclGroupStart");
        if (j.data.moves != movement::none) { send_and_receive(j, in, out, streams); }
        for (std::size_t r = 0; j.data.moves == movement::none && r < communicators_.size(); ++r) {
            library_.check(enqueue(j, in[r], out[r], r, streams[r]), "NCCL");
        }
        library_.check(library_.group_end(), "ncclGroupEnd");
    }

  private:
    /// A send and a receive for each transfer: what NCCL makes of its Gather, Scatter and AlltoAll too.
    template <class T>
    void send_and_receive(const job& j, const std::vector<const T*>& in, const std::vector<T*>& out,
                          const std::vector<cudaStream_t>& streams) const {
        const int type = static_cast<int>(j.type);
        for (const blink::transfer& t : exchange_of(j.data).transfers) {
            const auto from = static_cast<std::size_t>(t.from);
            const auto to = static_cast<std::size_t>(t.to);
            library_.check(
                library_.send(in[from] + t.in_offset, t.count, type, t.to, communicators_[from], streams[from]),
                "ncclSend");
            library_.check(
                library_.receive(out[to] + t.out_offset, t.count, type, t.from, communicators_[to], streams[to]),
                "ncclRecv");
        }
    }

    int enqueue(const job& j, const void* in, void* out, std::size_t rank, cudaStream_t stream) const {
        const nccl_communicator c = communicators_[rank];
        const int type = static_cast<int>(j.type); // NCCL counts the types in the same order
        constexpr std::array operators{0, 1, 3, 2, 4};
        const int op =
            j.data.op == reduction::mulsum ? mulsum_[rank] : operators.at(static_cast<std::size_t>(j.data.op));
        switch (j.data.kind) {
        case blink::collective::broadcast:
            return library_.broadcast(in, out, j.count, type, j.data.root, c, stream);
        case blink::collective::reduce:
            return library_.reduce(in, out, j.count, type, op, j.data.root, c, stream);
        case blink::collective::allgather:
            return library_.all_gather(in, out, j.count, type, c, stream);
        case blink::collective::reduce_scatter:
            return library_.reduce_scatter(in, out, j.count, type, op, c, stream);
        case blink::collective::allreduce:
            break;
        }
        return library_.all_reduce(in, out, j.count, type, op, c, stream);
    }

    /// NCCL's operators of the doubled sum: one a communicator, for one type.
    template <class T>
    void make_operators(element_type type) {
        if (!mulsum_.empty() && mulsum_type_ == type) { return; }
        forget_operators();
        mulsum_type_ = type;
        T factor = narrowed<T>(static_cast<wide<T>>(mulsum_factor));
        constexpr int host_immediate = 1;
        for (const nccl_communicator c : communicators_) {
            int op = 0;
            library_.check(library_.create_premul_sum(&op, &factor, static_cast<int>(type), host_immediate, c),
                           "ncclRedOpCreatePreMulSum");
            mulsum_.push_back(op);
        }
    }

    void forget_operators() noexcept {
        for (std::size_t r = 0; r < mulsum_.size(); ++r) {
            (void)library_.destroy_operator(mulsum_[r], communicators_[r]);
        }
        mulsum_.clear();
    }

    nccl_library library_;
    std::vector<nccl_communicator> communicators_;
    std::vector<int> mulsum_;
    element_type mulsum_type_ = element_type::float32;
};

} // namespace blink_perf
