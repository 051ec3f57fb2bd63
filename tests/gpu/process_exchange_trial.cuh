// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Exchanges of a communicator, as one rank sees them: its buffers between red zones, and the judgement of every
/// element.
#pragma once

#include <blink/communicator.hpp>
#include <blink/communicator/exchange_group.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "elements.hpp"
#include "process_trial.cuh"

namespace gpu_test {

using blink::transfer;

template <class T>
[[nodiscard]] T made_of(std::uint64_t bits) {
    T t{};
    std::memcpy(static_cast<void*>(&t), &bits, std::min(sizeof t, sizeof bits));
    return t;
}

/// One exchange as one rank sees it: random inputs of all ranks, poisoned output between red zones.
template <class T>
class exchange_trial {
  public:
    exchange_trial(blink::communicator& comm, blink::exchange what, std::uint64_t seed, bool in_place = false)
        : comm_(comm), e_(std::move(what)), seed_(seed), in_(comm.make_buffer<T>(shift + input_count(e_))),
          out_(comm.make_buffer<T>(2 * red_zone + shift + output_count(e_))), from_(in_.data() + shift),
          to_(out_.data() + red_zone + shift) {
        for (const transfer& t : e_.transfers) {
            reads_ = reads_ || (t.from == comm.rank() && t.count > 0);
            writes_ = writes_ || (t.to == comm.rank() && t.count > 0);
            if (in_place && t.from == comm.rank() && t.to == comm.rank()) { // the root's shard
                (e_.name == "gather" ? from_ : to_) =
                    e_.name == "gather" ? to_ + t.out_offset - t.in_offset : from_ + t.in_offset - t.out_offset;
                in_place_ = true;
            }
        }
        reset();
    }

    void reset() {
        std::vector<T> poisoned(out_.count());
        std::memset(static_cast<void*>(poisoned.data()), 0xC5, poisoned.size() * sizeof(T));
        out_.assign(poisoned);
        std::vector<T> own(in_.count());
        for (std::size_t i = 0; i < own.size(); ++i) { own[i] = given(comm_.rank(), i); }
        in_.assign(own);
        if (in_place_ && e_.name == "gather") {
            for (const transfer& t : e_.transfers) {
                if (t.from != comm_.rank()) { continue; }
                blink::cuda::check(cudaMemcpy(from_ + t.in_offset, own.data() + shift + t.in_offset,
                                              t.count * sizeof(T), cudaMemcpyDefault),
                                   "cudaMemcpy");
                blink::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
            }
        }
    }

    void launch(cudaStream_t stream, const blink::options& choices = {}) {
        const bool all = choices.into != nullptr; // who stores there looks at its own output
        comm_.run(e_, reads_ ? static_cast<const T*>(from_) : nullptr, writes_ || all ? to_ : nullptr, choices, stream);
    }

    [[nodiscard]] const blink::rank_buffer<T>& output_memory() const { return out_; }

    void judge() {
        comm_.synchronize();
        const std::string what = e_.name + " of elements of " + std::to_string(sizeof(T)) + " bytes, seed " +
                                 std::to_string(seed_) + (in_place_ ? ", in place" : "");
        std::vector<T> expected(out_.count());
        std::memset(static_cast<void*>(expected.data()), 0xC5, expected.size() * sizeof(T));
        std::size_t begin = red_zone + shift;
        std::vector<T> found = out_.read();
        if (in_place_ && e_.name == "scatter") {
            must(std::memcmp(found.data(), expected.data(), found.size() * sizeof(T)) == 0, what + ": wrote elsewhere");
            found = in_.read();
            expected.resize(found.size());
            for (std::size_t i = 0; i < found.size(); ++i) { expected[i] = given(comm_.rank(), i); }
            begin = found.size(); // nothing moves
        }
        for (const transfer& t : e_.transfers) {
            if (t.to != comm_.rank() || begin == found.size()) { continue; }
            for (std::size_t i = 0; i < t.count; ++i) {
                expected[begin + t.out_offset + i] = given(t.from, shift + t.in_offset + i);
            }
        }
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            wrong += std::memcmp(&found[i], &expected[i], sizeof(T)) == 0 ? 0 : 1;
        }
        must(wrong == 0, what + ": " + std::to_string(wrong) + " wrong elements");
    }

  private:
    static constexpr std::size_t red_zone = 64;
    static constexpr std::size_t shift = 1; ///< elements by which buffers are off their alignment

    [[nodiscard]] T given(int rank, std::size_t i) const { return made_of<T>(mixed(seed_, rank, i)); }

    blink::communicator& comm_;
    blink::exchange e_;
    std::uint64_t seed_;
    blink::rank_buffer<T> in_;
    blink::rank_buffer<T> out_;
    T* from_;
    T* to_;
    bool reads_ = false;
    bool writes_ = false;
    bool in_place_ = false;
};

/// Twice in a row; then, where asked, straight into opened outputs.
template <class T>
void check_exchange(blink::communicator& comm, const blink::exchange& e, std::uint64_t seed, bool in_place = false,
                    bool opened = false, const blink::options& choices = {}) {
    exchange_trial<T> t(comm, e, seed, in_place);
    t.launch(comm.stream(), choices);
    t.launch(comm.stream(), choices);
    t.judge();
    if (!opened) { return; }
    t.reset();
    const auto window = comm.register_buffer(t.output_memory().data(), t.output_memory().bytes());
    must(window.is_shared(), "a plain buffer is shared");
    blink::options direct = choices;
    direct.into = &window;
    t.launch(comm.stream(), direct);
    t.launch(comm.stream(), direct);
    t.judge();
    comm.unregister_buffer(window);
}

inline std::vector<transfer> some_transfers(int ranks, std::uint64_t seed, std::size_t most) {
    std::vector<transfer> list;
    std::vector<std::size_t> filled(static_cast<std::size_t>(ranks));
    for (int i = 0; i < 9; ++i) {
        const auto bits = mixed(seed, i, 0);
        transfer t{static_cast<int>(bits % static_cast<unsigned>(ranks)),
                   static_cast<int>((bits >> 8) % static_cast<unsigned>(ranks)), (bits >> 16) % 50, 0,
                   (bits >> 24) % most};
        std::size_t& end = filled[static_cast<std::size_t>(t.to)];
        t.out_offset = end;
        end += t.count;
        list.push_back(t);
    }
    return list;
}

template <class T>
void exchange_sweep(blink::communicator& comm, bool opened) {
    std::uint64_t seed = 1;
    for (const std::size_t count : {0, 1, 31, 1023, 4097, 300007}) {
        for (int root = 0; root < comm.size(); ++root) {
            for (const bool in_place : {false, true}) {
                check_exchange<T>(comm, blink::make_gather(comm.size(), root, count), ++seed, in_place,
                                  opened && !in_place);
                check_exchange<T>(comm, blink::make_scatter(comm.size(), root, count), ++seed, in_place,
                                  opened && !in_place);
            }
        }
        check_exchange<T>(comm, blink::make_alltoall(comm.size(), count), ++seed, false, opened);
        const auto list = some_transfers(comm.size(), ++seed, count + 1);
        check_exchange<T>(comm, blink::make_send_recv(comm.size(), list), seed, false, opened);
    }
}

} // namespace gpu_test
