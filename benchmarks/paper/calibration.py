#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How far the model is from what was measured, and what it says of baselines that were not.

    calibration.py FOLDER           prints Markdown tables from FOLDER/configurations.csv and FOLDER/sizes.csv (measured
                                    over emulated links), FOLDER/simulated.csv and FOLDER/simulated_sizes.csv (the model
                                    of the same); writes FOLDER/model_error.csv and the figures of all configurations in
                                    the model
    calibration.py --check FOLDER   changes nothing; exit status 1 where something would change, or where more than
                                    1 in 200 calls of 100 MiB and more is off by more than 5 %, or 1 in 10 of shorter ones
"""
import csv
import io
import pathlib
import statistics
import sys

import figures

KEY = ("machine", "ranks", "collective", "bytes", "who")
NAMES = {"rings": "rings", "relayed": "rings through ranks", "chains": "chains"}


def rates(paths, column):
    found = {}
    for path in paths:
        with open(path, newline="") as file:
            found.update({tuple(row[k] for k in KEY): float(row[column]) for row in csv.DictReader(file)})
    return found


def errors(folder):
    """[(configuration, measured, modelled, error)] of all that was measured."""
    measured = rates((folder / "configurations.csv", folder / "sizes.csv"), "emulated_GBps")
    modelled = rates((folder / "simulated.csv", folder / "simulated_sizes.csv"), "simulated_GBps")
    return [(key, found, modelled[key], modelled[key] / found - 1) for key, found in measured.items()]


def error_csv(rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*KEY, "emulated_GBps", "simulated_GBps", "error_percent"])
    for key, found, modelled, error in rows:
        writer.writerow([*key, f"{found:.4g}", f"{modelled:.4g}", f"{100 * error:.2f}"])
    return out.getvalue()


def error_table(rows):
    lines = ["| collective | MiB | what | measured | median of the error | largest, too fast | largest, too slow | above 5 % |",
             "|---|---|---|---|---|---|---|---|"]
    for collective in ("broadcast", "allreduce"):
        for size in sorted({key[3] for key, *_ in rows}, key=int):
            for who in ("blink", "rings", "chains"):
                some = [e for key, _, _, e in rows if key[2:] == (collective, size, who)]
                if some:
                    lines.append(f"| {collective} | {int(size) // figures.MIB} | {who} | {len(some)} | "
                                 f"{100 * statistics.median(map(abs, some)):.1f} % | {100 * max(some):.1f} % | "
                                 f"{100 * min(some):.1f} % | {sum(abs(e) > 0.05 for e in some)} |")
    return "\n".join(lines)


def wide_table(rows):
    """All that are off by more than 5 %."""
    lines = ["| machine | GPUs | collective | MiB | what | measured, GB/s | modelled | error |", "|---|---|---|---|---|---|---|---|"]
    for (machine, ranks, collective, size, who), found, modelled, error in rows:
        if abs(error) > 0.05:
            lines.append(f"| {machine} | {ranks} | {collective} | {int(size) // figures.MIB} | {who} | {found:.1f} | "
                         f"{modelled:.1f} | {100 * error:+.1f} % |")
    return "\n".join(lines)


def pair_table(folder):
    """Microseconds between two real GPUs, measured and modelled."""
    with open(folder / "simulated_pair.csv", newline="") as file:
        modelled = {(r["collective"], r["bytes"]): float(r["simulated_us"]) for r in csv.DictReader(file)}
    lines = ["| size | collective | measured, us | modelled | error |", "|---|---|---|---|---|"]
    with open(folder / "pair.csv", newline="") as file:
        for r in csv.DictReader(file):
            found, model = float(r["measured_us"]), modelled[r["collective"], r["bytes"]]
            lines.append(f"| {int(r['bytes']) // figures.MIB} MiB | {r['collective']} | {found:.1f} | {model:.1f} | "
                         f"{100 * (found / model - 1):+.1f} % |")
    return "\n".join(lines)


def model_table(path):
    """`figures.read` of what the model wrote; rows over all roots have their mean, least and most."""
    table = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            row["model"], row["found"] = float(row["model_GBps"]), float(row["simulated_GBps"])
            if row["mean_GBps"]:
                row["mean"], row["least"], row["most"] = (float(row[f"{k}_GBps"]) for k in ("mean", "least", "most"))
            group = table.setdefault((row["machine"], row["collective"], int(row["bytes"])), {})
            group.setdefault(row["ranks"], {})[row["who"]] = row
    return table


def gain_table(table):
    lines = ["| machine | collective | MiB | against | geometric mean | least | most |", "|---|---|---|---|---|---|---|"]
    for (machine, collective, size), configurations in table.items():
        for who, name in NAMES.items():
            gains = [c["blink"]["found"] / c[who]["found"] for c in configurations.values() if who in c]
            if gains:
                lines.append(f"| {machine} | {collective} | {size // figures.MIB} | {name} | "
                             f"{figures.geometric_mean(gains):.2f} | {min(gains):.2f} | {max(gains):.2f} |")
    return "\n".join(lines)


def roots_table(table):
    """How much it matters from which rank a broadcast goes out."""
    lines = ["| machine | MiB | what | as fast from every root | widest: slowest and fastest root, GB/s "
             "| mean over the roots, against root 0 | Blink's mean against it |", "|---|---|---|---|---|---|---|"]
    for (machine, collective, size), configurations in table.items():
        for who in ("blink", "rings", "relayed"):
            rows = {ranks: c[who] for ranks, c in configurations.items() if "mean" in c.get(who, {})}
            if not rows:
                continue
            same = sum(r["most"] <= r["least"] * 1.001 for r in rows.values())
            ranks, widest = max(rows.items(), key=lambda item: item[1]["most"] / item[1]["least"])
            off = [100 * (r["mean"] / r["found"] - 1) for r in rows.values()]
            gains = [configurations[ranks]["blink"]["mean"] / r["mean"] for ranks, r in rows.items()]
            gain = "" if who == "blink" else f"{figures.geometric_mean(gains):.2f} ({min(gains):.2f} to {max(gains):.2f})"
            lines.append(f"| {machine} | {size // figures.MIB} | {NAMES.get(who, 'Blink')} | {same} of {len(rows)} | "
                         f"{widest['least']:.1f} and {widest['most']:.1f} (GPUs {ranks}) | "
                         f"{min(off):+.1f} to {max(off):+.1f} % | {gain} |")
    return "\n".join(lines)


def slack_table(table):
    """AllReduces on which rings are faster than Blink's default plan, and what its plan without slack does there."""
    lines = ["| machine | GPUs | what | lanes | planned | simulated |", "|---|---|---|---|---|---|"]
    for (machine, collective, size), configurations in table.items():
        if collective != "allreduce" or size != max(s for _, _, s in table):
            continue
        for ranks, c in configurations.items():
            if c["blink"]["found"] < 0.999 * max(c["rings"]["found"], c["relayed"]["found"]):
                for who, name in (("blink", "Blink, slack 5 %"), ("tight", "Blink, slack 0"), ("rings", "rings")):
                    lines.append(f"| {machine} | {ranks} | {name} | {c[who]['lanes']} | {c[who]['model']:.1f} | "
                                 f"{c[who]['found']:.1f} |")
    return "\n".join(lines)


