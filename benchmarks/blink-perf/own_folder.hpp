// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A folder for what only lives as long as a measurement.
#pragma once

#include <blink/core/error.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

namespace blink_perf {

/// A folder that nobody else can enter, removed at the end.
class own_folder {
  public:
    own_folder() : path_((std::filesystem::temp_directory_path() / "blink-perf-XXXXXX").string()) {
        if (mkdtemp(path_.data()) == nullptr) {
            throw blink::error("a folder " + path_ + " cannot be made: " + std::strerror(errno));
        }
    }
    ~own_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    own_folder(const own_folder&) = delete;
    own_folder& operator=(const own_folder&) = delete;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

} // namespace blink_perf
