# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tables of blink-perf, printed again from its JSON, and others made of several runs."""

KIB = 1024


def size_name(size):
    for unit, name in ((KIB ** 3, "GiB"), (KIB ** 2, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} B"


def fitted(number, width):
    """As many digits as fit, at most two behind the point."""
    for digits in (2, 1, 0):
        text = f"{number:.{digits}f}"
        if len(text) < width:
            return text
    return text


def compares(run):
    """Whether a run has columns for NCCL, and for NCCL's symmetric windows."""
    sides = [row["out_of_place"] for row in run["results"]]
    return any("nccl_time" in side for side in sides), any("nccl_window_time" in side for side in sides)


def peer(side, time, ratio):
    if side is None:
        return f"  {'N/A':>9}  {'N/A':>6}"
    return f"  {fitted(side[time], 9):>9}  {fitted(side[ratio], 6):>6}"


def side_text(side, with_nccl):
    if side is None:
        text = f"  {'N/A':>7}" + f"  {'N/A':>6}" * 3
    else:
        wrong = "N/A" if side["nwrong"] is None else str(side["nwrong"])
        text = (f"  {fitted(side['time'], 7):>7}  {fitted(side['alg_bw'], 6):>6}  {fitted(side['bus_bw'], 6):>6}"
                f"  {wrong:>6}")
    return text + (peer(side, "nccl_time", "ratio") if with_nccl else "")


def row_text(row, nccl, window):
    text = f"{row['size']:12d}  {row['count']:12d}  {row['type']:>8}  {row['redop']:>6}  {row['root']:6d}"
    sides = row["out_of_place"], row["in_place"]
    text += "".join(side_text(side, nccl) for side in sides)
    return text + ("".join(peer(side, "nccl_window_time", "window_ratio") for side in sides) if window else "")


def head_text(nccl, window):
    """The three lines above the columns."""
    def line(keys, side, nccl_head, window_head, ratio):
        both = f"  {side[0]:>7}  {side[1]:>6}  {side[2]:>6}  {side[3]:>6}"
        both += f"  {nccl_head:>9}  {ratio:>6}" if nccl else ""
        behind = f"  {window_head:>9}  {ratio:>6}" if window else ""
        return f"# {keys[0]:>10}  {keys[1]:>12}  {keys[2]:>8}  {keys[3]:>6}  {keys[4]:>6}" + 2 * both + 2 * behind

    gap = " " * 17
    above = (f"# {'':>10}  {'':>12}  {'':>8}  {'':>6}  {'':>6}           out-of-place          {gap if nccl else ''}"
             f"             in-place          {gap if nccl and window else ''}"
             f"{'     out-of-place            in-place' if window else ''}")
    return [above, line(["size", "count", "type", "redop", "root"], ["time", "algbw", "busbw", "#wrong"], "nccl time",
                        "window", "ratio"),
            line(["(B)", "(elements)", "", "", ""], ["(us)", "(GB/s)", "(GB/s)", ""], "(us)", "(us)", "")]


def run_text(run):
    """A run as blink-perf prints it, from the heads of the columns to the last row."""
    nccl, window = compares(run)
    lines = head_text(nccl, window) + [row_text(row, nccl, window) for row in run["results"]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def gains(runs):
    """By size, how many times as fast Blink is as the faster one of NCCL's columns; `runs` is {head: run}."""
    found = {}
    for head, run in runs.items():
        for row in run["results"]:
            side = row["out_of_place"]
            others = [side[key] for key in ("nccl_time", "nccl_window_time") if key in side]
            if others:
                found.setdefault(row["size"], {})[head] = f"{min(others) / side['time']:.2f}"
    heads = [head for head in runs if any(head in row for row in found.values())]
    if not heads:
        return ""
    return markdown(["size", *heads], [[size_name(size), *(row.get(head, "") for head in heads)]
                                       for size, row in sorted(found.items())])


def blocks(runs):
    """Bus bandwidth out of place by the number of blocks that a rank may use."""
    by_blocks, heads = {}, []
    for run in runs:
        for row in run["results"]:
            head = f"{run['collective']}, {size_name(row['size'])}"
            heads += [head] if head not in heads else []
            by_blocks.setdefault(run["blocks"], {})[head] = f"{row['out_of_place']['bus_bw']:.1f}"
    return markdown(["blocks", *sorted(heads, key=lambda head: head.split(",")[0])],
                    [[str(number), *(row.get(head, "") for head in sorted(heads, key=lambda head: head.split(",")[0]))]
                     for number, row in sorted(by_blocks.items())])
