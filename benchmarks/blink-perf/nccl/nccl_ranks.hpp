// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The same collective by NCCL, for the ranks that this process drives, on streams of the caller's.
#pragma once

#include <blink/execute/cuda/check.cuh>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../company.hpp"
#include "../driven_rank.hpp"
#include "../exchange_of.hpp"
#include "../layout.hpp"
#include "../session.hpp"
#include "nccl_library.hpp"

namespace blink_perf {

class nccl_ranks {
  public:
    /// @param here all ranks, each on a GPU of its own, or the one of several processes that `others` has met
    nccl_ranks(const std::vector<driven_rank>& here, int size, const company& others)
        : here_(here), communicators_(here.size()) {
        if (others.alone()) {
            std::vector<int> devices;
            for (const driven_rank& r : here) { devices.push_back(r.device); }
            library_.check(library_.comm_init_all(communicators_.data(), size, devices.data()), "ncclCommInitAll");
            return;
        }
        nccl_id id;
        if (here.front().rank == 0) { library_.check(library_.get_unique_id(&id), "ncclGetUniqueId"); }
        const std::string told = others.exchange({id.bytes.data(), id.bytes.size()}).front();
        std::copy_n(told.begin(), std::min(told.size(), id.bytes.size()), id.bytes.begin());
        const blink::cuda::device_scope current(here.front().device);
        library_.check(library_.comm_init_rank(communicators_.data(), size, id, here.front().rank), "ncclCommInitRank");
    }
    ~nccl_ranks() {
        forget_operators();
        for (const nccl_communicator c : communicators_) { (void)library_.comm_destroy(c); }
    }
    nccl_ranks(const nccl_ranks&) = delete;
    nccl_ranks& operator=(const nccl_ranks&) = delete;

    [[nodiscard]] const nccl_library& interface() const noexcept { return library_; }
    [[nodiscard]] const std::vector<driven_rank>& here() const noexcept { return here_; }
    /// In the order of `here()`.
    [[nodiscard]] const std::vector<nccl_communicator>& communicators() const noexcept { return communicators_; }

    /// Enqueues the collective of `j`.
    /// @param factor what `mulsum` multiplies by, in the job's type
    void run(const job& j, const call_buffers& with, const void* factor) {
        if (j.data.op == reduction::mulsum) { make_operators(j.type, factor); }
        library_.check(library_.group_start(), "ncclGroupStart");
        for (std::size_t i = 0; i < here_.size(); ++i) {
            if (j.data.moves != movement::none) {
                send_and_receive(j, with, i);
            } else {
                const auto rank = static_cast<std::size_t>(here_[i].rank);
                library_.check(enqueue(j, with.in[rank], with.out[rank], i), "NCCL");
            }
        }
        library_.check(library_.group_end(), "ncclGroupEnd");
    }

  private:
    /// A send and a receive for each transfer: what NCCL makes of its Gather, Scatter and AlltoAll too.
    void send_and_receive(const job& j, const call_buffers& with, std::size_t i) const {
        const driven_rank& own = here_[i];
        const int type = static_cast<int>(j.type);
        const auto place = static_cast<std::size_t>(own.rank);
        const auto* const in = static_cast<const char*>(with.in[place]);
        auto* const out = static_cast<char*>(with.out[place]);
        for (const blink::transfer& t : exchange_of(j.data).transfers) {
            if (t.from == own.rank) {
                library_.check(library_.send(in + t.in_offset * size_of(j.type), t.count, type, t.to, communicators_[i],
                                             own.stream),
                               "ncclSend");
            }
            if (t.to == own.rank) {
                library_.check(library_.receive(out + t.out_offset * size_of(j.type), t.count, type, t.from,
                                                communicators_[i], own.stream),
                               "ncclRecv");
            }
        }
    }

    int enqueue(const job& j, const void* in, void* out, std::size_t i) const {
        const nccl_communicator c = communicators_[i];
        const cudaStream_t stream = here_[i].stream;
        const int type = static_cast<int>(j.type); // NCCL counts the types in the same order
        constexpr std::array operators{0, 1, 3, 2, 4};
        const int op = j.data.op == reduction::mulsum ? mulsum_[i] : operators.at(static_cast<std::size_t>(j.data.op));
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
    void make_operators(element_type type, const void* factor) {
        if (!mulsum_.empty() && mulsum_type_ == type) { return; }
        forget_operators();
        mulsum_type_ = type;
        std::array<char, 8> copy{};
        std::copy_n(static_cast<const char*>(factor), size_of(type), copy.begin());
        constexpr int host_immediate = 1;
        for (const nccl_communicator c : communicators_) {
            int op = 0;
            library_.check(library_.create_premul_sum(&op, copy.data(), static_cast<int>(type), host_immediate, c),
                           "ncclRedOpCreatePreMulSum");
            mulsum_.push_back(op);
        }
    }

    void forget_operators() noexcept {
        for (std::size_t i = 0; i < mulsum_.size(); ++i) {
            (void)library_.destroy_operator(mulsum_[i], communicators_[i]);
        }
        mulsum_.clear();
    }

    nccl_library library_;
    std::vector<driven_rank> here_;
    std::vector<nccl_communicator> communicators_;
    std::vector<int> mulsum_;
    element_type mulsum_type_ = element_type::float32;
};

} // namespace blink_perf
