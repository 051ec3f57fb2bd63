// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What an operator may do beside combining: multiply each rank's input first, combine in a wider type, finish the
// total.
#include <blink/allreduce.hpp>

#include <cmath>
#include <iostream>

struct root_of_squares {
    using accumulator = double;
    BLINK_HOST_DEVICE double operator()(double a, double b) const { return a + b; }
    BLINK_HOST_DEVICE double prepare(double own, int /*rank*/) const { return own * own; }
    BLINK_HOST_DEVICE double finish(double total, int /*ranks*/) const { return std::sqrt(total); }
};

int main() {
    blink::local_group ranks;
    auto data = ranks.make_buffers<float>(100);
    const auto refill = [&] {
        for (int r = 0; r < ranks.size(); ++r) {
            data.fill(r, [r](std::size_t i) { return static_cast<float>(i + 1) * static_cast<float>(r + 1); });
        }
    };
    const auto show = [&](const char* what) {
        ranks.synchronize();
        const auto result = data.read(0);
        std::cout << what << ": " << result[0] << ", " << result[1] << ", " << result[2] << '\n';
    };

    refill();
    blink::allreduce(ranks, data, data, data.count(), blink::premul_sum{0.5F});
    show("half of the sum");

    refill();
    blink::allreduce(ranks, data, data, data.count(), root_of_squares{});
    show("norm");
}
