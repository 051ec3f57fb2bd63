// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tune_gpus.hpp"

#include <blink/core/collective.hpp>
#include <blink/core/error.hpp>
#include <blink/core/json.hpp>
#include <blink/core/protocol.hpp>
#include <blink/core/tuning.hpp>
#include <blink/core/tuning_file.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "samples.hpp"
#include "session.hpp"
#include "table.hpp"
#include "tune.hpp"
#include "tune_processes.hpp"
#include "tune_repeats.hpp"

namespace blink_perf {

namespace {

/// Measures single points, each over a group of its own, and tells of them.
class point_meter {
  public:
    explicit point_meter(const options& o) : asked_(o) {}

    double operator()(const tuning_point& p) {
        const double seconds = p.in_processes ? among_processes(p) : among_ranks(p);
        const blink::tuning& t = p.tuned;
        const int share = p.in_processes                           ? t.host_share_beside_kernels
                          : p.how != blink::protocol::copies       ? 0
                          : p.kind == blink::collective::allreduce ? t.host_share_all_reduce
                          : p.kind == blink::collective::allgather ? t.host_share_both
                                                                   : t.host_share;
        std::cout << formatted("%12zu  %-14s  %-9s  %-6s  %9d  %6d  %9zu  %5d  %5s  %12.2f\n", p.bytes,
                               std::string(to_string(p.kind)).c_str(), std::string(to_string(p.how)).c_str(),
                               p.in_graphs ? "graph" : "stream", p.in_processes ? ranks_ : 1, p.blocks, p.chunk_bytes,
                               share, t.bulk_from > 0 && p.bytes >= t.bulk_from ? "bulk" : "-", seconds * 1e6)
                  << std::flush;
        return seconds;
    }
    [[nodiscard]] int ranks() {
        if ((*this)({.bytes = 4}) < 0) { return 0; }
        machine_ = session_->rank_lines().front();
        return ranks_ = session_->ranks();
    }
    [[nodiscard]] const std::string& machine() const { return machine_; }

  private:
    double among_processes(const tuning_point& p) {
        session_.reset(); // the GPUs' memory is theirs
        return seconds_in_processes(asked_, ranks_, p);
    }

    double among_ranks(const tuning_point& p) {
        if (session_ == nullptr || p.blocks != blocks_ || p.tuned != tuned_) {
            options trial = asked_;
            trial.blocks = blocks_ = p.blocks;
            trial.trial = tuned_ = p.tuned;
            session_.reset(); // two groups at once would share the GPUs' memory
            session_ = make_cuda_session(trial);
        }
        job j;
        j.data.kind = p.kind;
        j.data.ranks = session_->ranks();
        const std::size_t shards = is_sharded(j.data) ? static_cast<std::size_t>(j.data.ranks) : 1;
        j.count = j.data.count = p.bytes / size_of(j.type) / shards;
        j.check = asked_.check;
        const repeats often = repeats_of(asked_, p);
        j.iterations = often.calls;
        j.graphs = often.graphs;
        j.warmup = asked_.warmup;
        j.how = p.how;
        j.chunk = p.chunk_bytes;
        try {
            const outcome o = session_->measure(j);
            if (o.wrong.value_or(0) + o.out_of_bounds > 0) { return -1; } // fast and wrong is no choice
            return median(o.samples);
        } catch (const blink::usage_error&) { return -1; } // this protocol cannot carry so much
    }

    const options& asked_;
    std::unique_ptr<session> session_;
    int ranks_ = 0;
    std::string machine_; ///< of rank 0
    int blocks_ = 0;
    blink::tuning tuned_{};
};

} // namespace

void tune_gpus(const options& o) {
    std::cout << "#      bytes  collective      protocol   calls   processes  blocks      chunk  share   bulk     time "
                 "(us)\n";
    point_meter meter(o);
    const int ranks = meter.ranks();
    const blink::tuning found = find_tuning(ranks, 64U << 20, std::ref(meter));
    blink::json::object text{{"measured_on", std::to_string(ranks) + " ranks, rank 0 on " + meter.machine()}};
    const blink::json::value values = blink::to_json(found);
    for (const auto& member : values.as_object()) { text.push_back(member); }
    std::ofstream file(o.tune);
    file << blink::json::value(text).dump(2) << "\n" << std::flush;
    if (!file) { throw blink::usage_error("--tune " + o.tune + ": cannot write this file"); }
    std::cout << blink::json::value(text).dump(2) << "\n";
}

} // namespace blink_perf
