# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the built tools as a user would: test_tools.py BLINK_PLAN BLINK_PERF [unittest options]."""

import json
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "schedule"))
import run_exports  # noqa: E402  (the interpreter of exported plans)

from tool import HERE, PERF, PLAN, Tool  # noqa: E402


class PlanWorks(Tool):
    def test_allreduce_on_a_whole_dgx1v(self):
        plan = self.plan("--topology", "dgx1v")
        self.check_plan(plan)
        self.assertEqual((plan["topology"], plan["collective"], plan["root"]), ("dgx1v", "allreduce", None))
        self.assertEqual(plan["ranks"], list(range(8)))
        self.assertGreaterEqual(plan["rate_GBps"], 0.95 * plan["bound_GBps"])

    def test_broadcast_on_a_whole_dgx1v_takes_six_whole_links(self):
        plan = self.plan("--topology", "dgx1v", "--collective", "broadcast", "--root", 3, "--slack", 0)
        self.check_plan(plan)
        self.assertEqual(plan["root"], 3)
        self.assertAlmostEqual(plan["rate_GBps"], 150, places=6)
        self.assertEqual([t["root"] for t in plan["trees"]], [3] * 6)
        self.assertGreater(plan["mwu"]["candidates"], 6)

    def test_ranks_keep_the_numbers_and_the_order_that_were_given(self):
        plan = self.plan("--topology", "dgx1v", "--ranks", "6,4,5,7", "--collective", "reduce", "--root", 5)
        self.check_plan(plan)
        self.assertEqual((plan["ranks"], plan["root"]), ([6, 4, 5, 7], 5))

    def test_links_are_chosen(self):
        fast = self.plan("--topology", "dgx1v", "--ranks", "0,1")
        slow = self.plan("--topology", "dgx1v", "--ranks", "0,1", "--links", "pcie")
        both = self.plan("--topology", "dgx1v", "--ranks", "0,1", "--links", "all", "--slack", 0)
        for plan in (fast, slow, both):
            self.check_plan(plan)
        self.assertEqual(fast["rate_GBps"], 25)
        self.assertLess(slow["rate_GBps"], 25)
        self.assertGreater(both["rate_GBps"], 25)

    def test_gpus_that_nvlink_does_not_join_are_served_over_pcie(self):
        plan = self.plan("--topology", "dgx1v", "--ranks", "1,4,6")
        self.check_plan(plan)
        text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--ranks", "1,4,6")
        self.assertIn("over PCIe", text)

    def test_max_trees_is_kept(self):
        plan = self.plan("--topology", "dgx1v", "--max-trees", 1)
        self.check_plan(plan)
        self.assertEqual(len(plan["trees"]), 1)

    def test_one_gpu_has_nothing_to_send(self):
        plan = self.plan("--topology", "dgx1v", "--ranks", "3")
        self.assertEqual((plan["ranks"], plan["trees"]), ([3], []))

    def test_simulated_times_stand_beside_the_baselines(self):
        plan = self.plan("--topology", "dgx1v", "--simulate", "64M")
        self.check_plan(plan)
        self.assertEqual(list(plan["simulated"])[0], "blink")
        self.assertGreaterEqual(len(plan["simulated"]), 2)
        for timing in plan["simulated"].values():
            self.assertEqual(list(timing), ["bytes", "seconds", "GBps", "chunk_bytes"])
            self.assertEqual(timing["bytes"], 64 << 20)
            self.assertAlmostEqual(timing["GBps"], timing["bytes"] / timing["seconds"] / 1e9, places=6)
        self.assertLessEqual(plan["simulated"]["blink"]["GBps"], plan["rate_GBps"])
        text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--simulate", "64M")
        self.assertIn("simulated with 64 MiB", text)

    def test_two_runs_give_the_same_plan(self):
        first, second = (self.plan("--topology", "dgx1v", "--ranks", "0,1,2,3,5") for _ in range(2))
        first.pop("seconds")
        second.pop("seconds")
        self.assertEqual(first, second)

    def test_text_names_the_machine_the_bound_and_the_trees(self):
        text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--collective", "broadcast", "--root", 0)
        for words in ("dgx1v: broadcast from GPU 0 among 8 GPUs (0-7) over NVLink", "of the bound", "candidates",
                      "planned in", "tree  root     GB/s  depth"):
            self.assertIn(words, text)

    def test_output_goes_to_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "plan.json")
            text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--format", "json", "--output", path)
            self.assertEqual(text, "")
            with open(path, encoding="utf-8") as file:
                self.check_plan(json.load(file))

    def test_svg_is_well_formed(self):
        for ranks in ("0,1,2,3,4,5,6,7", "1,4,6"):
            svg, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--ranks", ranks, "--format", "svg")
            self.assertTrue(xml.etree.ElementTree.fromstring(svg).tag.endswith("svg"))

    def test_plans_for_other_executors_run_there(self):
        for machine, ranks, collective, root in (
                ("dgx1v", range(8), "allreduce", 0), ("dgx1v", [0, 1, 4, 5, 6], "allreduce", 0),
                ("p3_8xlarge", range(4), "broadcast", 2), ("dgx1p", range(8), "allgather", 0),
                ("hgx_h100", range(8), "reduce_scatter", 0), ("dgx2", range(16), "allreduce", 0),
                ("pcie4", range(4), "allreduce", 0)):
            with self.subTest((machine, collective)):
                arguments = ["--topology", machine, "--collective", collective,
                             "--ranks", ",".join(map(str, ranks)), "--root", ranks[root]]
                xml, _ = self.expect(0, PLAN, *arguments, "--format", "msccl")
                run_exports.check_msccl(xml, collective, len(ranks), root, [0])
                plan, _ = self.expect(0, PLAN, *arguments, "--format", "mscclpp")
                run_exports.check_mscclpp(plan, collective, len(ranks), root, True, [0])

    def test_what_other_executors_have_no_words_for_is_refused(self):
        self.refused(2, "MSCCL++", "--topology", "dgx1v", "--collective", "reduce", "--format", "mscclpp")
        self.refused(2, "2 or more", "--topology", "dgx1v", "--ranks", "3", "--format", "msccl")
        self.refused(2, "--format", "--topology", "dgx1v", "--simulate", "1M", "--format", "msccl")

    def test_dot_opens_and_closes_a_graph(self):
        dot, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--format", "dot")
        self.assertRegex(dot, r"(?s)^(//[^\n]*\n)*(di)?graph .*\{.*\}\s*$")

    def test_help_names_the_machines_and_the_exit_statuses(self):
        text, _ = self.expect(0, PLAN, "--help")
        for words in ("--topology", "dgx1v", "hgx_h200_2", "Exit status: 0; 2"):
            self.assertIn(words, text)


