# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The pieces of SVG that plots with axes share: dark on a white card, so that they can be read on any page."""

INK = "#222222"


def card(width, height, title):
    """The beginning of a plot: its card and its title."""
    return [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
            f'font-size="11" role="img" aria-label="{title}">',
            f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
            f'<text x="12" y="20" font-size="13" fill="{INK}">{title}</text>']


def level(left, right, y, label, fill=INK):
    """A horizontal line of the grid with its label to the left."""
    return (f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{fill}">{label}</text>')


def below(x, y, label):
    """A label centred under the point (x, y)."""
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{INK}">{label}</text>'


def curve(points, colour, dashes=""):
    """A line through points."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    broken = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"{broken}/>'
