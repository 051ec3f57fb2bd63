// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// When each lane of a collective among the eight GPUs of a DGX-1V ends, in the model of the GPU that emulates its
/// links: with the blocks as the executor deals them to lanes, and with blocks in proportion to the lanes' shares.
#include <blink/plan.hpp>
#include <blink/topology/machines.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <ostream>
#include <vector>

#include "csv_main.hpp"
#include "emulating_gpu.hpp"

namespace {

/// The largest layout of at most `most` blocks in which no lane has more than 4 % more or less than its share.
blink::block_layout in_proportion(const blink::schedule& s, blink::block_layout layout, int most) {
    layout.lane_bytes.clear();
    for (int total = most; total > 0; --total) {
        double worst = 0;
        for (std::size_t l = 0; l < s.lanes.size(); ++l) {
            const double ideal = s.lanes[l].share * total;
            layout.blocks[l] = std::max(1, static_cast<int>(std::lround(ideal)));
            worst = std::max(worst, std::abs(layout.blocks[l] / ideal - 1));
        }
        if (worst <= 0.04) { return layout; }
    }
    throw blink::error("no layout in proportion to the lanes' shares");
}

void write_lanes(blink::collective kind, std::size_t bytes, std::ostream& csv) {
    std::vector<int> gpus(8);
    std::iota(gpus.begin(), gpus.end(), 0);
    const blink::plan p = blink::make_plan(blink::topology(blink::dgx1v), gpus, kind, 0);
    const double scale = blink_paper::scale_for(gpus.size());
    const blink::block_layout dealt = blink_paper::layout_on_gpu(p.schedule, bytes);
    const int most = blink_paper::resident_blocks / p.schedule.ranks;
    for (const bool even : {false, true}) {
        const auto layout = even ? in_proportion(p.schedule, dealt, most) : dealt;
        const auto t = blink::simulate_blocks(p.schedule, blink_paper::scaled(p.fabric, scale), bytes, layout,
                                              blink_paper::h200_costs);
        for (std::size_t l = 0; l < p.schedule.lanes.size(); ++l) {
            csv << to_string(kind) << ',' << bytes << ',' << (even ? "proportion" : "executor") << ',' << l << ','
                << p.schedule.lanes[l].share << ',' << layout.blocks[l] << ',' << t.lane_seconds[l] * scale * 1e3 << ','
                << t.GBps / scale << ',' << p.packing.GBps << '\n';
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const blink_paper::csv_benchmark of{"collective,bytes,blocks_by,lane,share,blocks,milliseconds,GBps,model_GBps"};
    return blink_paper::csv_main(argc, argv, of, [](std::ostream& csv, std::size_t /*largest*/) {
        for (const std::size_t bytes : {std::size_t{100} << 20, std::size_t{500} << 20}) {
            write_lanes(blink::collective::broadcast, bytes, csv);
            write_lanes(blink::collective::allreduce, bytes, csv);
        }
    });
}