class PlanReadsTopologies(Tool):
    def test_a_pasted_dgx1v(self):
        with open(os.path.join(HERE, "dgx1v_topo_m.txt"), encoding="utf-8") as file:
            text = file.read()
        pasted = self.plan("--topology", "-", "--slack", 0, stdin=text)
        self.check_plan(pasted)
        self.assertAlmostEqual(pasted["bound_GBps"], self.plan("--topology", "dgx1v")["bound_GBps"], places=6)
        spaces = self.plan("--topology", "-", "--slack", 0, stdin=text.replace("\t", "  "))
        self.assertEqual(spaces["trees"], pasted["trees"])

    def test_two_h200_with_nic_columns(self):
        plan = self.plan("--topology", os.path.join(HERE, "h200x2_topo_m.txt"))
        self.check_plan(plan)
        self.assertEqual(plan["ranks"], [0, 1])
        self.assertAlmostEqual(plan["bound_GBps"], 18 * 25, delta=18)

    def test_blinks_own_json(self):
        text = """{"name": "pair", "gpus": 2, "switches": 0,
                   "links": [{"a": 0, "b": 1, "GBps": 12.5, "count": 2, "kind": "nvlink"}]}"""
        plan = self.plan("--topology", "-", stdin=text)
        self.check_plan(plan)
        self.assertEqual((plan["topology"], plan["rate_GBps"]), ("pair", 25))

    def test_nccls_xml_there_and_back(self):
        xml, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--format", "nccl-xml")
        back = self.plan("--topology", "-", stdin=xml)
        self.check_plan(back)
        self.assertEqual(back["trees"], self.plan("--topology", "dgx1v")["trees"])
        part, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--ranks", "0,1,4,5", "--format", "nccl-xml")
        self.assertEqual(self.plan("--topology", "-", stdin=part)["ranks"], [0, 1, 2, 3])
        self.refused(4, ["standard input:", "expected"], "--topology", "-", stdin=xml[:len(xml) // 2])
        self.refused(2, ["mi250", "NCCL XML"], "--topology", "mi250", "--format", "nccl-xml")

    def test_json_that_is_cut_short_is_named_with_its_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cut.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"name": "box", "gpus": 2,\n "links": [\n  {"a": 0, "b": 1,\n')
            self.refused(4, [path + ":4", "expected"], "--topology", path)

    def test_json_that_lies_is_named_with_its_line(self):
        text = '{"name": "box", "gpus": 2, "switches": 0,\n "links": [\n  {"a": 0, "b": 7, "GBps": 1}]}'
        self.refused(4, ["standard input:3", "expected"], "--topology", "-", stdin=text)

    def test_a_matrix_that_is_cut_short_is_named_with_its_line(self):
        with open(os.path.join(HERE, "dgx1v_topo_m.txt"), encoding="utf-8") as file:
            lines = file.readlines()[:5]
        self.refused(4, ["standard input:", "expected"], "--topology", "-", stdin="".join(lines))

    def test_what_is_not_there_is_named(self):
        self.refused(4, ["/nowhere/box.json"], "--topology", "/nowhere/box.json")
        self.refused(4, ["dgx1w", "dgx1v"], "--topology", "dgx1w")
        self.refused(4, [HERE, "directory"], "--topology", HERE)
        self.refused(4, "standard input", "--topology", "-", stdin="")

    def test_a_probe_without_a_gpu_says_so(self):
        self.refused(4, "GPU", "--topology", "probe")


class PlanRefuses(Tool):
    def test_gpus_without_a_path(self):
        self.refused(3, ["{1} {4,6}", "NVLink"], "--topology", "dgx1v", "--ranks", "1,4,6", "--links", "nvlink")
        text = '{"name": "box", "gpus": 4, "switches": 0, "links": [{"a": 0, "b": 1, "GBps": 1}, {"a": 2, "b": 3, "GBps": 1}]}'
        self.refused(3, ["box", "{0,1} {2,3}"], "--topology", "-", stdin=text)
        self.refused(3, "{3} {0}", "--topology", "-", "--ranks", "3,0", stdin=text)

    def test_wrong_usage(self):
        for arguments, word in (
                (["--bogus"], "--bogus"), (["dgx1v"], "dgx1v"), (["--ranks", "0,x"], "0,x"), (["--ranks", "0,9"], "9"),
                (["--ranks", "1,1"], "twice"), (["--root", "9"], "--root 9"), (["--collective", "gossip"], "gossip"),
                (["--links", "smoke"], "smoke"), (["--slack", "1"], "--slack"), (["--slack", "-0.1"], "--slack"),
                (["--max-trees", "0"], "--max-trees"), (["--format", "yaml"], "yaml"), (["--simulate", "0"], "--simulate"),
                (["--simulate", "much"], "much"), (["--simulate", "1M", "--format", "svg"], "--format"),
                (["--output", "/nowhere/x"], "/nowhere/x")):
            with self.subTest(arguments):
                self.refused(2, word, "--topology", "dgx1v", *arguments)


class PerfWorks(Tool):
    def rows(self, *arguments):
        output, _ = self.expect(0, PERF, *arguments)
        self.assertIn("# Out of bounds values : 0 OK", output)
        self.assertIn("# Avg bus bandwidth    : ", output)
        return [line.split() for line in output.splitlines() if line and not line.startswith("#")]

    def test_the_columns_of_nccl_tests(self):
        output, _ = self.expect(0, PERF, "all_reduce", "-b", 8, "-e", 32, "-f", 2, "-g", 4, "-n", 2,
                                "--executor", "host")
        heads = "size count type redop root time algbw busbw #wrong time algbw busbw #wrong"
        self.assertIn(heads.split(), [line.lstrip("# ").split() for line in output.splitlines()])
        self.assertIn("# Collective test starting: all_reduce_perf", output)
        self.assertIn("#  Rank  3 ", output)

    def test_every_collective_type_and_operator_on_host_ranks(self):
        common = ["-b", 40, "-e", 4000, "-f", 10, "-g", 3, "-n", 1, "-w", 0, "-d", "all", "-o", "all"]
        kinds = ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float", "double"]
        for collective, roots, operators in (("all_reduce", 1, 6), ("broadcast", 3, 1), ("reduce", 3, 6)):
            with self.subTest(collective):
                rows = self.rows(collective, *common, "-r", -1, "--executor", "host")
                self.assertEqual(len(rows), 3 * len(kinds) * roots * operators)
                self.assertEqual(list(dict.fromkeys(row[2] for row in rows)), kinds)
                self.assertEqual({(row[8], row[12]) for row in rows}, {("0", "0")})

    def test_sizes_step_by_factor_or_by_bytes(self):
        by_factor = self.rows("all_reduce", "-b", 8, "-e", 128, "-f", 4, "-g", 2, "-n", 1, "--executor", "host")
        self.assertEqual([int(row[0]) for row in by_factor], [8, 32, 128])
        by_step = self.rows("all_reduce", "-b", 8, "-e", 32, "-i", 8, "-g", 2, "-n", 1, "--executor", "host")
        self.assertEqual([int(row[0]) for row in by_step], [8, 16, 24, 32])

    def test_without_a_check_nothing_is_claimed(self):
        rows = self.rows("all_reduce", "-b", 64, "-e", 64, "-g", 2, "-n", 1, "-c", 0, "--executor", "host")
        self.assertEqual((rows[0][8], rows[0][12]), ("N/A", "N/A"))

    def test_chunks_and_topologies_are_taken(self):
        rows = self.rows("all_reduce", "-b", "1M", "-e", "1M", "--topology", "dgx1v", "--ranks", "1,4,6", "-n", 1,
                         "--chunk", "64K", "--executor", "host")
        self.assertEqual((rows[0][8], rows[0][12]), ("0", "0"))

    def test_the_simulator_scales_with_the_wires(self):
        rows = self.rows("all_reduce", "-b", "64M", "-e", "64M", "--topology", "dgx1v", "--executor", "simulate")
        self.assertEqual(rows[0][8], "N/A")
        self.assertGreater(float(rows[0][6]), 50)
        slow = self.rows("all_reduce", "-b", "64M", "-e", "64M", "--topology", "dgx1p", "--executor", "simulate")
        self.assertLess(float(slow[0][6]), float(rows[0][6]))

    def test_json_holds_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.json")
            rows = self.rows("reduce", "-b", 8, "-e", 64, "-f", 8, "-g", 3, "-n", 2, "-r", 2, "--json", path,
                             "--executor", "host")
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
        self.assertEqual([r["size"] for r in document["results"]], [int(row[0]) for row in rows])
        self.assertEqual({r["root"] for r in document["results"]}, {2})
        self.assertTrue(document["average_bus_bandwidth"]["okay"])
        self.assertEqual(document["results"][0]["in_place"]["nwrong"], 0)

    def test_sharded_collectives_are_right_on_host_ranks(self):
        for collective in ("all_gather", "reduce_scatter"):
            output, _ = self.expect(0, PERF, collective, "-b", 4096, "-e", 65536, "-f", 16, "-g", 8, "-n", 1,
                                    "--executor", "host", "--topology", "dgx1v")
            self.assertIn("Out of bounds values : 0 OK", output)
            rows = [line.split() for line in output.splitlines() if line and not line.startswith("#")]
            self.assertEqual([int(row[0]) for row in rows], [4096, 65536])
            self.assertEqual([int(row[1]) for row in rows], [128, 2048])
            self.assertEqual({row[8] for row in rows} | {row[12] for row in rows}, {"0"})

    def test_exchanges_are_right_on_host_ranks(self):
        for name, count, has_in_place in (("gather", 512, True), ("scatter", 512, True), ("alltoall", 512, False),
                                          ("sendrecv", 4096, False)):
            output, _ = self.expect(0, PERF, name, "-b", 16384, "-e", 16384, "-g", 8, "-n", 1, "-r", -1, "--executor",
                                    "host")
            self.assertIn(f"{name}_perf", output)
            self.assertIn("Out of bounds values : 0 OK", output)
            rows = [line.split() for line in output.splitlines() if line and not line.startswith("#")]
            self.assertEqual([int(row[4]) for row in rows], list(range(8)) if has_in_place else [-1])
            self.assertEqual({int(row[1]) for row in rows}, {count})
            self.assertEqual({row[8] for row in rows}, {"0"})
            self.assertEqual({row[12] for row in rows}, {"0" if has_in_place else "N/A"})

    def test_calls_by_size(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.json")
            output, _ = self.expect(0, PERF, "all_reduce", "-b", "64K", "-e", "16M", "-f", 16, "-g", 2, "-n", "auto",
                                    "--json", path, "--executor", "host")
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
        self.assertIn("iters: auto", output)
        self.assertIn("graph: 0", output)
        self.assertEqual([r["calls"] for r in document["results"]], [100, 50, 20])
        self.assertEqual([len(r["in_place"]["time_samples"]) for r in document["results"]], [100, 50, 20])

    def test_the_host_stands_in_where_there_is_no_gpu(self):
        output, _ = self.expect(0, PERF, "all_reduce", "-b", 64, "-e", 64, "-g", 2, "-n", 1)
        self.assertIn("executor: host", output)


class PerfRefuses(Tool):
    def test_what_is_not_built_yet_by_name(self):
        for arguments, word in (
                (["alltoall", "--executor", "simulate"], "alltoall is not built"),
                (["all_reduce", "--emulate"], "--emulate"), (["all_reduce", "--registered", "2"], "--registered"),
                (["all_reduce", "-m", "2"], "-m"), (["all_reduce", "-t", "2"], "-t")):
            with self.subTest(arguments):
                host = [] if "--executor" in arguments else ["--executor", "host"]
                self.refused(2, word, *arguments, *host, tool=PERF)

    def test_wrong_usage(self):
        for arguments, word in (
                ([], "collective"), (["gossip"], "gossip"), (["all_reduce", "-d", "float128"], "float128"),
                (["all_reduce", "-o", "xor"], "xor"), (["all_reduce", "-b", "2M", "-e", "1M"], "-e"),
                (["all_reduce", "-f", "1"], "-f"), (["broadcast", "--tune", "t.json"], "--tune"),
                (["all_reduce", "--tune", "t.json"], "--tune"), (["all_reduce", "--tuning", "no/t.json"], "no/t.json"),
                (["all_reduce", "-g", "0"], "--ngpus"),
                (["broadcast", "-r", "5", "-g", "3"], "-r 5"), (["all_reduce", "-g", "3", "--ranks", "0,1"], "--ranks"),
                (["all_reduce", "--chunk", "0"], "--chunk"), (["all_reduce", "-d", "half"], "half"),
                (["all_reduce", "-G", "2"], "-G"), (["all_reduce", "--compare", "nccl"], "--compare"),
                (["all_reduce", "--compare", "mpi"], "mpi"), (["all_reduce", "--compare", "window"], "nccl,window"),
                (["all_reduce", "--compare", "nccl,window"], "--compare"), (["all_reduce", "-n", "0"], "-n"),
                (["all_reduce", "-n", "5x"], "5x"), (["all_reduce", "-n", "1000001"], "1000000"),
                (["all_reduce", "--processes"], "--processes needs --executor cuda"), (["all_reduce", "-b", "64", "-e", "64", "--json", "/nowhere/x"],
                                                            "/nowhere/x")):
            with self.subTest(arguments):
                self.refused(2, word, *arguments, "--executor", "host", tool=PERF)

    def test_processes_of_what_one_process_alone_can_drive(self):
        for arguments in (["--emulate", "--topology", "dgx1v"], ["--virtual-ranks", 2], ["--tune", "t.json"],
                          ["--relays", "2,3"]):
            with self.subTest(arguments):
                self.refused(2, "--processes", "all_reduce", "--processes", *arguments, tool=PERF)

    def test_processes_without_gpus(self):
        for arguments in ([], ["-g", 2]):
            output, errors = self.expect(2, PERF, "all_reduce", "-b", 64, "-e", 64, "--processes", *arguments)
            self.assertEqual(output, "")
            self.assertIn("--processes", errors)

    def test_an_executor_that_is_not_there(self):
        self.refused(2, "--executor cuda", "all_reduce", "--executor", "cuda", tool=PERF)
        self.refused(2, "magic", "all_reduce", "--executor", "magic", tool=PERF)

    def test_the_same_statuses_as_blink_plan(self):
        self.refused(4, "dgx1w", "all_reduce", "--topology", "dgx1w", "--executor", "host", tool=PERF)
        self.refused(4, "dgx1w", "all_reduce", "--topology", "dgx1w", "--executor", "simulate", tool=PERF)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "box.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"name": "box", "gpus": 2, "switches": 0, "links": []}')
            self.refused(3, "box", "all_reduce", "-b", 64, "-e", 64, "--topology", path, "--executor", "simulate",
                         tool=PERF)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
