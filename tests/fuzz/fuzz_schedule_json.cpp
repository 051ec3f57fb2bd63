// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <blink/core/json.hpp>
#include <blink/schedule/schedule_json.hpp>
#include <blink/schedule/verify.hpp>
#include <blink/schedule/write_msccl_xml.hpp>
#include <blink/schedule/write_mscclpp_json.hpp>

#include "fuzz.hpp"

namespace {

/// A schedule as a file of its own; a plan has one as a part.
blink::schedule read(const std::string& text) {
    try {
        return blink::schedule_from(blink::json::parse(text));
    } catch (const blink::json::format_error& e) {
        throw blink::plan_error(std::string(fuzz::file) + ":" + std::to_string(e.line()) + ": " +
                                e.found_and_expected());
    } catch (const blink::usage_error& e) { // an unknown collective
        throw blink::plan_error(std::string(fuzz::file) + ":1: " + e.what());
    }
}

/// A schedule that is right comes back as it was, and is exported or refused.
void use(const blink::schedule& s) {
    try {
        verify(s);
    } catch (const blink::schedule_error&) { return; }
    fuzz::need(blink::schedule_from(blink::json::parse(to_json(s).dump())) == s, "another schedule came back");
    try {
        (void)blink::write_msccl_xml(s);
        (void)blink::write_mscclpp_json(s);
    } catch (const blink::usage_error& e) { fuzz::need(*e.what() != '\0', "no reason"); }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return fuzz::read_or_refuse<blink::plan_error>(data, size, false, read, use);
}
