// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Which GPUs CUDA_VISIBLE_DEVICES shows, and in which order.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace blink {

/// The GPUs that the value of CUDA_VISIBLE_DEVICES leaves visible, as indices into `uuids`, in its order. As CUDA does,
/// the list ends before the first entry that is not a GPU of this machine, and an entry given twice hides all.
/// @param value the variable; null where it is not set: every GPU is visible
/// @param uuids of the GPUs, such as GPU-8932f937-d72c-4106-c12f-20bd9faed9f6; entries may be unique beginnings of them
[[nodiscard]] inline std::vector<int> visible_devices(const char* value, const std::vector<std::string>& uuids) {
    std::vector<int> visible;
    if (value == nullptr) {
        for (std::size_t i = 0; i < uuids.size(); ++i) { visible.push_back(static_cast<int>(i)); }
        return visible;
    }
    const auto find = [&](std::string_view entry) {
        int index = -1;
        const char* end = entry.data() + entry.size();
        const auto [last, status] = std::from_chars(entry.data(), end, index);
        if (status == std::errc{} && last == end) {
            return index < static_cast<int>(uuids.size()) && index >= 0 ? index : -1;
        }
        const auto starts = [&](const std::string& uuid) { return uuid.starts_with(entry); };
        if (!entry.starts_with("GPU-") || std::ranges::count_if(uuids, starts) != 1) { return -1; }
        return static_cast<int>(std::ranges::find_if(uuids, starts) - uuids.begin());
    };
    std::string_view rest = value;
    while (!rest.empty()) {
        std::string_view entry = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
        entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
        entry = entry.substr(0, entry.find_last_not_of(' ') + 1);
        const int gpu = find(entry);
        if (gpu == -1) { break; }
        if (std::ranges::find(visible, gpu) != visible.end()) { return {}; }
        visible.push_back(gpu);
    }
    return visible;
}

} // namespace blink
