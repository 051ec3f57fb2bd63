// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// Reads a topology from whatever describes one: a machine's name, Blink's JSON, NCCL's XML, the output of
/// `nvidia-smi topo -m`.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/machines.hpp>
#include <blink/topology/read_json.hpp>
#include <blink/topology/read_nccl_xml.hpp>
#include <blink/topology/read_smi.hpp>
#include <blink/topology/topology.hpp>

#include <algorithm>
#include <fstream>
#include <istream>
#include <iterator>
#include <string>
#include <string_view>

namespace blink {
namespace detail {

/// True where the text opens with an element, a comment or a declaration. A terminal's prompt may open with '<' too.
[[nodiscard]] inline bool is_xml(std::string_view text) noexcept {
    if (text.starts_with("\xEF\xBB\xBF")) { text.remove_prefix(3); }
    constexpr std::string_view openings[] = {"<system", "<!--", "<?xml", "<graphs"};
    return std::ranges::any_of(openings, [&](std::string_view o) { return text.starts_with(o); });
}

} // namespace detail

/// Reads a text in any format that Blink knows; which one shows by how it begins.
/// @param file what errors call the text
/// @param options what the output of nvidia-smi leaves open; the other formats say it themselves
/// @throw topology_error with the file, the line, what was found and what was expected
[[nodiscard]] inline topology read_topology(std::string_view text, std::string_view file,
                                            const smi_options& options = {}) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        throw topology_error(file, 1,
                             "found nothing, expected Blink's JSON, NCCL's XML or the output of nvidia-smi topo -m");
    }
    if (text[first] == '{') { return read_json(text, file); }
    return detail::is_xml(text.substr(first)) ? read_nccl_xml(text, file) : read_smi(text, file, options);
}

/// As above, from a stream.
[[nodiscard]] inline topology read_topology(std::istream& in, std::string_view file, const smi_options& options = {}) {
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (in.bad()) { throw topology_error(std::string(file) + ": cannot be read"); }
    return read_topology(text, file, options);
}

/// The machine that Blink knows by this name, or else the topology in the file of this name.
/// @throw topology_error where it is neither, with the names that are known, or where the file is wrong
[[nodiscard]] inline topology load_topology(const std::string& name_or_file, const smi_options& options = {}) {
    if (auto machine = find_machine(name_or_file)) { return std::move(*machine); }
    std::ifstream in(name_or_file, std::ios::binary);
    if (!in) {
        try {
            return machine_named(name_or_file);
        } catch (const topology_error& e) { throw topology_error(std::string(e.what()) + ", or a readable file"); }
    }
    return read_topology(in, name_or_file, options);
}

} // namespace blink
