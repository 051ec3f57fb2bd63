// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <chrono>
#include <utility>

#include "../company.hpp"
#include "../nccl/nccl_ranks.hpp"
#include "../nccl/nccl_windows.hpp"
#include "../samples.hpp"
#include "gpu_clock.hpp"
#include "stopwatch.cuh"

namespace blink_perf {

namespace {

using host_clock = std::chrono::steady_clock;

double seconds_since(host_clock::time_point begin) {
    return std::chrono::duration<double>(host_clock::now() - begin).count();
}

} // namespace

gpu_clock::gpu_clock(std::vector<driven_rank> here, int size, const company& others, std::function<void()> synchronize)
    : here_(std::move(here)), size_(size), others_(others), synchronize_(std::move(synchronize)) {
    for (const driven_rank& r : here_) {
        if (streams_.empty() || streams_.back().stream != r.stream) { streams_.push_back(r); }
    }
}

gpu_clock::~gpu_clock() = default;

void gpu_clock::compare_with_nccl(bool windows, std::size_t bytes) {
    nccl_ = std::make_unique<nccl_ranks>(here_, size_, others_);
    if (windows) { windows_ = std::make_unique<nccl_windows>(*nccl_, bytes, others_); }
}

comparison gpu_clock::compared() const noexcept {
    return {nccl_ != nullptr, windows_ != nullptr && windows_->why_not().empty()};
}

std::vector<std::string> gpu_clock::notes() const {
    if (nccl_ == nullptr) { return {}; }
    std::vector<std::string> lines{"Compared in turn with NCCL " + nccl_->interface().version() +
                                   " without multicast; ratio: how many times as fast Blink is"};
    if (compared().window) {
        lines.emplace_back("window: NCCL with buffers in symmetric windows");
    } else if (windows_ != nullptr) {
        lines.push_back("No columns for symmetric windows: " + windows_->why_not());
    }
    return lines;
}

timings gpu_clock::time(const job& j, const call_buffers& with, const void* factor, const std::function<void()>& call) {
    const comparison beside = compared();
    call_buffers windows;
    calls all{call};
    if (beside.nccl) {
        all.emplace_back([&] { nccl_->run(j, with, factor); });
    }
    if (beside.window) {
        windows = windows_->like(j, with);
        all.emplace_back([&] { nccl_->run(j, windows, factor); });
    }
    const auto warm_up = [&] {
        for (int i = 0; i < j.warmup; ++i) {
            for (const auto& one : all) { one(); }
        }
    };
    warm_up();
    synchronize_();
    if (j.graphs == 0 && j.warmup > 0) { wake(warm_up); }
    sample_lists found = j.graphs > 0 ? time_graphs(j, all) : j.blocking ? time_blocking(j, all) : time_stream(j, all);
    found.resize(3);
    return {std::move(found[0]), std::move(found[1]), std::move(found[2])};
}

/// Whether a call of Blink's takes copies when it is captured into one graph over all GPUs, which it then has to be.
bool gpu_clock::takes_copies(const job& j, const std::function<void()>& call) const {
    if (j.how != blink::protocol::automatic) { return j.how == blink::protocol::copies; }
    return streams_.size() > 1 && recorded(streams_, call, true).has_copies();
}

/// The clocks of GPUs and processors rise when there is work. All processes have to make the same calls, so the first
/// one decides.
void gpu_clock::wake(const std::function<void()>& work) const {
    constexpr double awake = 0.02;
    double busy = 0;
    while (others_.exchange(busy < awake ? "more" : "enough").front() == "more") {
        const auto begin = host_clock::now();
        work();
        synchronize_();
        busy += seconds_since(begin);
    }
}

/// A graph holds all measured calls; each of its launches is a sample. Nothing waits for the host between the first and
/// the last of them: they are enqueued while the GPUs still run the launches before, which are not measured.
gpu_clock::sample_lists gpu_clock::time_graphs(const job& j, const calls& all) {
    std::vector<std::unique_ptr<recorded>> graphs;
    for (const auto& one : all) {
        const auto repeated = [&] {
            for (int i = 0; i < j.iterations; ++i) { one(); }
        };
        graphs.push_back(std::make_unique<recorded>(streams_, repeated, graphs.empty() && takes_copies(j, one)));
    }
    const auto launches = static_cast<std::size_t>(j.graphs) * graphs.size();
    stopwatch watch(streams_.front(), launches + 1);
    synchronize_();
    const auto launch_all = [&] {
        for (const auto& graph : graphs) { graph->launch(); }
    };
    wake(launch_all);
    launch_all();
    watch.mark();
    for (std::size_t i = 0; i < launches; ++i) {
        graphs[i % graphs.size()]->launch();
        watch.mark();
    }
    synchronize_();
    sample_lists found(all.size());
    for (std::size_t i = 0; i < launches; ++i) { found[i % all.size()].push_back(watch.behind(i) / j.iterations); }
    return found;
}

/// Enqueues everything, some calls of the one and as many of the other in turn with marks between, and waits once.
gpu_clock::sample_lists gpu_clock::time_stream(const job& j, const calls& all) {
    const int most_samples = all.size() == 1 ? 10 : 5;
    const int samples = std::min(j.iterations, most_samples);
    stopwatch watch(streams_.front(), static_cast<std::size_t>(samples) * all.size() + 1);
    others_.gather();
    watch.mark();
    for (int sample = 0; sample < samples; ++sample) {
        for (const auto& one : all) {
            for (int i = 0; i < calls_in_sample(j.iterations, samples, sample); ++i) { one(); }
            watch.mark();
        }
    }
    synchronize_();
    sample_lists found(all.size());
    for (int sample = 0; sample < samples; ++sample) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            const double seconds = watch.behind(static_cast<std::size_t>(sample) * all.size() + i);
            found[i].push_back(seconds / calls_in_sample(j.iterations, samples, sample));
        }
    }
    return found;
}

gpu_clock::sample_lists gpu_clock::time_blocking(const job& j, const calls& all) {
    sample_lists found(all.size());
    others_.gather();
    for (int i = 0; i < j.iterations; ++i) {
        for (std::size_t which = 0; which < all.size(); ++which) {
            const auto begin = host_clock::now();
            all[which]();
            synchronize_();
            found[which].push_back(seconds_since(begin));
        }
    }
    return found;
}

} // namespace blink_perf
