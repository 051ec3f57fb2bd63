// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A machine's tuning as a small JSON file.
#pragma once

#include <blink/core/error.hpp>
#include <blink/core/json.hpp>
#include <blink/core/tuning.hpp>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

namespace blink {

[[nodiscard]] inline json::value to_json(const tuning& t) {
    return json::object{{"cells_up_to", t.cells_up_to},
                        {"all_pairs_up_to", t.all_pairs_up_to},
                        {"pull_up_to", t.pull_up_to},
                        {"most_chunk_bytes", t.most_chunk_bytes},
                        {"most_blocks", t.most_blocks},
                        {"bulk_from", t.bulk_from},
                        {"bulk_blocks", t.bulk_blocks},
                        {"most_bulk_chunk_bytes", t.most_bulk_chunk_bytes},
                        {"copies_from", t.copies_from},
                        {"copies_from_captured", t.copies_from_captured},
                        {"copies_all_reduce_from", t.copies_all_reduce_from},
                        {"copies_reduce_from", t.copies_reduce_from},
                        {"host_share_from", t.host_share_from},
                        {"host_share", t.host_share},
                        {"host_share_both", t.host_share_both},
                        {"host_share_all_reduce_from", t.host_share_all_reduce_from},
                        {"host_share_all_reduce", t.host_share_all_reduce},
                        {"host_share_beside_kernels", t.host_share_beside_kernels}};
}

/// The tuning that a JSON object describes: what it leaves out has its built-in value, members of other names say
/// something to people.
/// @throw json::format_error with the line of what is wrong
[[nodiscard]] inline tuning tuning_from(const json::value& v) {
    constexpr int most = std::numeric_limits<int>::max();
    tuning t;
    const auto bytes = [&](std::string_view name, std::size_t& to, int least) {
        if (const json::value* const found = v.find(name)) {
            to = static_cast<std::size_t>(found->as_int(least, most));
        }
    };
    bytes("cells_up_to", t.cells_up_to, 0);
    bytes("all_pairs_up_to", t.all_pairs_up_to, 0);
    bytes("pull_up_to", t.pull_up_to, 0);
    bytes("most_chunk_bytes", t.most_chunk_bytes, 1);
    if (const json::value* const found = v.find("most_blocks")) { t.most_blocks = found->as_int(1, most); }
    bytes("bulk_from", t.bulk_from, 0);
    if (const json::value* const found = v.find("bulk_blocks")) { t.bulk_blocks = found->as_int(1, most); }
    bytes("most_bulk_chunk_bytes", t.most_bulk_chunk_bytes, 1);
    bytes("copies_from", t.copies_from, 0);
    bytes("copies_from_captured", t.copies_from_captured, 0);
    bytes("copies_all_reduce_from", t.copies_all_reduce_from, 0);
    bytes("copies_reduce_from", t.copies_reduce_from, 0);
    bytes("host_share_from", t.host_share_from, 0);
    bytes("host_share_all_reduce_from", t.host_share_all_reduce_from, 0);
    const auto share = [&](std::string_view name, int& to) {
        if (const json::value* const found = v.find(name)) { to = found->as_int(0, 1000); }
    };
    share("host_share", t.host_share);
    share("host_share_both", t.host_share_both);
    share("host_share_all_reduce", t.host_share_all_reduce);
    share("host_share_beside_kernels", t.host_share_beside_kernels);
    return t;
}

/// Reads what `blink-perf --tune FILE` wrote.
/// @code
/// blink::local_group gpus({.tuned = blink::read_tuning("h200x2.json")});
/// @endcode
/// @throw usage_error with the file, and the line of what is wrong in it
[[nodiscard]] inline tuning read_tuning(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in) { throw usage_error(file + ": this tuning file cannot be read"); }
    try {
        return tuning_from(json::parse(text));
    } catch (const json::format_error& e) { throw usage_error(file + ": " + e.what()); }
}

} // namespace blink
