# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What blink-plan answers beside a plan: relays, lost links, advice, the dial. test_plan_answers.py BLINK_PLAN [unittest options]"""

import sys
import unittest
import xml.etree.ElementTree

sys.argv.insert(2, sys.argv[1])  # test_tools takes two programs
from test_tools import PLAN, Tool  # noqa: E402


class PlanAnswers(Tool):
    def test_relays_bring_a_fragment_to_the_speed_of_its_own_links(self):
        common = ["--topology", "dgx1v", "--ranks", "1,4,6", "--slack", 0]
        plan = self.plan(*common, "--relays", "all", "--simulate", "64M")
        self.check_plan(plan)
        self.assertAlmostEqual(plan["rate_GBps"], 112.5, places=6)
        self.assertEqual(plan["relays"], [0, 2, 3, 5, 7])
        self.assertEqual(sorted(plan["simulated"]), ["blink", "chain", "ring"])
        for tree in plan["trees"]:
            self.assertEqual([len(ways) for ways in tree["relays"]], [2, 2])
            self.assertLessEqual({relay for ways in tree["relays"] for way in ways for relay in way}, set(plan["relays"]))
        self.assertTrue(any(way for tree in plan["trees"] for ways in tree["relays"] for way in ways))
        two = self.plan(*common, "--relays", "0,5", "--collective", "broadcast", "--root", 6)
        self.check_plan(two)
        self.assertEqual(two["relays"], [0, 5])
        self.assertNotIn("relays", self.plan(*common))
        text, _ = self.expect(0, PLAN, *common, "--relays", "all")
        self.assertIn("GPUs forward, in GB/s: 0: ", text)
        self.assertRegex(text, r"-\(?\[[02357-]+\]-[146]")
        svg, _ = self.expect(0, PLAN, *common, "--relays", "all", "--format", "svg")
        self.assertTrue(xml.etree.ElementTree.fromstring(svg).tag.endswith("svg"))

    def test_advice_names_the_best_and_the_worst_choice(self):
        common = ["--topology", "dgx1v", "--slack", 0, "--advise", 3]
        advice = self.plan(*common)
        self.assertEqual(list(advice), ["topology", "collective", "candidates", "count", "choices", "planned", "alone",
                                        "relayed", "seconds"])
        self.assertEqual((advice["choices"], advice["alone"]["fast"], advice["relayed"]["fast"]), (56, 32, 56))
        self.assertAlmostEqual(advice["alone"]["fast_mean_GBps"], 35.9, delta=0.05)
        self.assertAlmostEqual(advice["relayed"]["worst"]["rate_GBps"], 112.5, places=6)
        best = advice["alone"]["best"]
        plan = self.plan("--topology", "dgx1v", "--slack", 0, "--ranks", ",".join(map(str, best["ranks"])))
        self.assertAlmostEqual(plan["rate_GBps"], best["rate_GBps"], places=6)
        text, _ = self.expect(0, PLAN, *common, "--ranks", "0-4")
        for words in ("which 3 of 5 GPUs (0-4) to give out for allreduce", "  best  ", "  worst  ", "over 10 choices",
                      "as relays"):
            self.assertIn(words, text)

    def test_a_lost_link_keeps_the_trees_that_hold(self):
        common = ["--topology", "dgx1v", "--collective", "broadcast", "--root", 0]
        change = self.plan(*common, "--without", "0-3:1")
        self.assertEqual(list(change), ["without", "before", "after", "kept", "dropped", "new", "anew"])
        self.assertEqual(change["without"], [{"a": 0, "b": 3, "count": 1}])
        before, after = change["before"], change["after"]
        for plan in (before, after):
            self.check_plan(plan)
        self.assertEqual((before["rate_GBps"], after["rate_GBps"]), (150, 125))
        self.assertGreater(len(change["kept"]), 0)
        for was, now in change["kept"]:
            self.assertEqual(before["trees"][was]["edges"], after["trees"][now]["edges"])
        self.assertEqual(sorted([was for was, _ in change["kept"]] + change["dropped"]), list(range(len(before["trees"]))))
        self.assertEqual(sorted([now for _, now in change["kept"]] + change["new"]), list(range(len(after["trees"]))))
        text, _ = self.expect(0, PLAN, *common, "--without", "0-3,2-6:1")
        for words in ("without 0-3 (all wires), 2-6 (1 wire): ", " kept, ", " dropped, ", " new\n", "\n  kept ", "before 150.00"):
            self.assertIn(words, text)


