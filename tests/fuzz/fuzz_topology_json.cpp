// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return fuzz::read_or_refuse<blink::topology_error>(
        data, size, true, [](const std::string& text) { return blink::read_json(text, fuzz::file); },
        fuzz::check_topology);
}
