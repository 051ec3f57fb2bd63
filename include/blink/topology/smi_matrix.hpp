// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The cells of the matrix of `nvidia-smi topo -m`, checked: every row there, every cell known, both halves alike.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/pcie_tree.hpp>

#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink::detail {

/// What the matrix says of pairs of GPUs, and of GPUs and NICs.
struct smi_matrix {
    int gpus = 0;
    std::vector<int> lanes; ///< NVLinks by row and column
    std::vector<int> row_lines;
    pcie_distances pcie{0, 0};

    [[nodiscard]] int nvlinks(int a, int b) const { return lanes[static_cast<std::size_t>(a * gpus + b)]; }
};

class smi_parser {
  public:
    smi_parser(std::string_view text, std::string_view file) : rest_(text), file_(file) {}

    smi_matrix matrix() {
        read_header();
        smi_matrix m{
            gpus_, std::vector<int>(static_cast<std::size_t>(gpus_ * gpus_)), {}, pcie_distances(gpus_, devices_)};
        cells_.resize(static_cast<std::size_t>(gpus_));
        for (int row = 0; row < gpus_; ++row) { read_row(row, m); }
        refuse_more_rows();
        return m;
    }

  private:
    static constexpr int most_gpus = 64;
    static constexpr int most_links = 64;

    [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
        throw topology_error(file_, line_ > 0 ? line_ : 1, "found " + found + ", expected " + expected);
    }

    [[nodiscard]] static std::string gpu(int i) { return "GPU" + std::to_string(i); }

    /// Takes the next line apart into words. False at the end of the text.
    bool next_line() {
        words_.clear();
        if (rest_.empty()) { return false; }
        const std::size_t end = rest_.find('\n');
        const std::string_view raw = rest_.substr(0, end);
        rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
        ++line_;
        std::string word;
        for (std::size_t i = 0; i <= raw.size(); ++i) {
            const std::size_t skipped = i < raw.size() ? blank(raw.substr(i)) : 1;
            if (skipped == 0) {
                word += static_cast<unsigned char>(raw[i]) < 0x20 ? '?' : raw[i]; // a NUL would end the message
                continue;
            }
            if (!word.empty()) { words_.push_back(std::exchange(word, {})); }
            i += skipped - 1;
        }
        return true;
    }

    /// Length of what separates words at the start of `s`: white space, quote and table marks, terminal escapes (which
    /// lose their first byte when they are copied as text), no-break spaces.
    [[nodiscard]] static std::size_t blank(std::string_view s) {
        if (std::string_view(" \t\r\v\f>|`").find(s[0]) != std::string_view::npos) { return 1; }
        if (s.starts_with("\xC2\xA0")) { return 2; }
        const std::size_t escape = s[0] == '\x1b' ? 1 : 0;
        if (s.substr(escape).starts_with('[')) {
            const std::size_t end = s.find_first_not_of("0123456789;", escape + 1);
            const bool letter = end != std::string_view::npos && (escape == 1 || s[end] == 'm');
            if (letter) { return end + 1; }
        }
        return escape;
    }

    void read_header() {
        do {
            if (!next_line()) { fail("no line that begins with GPU0", "the matrix of nvidia-smi topo -m"); }
        } while (words_.empty() || words_[0] != "GPU0" || (words_.size() > 1 && words_[1] == "X"));
        for (const std::string& w : words_) {
            if (w == "CPU" || w == "NUMA" || w == "GPU") { break; }
            if (w.starts_with("GPU")) {
                if (w != gpu(gpus_) || devices_ > gpus_) { fail(w, "the column " + gpu(gpus_)); }
                if (++gpus_ > most_gpus) { fail(w, "at most " + std::to_string(most_gpus) + " GPUs"); }
            }
            if (++devices_ > 4 * most_gpus) { fail("the column " + w, "fewer columns"); }
        }
    }

    void read_row(int row, smi_matrix& m) {
        do {
            if (!next_line()) { fail("the end of the text", "the row of " + gpu(row)); }
        } while (words_.empty());
        if (words_[0] != gpu(row)) { fail("'" + words_[0] + "'", "the row of " + gpu(row)); }
        const auto columns = static_cast<std::size_t>(devices_);
        if (words_.size() < columns + 1) {
            fail(std::to_string(words_.size() - 1) + " cells in the row of " + gpu(row), std::to_string(columns));
        }
        m.row_lines.push_back(line_);
        for (int column = 0; column < devices_; ++column) { read_cell(row, column, m); }
        cells_[static_cast<std::size_t>(row)].assign(words_.begin() + 1, words_.begin() + 1 + gpus_);
        if (words_.size() > columns + 1 && words_[columns + 1] != "N/A") {
            m.pcie.set_affinity(row, words_[columns + 1]);
        }
    }

    void read_cell(int row, int column, smi_matrix& m) {
        std::string& cell = words_[static_cast<std::size_t>(column) + 1];
        if (cell == "SOC") { cell = "SYS"; } // the older word
        const bool to_gpu = column < gpus_;
        const std::string where = " in the row of " + gpu(row) + ", column " + std::to_string(column + 1);
        if ((row == column) != (cell == "X")) {
            fail("'" + cell + "'" + where, row == column ? "X" : "PIX, PXB, PHB, NODE, SYS or NV#");
        }
        if (row == column) { return; }
        if (to_gpu && column < row) {
            const std::string& mirrored = cells_[static_cast<std::size_t>(column)][static_cast<std::size_t>(row)];
            if (cell != mirrored) { fail("'" + cell + "'" + where, mirrored + " as in the row of " + gpu(column)); }
        }
        if (to_gpu && cell.starts_with("NV")) {
            int lanes = 0;
            const char* end = cell.data() + cell.size();
            const auto [last, status] = std::from_chars(cell.data() + 2, end, lanes);
            if (status != std::errc{} || last != end || lanes < 1 || lanes > most_links) {
                fail("'" + cell + "'" + where, "NV1 to NV" + std::to_string(most_links));
            }
            m.lanes[static_cast<std::size_t>(row * gpus_ + column)] = lanes;
            return;
        }
        constexpr std::string_view names[] = {"PIX", "PXB", "PHB", "NODE", "SYS"};
        const auto* name = std::ranges::find(names, cell);
        if (name == std::end(names)) { fail("'" + cell + "'" + where, "PIX, PXB, PHB, NODE, SYS or NV#"); }
        m.pcie.set(row, column, static_cast<pcie_distance>(name - std::begin(names)));
    }

    /// A header that lost columns shows by rows that it does not announce.
    void refuse_more_rows() {
        while (next_line() && !words_.empty()) {
            if (words_[0].starts_with("GPU")) { fail("the row " + words_[0], std::to_string(gpus_) + " GPUs"); }
        }
    }

    std::string_view rest_;
    std::string file_;
    int line_ = 0;
    int gpus_ = 0;
    int devices_ = 0;
    std::vector<std::string> words_;
    std::vector<std::vector<std::string>> cells_;
};

} // namespace blink::detail
