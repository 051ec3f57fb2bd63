// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Any trivially copyable type and any associative and commutative operator: where is the largest gradient?
#include <blink/allreduce.hpp>

#include <cmath>
#include <iostream>

struct gradient {
    float value;
    int rank;
};

struct largest_magnitude {
    BLINK_HOST_DEVICE gradient operator()(const gradient& a, const gradient& b) const {
        const float x = a.value < 0 ? -a.value : a.value;
        const float y = b.value < 0 ? -b.value : b.value;
        return y > x || (x == y && b.rank < a.rank) ? b : a;
    }
};

int main() {
    blink::local_group ranks;
    auto gradients = ranks.make_buffers<gradient>(100);
    for (int r = 0; r < ranks.size(); ++r) {
        gradients.fill(r, [r](std::size_t i) {
            return gradient{std::sin(static_cast<float>(i) * 7.0F + static_cast<float>(r)), r};
        });
    }
    blink::allreduce(ranks, gradients, gradients, gradients.count(), largest_magnitude{});
    ranks.synchronize();

    const auto result = gradients.read(0);
    for (std::size_t i = 0; i < 3; ++i) {
        std::cout << "element " << i << ": " << result[i].value << " of rank " << result[i].rank << '\n';
    }
}
