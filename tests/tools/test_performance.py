# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tables, figures and checks of benchmarks/performance, with made-up numbers: test_performance.py BLINK_PERF
[unittest options]."""

import contextlib
import io
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PERF = os.path.abspath(sys.argv[1])
SOURCES = pathlib.Path(__file__).resolve().parents[2]
TOOLS = SOURCES / "benchmarks" / "performance"
sys.path.insert(0, str(TOOLS))
import document  # noqa: E402
import figure  # noqa: E402
import runs  # noqa: E402
import tables  # noqa: E402



def made_side(size, nccl, window):
    time = 2 + size / 350e3
    side = {"time": time, "time_samples": [time], "alg_bw": size / time / 1e3, "bus_bw": size / time / 1e3, "nwrong": 0}
    if nccl:
        side.update(nccl_time=6 + size / 320e3, ratio=(6 + size / 320e3) / time)
    if window:
        side.update(nccl_window_time=1 + size / 250e3, window_ratio=(1 + size / 250e3) / time)
    return side


def made(collective, arguments, nccl=True, window=True, blocks=0):
    """What blink-perf would write."""
    sizes = [1 << 26, 1 << 28] if blocks else [1024 * 4 ** k for k in range(11)]
    rows = [{"size": size, "count": size // 4, "type": "float", "redop": "sum", "root": -1, "calls": 20,
             "out_of_place": made_side(size, nccl, window), "in_place": made_side(size, nccl, window)}
            for size in sizes]
    return {"executor": "cuda", "ranks": 2, "collective": collective, "devices": ["0 [a] GPU", "1 [b] GPU"],
            "notes": ["Compared"], "processes": "--processes" in arguments, "graphs": 8, "blocks": blocks,
            "ceiling_GBps": 450.0, "results": rows}


def all_made(**more):
    """All runs of run.py, as it keeps them, by name."""
    known = {}
    for name, arguments in runs.planned().items():
        blocks = int(arguments[arguments.index("--blocks") + 1]) if "--blocks" in arguments else 0
        compared = {} if "--compare" in arguments else {"nccl": False, "window": False}
        known[name] = runs.kept(name, arguments, made(arguments[0], arguments, blocks=blocks, **{**more, **compared}))
    return known


class Tables(unittest.TestCase):
    def test_the_text_is_that_of_blink_perf(self):
        for arguments in (["all_reduce", "-b", "1K", "-e", "4M", "-f", "16"], ["broadcast", "-r", "1"],
                          ["all_reduce", "-c", "0"], ["alltoall", "-d", "int8"], ["reduce_scatter", "-o", "max"]):
            with self.subTest(arguments), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "run.json")
                done = subprocess.run([PERF, *arguments, "-g", "2", "-n", "2", "--executor", "host", "--json", path],
                                      capture_output=True, text=True, timeout=120, check=True)
                with open(path, encoding="utf-8") as file:
                    run = json.load(file)
                lines = done.stdout.splitlines()
                first = next(i for i, line in enumerate(lines) if "out-of-place" in line)
                printed = [line.rstrip() for line in lines[first:-3]]
                self.assertEqual(tables.run_text(run).splitlines(), printed)
                kept = runs.kept("name", arguments, run)
                self.assertEqual(len(tables.run_text(kept)), len(tables.run_text(run)))

    def test_columns_of_what_was_compared(self):
        # The same numbers as in test_table.cpp.
        side = {"time": 200.0, "alg_bw": 5.24288, "bus_bw": 7.86432, "nwrong": 0, "nccl_time": 400.0, "ratio": 2.0,
                "nccl_window_time": 150.0, "window_ratio": 0.75}
        row = {"size": 1 << 20, "count": 1 << 18, "type": "float", "redop": "sum", "root": -1, "out_of_place": side,
               "in_place": None}
        self.assertEqual(tables.row_text(row, True, True).split(),
                         ["1048576", "262144", "float", "sum", "-1", "200.00", "5.24", "7.86", "0", "400.00", "2.00"] +
                         ["N/A"] * 6 + ["150.00", "0.75", "N/A", "N/A"])
        for nccl, window in ((False, False), (True, False), (True, True)):
            self.assertEqual({len(line) for line in tables.head_text(nccl, window)[1:]},
                             {len(tables.row_text(row, nccl, window))})

    def test_gains_are_against_the_faster_column(self):
        run = all_made()["all_reduce"]
        self.assertIn("| 1 KiB | 0.50 |", tables.gains({"AllReduce": run}))
        self.assertIn("| 1 GiB | 1.09 |", tables.gains({"AllReduce": run}))
        self.assertEqual(tables.gains({"AllReduce": all_made(nccl=False, window=False)["all_reduce"]}), "")

    def test_blocks_are_in_the_order_of_their_numbers(self):
        known = all_made()
        text = tables.blocks([run for name, run in known.items() if name.endswith("_blocks")])
        self.assertEqual(re.findall(r"^\| (\d+) ", text, re.MULTILINE), [str(n) for n in runs.BLOCKS])
        self.assertIn("| blocks | all_reduce, 64 MiB | all_reduce, 256 MiB | broadcast, 64 MiB |", text)


class Figures(unittest.TestCase):
    def texts(self, svg):
        """(x0, y0, x1, y1, text) of every level label, generously."""
        found = []
        for element in xml.etree.ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
            if "transform" in element.attrib:
                continue
            size = float(element.get("font-size", 11))
            width = 0.58 * size * len(element.text)
            x = float(element.get("x"))
            x -= {"middle": width / 2, "end": width}.get(element.get("text-anchor"), 0)
            y = float(element.get("y"))
            found.append((x, y - 0.75 * size, x + width, y + 0.2 * size, element.text))
        return found

    def check_labels(self, svg):
        _, _, width, height = map(float, xml.etree.ElementTree.fromstring(svg).get("viewBox").split())
        labels = self.texts(svg)
        for i, (x0, y0, x1, y1, text) in enumerate(labels):
            self.assertTrue(0 <= x0 and x1 <= width and 0 <= y0 and y1 <= height, f"{text} leaves the picture")
            for a0, b0, a1, b1, other in labels[:i]:
                self.assertTrue(x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0, f"{text} lies on {other}")
        return [text for *_, text in labels]

    def test_all_series_and_the_ceiling_are_there(self):
        run = all_made()["all_reduce"]
        svg = figure.figure(run, "AllReduce <&> \"more\"")
        labels = self.check_labels(svg)
        for text in ("Blink", "NCCL", "NCCL, symmetric windows", "ceiling of the wires: 450 GB/s", "1 KiB", "1 GiB",
                     "450", "AllReduce <&> \"more\""):
            self.assertIn(text, labels)
        self.assertEqual(svg.count("<polyline"), 3)
        self.assertEqual(svg.count("stroke-dasharray"), 2)
        self.assertEqual(figure.figure(run, "t", ceiling=0).count("stroke-dasharray"), 0)
        self.assertIn("392.5 GB/s", figure.figure(run, "t", ceiling=392.5))
        self.assertEqual(figure.figure({**run, "ceiling_GBps": None}, "t").count("stroke-dasharray"), 0)

    def test_a_point_stands_where_its_value_is(self):
        run = all_made(nccl=False, window=False)["all_reduce"]
        svg = figure.figure(run, "t")
        points = [tuple(map(float, p.split(","))) for p in re.search(r'points="([^"]*)"', svg)[1].split()]
        ground, top = (float(re.search(rf'y1="([\d.]+)"[^>]*/><text[^>]*>{label}</text>', svg)[1])
                       for label in ("0", "500"))
        for (x, y), row in zip(points, run["results"], strict=True):
            self.assertAlmostEqual((ground - y) / (ground - top) * 500, row["out_of_place"]["bus_bw"], delta=0.2)
        self.assertEqual(points[0][0], figure.LEFT)
        self.assertEqual(points[-1][0], figure.LEFT + figure.WIDTH)

    def test_what_nccl_reaches_follows_from_its_time(self):
        run = all_made()["all_reduce"]
        series = {label: points for label, _, _, points in figure.series_of(run, "bandwidth", "out_of_place", 0)}
        last = run["results"][-1]
        self.assertAlmostEqual(series["NCCL"][1 << 30], (1 << 30) / last["out_of_place"]["nccl_time"] / 1e3, delta=0.01)

    def test_short_calls_in_microseconds(self):
        svg = figure.figure(all_made()["all_reduce"], "t", "time", up_to=1 << 20)
        labels = self.check_labels(svg)
        self.assertIn("1 MiB", labels)
        self.assertNotIn("4 MiB", labels)
        self.assertIn("time of a call (us)", svg)
        self.assertNotIn("ceiling", svg)

    def test_many_sizes_do_not_crowd_the_axis(self):
        run = all_made()["all_reduce"]
        row = run["results"][0]
        for sizes in ([8 * 2 ** k for k in range(28)], [1024], [1024 * k for k in range(1, 60)]):
            self.check_labels(figure.figure({**run, "results": [{**row, "size": size} for size in sizes]}, "t"))

    def test_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            result, svg = pathlib.Path(folder, "run.json"), pathlib.Path(folder, "run.svg")
            result.write_text(json.dumps(made("broadcast", [])))
            tool = [sys.executable, TOOLS / "figure.py", result, svg]
            subprocess.run([*tool, "--ceiling", "390"], check=True)
            self.assertIn("390 GB/s", svg.read_text())
            self.assertIn("broadcast among 2 ranks", svg.read_text())
            subprocess.run([*tool, "--time", "--in-place", "--up-to", "4096", "--title", "T"], check=True)
            self.assertIn("4 KiB", svg.read_text())
            done = subprocess.run([*tool, "--up-to", "1"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no row to draw", done.stderr)


class Documents(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.docs = pathlib.Path(self.folder.name, "docs")
        self.docs.mkdir()
        self.page = self.docs / "performance.md"
        text = (SOURCES / "docs" / "performance.md").read_text()
        self.page.write_text(document.filled(text, dict.fromkeys(document.parts({})[0], "")))

    def check(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = document.check(self.docs)
        return status, printed.getvalue()

    def put(self, known):
        results = pathlib.Path(self.folder.name, "results.json")
        results.write_text(runs.dumped(known.values()))
        self.assertEqual(document.update(results.parent, self.docs), 0)

    def test_nothing_measured_shows_nothing(self):
        self.assertEqual(self.check(), (0, ""))
        self.assertNotIn("### ", self.page.read_text())
        self.page.write_text(self.page.read_text().replace("<!-- end of blocks -->", "| 1 |\n<!-- end of blocks -->"))
        self.assertEqual(self.check()[0], 1)

    def test_what_was_measured_is_shown(self):
        self.put(all_made())
        self.assertEqual(self.check(), (0, ""))
        text = self.page.read_text()
        for part in ("### AllReduce\n", "### ReduceScatter", "### AllReduce of bfloat16", "of processes on streams",
                     "| 128 |", "- 2 GPU, a rank each", "450 GB/s out of", "$ blink-perf all_reduce -b 1K -e 1G",
                     "(performance/broadcast.svg)"):
            self.assertIn(part, text)
        for file in re.findall(r"\]\((performance/[^)]*)\)", text):
            self.assertTrue((self.docs / file).is_file(), file)
        self.assertEqual(runs.read(self.docs / "performance" / "results.json"), all_made())

    def test_the_spread_of_the_samples_is_told(self):
        raw = made("all_reduce", [])
        for row in raw["results"]:
            row["out_of_place"]["time_samples"] = [row["out_of_place"]["time"] * part for part in (1, 0.98, 1.03)]
        raw["results"][0]["in_place"]["nccl_time_samples"] = [raw["results"][0]["in_place"]["nccl_time"] * part
                                                              for part in (0.9, 1.1)]
        text = document.machine_part({"all_reduce": runs.kept("all_reduce", [], raw)})
        self.assertIn("- Blink: the slowest and the fastest sample of a size in graphs differ by 2.5 % (5.0 % at", text)
        self.assertIn("- NCCL: the slowest and the fastest sample of a size in graphs differ by 20.0 % (20.0 %", text)
        self.assertNotIn("windows", text)
        self.assertNotIn("sample", document.machine_part({"x": runs.kept("x", [], {**raw, "graphs": 0})}))

    def test_a_part_of_the_runs_shows_a_part(self):
        known = all_made()
        self.put({"reduce": known["reduce"]})
        self.assertEqual(self.check(), (0, ""))
        text = self.page.read_text()
        self.assertIn("### Reduce\n", text)
        self.assertNotIn("### Broadcast", text)
        self.put({"broadcast": known["broadcast"]})
        self.assertEqual(self.check(), (0, ""))
        self.assertFalse((self.docs / "performance" / "reduce.svg").exists())

    def test_whatever_does_not_fit_is_noticed(self):
        def changed_number():
            path = self.docs / "performance" / "results.json"
            known = runs.read(path)
            known["reduce"]["results"][3]["out_of_place"]["time"] *= 1.01
            path.write_text(runs.dumped(known.values()))

        def changed_text():
            self.page.write_text(self.page.read_text().replace("| 1 KiB | 0.50", "| 1 KiB | 5.50"))

        def changed_figure():
            path = self.docs / "performance" / "reduce.svg"
            path.write_text(path.read_text().replace("NCCL", "Nccl"))

        def left_over():
            (self.docs / "performance" / "gossip.svg").write_text("<svg/>")

        def lost_results():
            (self.docs / "performance" / "results.json").unlink()

        for change, word in ((changed_number, "performance.md"), (changed_text, "performance.md"),
                             (changed_figure, "reduce.svg"), (left_over, "gossip.svg"),
                             (lost_results, "performance.md")):
            with self.subTest(change.__name__):
                self.put(all_made())
                self.assertEqual(self.check(), (0, ""))
                change()
                status, printed = self.check()
                self.assertEqual(status, 1)
                self.assertIn(word, printed)

    def test_a_lost_place_is_an_error(self):
        self.page.write_text(self.page.read_text().replace("<!-- measured: blocks -->", ""))
        done = subprocess.run([sys.executable, TOOLS / "document.py", "--check", self.docs], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("blocks", done.stdout)
        with self.assertRaisesRegex(ValueError, "gossip"):
            document.filled("<!-- measured: gossip -->\n<!-- end of gossip -->\n", {})


FAKE = """#!{python}
import json, sys
made = json.load(open({made!r}))
arguments = sys.argv[1:]
print("# a table of " + " ".join(arguments))
if {fails!r} in arguments:
    sys.exit("blink-perf: no")
