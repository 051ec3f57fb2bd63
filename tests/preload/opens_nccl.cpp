// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Opens NCCL as Python programs do, by a path or name at run time: `opens_nccl [LIBRARY]`. Prints its version and the
// file that holds the function which answered.
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <initializer_list>

int main(int argc, char** argv) {
    void* const library = dlopen(argc > 1 ? argv[1] : "libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        std::printf("not opened: %s\n", dlerror());
        return 1;
    }
    for (const char* name : {"ncclGetVersion", "pncclGetVersion"}) {
        void* const address = dlsym(library, name);
        if (address == nullptr) { return 1; }
        int version = -1;
        const int status = reinterpret_cast<int (*)(int*)>(address)(&version);
        Dl_info found{};
        dladdr(address, &found);
        const char* const slash = std::strrchr(found.dli_fname, '/');
        std::printf("%s of %s: %d, version %d\n", name, slash == nullptr ? found.dli_fname : slash + 1, status,
                    version);
    }
    const auto words = reinterpret_cast<const char* (*)(void*)>(dlsym(library, "ncclGetLastError"));
    std::printf("last error: %s\n", words(nullptr));
}
