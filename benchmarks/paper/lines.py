# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Line figures over sizes, as SVG."""
import math

KIB = 1024
LEFT, TOP, WIDTH, HEIGHT = 60, 44, 460, 200


def size_name(size):
    for unit, name in ((KIB ** 3, "GiB"), (KIB ** 2, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def ticks(largest):
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 25, 50, 100) if largest / s <= 6)
    return [step * i for i in range(math.ceil(largest / step) + 1)]


def figure(title, unit, series, names=size_name, logarithmic=False, every=2):
    """`series` is [(label, colour, {x: y})]; x are sizes at equal distances, y starts at 0 or, where `logarithmic`, at
    the power of ten below the least."""
    xs = sorted({x for _, _, points in series for x in points})
    ys = [y for _, _, points in series for y in points.values()]
    if logarithmic:
        low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
        marks = [10 ** p for p in range(low, high + 1)]
    else:
        marks = ticks(max(ys))

    def place_x(value):
        return LEFT + WIDTH * xs.index(value) / max(len(xs) - 1, 1)

    def place_y(value):
        part = (math.log10(value) - low) / (high - low) if logarithmic else value / marks[-1]
        return TOP + HEIGHT * (1 - part)

    width, height = LEFT + WIDTH + 20, TOP + HEIGHT + 34
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           f'font-size="11" role="img" aria-label="{title}">',
           f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
           f'<text x="12" y="18" font-size="13" fill="#222222">{title}</text>',
           f'<text x="{LEFT - 6}" y="{TOP - 8}" text-anchor="end" fill="#222222">{unit}</text>']
    for mark in marks:
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{place_y(mark):.1f}" y2="{place_y(mark):.1f}" '
                   f'stroke="#dddddd"/><text x="{LEFT - 6}" y="{place_y(mark) + 4:.1f}" text-anchor="end" '
                   f'fill="#222222">{mark:g}</text>')
    for x in xs[::every]:
        out.append(f'<text x="{place_x(x):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle" fill="#222222">'
                   f'{names(x)}</text>')
    at = LEFT
    for label, colour, points in series:
        way = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in sorted(points.items()))
        out.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<rect x="{at}" y="28" width="12" height="4" fill="{colour}"/>'
                   f'<text x="{at + 16}" y="34" fill="#222222">{label}</text>')
        at += 30 + 6.5 * len(label)
    return "\n".join(out) + "\n</svg>\n"


def write_or_check(files, check):
    """Writes {path: text}, or tells which differ; the exit status."""
    if not check:
        for path, text in files.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"{path} is not what the measurements give")
    return 1 if stale else 0
