// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One rank's data to all, and all ranks' data to one.
#include <blink/broadcast.hpp>
#include <blink/reduce.hpp>

#include <iostream>
#include <numeric>
#include <vector>

int main() {
    constexpr int root = 0;
    constexpr std::size_t count = 1000;
    blink::local_group ranks;
    auto data = ranks.make_buffers<int>(count);
    auto total = ranks.make_buffers<int>(count);

    std::vector<int> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    data.assign(root, numbers);

    blink::broadcast(ranks, data, data, count, root);
    blink::reduce(ranks, data, total, count, blink::sum{}, root);
    ranks.synchronize();

    const int last = total.read(root).back();
    std::cout << "999 from rank " << root << " to " << ranks.size() << " ranks and back again: " << last << '\n';
    return last == 999 * ranks.size() ? 0 : 1;
}