class PlanTurnsTheDial(Tool):
    def test_more_trees_give_more_rate_up_to_the_bound(self):
        for arguments in (["dgx1v"], ["dgx1v", "--collective", "broadcast", "--root", "3"], ["dgx_a100"]):
            with self.subTest(arguments):
                dial = self.plan("--topology", *arguments, "--dial")
                self.assertEqual(list(dial), ["topology", "ranks", "collective", "root", "bound_GBps", "dial"])
                few = [row for row in dial["dial"] if row["max_trees"] > 0]
                slacks = [row for row in dial["dial"] if row["max_trees"] == 0]
                self.assertEqual([row["slack"] for row in slacks], [0.2, 0.1, 0.05, 0.01, 0.0])
                self.assertEqual([row["max_trees"] for row in few], [1 << i for i in range(len(few))])
                for row in few:
                    self.assertLessEqual(row["trees"], row["max_trees"])
                for row in slacks:
                    self.assertGreaterEqual(row["rate_GBps"], (1 - row["slack"] - 1e-9) * dial["bound_GBps"])
                usual = self.plan("--topology", *arguments)
                chosen = [row for row in dial["dial"] if row["default"]]
                self.assertEqual([(row["rate_GBps"], row["trees"], row["depth"]) for row in chosen],
                                 [(usual["rate_GBps"], len(usual["trees"]), max(t["depth"] for t in usual["trees"]))])

    def test_the_text_marks_the_default(self):
        text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--dial")
        marked = [line for line in text.splitlines() if "<- the default" in line]
        self.assertEqual([line.split()[:2] for line in marked], [["--slack", "0.05"]])
        self.assertIn("  --max-trees 1 ", text)

    def test_shards_need_a_tree_each(self):
        dial = self.plan("--topology", "dgx1v", "--collective", "allgather", "--dial")["dial"]
        self.assertEqual(min(row["max_trees"] for row in dial if row["max_trees"] > 0), 8)

    def test_one_gpu_has_no_dial_to_turn(self):
        text, _ = self.expect(0, PLAN, "--topology", "dgx1v", "--ranks", "3", "--dial")
        self.assertEqual(text, "dgx1v: allreduce among 1 GPU (3): nothing to send\n")

    def test_what_the_dial_sets_itself_is_refused(self):
        for arguments, word in ((["--slack", "0.1"], "--slack"), (["--max-trees", "2"], "--max-trees"),
                                (["--simulate", "1M"], "--simulate"), (["--format", "svg"], "--format")):
            with self.subTest(arguments):
                self.refused(2, ["--dial", word], "--topology", "dgx1v", "--dial", *arguments)


class PlanRefusesToAnswer(Tool):
    def test_a_lost_link_that_parts_the_gpus_or_was_never_there(self):
        self.refused(3, "{0} {1}", "--topology", "dgx1v", "--ranks", "0,1", "--links", "nvlink", "--without", "0-1")
        self.refused(2, "between 1 and 4", "--topology", "dgx1v", "--without", "1-4")
        self.refused(2, "fewer than 3", "--topology", "dgx1v", "--without", "0-3:3")
        for lost in ("0", "0-3:0", "0:3", "0-3,", "a-b", "0-3:1:1"):
            self.refused(2, "--without", "--topology", "dgx1v", "--without", lost)
        self.refused(2, "--without", "--topology", "dgx1v", "--without", "0-3", "--format", "svg")
        self.refused(2, "--without", "--topology", "dgx1v", "--without", "0-3", "--simulate", "1M")

    def test_advice_that_makes_no_sense(self):
        self.refused(2, "expected 1 to 8", "--topology", "dgx1v", "--advise", 9)
        self.refused(2, "expected 1 to 2", "--topology", "dgx1v", "--ranks", "0,1", "--advise", 0)
        for more in (["--root", "1"], ["--relays", "all"], ["--without", "0-1"], ["--simulate", "1M"], ["--format", "dot"]):
            self.refused(2, "--advise", "--topology", "dgx1v", "--advise", 2, *more)

    def test_relays_that_cannot_be_meant_or_join_nobody(self):
        self.refused(2, "relay 1 takes part", "--topology", "dgx1v", "--ranks", "0,1", "--relays", "1")
        self.refused(2, "relay 9 is none", "--topology", "dgx1v", "--ranks", "0,1", "--relays", "9")
        self.refused(2, "some", "--topology", "dgx1v", "--ranks", "0,1", "--relays", "some")
        self.refused(3, "{1} {6}", "--topology", "dgx1v", "--ranks", "1,6", "--relays", "4", "--links", "nvlink")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
