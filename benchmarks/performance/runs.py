# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which runs of blink-perf make up docs/performance.md, and what of their JSON is kept."""
import json

COLLECTIVES = ["all_reduce", "broadcast", "reduce", "all_gather", "reduce_scatter"]
BLOCKS = [2, 4, 8, 16, 32, 64, 128]
SWEEP = ["-b", "1K", "-e", "1G", "-f", "4"]
SHORT_SWEEP = ["-b", "1K", "-e", "64M", "-f", "256"]
BESIDE = ["--compare", "nccl,window"]
# Calls before are few and long enough to wake the GPUs; those of a graph are chosen by blink-perf.
GRAPH = ["-n", "auto", "-w", "5"]
LONG = ["-b", "64M", "-e", "256M", "-f", "4", "-n", "5", "-G", "5", "-w", "2"]
STREAM = ["-n", "50", "-w", "5"]


def planned(quick=False):
    """{name: arguments of blink-perf}, in the order in which they run; `quick` is a half minute of it."""
    sweep = SHORT_SWEEP if quick else SWEEP
    runs = {name: [name, *sweep, *GRAPH, *BESIDE] for name in (COLLECTIVES[:1] if quick else COLLECTIVES)}
    runs["all_reduce_stream"] = ["all_reduce", *sweep, *STREAM, *BESIDE]
    runs["all_reduce_bfloat16"] = ["all_reduce", *sweep, *GRAPH, "-d", "bfloat16", *BESIDE]
    runs["all_reduce_processes"] = ["all_reduce", *sweep, *GRAPH, "--processes", *BESIDE]
    runs["all_reduce_processes_stream"] = ["all_reduce", *sweep, *STREAM, "--processes", *BESIDE]
    for collective in ("all_reduce",) if quick else ("all_reduce", "broadcast"):
        for blocks in (8, 64) if quick else BLOCKS:
            runs[f"{collective}_{blocks}_blocks"] = [collective, *LONG, "--blocks", str(blocks)]
    return runs


SIDE = ["time", "alg_bw", "bus_bw", "nwrong", "nccl_time", "ratio", "nccl_window_time", "window_ratio"]


TIMES = ["time", "nccl_time", "nccl_window_time"]


def kept(name, arguments, document):
    """The part of a run's JSON that tables and figures are made of, with six digits. In place of the samples it has
    their spread: by which part of the median the slowest took longer than the fastest."""
    def short(side):
        if side is None:
            return None
        values = {key: side[key] for key in SIDE if key in side}
        for key in TIMES:
            if samples := side.get(f"{key}_samples"):
                values[f"{key}_spread"] = (max(samples) - min(samples)) / side[key]
        return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}

    rows = [{**{key: row[key] for key in ("size", "count", "type", "redop", "root", "calls")},
             "out_of_place": short(row["out_of_place"]), "in_place": short(row["in_place"])}
            for row in document["results"]]
    return {"name": name, "command": " ".join(["blink-perf", *arguments]),
            **{key: document[key] for key in ("collective", "ranks", "processes", "graphs", "blocks", "ceiling_GBps",
                                              "devices", "notes")}, "results": rows}


def dumped(runs):
    """JSON with a line a row, so that a change can be read."""
    text = []
    for run in runs:
        head = json.dumps({key: value for key, value in run.items() if key != "results"}, indent=1)
        rows = ",\n".join("  " + json.dumps(row) for row in run["results"])
        text.append(head[:-2] + ',\n "results": [\n' + rows + "\n ]\n}")
    return "[\n" + ",\n".join(text) + "\n]\n"


def read(path):
    """{name: run}, empty where there is no such file."""
    if not path.is_file():
        return {}
    return {run["name"]: run for run in json.loads(path.read_text())}
