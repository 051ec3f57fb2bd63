# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What tests of the built tools share: the tools' paths are the first two arguments of the program."""

import json
import os
import subprocess
import sys
import unittest

PLAN, PERF = (os.path.abspath(tool) for tool in sys.argv[1:3])
HERE = os.path.dirname(os.path.abspath(__file__))


def run(tool, *arguments, stdin="", gpus=False):
    environment = dict(os.environ) if gpus else dict(os.environ, CUDA_VISIBLE_DEVICES="")
    return subprocess.run([tool, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120,
                          env=environment, check=False)


class Tool(unittest.TestCase):
    def expect(self, status, tool, *arguments, **more):
        """Runs the tool, checks its exit status, and gives (output, errors)."""
        done = run(tool, *arguments, **more)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}\n{done.stderr}")
        if status != 0 and tool == PLAN:
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr.startswith("blink-plan: "), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stdout, done.stderr

    def plan(self, *arguments, **more):
        output, _ = self.expect(0, PLAN, "--format", "json", *arguments, **more)
        return json.loads(output)

    def refused(self, status, words, *arguments, tool=PLAN, **more):
        _, errors = self.expect(status, tool, *arguments, **more)
        for word in words if isinstance(words, (list, tuple)) else [words]:
            self.assertIn(word, errors)

    def check_plan(self, plan):
        """What every plan must hold."""
        self.assertEqual(list(plan)[:10], ["topology", "ranks", "collective", "root", "rate_GBps", "bound_GBps",
                                           "bottleneck", "mwu", "trees", "seconds"])
        self.assertEqual(list(plan["mwu"]), ["epsilon", "iterations", "candidates", "rate_GBps"])
        self.assertAlmostEqual(plan["rate_GBps"], sum(t["GBps"] for t in plan["trees"]), places=6)
        self.assertLessEqual(plan["rate_GBps"], plan["bound_GBps"] * (1 + 1e-9))
        self.assertAlmostEqual(plan["bound_GBps"], plan["bottleneck"]["GBps"], places=6)
        ranks = plan["ranks"]
        self.assertEqual(sorted(r for part in plan["bottleneck"]["parts"] for r in part), sorted(ranks))
        for tree in plan["trees"]:
            level = {tree["root"]: 0}
            for parent, child in tree["edges"]:
                self.assertIn(parent, level)
                self.assertNotIn(child, level)
                level[child] = level[parent] + 1
            self.assertEqual(sorted(level), sorted(ranks))
            self.assertEqual(tree["depth"], max(level.values()))