json.dump(made, open(arguments[arguments.index("--json") + 1], "w"))
"""


class Runs(unittest.TestCase):
    """run.py with a program in place of blink-perf."""

    def run_it(self, *arguments, fails="--never", **changes):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        (path / "made.json").write_text(json.dumps({**made("all_reduce", []), **changes}))
        tool = path / "blink-perf"
        tool.write_text(FAKE.format(python=sys.executable, made=str(path / "made.json"), fails=fails))
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run([sys.executable, TOOLS / "run.py", tool, path / "out", *arguments], capture_output=True,
                              text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr, path / "out"

    def test_everything_is_written(self):
        status, output, folder = self.run_it()
        self.assertEqual(status, 0, output)
        self.assertEqual(list(runs.read(folder / "results.json")), list(runs.planned()))
        for name in runs.planned():
            self.assertIn("# a table of", (folder / f"{name}.txt").read_text())
        self.assertTrue((folder / "all_reduce_short.svg").is_file())
        self.assertIn(f"{len(runs.planned())} runs, 0 failed", output)

    def test_a_run_that_fails_is_left_out_and_told(self):
        status, output, folder = self.run_it("--quick", fails="bfloat16")
        self.assertEqual(status, 1)
        self.assertIn("1 failed all_reduce_bfloat16", output)
        self.assertNotIn("all_reduce_bfloat16", runs.read(folder / "results.json"))
        self.assertIn("all_reduce_stream", runs.read(folder / "results.json"))

    def test_one_gpu_is_too_few(self):
        self.assertEqual(self.run_it(ranks=1)[0], 77)

    def test_some_runs_alone(self):
        status, _, folder = self.run_it("--only", "reduce", "broadcast")
        self.assertEqual(status, 0)
        self.assertEqual(list(runs.read(folder / "results.json")), ["broadcast", "reduce"])
        status, output, _ = self.run_it("--only", "gossip")
        self.assertEqual(status, 2)
        self.assertIn("gossip", output)

    def test_the_plan_measures_what_the_document_shows(self):
        text, drawn = document.parts(all_made())
        self.assertTrue(all(text.values()))
        for name, arguments in runs.planned().items():
            if not name.endswith("_blocks"):
                self.assertIn(f"{name}.svg", drawn)
                self.assertIn("blink-perf " + " ".join(arguments), "".join(text.values()))

    def test_no_gpu_is_too_few(self):
        done = subprocess.run([sys.executable, TOOLS / "run.py", PERF, tempfile.mkdtemp(dir=self.enterContext(
            tempfile.TemporaryDirectory()))], capture_output=True, text=True, timeout=120, check=False,
            env=dict(os.environ, CUDA_VISIBLE_DEVICES=""))
        self.assertEqual(done.returncode, 77, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
