// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The few SVG elements that pictures of machines consist of, and the curves of trees with their arrow heads.
#pragma once

#include <blink/topology/svg/layout.hpp>

#include <charconv>
#include <string>
#include <string_view>

namespace blink::detail::svg {

inline constexpr std::string_view ink = "#7d8794";   ///< text and links: as far from white as from black
inline constexpr std::string_view plate = "#2f3b4c"; ///< behind white text

/// At most one digit after the point, so that equal pictures are equal texts everywhere.
[[nodiscard]] inline std::string number(double x) {
    std::array<char, 32> buffer{};
    const double rounded = std::round(x * 10) / 10;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), rounded == 0 ? 0.0 : rounded).ptr;
    return {buffer.data(), end};
}

[[nodiscard]] inline std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
    }
    return out;
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
                 (bold ? " font-weight=\"bold\"" : "") + ">" + escaped(words) + "</text>\n";
    }

    void disc(point p, double radius, std::string_view fill, std::string_view rim) {
        body_ += "<circle cx=\"" + number(p.x) + "\" cy=\"" + number(p.y) + "\" r=\"" + number(radius) + "\" fill=\"" +
                 std::string(fill) + "\" stroke=\"" + std::string(rim) + "\" stroke-width=\"1.5\"/>\n";
    }

    /// White text on a rounded plate around p.
    void box(point p, std::string_view words) {
        const double half = text_width(words, 11) / 2 + 8;
        body_ += "<rect x=\"" + number(p.x - half) + "\" y=\"" + number(p.y - 12) + "\" width=\"" + number(2 * half) +
                 "\" height=\"24\" rx=\"6\" fill=\"" + std::string(plate) + "\" stroke=\"" + std::string(ink) +
                 "\" stroke-width=\"1.5\"/>\n";
        text(p + point{0, 4}, words, 11, "#ffffff", "middle");
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

    [[nodiscard]] std::string document(double width, double height, std::string_view title) const {
        const std::string size = number(width) + "\" height=\"" + number(height);
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" viewBox=\"0 0 " + number(width) + " " +
               number(height) + "\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>" + escaped(title) +
               "</title>\n" + body_ + "</svg>\n";
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
