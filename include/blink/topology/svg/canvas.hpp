// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The few SVG elements that pictures of machines consist of, and the curves of trees with their arrow heads.
#pragma once

#include <blink/core/xml.hpp>
#include <blink/topology/svg/layout.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace blink::detail::svg {

// A picture lies on a white card, so that text and colours are the same on light and on dark pages.
inline constexpr std::string_view paper = "#ffffff";
inline constexpr std::string_view dark = "#1f2328";  ///< titles
inline constexpr std::string_view ink = "#4d5661";   ///< other text
inline constexpr std::string_view wires = "#8c959f"; ///< links
inline constexpr std::string_view pale = "#d3d9e0";  ///< what takes no part
inline constexpr std::string_view plate = "#2f3b4c"; ///< behind white text

/// At most one digit after the point, so that equal pictures are equal texts everywhere.
[[nodiscard]] inline std::string number(double x) {
    std::array<char, 32> buffer{};
    const double rounded = std::round(x * 10) / 10;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), rounded == 0 ? 0.0 : rounded).ptr;
    return {buffer.data(), end};
}

/// About as wide as a text is drawn, in a sans-serif font of this size.
[[nodiscard]] inline double text_width(std::string_view text, double size) noexcept {
    return 0.58 * size * static_cast<double>(text.size());
}

class canvas {
  public:
    void line(point a, point b, double width, std::string_view colour, double opacity = 1) {
        body_ += "<path d=\"M" + at(a) + "L" + at(b) + "\"" + stroke(width, colour, opacity);
    }

    void text(point p, std::string_view words, double size, std::string_view colour, std::string_view anchor,
              bool bold = false) {
        body_ += "<text x=\"" + number(p.x) + "\" y=\"" + number(p.y) + "\" font-size=\"" + number(size) +
                 "\" fill=\"" + std::string(colour) + "\" text-anchor=\"" + std::string(anchor) + "\"" +
                 (bold ? " font-weight=\"bold\"" : "") + ">" + xml::escaped(words) + "</text>\n";
    }

    void disc(point p, double radius, std::string_view fill, std::string_view rim) {
        body_ += "<circle cx=\"" + number(p.x) + "\" cy=\"" + number(p.y) + "\" r=\"" + number(radius) + "\" fill=\"" +
                 std::string(fill) + "\" stroke=\"" + std::string(rim) + "\" stroke-width=\"1.5\"/>\n";
    }

    void halo(point p, double radius, std::string_view colour) {
        body_ += "<circle cx=\"" + number(p.x) + "\" cy=\"" + number(p.y) + "\" r=\"" + number(radius) + "\"" +
                 stroke(4, colour, 1);
    }

    /// White text on a rounded plate around p.
    void box(point p, std::string_view words, double size = 11) {
        const point half{text_width(words, size) / 2 + 8, size / 2 + 6.5};
        body_ += "<rect x=\"" + number(p.x - half.x) + "\" y=\"" + number(p.y - half.y) + "\" width=\"" +
                 number(2 * half.x) + "\" height=\"" + number(2 * half.y) + "\" rx=\"6\" fill=\"" + std::string(plate) +
                 "\" stroke=\"" + std::string(paper) + "\" stroke-width=\"1.5\"/>\n";
        text(p + point{0, size * 0.36}, words, size, paper, "middle");
    }

    /// An arrow from disc to disc along a parabola that leaves the straight line by `bulge`; `shift` moves a straight
    /// one sideways instead. Positive is to the right of the way.
    void arrow(point from, point to, double bulge, double shift, double width, std::string_view colour) {
        const point way = to - from;
        const point side = point{-way.y, way.x} * (1 / length(way));
        const point bend = (from + to) * 0.5 + side * (2 * bulge + shift);
        const double inset = std::sqrt(std::max(1.0, gpu_radius * gpu_radius - shift * shift));
        const auto rim = [&](point gpu, double gap) {
            const point shifted = gpu + side * shift;
            const point direction = bend - shifted;
            return shifted + direction * ((inset + gap) / length(direction));
        };
        const double head = 6 + 1.6 * width;
        const point start = rim(from, 1);
        const point neck = rim(to, 2 + head * 0.8);
        const point tip = rim(to, 2);
        const point along = (tip - neck) * (1 / length(tip - neck));
        const point across = point{-along.y, along.x} * (head * 0.45);
        body_ += "<path d=\"M" + at(start) + "Q" + at(bend) + " " + at(neck) + "\"" + stroke(width, colour, 1);
        const point back = tip - along * head;
        body_ += "<path d=\"M" + at(tip) + "L" + at(back + across) + "L" + at(back - across) + "Z\" fill=\"" +
                 std::string(colour) + "\"/>\n";
    }

    /// What `draw` draws is not shown, but where `use` names it.
    template <class Draw>
    void define(std::string_view id, Draw draw) {
        body_ += "<defs><g id=\"" + std::string(id) + "\">\n";
        draw();
        body_ += "</g></defs>\n";
    }
    void use(std::string_view id) { body_ += "<use href=\"#" + std::string(id) + "\"/>\n"; }

    /// What follows is moved to `corner` and scaled.
    void begin_group(point corner, double scale) {
        std::array<char, 32> buffer{};
        const auto end =
            std::to_chars(buffer.data(), buffer.data() + buffer.size(), scale, std::chars_format::fixed, 3);
        body_ += "<g transform=\"translate(" + at(corner) + ") scale(" + std::string(buffer.data(), end.ptr) + ")\">\n";
    }
    void end_group() { body_ += "</g>\n"; }

    [[nodiscard]] std::string document(double width, double height, std::string_view title) const {
        const std::string size = number(width) + "\" height=\"" + number(height);
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " + number(width) + " " +
               number(height) + "\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>" + xml::escaped(title) +
               "</title>\n<rect x=\"0.5\" y=\"0.5\" width=\"" + number(width - 1) + "\" height=\"" +
               number(height - 1) + "\" rx=\"8\" fill=\"" + std::string(paper) + "\" stroke=\"" + std::string(pale) +
               "\"/>\n" + body_ + "</svg>\n";
    }

  private:
    [[nodiscard]] static std::string at(point p) { return number(p.x) + " " + number(p.y); }

    [[nodiscard]] static std::string stroke(double width, std::string_view colour, double opacity) {
        return " fill=\"none\" stroke=\"" + std::string(colour) + "\" stroke-width=\"" + number(width) + "\"" +
               (opacity < 1 ? " stroke-opacity=\"" + number(opacity) + "\"" : "") + "/>\n";
    }

    std::string body_;
};

} // namespace blink::detail::svg
