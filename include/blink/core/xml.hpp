// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// A small XML reader that knows the line of every element and attribute, so that errors can name it.
///
/// It covers what files about machines need: elements, attributes in either quotes, comments, processing instructions,
/// the five named entities and numeric ones. Text between elements, CDATA and document types are refused, and so is
/// what no such file needs: more than 64 levels, 65536 elements or 64 attributes of an element.
#pragma once

#include <blink/core/format_error.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace blink::xml {

/// Text that is not XML, or XML of another shape than expected.
using blink::format_error;

struct attribute {
    std::string name;
    std::string value;
    int line = 0;
};

struct element {
    std::string name;
    int line = 0;
    std::vector<attribute> attributes;
    std::vector<element> children;

    /// The attribute `key`, or null where the element has none.
    [[nodiscard]] const attribute* find(std::string_view key) const noexcept {
        for (const attribute& a : attributes) {
            if (a.name == key) { return &a; }
        }
        return nullptr;
    }

    /// The attribute `key`; throws `format_error` where the element has none.
    [[nodiscard]] const attribute& at(std::string_view key) const {
        if (const attribute* a = find(key)) { return *a; }
        throw format_error(line, "found <" + name + "> without " + std::string(key) + ", expected one with it");
    }
};

/// The whole number within [low, high] that is all of the attribute.
[[nodiscard]] inline int as_int(const attribute& a, int low, int high) {
    int n = 0;
    const char* end = a.value.data() + a.value.size();
    const auto [last, status] = std::from_chars(a.value.data(), end, n);
    if (status != std::errc{} || last != end || n < low || n > high) {
        throw format_error(a.line, "found " + a.name + "=\"" + a.value + "\", expected a whole number from " +
                                       std::to_string(low) + " to " + std::to_string(high));
    }
    return n;
}

/// `text` as it may stand between double quotes.
[[nodiscard]] inline std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

namespace detail {

class parser {
  public:
    explicit parser(std::string_view text) : text_(text) {}

    element document() {
        if (text_.starts_with("\xEF\xBB\xBF")) { at_ = 3; }
        skip_between();
        element root = any(0);
        skip_between();
        if (at_ < text_.size()) { fail("the end of the text"); }
        return root;
    }

  private:
    static constexpr int deepest = 64;
    static constexpr std::size_t most_elements = 65536;
    static constexpr std::size_t most_attributes = 64;

    [[noreturn]] void fail(const std::string& expected) const {
        blink::detail::throw_unexpected(text_, at_, line_, expected);
    }

    [[nodiscard]] static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

    [[nodiscard]] static bool is_name(char c) noexcept {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.' || c == ':';
    }

    void step(std::size_t n = 1) noexcept {
        for (; n > 0; --n) {
            if (text_[at_++] == '\n') { ++line_; }
        }
    }

    bool skip_space() noexcept {
        const std::size_t before = at_;
        while (at_ < text_.size() && is_space(text_[at_])) { step(); }
        return at_ > before;
    }

    [[nodiscard]] bool sees(std::string_view s) const noexcept { return text_.substr(at_, s.size()) == s; }

    /// Steps over a part that ends with `last`.
    void skip_to(std::string_view last, const char* what) {
        const std::size_t end = text_.find(last, at_);
        if (end == std::string_view::npos) {
            throw format_error(line_, "found " + std::string(what) + " without an end, expected " + std::string(last));
        }
        step(end + last.size() - at_);
    }

    /// Steps over what may stand between elements.
    void skip_between() {
        for (;;) {
            skip_space();
            if (sees("<!--")) {
                skip_to("-->", "a comment");
            } else if (sees("<?")) {
                skip_to("?>", "a processing instruction");
            } else {
                return;
            }
        }
    }

    void need(char c, const std::string& expected) {
        if (at_ >= text_.size() || text_[at_] != c) { fail(expected); }
        step();
    }

    std::string name(const char* expected) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_name(text_[at_])) { ++at_; }
        if (at_ == begin) { fail(expected); }
        return std::string(text_.substr(begin, at_ - begin));
    }

    element any(int level) {
        if (level >= deepest) { fail("at most 64 levels of elements"); }
        if (++elements_ > most_elements) { fail("at most 65536 elements"); }
        element e;
        e.line = line_;
        need('<', level == 0 ? "an element" : "an element or the end of one");
        e.name = name("the name of an element");
        while (attribute_of(e)) {}
        if (sees("/>")) {
            step(2);
            return e;
        }
        need('>', "an attribute, '>' or '/>' in <" + e.name + ">");
        for (;;) {
            skip_between();
            if (sees("</")) { break; }
            e.children.push_back(any(level + 1));
        }
        step(2);
        const int line = line_;
        if (const std::string closed = name("the name of an element"); closed != e.name) {
            throw format_error(line, "found </" + closed + ">, expected </" + e.name + ">");
        }
        skip_space();
        need('>', "'>' after </" + e.name);
        return e;
    }

    bool attribute_of(element& e) {
        const bool apart = skip_space();
        if (at_ >= text_.size() || !is_name(text_[at_])) { return false; }
        if (!apart) { fail("a blank before an attribute"); }
        if (e.attributes.size() == most_attributes) { fail("at most 64 attributes in <" + e.name + ">"); }
        attribute a{name("the name of an attribute"), {}, line_};
        if (e.find(a.name) != nullptr) {
            throw format_error(line_, "found " + a.name + " twice in <" + e.name + ">, expected it once");
        }
        skip_space();
        need('=', "'=' after " + a.name);
        skip_space();
        a.value = quoted();
        e.attributes.push_back(std::move(a));
        return true;
    }

    std::string quoted() {
        const char quote = at_ < text_.size() ? text_[at_] : '\0';
        if (quote != '"' && quote != '\'') { fail("a value in quotes"); }
        step();
        std::string s;
        while (at_ < text_.size() && text_[at_] != quote) {
            const char c = text_[at_];
            if (c == '<') { fail("no '<' within quotes"); }
            if (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) { fail("no control character within quotes"); }
            if (c == '&') {
                entity(s);
            } else {
                s += c;
                step();
            }
        }
        if (at_ >= text_.size()) { fail("the quote that ends a value"); }
        step();
        return s;
    }

    void entity(std::string& s) {
        constexpr std::array<std::pair<std::string_view, char>, 5> named{
            {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}}};
        for (const auto& [spelling, meaning] : named) {
            if (sees(spelling)) {
                s += meaning;
                at_ += spelling.size();
                return;
            }
        }
        const int base = sees("&#x") ? 16 : 10;
        const std::size_t digits = at_ + (base == 16 ? 3 : 2);
        unsigned code = 0;
        if (!sees("&#") || digits >= text_.size()) { fail("an entity such as &lt; or &#60;"); }
        const char* end = text_.data() + text_.size();
        const auto [last, status] = std::from_chars(text_.data() + digits, end, code, base);
        const bool ended = status == std::errc{} && last != end && *last == ';';
        if (!ended || code < 0x20 || code > 0x7E) { fail("an entity of a printable ASCII character"); }
        s += static_cast<char>(code);
        at_ = static_cast<std::size_t>(last - text_.data()) + 1;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::size_t elements_ = 0;
};

} // namespace detail

/// Reads one XML document and gives its root.
/// @throw format_error naming the line and what was expected there
[[nodiscard]] inline element parse(std::string_view text) { return detail::parser(text).document(); }

} // namespace blink::xml
