// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How calls run that leave it open: as the file says that the user has named.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/tuning_file.hpp>

#include <string>

#include "log.hpp"
#include "settings.hpp"

namespace blink::preload {

/// The tuning in BLINK_TUNING_FILE; the built-in one without it, and, with a message, where it cannot be read.
[[nodiscard]] inline tuning chosen_tuning(const settings& chosen) {
    if (chosen.tuning_file.empty()) { return {}; }
    try {
        return read_tuning(chosen.tuning_file);
    } catch (const error& e) {
        log::problem_once("BLINK_TUNING_FILE=" + std::string(e.what()) + "; the built-in tuning is used");
        return {};
    }
}

} // namespace blink::preload
