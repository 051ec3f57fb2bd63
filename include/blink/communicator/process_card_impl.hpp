// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Definitions of what processes tell each other before they start.
#pragma once

#include <blink/communicator/connection.hpp>
#include <blink/communicator/process_card.hpp>
#include <blink/communicator/rendezvous_file.hpp>
#include <blink/core/error.hpp>
#include <blink/core/tuning_file.hpp>
#include <blink/topology/machines/build.hpp>
#include <blink/topology/probe.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/write_json.hpp>
#include <blink/version.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace blink {
namespace detail {

/// Of every GPU of a made-up machine; between ranks on one GPU no wire is the bottleneck, and all are alike.
inline constexpr double shared_gpu_GBps = 450;

/// The machine since it was started; its name where the system does not say.
[[nodiscard]] inline std::string host_identity() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string id;
    return std::getline(in, id) && !id.empty() ? id : host_name();
}

/// Also for processes of containers, which may have the same number.
[[nodiscard]] inline const std::string& process_identity() {
    static const std::string name = random_name();
    return name;
}

[[nodiscard]] inline std::string text_of(const process_options& o) {
    std::string text = "timeout " + std::to_string(o.timeout.count()) + " ms, blocks " + std::to_string(o.blocks) +
                       ", tuning " + to_json(o.tuned).dump() + ", GPUs of the machine:";
    for (const int g : o.gpus) { text += " " + std::to_string(g); }
    if (checks_calls(o)) { text += ", calls are compared"; }
    if (o.copy_room) { text += ", room for copies"; }
    return text + (o.machine ? ", machine " + write_json(*o.machine) : ", machine as found");
}

[[nodiscard]] inline std::string number_text(std::size_t rank) { return "rank " + std::to_string(rank); }

} // namespace detail

BLINK_INLINE bool checks_calls(const process_options& choices) {
    const char* const asked = std::getenv("BLINK_CHECK_CALLS");
    return choices.check_calls || (asked != nullptr && *asked != '\0' && std::string(asked) != "0");
}

BLINK_INLINE std::string process_card::packed() const {
    net::packer p;
    p.text(host).text(process).text(bus_id).text(gpu);
    p.number(static_cast<std::uint64_t>(multiprocessors)).number(static_cast<std::uint64_t>(compute_capability));
    p.text(version).text(choices);
    return p.take();
}

BLINK_INLINE process_card process_card::unpacked(std::string_view bytes) {
    net::unpacker u(bytes);
    process_card c;
    c.host = u.text();
    c.process = u.text();
    c.bus_id = u.text();
    c.gpu = u.text();
    c.multiprocessors = u.integer();
    c.compute_capability = u.integer();
    c.version = u.text();
    c.choices = u.text();
    return c;
}

BLINK_INLINE process_card make_process_card(const process_options& choices) {
    process_card c;
    c.host = detail::host_identity();
    c.process = detail::process_identity() + std::to_string(::getpid());
    c.version = version;
    c.choices = detail::text_of(choices);
    return c;
}

BLINK_INLINE int most_on_one_gpu(const std::vector<process_card>& cards) {
    std::ptrdiff_t most = 0;
    for (const process_card& c : cards) {
        most = std::max(most, std::ranges::count(cards, c.bus_id, &process_card::bus_id));
    }
    return static_cast<int>(most);
}

BLINK_INLINE int common_blocks(const std::vector<process_card>& cards, int asked) {
    const int sharing = most_on_one_gpu(cards);
    bool alike = true;
    int fewest = cards.front().multiprocessors;
    for (const process_card& c : cards) {
        fewest = std::min(fewest, c.multiprocessors);
        alike = alike && c.multiprocessors == cards.front().multiprocessors &&
                c.compute_capability == cards.front().compute_capability;
    }
    if (alike && sharing == 1) { return asked; }
    // Every kernel is built so that a multiprocessor holds a block of it.
    const int most = std::clamp(fewest / sharing, 1, 128);
    return asked == 0 ? most : std::min(asked, most);
}

BLINK_INLINE void check_cards(const std::vector<process_card>& cards) {
    for (std::size_t r = 1; r < cards.size(); ++r) {
        const process_card& c = cards[r];
        const std::string both = detail::number_text(r) + " and rank 0";
        if (c.version != cards[0].version) {
            throw usage_error(both + " have different versions of Blink: " + c.version + " and " + cards[0].version);
        }
        if (c.host != cards[0].host) {
            throw usage_error(both + " are on different machines: a communicator joins processes of one");
        }
        if (c.choices != cards[0].choices) {
            throw usage_error(both + " were given different options: " + c.choices + "; and " + cards[0].choices);
        }
        for (std::size_t q = 0; q < r; ++q) {
            if (c.process == cards[q].process) {
                throw usage_error(detail::number_text(r) + " and " + detail::number_text(q) +
                                  " are in one process: that is what cuda_group is for");
            }
        }
    }
}

BLINK_INLINE std::string machine_json(const std::vector<process_card>& cards, const process_options& choices) {
    if (choices.machine) { return write_json(*choices.machine); }
    if (most_on_one_gpu(cards) == 1) {
        std::vector<std::string> bus_ids;
        for (const process_card& c : cards) { bus_ids.push_back(c.bus_id); }
        return write_json(probe_at(bus_ids));
    }
    const auto ranks = static_cast<int>(cards.size());
    topology equal("ranks that share GPUs", ranks, {vertex_kind::nvswitch});
    for (int r = 0; r < ranks; ++r) { equal.connect({r, ranks, detail::shared_gpu_GBps, 1, link_kind::nvlink, 0}); }
    return write_json(equal);
}

BLINK_INLINE topology machine_from(const std::string& json) { return read_json(json, "the machine as rank 0 sees it"); }

} // namespace blink
