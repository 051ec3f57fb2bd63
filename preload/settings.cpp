// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <vector>

namespace blink::preload {

namespace {

constexpr std::int64_t longest_timeout_ms = 86'400'000;

/// The words of a list with commas; the empty text is one empty word.
std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    for (;;) {
        const std::size_t comma = text.find(',');
        found.emplace_back(text.substr(0, comma));
        if (comma == std::string_view::npos) { return found; }
        text.remove_prefix(comma + 1);
    }
}

class reader {
  public:
    reader(const variable_lookup& lookup, const std::function<void(const std::string&)>& tell)
        : lookup_(lookup), tell_(tell) {}

    [[nodiscard]] settings read() {
        settings s;
        with("BLINK_DEBUG", "none, warn or info", [&](const std::string& value) {
            constexpr std::array<std::string_view, 3> names{"none", "warn", "info"};
            std::string small = value; // NCCL_DEBUG is usually written in capitals
            std::ranges::transform(small, small.begin(),
                                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
            const auto at = std::ranges::find(names, small);
            if (at == names.end()) { return false; }
            s.debug = static_cast<log::level>(at - names.begin());
            return true;
        });
        with("BLINK_DISABLE",
             "0, 1, or calls such as "
             "allreduce,broadcast,reduce,allgather,reduce_scatter,alltoall,gather,scatter,send_recv",
             [&](const std::string& value) { return disable(value, s.disabled); });
        with("BLINK_TOPO_FILE", "", [&](const std::string& value) { return (s.topology_file = value, true); });
        with("BLINK_PLAN_DUMP_FILE", "", [&](const std::string& value) { return (s.plan_file = value, true); });
        with("BLINK_TUNING_FILE", "", [&](const std::string& value) { return (s.tuning_file = value, true); });
        if (!s.tuning_file.empty()) { read_sizes(s); }
        with("TMPDIR", "", [&](const std::string& value) { return (s.rendezvous_folder = value, true); });
        with("BLINK_RENDEZVOUS_DIR", "", [&](const std::string& value) { return (s.rendezvous_folder = value, true); });
        wait("BLINK_TIMEOUT_MS", s.timeout);
        wait("BLINK_RENDEZVOUS_MS", s.rendezvous_timeout);
        s.several_machines = differ("LOCAL_WORLD_SIZE", "WORLD_SIZE") ||
                             differ("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_SIZE") ||
                             differ("MPI_LOCALNRANKS", "PMI_SIZE");
        return s;
    }

  private:
    template <class Take>
    void with(const char* name, const std::string& expected, const Take& take) {
        const char* const value = lookup_(name);
        if (value == nullptr || *value == '\0') { return; }
        if (!take(std::string(value))) {
            tell_(std::string(name) + "=" + value + ": expected " + expected + "; it is ignored");
        }
    }

    void wait(const char* name, std::chrono::milliseconds& to) {
        with(name, "milliseconds from 1 to " + std::to_string(longest_timeout_ms), [&](const std::string& value) {
            std::int64_t ms = 0;
            const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), ms);
            if (status != std::errc{} || end != value.data() + value.size() || ms < 1 || ms > longest_timeout_ms) {
                return false;
            }
            to = std::chrono::milliseconds(ms);
            return true;
        });
    }

    void read_sizes(settings& s) const {
        try {
            s.sizes = read_size_choices(s.tuning_file);
        } catch (const error& e) { tell_("BLINK_TUNING_FILE=" + std::string(e.what()) + "; it is ignored"); }
    }

    /// Whether a launcher has set both variables, to different values.
    [[nodiscard]] bool differ(const char* one, const char* other) const {
        const char* const a = lookup_(one);
        const char* const b = lookup_(other);
        return a != nullptr && b != nullptr && std::string_view(a) != b;
    }

    static bool disable(const std::string& value, std::array<bool, call_names.size()>& disabled) {
        if (value == "0" || value == "1") {
            disabled.fill(value == "1");
            return true;
        }
        std::array<bool, call_names.size()> wanted{};
        for (const std::string& word : words(value)) {
            const auto at = std::ranges::find(call_names, std::string_view(word));
            if (at == call_names.end()) { return false; }
            wanted[static_cast<std::size_t>(at - call_names.begin())] = true;
        }
        disabled = wanted;
        return true;
    }

    const variable_lookup& lookup_;
    const std::function<void(const std::string&)>& tell_;
};

} // namespace

settings read_settings(const variable_lookup& lookup, const std::function<void(const std::string&)>& tell) {
    return reader(lookup, tell).read();
}

} // namespace blink::preload
