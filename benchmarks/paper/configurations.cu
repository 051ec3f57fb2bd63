// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Broadcast and AllReduce on every kind of fragment of a DGX-1P and a DGX-1V, over emulated links on one GPU: Blink's
/// trees beside the rings and chains that NCCL forms there. Writes a CSV line for each measurement.
#include <blink/communicator/emulated_group.cuh>
#include <blink/execute/simulate/baselines.hpp>
#include <blink/topology/machines.hpp>

#include <thrust/count.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/fill.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "emulating_gpu.hpp"
#include "fragments.hpp"

namespace {

using blink::collective;

/// Calls of which the median counts.
constexpr int calls = 3;

std::string joined(const std::vector<int>& ranks) {
    std::string text;
    for (const int r : ranks) { text += std::to_string(r); }
    return text;
}

/// Buffers of all ranks of a group, filled so that any result is a small whole number.
class bench {
  public:
    bench(const blink::topology& machine, const std::vector<int>& ranks, std::size_t bytes)
        : group_({.machine = machine, .gpus = ranks, .virtual_ranks = static_cast<int>(ranks.size())},
                 blink_paper::scale_for(ranks.size())),
          in_(group_.make_buffers<float>(bytes / sizeof(float))),
          out_(group_.make_buffers<float>(bytes / sizeof(float))) {
        for (int r = 0; r < group_.size(); ++r) {
            const thrust::device_ptr<float> first(in_[r]);
            thrust::fill_n(thrust::cuda::par.on(group_.stream(r)), first, in_.count(), static_cast<float>(r + 1));
            from_.push_back(in_[r]);
            to_.push_back(out_[r]);
        }
    }

    [[nodiscard]] blink::emulated_group& group() { return group_; }

    /// GB/s of the emulated machine at full link rates, the median of some calls.
    /// @throw blink::error where an element is wrong
    double measure(const blink::schedule& s, const blink::fabric& f, std::size_t bytes) {
        const std::size_t count = bytes / sizeof(float);
        std::vector<float> ms;
        for (int i = 0; i <= calls; ++i) {
            blink::cuda::check(cudaEventRecord(before_, group_.stream(0)), "cudaEventRecord");
            group_.run_schedule<float>(s, f, from_, to_, count, blink::sum{});
            blink::cuda::check(cudaEventRecord(after_, group_.stream(0)), "cudaEventRecord");
            group_.synchronize();
            if (i == 0) {
                check(s, count);
            } else {
                blink::cuda::check(cudaEventElapsedTime(&ms.emplace_back(), before_, after_), "cudaEventElapsedTime");
            }
        }
        std::ranges::sort(ms);
        return static_cast<double>(bytes) / (static_cast<double>(ms[ms.size() / 2]) * 1e6) / group_.scale();
    }

    bench(const bench&) = delete;
    bench& operator=(const bench&) = delete;
    ~bench() {
        (void)cudaEventDestroy(before_);
        (void)cudaEventDestroy(after_);
    }

  private:
    static cudaEvent_t made_event() {
        cudaEvent_t e{};
        blink::cuda::check(cudaEventCreate(&e), "cudaEventCreate");
        return e;
    }

    void check(const blink::schedule& s, std::size_t count) {
        const int n = group_.size();
        const auto expected = static_cast<float>(s.kind == collective::broadcast ? s.root + 1 : n * (n + 1) / 2);
        for (int r = 0; r < n; ++r) {
            const thrust::device_ptr<float> first(out_[r]);
            const auto policy = thrust::cuda::par.on(group_.stream(r));
            const auto right = thrust::count(policy, first, first + static_cast<std::ptrdiff_t>(count), expected);
            if (right != static_cast<std::ptrdiff_t>(count)) {
                throw blink::error("wrong elements on rank " + std::to_string(r));
            }
            thrust::fill_n(policy, first, count, -1.0F);
        }
    }

    blink::emulated_group group_;
    blink::rank_buffers<float> in_, out_;
    std::vector<const float*> from_;
    std::vector<float*> to_;
    cudaEvent_t before_ = made_event();
    cudaEvent_t after_ = made_event();
};

/// Whether a baseline keeps to NVLink.
bool over_pcie(const blink::baseline& b) { return b.label.find("PCIe") != std::string::npos; }

void measure_fragment(const blink::topology& machine, const std::vector<int>& ranks,
                      const std::vector<std::size_t>& sizes, std::ostream& csv) {
    bench b(machine, ranks, sizes.back());
    for (const collective kind : {collective::broadcast, collective::allreduce}) {
        const blink::plan p = blink::make_plan(machine, ranks, kind, 0);
        const auto line = [&](std::size_t bytes, const std::string& who, const std::string& wires, double model,
                              double found) {
            csv << machine.name() << ',' << joined(ranks) << ',' << to_string(kind) << ',' << bytes << ','
                << b.group().scale() << ',' << who << ',' << wires << ',' << model << ',' << found << '\n'
                << std::flush;
        };
        for (const std::size_t bytes : sizes) {
            line(bytes, "blink", "nvlink", p.packing.GBps, b.measure(p.schedule, p.fabric, bytes));
            for (const blink::baseline& other : blink::baselines(induced(machine, ranks), kind, 0)) {
                const std::string who = other.label.find("ring") != std::string::npos ? "rings" : "chains";
                const std::string wires = over_pcie(other) ? "pcie" : "nvlink";
                if (other.s.lanes.size() > blink::cuda::max_lanes) {
                    std::cerr << machine.name() << ' ' << joined(ranks) << ": " << other.label << " have "
                              << other.s.lanes.size() << " lanes, " << blink::cuda::max_lanes << " fit; not measured\n";
                    continue;
                }
                line(bytes, who, wires, other.GBps, b.measure(other.s, other.f, bytes));
            }
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) {
        std::cerr << "usage: " << argv[0] << " FILE.csv [MIB OF THE LARGEST MESSAGE, default 500]\n";
        return 2;
    }
    if (blink::cuda::visible_gpus() == 0) {
        std::cerr << "no GPU is visible: skipped\n";
        return 77;
    }
    try {
        const std::size_t largest = argc == 3 ? std::stoul(argv[2]) : 500;
        std::ofstream csv(argv[1]);
        csv << "machine,ranks,collective,bytes,scale,who,wires,model_GBps,emulated_GBps\n";
        for (const blink::topology& machine : {blink::topology(blink::dgx1p), blink::topology(blink::dgx1v)}) {
            const auto fragments = blink_paper::unique_fragments(machine);
            std::cout << machine.name() << ": " << fragments.size() << " configurations\n";
            for (const std::vector<int>& ranks : fragments) {
                std::cout << "  " << joined(ranks) << '\n' << std::flush;
                measure_fragment(machine, ranks, {largest / 5 << 20, largest << 20}, csv);
            }
        }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}