def drawings(folder, table):
    """Broadcasts as the mean over all roots."""
    figures.WHO["relayed"] = ("rings through ranks", "#009e73")
    largest = max(size for _, _, size in table)
    for (machine, collective, size), configurations in table.items():
        if size == largest:
            bars = {ranks: {who: {**row, "found": row.get("mean", row["found"])} for who, row in c.items()
                            if who in figures.WHO} for ranks, c in configurations.items()}
            drawn = figures.figure(machine, collective, size, bars)
            how = "simulated, mean over all roots" if collective == "broadcast" else "simulated"
            yield folder / f"simulated_{machine}_{collective}.svg", drawn.replace("over emulated links", how)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    check = sys.argv[1] == "--check"
    folder = pathlib.Path(sys.argv[-1])
    rows = errors(folder)
    table = model_table(folder / "simulated.csv")
    files = {folder / "model_error.csv": error_csv(rows), **dict(drawings(folder, table))}
    if check:
        stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
        for path in stale:
            print(f"{path} is not what calibration.py writes")
        failed = False
        for kind, part, most in (("calls of 100 MiB and more", [r for r in rows if int(r[0][3]) >= 100 * figures.MIB], 200),
                                 ("shorter calls", [r for r in rows if int(r[0][3]) < 100 * figures.MIB], 10)):
            wide = sum(abs(error) > 0.05 for *_, error in part)
            print(f"{wide} of {len(part)} {kind} are off by more than 5 %")
            failed = failed or wide * most > len(part)
        return 1 if stale or failed else 0
    for path, text in files.items():
        path.write_text(text)
    print("\n\n".join((error_table(rows), wide_table(rows), pair_table(folder), gain_table(table), roots_table(table), slack_table(table))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
