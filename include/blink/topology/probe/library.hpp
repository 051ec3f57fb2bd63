// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A shared library that may or may not be on this machine.
#pragma once

#include <dlfcn.h>
#include <string>
#include <utility>

namespace blink::detail {

/// Opens a library, hands out its functions, and leaves it open: drivers keep threads that must not lose their code.
class library {
  public:
    explicit library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) {
            const char* reason = dlerror();
            reason_ = reason != nullptr ? reason : std::string(name) + " cannot be opened";
        }
    }

    [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// Why it is not open.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

    /// Sets `function` to the library's function of this name, or to null.
    template <class Function>
    void find(Function*& function, const char* name) const {
        function = handle_ != nullptr ? reinterpret_cast<Function*>(dlsym(handle_, name)) : nullptr;
    }

  private:
    void* handle_;
    std::string reason_;
};

} // namespace blink::detail
