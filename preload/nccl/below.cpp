// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "below.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "../log.hpp"

namespace blink::preload::nccl::below {

namespace {

constexpr const char* soname = "libnccl.so.2";
/// Every NCCL 2 has it, so an object with it is an NCCL, or stands in for one.
constexpr const char* probe_name = "ncclGetVersion";

/// Where an address comes from, by the load address of its object.
const void* object_of(const void* address) {
    Dl_info found{};
    return dladdr(address, &found) != 0 ? found.dli_fbase : nullptr;
}

/// True for an address in this library: whoever asks for an NCCL by name may be given Blink itself.
bool is_own(const void* address) { return object_of(address) == object_of(reinterpret_cast<const void*>(&find)); }

/// The places where NCCL is found without the loader's help, which Blink in the place of libnccl.so.2 hides.
std::vector<std::string> usual_places() {
    std::vector<std::string> folders;
    const char* path = std::getenv("LD_LIBRARY_PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t end = rest.find(':');
        if (end != 0) { folders.emplace_back(rest.substr(0, end)); }
        rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    }
    const char* toolkit = std::getenv("CUDA_HOME");
    for (const std::string& root :
         {std::string(toolkit == nullptr ? "/usr/local/cuda" : toolkit), std::string("/usr/local/cuda")}) {
        folders.push_back(root + "/lib64");
        folders.push_back(root + "/lib");
    }
    for (const char* folder :
         {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib", "/usr/lib"}) {
        folders.emplace_back(folder);
    }
    return folders;
}

/// An object that has been found: a handle of dlopen, or RTLD_NEXT. Null is RTLD_DEFAULT, which is none of them.
class library {
  public:
    /// Looks for NCCL; tried again at the next call where it was not found, as the program may open one later.
    [[nodiscard]] void* handle() {
        if (handle_ == nullptr && !searching_) {
            searching_ = true; // a constructor of what is opened may call NCCL
            handle_ = search();
            searching_ = false;
        }
        return handle_;
    }
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

  private:
    /// A handle of an NCCL that is not Blink, or null.
    static void* accepted(void* handle) {
        if (handle == nullptr) { return nullptr; }
        void* const address = dlsym(handle, probe_name);
        return address != nullptr && !is_own(address) ? handle : nullptr;
    }

    void* search() {
        // RTLD_DEEPBIND is left out: NCCL's own calls by name may pass through Blink, which sends them on.
        constexpr int how = RTLD_LAZY | RTLD_LOCAL;
        if (const char* named = std::getenv("BLINK_NCCL_LIBRARY"); named != nullptr && *named != '\0') {
            if (void* const h = accepted(dlopen(named, how)); h != nullptr) { return h; }
            const char* const why = dlerror();
            log::problem("BLINK_NCCL_LIBRARY=" + std::string(named) + " is no NCCL that can be opened (" +
                         (why == nullptr ? "it is Blink itself, or has no " + std::string(probe_name) : why) +
                         "); looking elsewhere");
        }
        if (accepted(RTLD_NEXT) != nullptr) { return RTLD_NEXT; }
        if (void* const h = accepted(dlopen(soname, how | RTLD_NOLOAD)); h != nullptr) { return h; }
        if (void* const h = accepted(dlopen(soname, how)); h != nullptr) { return h; }
        const char* const why = dlerror();
        if (reason_.empty()) { reason_ = why == nullptr ? "the loader finds only Blink under that name" : why; }
        for (const std::string& folder : usual_places()) {
            if (void* const h = accepted(dlopen((folder + "/" + soname).c_str(), how)); h != nullptr) { return h; }
        }
        return nullptr;
    }

    void* handle_ = nullptr;
    bool searching_ = false;
    std::string reason_;
};

std::string& absence() {
    thread_local std::string text;
    return text;
}

} // namespace

void* find(const char* name) noexcept {
    try {
        // Never destroyed: other libraries call NCCL while the process ends.
        static auto& guard = *new std::recursive_mutex;
        static auto& nccl = *new library;
        const std::lock_guard lock(guard);
        void* const handle = nccl.handle();
        void* address = handle == nullptr ? nullptr : dlsym(handle, name);
        if (address != nullptr && is_own(address)) { address = nullptr; }
        if (address == nullptr) {
            absence() = handle == nullptr
                            ? std::string(name) + ": there is no NCCL beneath Blink (" + nccl.reason() +
                                  "); set BLINK_NCCL_LIBRARY to the path of libnccl.so.2"
                            : std::string(name) + ": the NCCL beneath Blink is older and has no such call";
            log::problem_once(absence());
        }
        return address;
    } catch (...) { return nullptr; }
}

const char* why_absent() noexcept { return absence().c_str(); }

} // namespace blink::preload::nccl::below
