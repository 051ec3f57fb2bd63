# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What torch_ranks.py makes of ranks that answer, hang, fail and die: programs without PyTorch stand in for them."""
import os
import pathlib
import sys
import tempfile
import time

from torch_ranks import Ranks

STAND_IN = """
import json, os, sys, time
rank = int(os.environ["RANK"])
if os.environ.get("STARTS") == "no":
    sys.exit(5)
print("{}", flush=True)
for line in sys.stdin:
    part = json.loads(line)["part"]
    if part == "hangs" and rank == 1:
        print("rank 1 hangs", file=sys.stderr, flush=True)
        time.sleep(100)
    if part == "dies" and rank == 1:
        os._exit(0)
    answer = {"error": "rank 1 cannot"} if part == "fails" and rank == 1 else {"process": os.getpid(), "part": part}
    print("no JSON" if part == "babbles" else json.dumps(answer), flush=True)
"""
WRONG = []


def expect(what, right):
    print(f"{'ok  ' if right else 'FAIL'}  {what}", flush=True)
    if not right:
        WRONG.append(what)


def main():
    folder = pathlib.Path(tempfile.mkdtemp())
    program = folder / "stand_in.py"
    program.write_text(STAND_IN, encoding="utf-8")
    ranks = Ranks("test", folder, [sys.executable, str(program)], {}, start_limit=20)
    first, second = ranks.do("one", 20), ranks.do("two", 20)
    expect("parts are done by the same ranks", first["part"] == "one" and first["process"] == second["process"])
    begin = time.monotonic()
    hangs = ranks.do("hangs", -2) # and what a rank may take beyond its limit, so one second
    expect("a part that hangs is given up", "not done within" in hangs["error"] and time.monotonic() - begin < 10)
    expect("its ranks are gone", not ranks.processes and not os.path.exists(f"/proc/{first['process']}"))
    expect("a log says what they said", "rank 1 hangs" in ranks.log(1).read_text(encoding="utf-8"))
    third = ranks.do("three", 20)
    expect("the next part is done by new ranks", third["part"] == "three" and third["process"] != first["process"])
    expect("the reason of a failure is told", ranks.do("fails", 20)["error"] == "rank 1: rank 1 cannot")
    expect("an answer that is none", "no JSON" in ranks.do("babbles", 20)["error"])
    expect("a rank that dies unasked", "rank 1 has ended" in ranks.do("dies", 20)["error"])
    expect("a rank that may die", ranks.do("dies", 20, survivors=1)["part"] == "dies" and not ranks.processes)
    ranks.do("four", 20)
    expect("ranks end with what they are told", ranks.end() == [0, 0] and ranks.end() == [])
    never = Ranks("never", folder, [sys.executable, str(program)], {"STARTS": "no"}, start_limit=20)
    expect("ranks that do not start", all("do not start" in never.do("one", 20)["error"] for _ in range(3)) and never.failed_starts == 2)
    return 1 if WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
