// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The cells of the matrix of `nvidia-smi topo -m`, checked: every row there, every cell known, both halves alike.
#pragma once

#include <blink/core/error.hpp>
#include <blink/topology/pcie_tree.hpp>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <tuple>
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

    /// Takes the next line apart into words, passing over the rules of a table. False at the end of the text.
    bool next_line() {
        while (take_line()) {
            const auto is_rule = [](const std::string& w) { return w.find_first_not_of("-+:=") == std::string::npos; };
            if (words_.empty() || !std::ranges::all_of(words_, is_rule)) { return true; }
        }
        return false;
    }

    bool take_line() {
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

    /// Length of what separates words at the start of `s`: white space, marks of quotes, tables and emphasis, terminal
    /// escapes (also as editors and logs spell them, or without their first byte), no-break spaces and the like.
    [[nodiscard]] static std::size_t blank(std::string_view s) {
        if (std::string_view(" \t\r\v\f>|`*").find(s[0]) != std::string_view::npos) { return 1; }
        constexpr std::string_view spaces[] = {"\xC2\xA0",     "\xE2\x80\x87", "\xE2\x80\x8B", "\xE2\x80\xAF",
                                               "\xE3\x80\x80", "\xEF\xBB\xBF", "\xE2\x94\x82"};
        for (const std::string_view space : spaces) {
            if (s.starts_with(space)) { return space.size(); }
        }
        constexpr std::string_view escapes[] = {"\x1b", "^[", "\\x1b", "\\x1B", "\\u001b", "\\u001B", "\\033", "\\e"};
        std::size_t escape = 0;
        for (const std::string_view e : escapes) {
            if (s.starts_with(e)) { escape = e.size(); }
        }
        if (s.substr(escape).starts_with('[')) {
            const std::size_t end = s.find_first_not_of("0123456789;?", escape + 1);
            const bool letter = end != std::string_view::npos && (escape > 0 || s[end] == 'm');
            if (letter) { return end + 1; }
        }
        if (escape > 0 && s.substr(escape).starts_with("(B")) { return escape + 2; }
        return s[0] == '\x1b' ? 1 : 0;
    }

    [[nodiscard]] static bool is_affinity(const std::string& w) { return w == "N/A" || (w[0] >= '0' && w[0] <= '9'); }

    void read_header() {
        do {
            if (!next_line()) { fail("no line that begins with GPU0", "the matrix of nvidia-smi topo -m"); }
            if (words_.size() > 1 && words_[0] == "GPU" && words_[1] == "GPU0") { words_.erase(words_.begin()); }
        } while (words_.empty() || words_[0] != "GPU0" || (words_.size() > 1 && words_[1] == "X"));
        while (!add_columns() && continues([](const std::string& w) { return w != "GPU0"; })) {}
    }

    /// Takes columns from the words of a line. True where those of affinities follow, which end the header.
    bool add_columns() {
        for (const std::string& w : words_) {
            if (w == "CPU" || w == "NUMA" || w == "GPU") { return true; }
            if (w.starts_with("GPU")) {
                if (w != gpu(gpus_) || devices_ > gpus_) { fail(w, "the column " + gpu(gpus_)); }
                if (++gpus_ > most_gpus) { fail(w, "at most " + std::to_string(most_gpus) + " GPUs"); }
            }
            if (++devices_ > 4 * most_gpus) { fail("the column " + w, "fewer columns"); }
        }
        return false;
    }

    /// Goes on to the next line where it is the rest of this one, which a terminal cut in two: `rest` judges its first
    /// word. Stays otherwise.
    template <class Predicate>
    bool continues(Predicate rest) {
        const auto before = std::pair{rest_, line_};
        std::vector<std::string> words = words_;
        if (next_line() && !words_.empty() && rest(words_[0])) { return true; }
        std::tie(rest_, line_) = before;
        words_ = std::move(words);
        return false;
    }

    [[nodiscard]] static bool is_cell(const std::string& w) {
        constexpr std::string_view cells[] = {"X", "PIX", "PXB", "PHB", "NODE", "SYS", "SOC"};
        return std::ranges::find(cells, w) != std::end(cells) || w.starts_with("NV");
    }

    void read_row(int row, smi_matrix& m) {
        do {
            if (!next_line()) { fail("the end of the text", "the row of " + gpu(row)); }
        } while (words_.empty() || is_affinity(words_[0])); // which a terminal cut off the row before
        if (words_[0] != gpu(row)) { fail("'" + words_[0] + "'", "the row of " + gpu(row)); }
        const auto columns = static_cast<std::size_t>(devices_);
        const int first_line = line_;
        std::vector<std::string> row_words = words_;
        while (row_words.size() < columns + 1 && continues(is_cell)) {
            row_words.insert(row_words.end(), words_.begin(), words_.end());
        }
        words_ = std::move(row_words);
        const int last_line = std::exchange(line_, first_line);
        if (words_.size() < columns + 1) {
            fail(std::to_string(words_.size() - 1) + " cells in the row of " + gpu(row), std::to_string(columns));
        }
        m.row_lines.push_back(line_);
        for (int column = 0; column < devices_; ++column) { read_cell(row, column, m); }
        cells_[static_cast<std::size_t>(row)].assign(words_.begin() + 1, words_.begin() + 1 + gpus_);
        if (words_.size() > columns + 1 && words_[columns + 1] != "N/A") {
            m.pcie.set_affinity(row, words_[columns + 1]);
        }
        line_ = last_line;
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
