// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// For programs that open libnccl.so.2 themselves and look its functions up: LD_PRELOAD alone does not reach those. As
// LD_AUDIT library, beside LD_PRELOAD=libblink.so, this one answers such look-ups with the functions of libblink.so,
// except those of libblink.so itself. See rtld-audit(7).
#include <cstdint>
#include <cstring>
#include <link.h>

#include "entry_table.hpp"

namespace {

using blink::preload::entry_address;

/// The loader runs this library's code before the program's, and then one look-up at a time.
const entry_address* entries = nullptr;
std::uintptr_t* blink_cookie = nullptr;
std::uintptr_t* nccl_cookie = nullptr;

bool is_named(const char* path, const char* name) {
    const char* const slash = std::strrchr(path, '/');
    return std::strncmp(slash == nullptr ? path : slash + 1, name, std::strlen(name)) == 0;
}

} // namespace

#define BLINK_AUDIT extern "C" __attribute__((visibility("default")))

BLINK_AUDIT unsigned la_version(unsigned offered) { return offered < LAV_CURRENT ? offered : LAV_CURRENT; }

BLINK_AUDIT unsigned la_objopen(link_map* map, Lmid_t /*space*/, std::uintptr_t* cookie) {
    if (is_named(map->l_name, "libblink.so")) {
        blink_cookie = cookie;
        return LA_FLG_BINDTO | LA_FLG_BINDFROM;
    }
    if (is_named(map->l_name, "libnccl.so")) {
        nccl_cookie = cookie;
        return LA_FLG_BINDTO;
    }
    return LA_FLG_BINDFROM;
}

BLINK_AUDIT std::uintptr_t la_symbind64(Elf64_Sym* symbol, unsigned /*index*/, std::uintptr_t* from, std::uintptr_t* to,
                                        unsigned* /*flags*/, const char* name) {
    const auto address = static_cast<std::uintptr_t>(symbol->st_value);
    if (to == blink_cookie && std::strcmp(name, BLINK_ENTRY_TABLE) == 0) {
        entries = reinterpret_cast<const entry_address*>(address);
    }
    if (entries == nullptr || from == blink_cookie || to != nccl_cookie) { return address; }
    for (const entry_address* e = entries; e->name != nullptr; ++e) {
        if (std::strcmp(e->name, name) == 0) { return reinterpret_cast<std::uintptr_t>(e->address); }
    }
    return address;
}
