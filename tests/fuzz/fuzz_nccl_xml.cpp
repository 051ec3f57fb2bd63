// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/topology/read_nccl_xml.hpp>
#include <blink/topology/write_nccl_xml.hpp>

#include "fuzz.hpp"

namespace {

/// The same wires come back, or the format is said to have no words for them.
void write_and_read(const blink::topology& t) {
    fuzz::check_topology(t);
    std::string text;
    try {
        text = blink::write_nccl_xml(t);
    } catch (const blink::usage_error&) { return; }
    const blink::topology back = blink::read_nccl_xml(text, "written");
    fuzz::need(back.gpu_count() == t.gpu_count() && back.vertex_count() == t.vertex_count() &&
                   back.links().size() == t.links().size(),
               "another machine came back");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return fuzz::read_or_refuse<blink::topology_error>(
        data, size, true, [](const std::string& text) { return blink::read_nccl_xml(text, fuzz::file); },
        write_and_read);
}
