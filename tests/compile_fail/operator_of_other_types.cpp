// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The operator combines two elements into one; one that takes a string does not.
// expect-error: no matching function for call to .*allreduce
// expect-error: reduction_operator
#include <blink/allreduce.hpp>

#include <string>

struct combine {
#ifdef WORKS
    float operator()(float a, float b) const { return a < b ? b : a; }
#else
    float operator()(const std::string& a, float b) const { return static_cast<float>(a.size()) + b; }
#endif
};

int main() {
    blink::local_group group;
    auto buffers = group.make_buffers<float>(4);
    blink::allreduce(group, buffers, buffers, 4, combine{});
}
