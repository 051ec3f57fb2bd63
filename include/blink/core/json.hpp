// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A small JSON reader and writer that knows the line of every value, so that errors can name it.
///
/// The header core depends on the standard library and Eigen alone; this covers what Blink's own files need:
/// RFC 8259 without surrogate pairs, objects in the order of the text, nesting up to 64 levels.
#pragma once

#include <blink/core/format_error.hpp>

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace blink::json {

/// Text that is not JSON, or JSON of another shape than expected.
using blink::format_error;

class value;
using array = std::vector<value>;
using member = std::pair<std::string, value>;
using object = std::vector<member>;

/// A JSON value. The `as_...` accessors throw `format_error` naming the line where the text has another type.
class value {
  public:
    value() = default;
    value(bool b) : data_(b) {}                             // NOLINT(google-explicit-constructor)
    value(double d) : data_(d) {}                           // NOLINT(google-explicit-constructor)
    value(int i) : data_(static_cast<double>(i)) {}         // NOLINT(google-explicit-constructor)
    value(std::size_t n) : data_(static_cast<double>(n)) {} // NOLINT(google-explicit-constructor)
    value(std::string s) : data_(std::move(s)) {}           // NOLINT(google-explicit-constructor)
    value(std::string_view s) : data_(std::string(s)) {}    // NOLINT(google-explicit-constructor)
    value(const char* s) : data_(std::string(s)) {}         // NOLINT(google-explicit-constructor)
    value(json::array a) : data_(std::move(a)) {}           // NOLINT(google-explicit-constructor)
    value(json::object o) : data_(std::move(o)) {}          // NOLINT(google-explicit-constructor)

    /// An array from any range of things that convert to values.
    template <class Range>
    [[nodiscard]] static value list(const Range& range) {
        json::array a;
        for (const auto& x : range) { a.emplace_back(x); }
        return value(std::move(a));
    }

    [[nodiscard]] int line() const noexcept { return line_; }
    void set_line(int line) noexcept { line_ = line; }

    [[nodiscard]] bool is_null() const noexcept { return std::holds_alternative<std::monostate>(data_); }
    [[nodiscard]] bool is_object() const noexcept { return std::holds_alternative<json::object>(data_); }
    [[nodiscard]] bool is_array() const noexcept { return std::holds_alternative<json::array>(data_); }
    [[nodiscard]] bool is_string() const noexcept { return std::holds_alternative<std::string>(data_); }

    [[nodiscard]] bool as_bool() const { return get<bool>("true or false"); }
    [[nodiscard]] double as_number() const { return get<double>("a number"); }
    [[nodiscard]] const std::string& as_string() const { return get<std::string>("a string"); }
    [[nodiscard]] const json::array& as_array() const { return get<json::array>("an array"); }
    [[nodiscard]] const json::object& as_object() const { return get<json::object>("an object"); }

    /// A whole number within [low, high].
    [[nodiscard]] int as_int(int low, int high) const {
        const double d = as_number();
        if (!(d >= low && d <= high) || d != std::floor(d)) {
            throw format_error(line_, "found " + dump() + ", expected a whole number from " + std::to_string(low) +
                                          " to " + std::to_string(high));
        }
        return static_cast<int>(d);
    }

    /// The member `name`, or null where the object has none. The last of equal names counts.
    [[nodiscard]] const value* find(std::string_view name) const {
        const value* found = nullptr;
        for (const auto& [key, v] : as_object()) {
            if (key == name) { found = &v; }
        }
        return found;
    }

    /// The member `name`; throws `format_error` where the object has none.
    [[nodiscard]] const value& at(std::string_view name) const {
        if (const value* v = find(name)) { return *v; }
        throw format_error(line_, "found an object without \"" + std::string(name) + "\", expected one with it");
    }

    /// The text of the value; one line, or indented by `indent` spaces a level with short arrays kept on one line.
    [[nodiscard]] std::string dump(int indent = 0) const {
        std::string out;
        write(out, indent, 0);
        return out;
    }

  private:
    template <class T>
    const T& get(const char* expected) const {
        if (const T* t = std::get_if<T>(&data_)) { return *t; }
        throw format_error(line_, "found " + kind() + ", expected " + expected);
    }

    [[nodiscard]] std::string kind() const {
        constexpr const char* kinds[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};
        return kinds[data_.index()];
    }

    [[nodiscard]] bool flat() const {
        const auto* a = std::get_if<json::array>(&data_);
        if (a == nullptr) { return !is_object(); }
        for (const value& v : *a) {
            if (v.is_object() || (v.is_array() && !v.flat())) { return false; }
        }
        return true;
    }

    static void write_string(std::string& out, std::string_view s) {
        constexpr char hex[] = "0123456789abcdef";
        out += '"';
        for (const char c : s) {
            const auto u = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (c == '\n') {
                out += "\\n";
            } else if (c == '\t') {
                out += "\\t";
            } else if (u < 0x20) {
                out += std::string("\\u00") + hex[u >> 4] + hex[u & 15];
            } else {
                out += c;
            }
        }
        out += '"';
    }

    void write(std::string& out, int indent, int level) const {
        const auto newline = [&](int l) {
            if (indent > 0) { out += '\n' + std::string(static_cast<std::size_t>(indent * l), ' '); }
        };
        const auto sequence = [&](char open, char close, const auto& items, bool spread, auto&& one) {
            out += open;
            bool first = true;
            for (const auto& item : items) {
                if (!first) { out += spread || indent == 0 ? "," : ", "; }
                if (spread) { newline(level + 1); }
                first = false;
                one(item);
            }
            if (spread && !items.empty()) { newline(level); }
            out += close;
        };
        if (is_null()) {
            out += "null";
        } else if (const auto* b = std::get_if<bool>(&data_)) {
            out += *b ? "true" : "false";
        } else if (const auto* d = std::get_if<double>(&data_)) {
            char buffer[32];
            const auto end = std::to_chars(buffer, buffer + sizeof buffer, *d).ptr;
            out += std::isfinite(*d) ? std::string(buffer, end) : "null";
        } else if (const auto* s = std::get_if<std::string>(&data_)) {
            write_string(out, *s);
        } else if (const auto* a = std::get_if<json::array>(&data_)) {
            sequence('[', ']', *a, !flat(), [&](const value& v) { v.write(out, indent, level + 1); });
        } else {
            sequence('{', '}', std::get<json::object>(data_), true, [&](const member& m) {
                write_string(out, m.first);
                out += indent > 0 ? ": " : ":";
                m.second.write(out, indent, level + 1);
            });
        }
    }

    std::variant<std::monostate, bool, double, std::string, json::array, json::object> data_;
    int line_ = 0;
};

namespace detail {

class parser {
  public:
    explicit parser(std::string_view text) : text_(text) {}

    value document() {
        value v = any(0);
        skip_space();
        if (at_ < text_.size()) { fail("the end of the text"); }
        return v;
    }

  private:
    static constexpr int deepest = 64;

    [[noreturn]] void fail(const std::string& expected) const {
        blink::detail::throw_unexpected(text_, at_, line_, expected);
    }

    void skip_space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
            if (text_[at_++] == '\n') { ++line_; }
        }
    }

    bool take(char c) {
        skip_space();
        if (at_ < text_.size() && text_[at_] == c) {
            ++at_;
            return true;
        }
        return false;
    }

    void need(char c, const char* where) {
        if (!take(c)) { fail(std::string("'") + c + "' " + where); }
    }

    bool word(std::string_view w) {
        if (text_.substr(at_, w.size()) != w) { return false; }
        at_ += w.size();
        return true;
    }

    value any(int level) {
        if (level > deepest) { fail("at most 64 levels of nesting"); }
        skip_space();
        const int line = line_;
        value v = bare(level);
        v.set_line(line);
        return v;
    }

    value bare(int level) {
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        if (c == '{') { return members(level); }
        if (c == '[') { return items(level); }
        if (c == '"') { return value(string()); }
        if (word("true")) { return value(true); }
        if (word("false")) { return value(false); }
        if (word("null")) { return {}; }
        if (c == '-' || (c >= '0' && c <= '9')) { return number(); }
        fail("a JSON value");
    }

    value members(int level) {
        json::object o;
        need('{', "to open an object");
        if (take('}')) { return value(std::move(o)); }
        do {
            skip_space();
            if (at_ >= text_.size() || text_[at_] != '"') { fail("a member name in quotes"); }
            std::string name = string();
            need(':', "after a member's name");
            o.emplace_back(std::move(name), any(level + 1));
        } while (take(','));
        need('}', "or ',' in an object");
        return value(std::move(o));
    }

    value items(int level) {
        json::array a;
        need('[', "to open an array");
        if (take(']')) { return value(std::move(a)); }
        do { a.push_back(any(level + 1)); } while (take(','));
        need(']', "or ',' in an array");
        return value(std::move(a));
    }

    /// Steps over digits; fails where there is none.
    void need_digits() {
        const auto digit = [this] { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; };
        if (!digit()) { fail("a digit"); }
        while (digit()) { ++at_; }
    }

    value number() {
        const std::size_t begin = at_;
        const auto skip = [this](std::string_view any_of) {
            const bool found = at_ < text_.size() && any_of.find(text_[at_]) != std::string_view::npos;
            if (found) { ++at_; }
            return found;
        };
        skip("-");
        if (!skip("0")) { need_digits(); }
        if (skip(".")) { need_digits(); }
        if (skip("eE")) {
            skip("+-");
            need_digits();
        }
        double d = 0;
        if (std::from_chars(text_.data() + begin, text_.data() + at_, d).ec != std::errc{}) {
            at_ = begin;
            fail("a number that a double can hold");
        }
        return value(d);
    }

    std::string string() {
        std::string s;
        ++at_;
        while (at_ < text_.size() && text_[at_] != '"') {
            const char c = text_[at_];
            if (static_cast<unsigned char>(c) < 0x20) { fail("no control character in a string"); }
            ++at_;
            if (c == '\\') {
                escape(s);
            } else {
                s += c;
            }
        }
        if (at_ >= text_.size()) { fail("'\"' to end the string"); }
        ++at_;
        return s;
    }

    void escape(std::string& s) {
        constexpr std::string_view names = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        if (const auto i = names.find(c); c != '\0' && i != std::string_view::npos) {
            ++at_;
            s += meanings[i];
            return;
        }
        unsigned code = 0;
        const char* digits = text_.data() + at_ + 1;
        if (c != 'u' || at_ + 5 > text_.size() || std::from_chars(digits, digits + 4, code, 16).ptr != digits + 4) {
            fail("an escape sequence");
        }
        at_ += 5;
        if (code < 0x80) {
            s += static_cast<char>(code);
        } else if (code < 0x800) {
            s += static_cast<char>(0xC0 | (code >> 6));
            s += static_cast<char>(0x80 | (code & 0x3F));
        } else {
            s += static_cast<char>(0xE0 | (code >> 12));
            s += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
            s += static_cast<char>(0x80 | (code & 0x3F));
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
};

} // namespace detail

/// Reads one JSON document.
/// @throw format_error naming the line and what was expected there
[[nodiscard]] inline value parse(std::string_view text) { return detail::parser(text).document(); }

} // namespace blink::json
