// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What another project does with Blink; each script here builds it in another way.
#include <blink/allreduce.hpp>
#include <blink/version.hpp>

#include <iostream>

int main() {
    blink::local_group ranks;
    auto values = ranks.make_buffers<float>(1000);
    for (int r = 0; r < ranks.size(); ++r) { values.fill(r, static_cast<float>(r)); }
    blink::allreduce(ranks, values, values, values.count(), blink::sum{});
    ranks.synchronize();
    const float expected = static_cast<float>(ranks.size() * (ranks.size() - 1) / 2);
    std::cout << "blink " << BLINK_VERSION_MAJOR << '.' << BLINK_VERSION_MINOR << '.' << BLINK_VERSION_PATCH << " ("
              << blink::version << "): " << ranks.size() << " ranks, sum " << values.read(0).at(999) << '\n';
    return values.read(ranks.size() - 1).at(999) == expected ? 0 : 1;
}
