// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// An element travels as bytes, so a string cannot be one.
// expect-error: no matching function for call to .*make_buffers
// expect-error: element<T>|is_trivially_copyable
#include <blink/allreduce.hpp>

#include <string>

#ifdef WORKS
using value = char;
#else
using value = std::string;
#endif

int main() {
    blink::local_group group;
    auto buffers = group.make_buffers<value>(4);
    return buffers.size();
}
