// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/read_smi.hpp>
#include <blink/topology/write_smi.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return fuzz::read_or_refuse<blink::topology_error>(
        data, size, true, [](const std::string& text) { return blink::read_smi(text, fuzz::file); },
        [](const blink::topology& t) {
            fuzz::check_topology(t);
            (void)blink::write_smi(t);
        });
}
