// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/plan_json.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return fuzz::read_or_refuse<blink::plan_error>(
        data, size, false, [](const std::string& text) { return blink::plan_from_json(text, fuzz::file); },
        [](const blink::plan& p) {
            const blink::plan back = blink::plan_from_json(to_json(p).dump(), "written");
            fuzz::need(back.schedule == p.schedule && back.packing == p.packing, "another plan came back");
        });
}
