// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// An NCCL and executors that only keep account of what they are asked, for tests of the decisions between them.
#pragma once

#include <blink/core/error.hpp>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "interposer.hpp"

namespace preload_test {

using namespace blink::preload;
using collective = call_kind;

/// A communicator's address; nobody looks behind it.
[[nodiscard]] inline nccl::communicator* comm(std::size_t number) {
    return reinterpret_cast<nccl::communicator*>(0x1000 * (number + 1));
}
[[nodiscard]] inline nccl::stream* stream(std::size_t number) {
    return reinterpret_cast<nccl::stream*>(0x10 * (number + 1));
}

/// What happened, in order, as lines. Executors and NCCL write into one journal.
class journal {
  public:
    void add(const std::string& line) {
        const std::lock_guard lock(guard_);
        lines_.push_back(line);
    }
    /// The lines since the last call.
    [[nodiscard]] std::vector<std::string> taken() {
        const std::lock_guard lock(guard_);
        return std::exchange(lines_, {});
    }

  private:
    std::mutex guard_;
    std::vector<std::string> lines_;
};

[[nodiscard]] inline journal& written() {
    static journal j;
    return j;
}

[[nodiscard]] inline std::string shown(collective kind, std::size_t count) {
    return std::string(to_string(kind)) + " " + std::to_string(count);
}

class fake_nccl final : public nccl_beneath {
  public:
    nccl::result collective(const collective_call& c) override {
        const auto number = reinterpret_cast<std::size_t>(c.comm) / 0x1000 - 1;
        written().add("nccl " + shown(c.kind, c.count) + " on " + std::to_string(number));
        return c.count == refused_count ? nccl::invalid_argument : nccl::success;
    }
    nccl::result group_start() override { return nccl::success; }
    nccl::result group_end() override {
        written().add("nccl end");
        return end_answer;
    }
    nccl::result device(nccl::communicator* c, int* device) override {
        *device = same_device ? 0 : static_cast<int>(reinterpret_cast<std::size_t>(c) / 0x1000 - 1);
        return nccl::success;
    }

    nccl::result place(nccl::communicator* c, int* ranks, int* rank) override {
        const auto at = places.find(c);
        *ranks = at == places.end() ? placed_ranks : at->second.first;
        *rank = at == places.end() ? placed_rank : at->second.second;
        return nccl::success;
    }

    static constexpr std::size_t refused_count = 666;
    int placed_ranks = 0; ///< of every communicator that `places` does not have
    int placed_rank = 0;
    std::map<nccl::communicator*, std::pair<int, int>> places{}; ///< ranks, and which of them it is
    nccl::result end_answer = nccl::success;
    bool same_device = false;
};

/// How executors behave; for all of them, as they are made behind the interposer.
struct behaviour {
    std::string refuses; ///< the reason that `refusal` gives
    bool throws = false; ///< at launch
    std::string trouble; ///< what `trouble` says
};
[[nodiscard]] inline behaviour& fake() {
    static behaviour b;
    return b;
}

/// Executors that there are.
[[nodiscard]] inline std::atomic<int>& alive() {
    static std::atomic<int> count{0};
    return count;
}

class fake_executor final : public executor {
  public:
    fake_executor() { ++alive(); }
    ~fake_executor() override { --alive(); }
    [[nodiscard]] std::string refusal(const matched_call&, bool /*again*/) override { return fake().refuses; }
    [[nodiscard]] std::string way(const matched_call&) override { return "in a test"; }
    void launch(const matched_call& c, bool again) override {
        if (fake().throws) { throw blink::cuda_error("no launch"); }
        last_factors() = c.factors;
        last_again() = again;
        std::string line = "blink " + shown(c.kind, c.count) + " among " + std::to_string(c.streams.size());
        for (const matched_transfer& t : c.transfers) {
            line += ", " + std::to_string(t.bytes) + " B " + std::to_string(t.from) + "-" + std::to_string(t.to);
        }
        written().add(line);
    }
    void finish() noexcept override { written().add("finish"); }
    void abort() noexcept override { written().add("abort"); }
    [[nodiscard]] std::string trouble() const override { return fake().trouble; }

    /// Of the last call that this thread launched.
    static std::vector<premul_factor>& last_factors() {
        thread_local std::vector<premul_factor> factors;
        return factors;
    }
    /// Whether that was told to be the same as the one before.
    static bool& last_again() {
        thread_local bool again = false;
        return again;
    }
};

[[nodiscard]] inline std::unique_ptr<executor> make_fake(std::span<const int>, const settings&) {
    return std::make_unique<fake_executor>();
}

[[nodiscard]] inline nccl::result yes() { return nccl::success; }

/// A program with communicators 0 .. n-1 of one set, made by init_all.
struct program {
    explicit program(std::size_t ranks, const settings& s = {}) : chosen(s), blink(nccl, make_fake, nullptr, chosen) {
        fake() = {};
        for (std::size_t r = 0; r < ranks; ++r) { comms.push_back(comm(r)); }
        blink.init_all(comms.data(), static_cast<int>(ranks), yes);
        (void)written().taken();
    }

    nccl::result call(std::size_t rank, std::size_t count, collective_call c = {collective::allreduce}) {
        c.count = count;
        c.comm = comm(rank);
        if (c.stream == nullptr) { c.stream = stream(rank); }
        return blink.collective(c);
    }

    /// An operator that multiplies, made for one rank; its factor may reside on a device.
    nccl::operation multiplier(std::size_t rank, nccl::data_type type, double factor = 1,
                               const void* on_device = nullptr) {
        auto op = static_cast<nccl::operation>(made++);
        const auto single = static_cast<float>(factor);
        const void* const here = type == nccl::float64 ? static_cast<const void*>(&factor) : &single;
        blink.create_premul_sum(&op, on_device == nullptr ? here : on_device, type,
                                on_device == nullptr ? nccl::scalar_host_immediate : nccl::scalar_device, comm(rank),
                                yes);
        return op;
    }

    int made = nccl::operation_count;
    fake_nccl nccl;
    settings chosen;
    interposer blink;
    std::vector<nccl::communicator*> comms;
};

using lines = std::vector<std::string>;

} // namespace preload_test
