// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How libblink.so tells the audit library, which lives in a name space of its own, where its functions are: it looks
/// its own table up by name, and the loader reports that look-up.
#pragma once

/// The symbol under which the table is exported.
#define BLINK_ENTRY_TABLE "blink_entry_points"

namespace blink::preload {

/// One of NCCL's names and the function that libblink.so has for it. A null name ends the table.
struct entry_address {
    const char* name;
    void* address;
};

} // namespace blink::preload
