# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs PyTorch programs under libblink.so and compares them with the same programs without it.

    torch_runs.py [--case TEXT]... [--limit SECONDS] [--total SECONDS] [--list] LIBBLINK ALONE_NCCL [FOLDER FOR LOGS]

Two ranks. With two GPUs the peer is NCCL, and so is what lies beneath Blink. On one GPU the ranks share it, which NCCL
refuses: ALONE_NCCL stands in for it, and the peer is gloo. Sums of two numbers have the same bits in any order, so losses
have to be the peer's to the last bit. Each case says when it begins and ends; one that is not done within --limit fails,
and the next one goes on with new ranks. The first cases cost the least. After --total seconds those that remain fail
unrun. --case: only cases with TEXT in their names; --rehearse: both runs are gloo's on the CPU, which tries this program.
Status 77 where there is no PyTorch or no GPU.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from torch_ranks import Ranks

JOB = pathlib.Path(__file__).with_name("torch_job.py")
PROGRAM = str(pathlib.Path(__file__).with_name("torch_program.py"))
SERVED = ("allreduce", "broadcast", "reduce", "allgather", "reduce_scatter")


def job(backend, *more):
    return [sys.executable, str(JOB), backend, *more]


def furthest(a, b):
    return max((abs(x - y) / max(abs(y), 1e-6) for x, y in zip(a, b)), default=0.0)


# What a case makes of the answers of both runs: whether they are right, and a text.
def right_sum(mine, _peer):
    return mine["sum"] == [3.0] * 5, ""


def no_names(mine, _peer):
    return not mine["wrong"], ", ".join(mine["wrong"][:4])


def same_losses(mine, peer):
    losses, theirs = mine["losses"], peer.get("losses", [])
    return (len(losses) == 50 and losses == theirs and sum(losses[-5:]) < sum(losses[:5]),
            f"loss {losses[0]:.4f} to {losses[-1]:.4f}, furthest from the peer's by {furthest(losses, theirs):.2g} of it")


def same_shards(mine, peer):
    far = furthest(mine["sharded"], mine["whole"])
    return (len(mine["sharded"]) == 20 and far < 1e-3 and peer.get("sharded") in (None, mine["sharded"]),
            f"furthest from whole ones by {far:.2g} of the loss")


def same_weights(mine, peer):
    far = mine["largest difference"]
    return (far <= 1e-6 * mine["largest weight"] and peer.get("sum of weights") in (None, mine["sum of weights"]),
            f"weights differ from those of single calls by {far:.2g} at most")


def same_outputs(most):
    def judge(mine, peer):
        return (mine["furthest"] < most and mine["graph differs"] == 0 and peer.get("sum") in (None, mine["sum"]),
                f"{mine['furthest']:.2g} from the whole model, graph {mine['graph differs']:.2g} from calls, sum "
                f"{mine['sum']:.6f}, the peer's {peer.get('sum')}")
    return judge


def step_times(mine, peer):
    return True, "; ".join(f"buckets of {b}: {ms:.3f} ms, the peer {peer[b]:.3f} ms" for b, ms in mine.items() if b in peer and b != "took")


def enough_communicators(mine, _peer):
    return mine.get("made", 0) >= 12 and mine["lost MiB"] < 64, str(mine)


def told_of_rank_1(mine, _peer):
    return "rank 1" in mine["told"] and mine["seconds"] < 20, str(mine)


ALWAYS, NCCL, NEVER = "both", "where the peer is NCCL", "Blink alone"
# Name, what torch_job.py calls it, whether the peer runs it too, and the judge; the cheapest come first.
CASES = (
    ("the first call", "first call", ALWAYS, right_sum),
    ("tensor parallel float32 inference", "tensor parallel float32", NCCL, same_outputs(1e-5)),
    ("tensor parallel bfloat16 inference", "tensor parallel bfloat16", NCCL, same_outputs(0.05)),
    ("30 replays of a captured training step", "captured step", NCCL, same_weights),
    ("50 steps of transformer float32, to the bit", "transformer float32", ALWAYS, same_losses),
    ("50 steps of transformer bfloat16, to the bit", "transformer bfloat16", ALWAYS, same_losses),
    ("20 steps with sharded weights", "shards", NCCL, same_shards),
    ("50 steps of convolutions float32, to the bit", "convolutions float32", ALWAYS, same_losses),
    ("50 steps of convolutions bfloat16, to the bit", "convolutions bfloat16", ALWAYS, same_losses),
    ("step times", "step times", ALWAYS, step_times),
    ("all that sends and receives", "exchanges", NEVER, no_names),
    ("every collective of torch.distributed that reduces or copies", "collectives", NEVER, no_names),
    ("60 communicators, or as many as 15 s allow", "communicators", NEVER, enough_communicators),
    ("30 communicators that are split off, or as many as 15 s allow", "split communicators", NEVER, enough_communicators),
    ("a rank that dies", "lost rank", NEVER, told_of_rank_1))
# Name, the command of a whole program, and the call of NCCL's that Blink has in it.
PROGRAMS = (
    ("50 steps under torchrun, to the bit",
     [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", PROGRAM], "allreduce"),
    ("50 steps of one process with all GPUs, to the bit", [sys.executable, PROGRAM], "broadcast"))


class Runs:
    """Both runs, and how much time is left."""

    def __init__(self, given, gpus, folder):
        under = {"LD_PRELOAD": str(given.libblink.resolve()), "BLINK_DEBUG": "info", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "0"}
        self.peer_is_nccl = gpus > 1 and not given.rehearse
        if given.rehearse:
            under = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        elif gpus < 2:
            under["BLINK_NCCL_LIBRARY"] = str(given.alone.resolve())
        without = under if given.rehearse else {}
        common = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        own = "gloo" if given.rehearse else "nccl"
        self.limit, self.end, self.failed = given.limit, time.monotonic() + given.total, 0
        self.common, self.under, self.folder = common, under, folder
        self.blink = Ranks("blink", folder, job(own), {**common, **under})
        self.split = Ranks("split", folder, job(own, *([] if given.rehearse else ["at-once"])), {**common, **under})
        self.peer = Ranks("peer", folder, job("nccl" if self.peer_is_nccl else "gloo"), {**common, **without})
        self.preloads = not given.rehearse

    def tell(self, name, right, text=""):
        self.failed += not right
        print(f"{'ok  ' if right else 'FAIL'}  {name}{': ' if text else ''}{text}", flush=True)

    def ask(self, ranks, part, survivors=None):
        if self.end - time.monotonic() < 5:
            return {"error": "no time is left for it", "took": 0.0}
        ranks.until = self.end
        return ranks.do(part, self.limit, survivors)

    def attempt(self, name, part, by, judge):
        print(f"...   {name}", flush=True)
        ranks = self.split if part == "split communicators" else self.blink
        mine = self.ask(ranks, part, 1 if part == "lost rank" else None)
        peer = {}
        if "error" not in mine and (by == ALWAYS or (by == NCCL and self.peer_is_nccl)):
            peer = self.ask(self.peer, part)
        took = f"{mine['took']:.1f} s" + (f", the peer {peer['took']:.1f} s" if peer else "")
        for who, answer in (("with libblink.so", mine), ("without it", peer)):
            if "error" in answer:
                return self.tell(name, False, f"{who}: {answer['error']} ({took})")
        try:
            right, text = judge(mine, peer)
        except (KeyError, IndexError) as e:
            right, text = False, f"the answer lacks {e}"
        return self.tell(name, right, f"{text} ({took})" if text else took)

    def compare(self, name, command, served):
        """What a whole program prints with and without the library."""
        print(f"...   {name}", flush=True)
        begin, printed = time.monotonic(), []
        for who, variables in (("with libblink.so", self.under), ("without it", {})):
            log = self.folder / f"program.{'blink' if variables else 'peer'}.log"
            try:
                with open(log, "w", encoding="utf-8") as errors:
                    done = subprocess.run(command, env={**os.environ, **self.common, **variables}, stdout=subprocess.PIPE,
                                          stderr=errors, text=True, check=False,
                                          timeout=max(1.0, min(2 * self.limit, self.end - time.monotonic())))
            except subprocess.TimeoutExpired:
                return self.tell(name, False, f"{who}: too slow; see {log}")
            if done.returncode != 0:
                return self.tell(name, False, f"{who}: status {done.returncode}; see {log}")
            printed.append(json.loads(done.stdout.strip().splitlines()[-1]))
            if variables and f"blink: {served} up to" not in log.read_text(encoding="utf-8", errors="replace"):
                return self.tell(name, False, f"{served} was not Blink's; see {log}")
        mine, peer = printed
        return self.tell(name, len(mine) == 50 and mine == peer, f"loss {mine[0]:.4f} to {mine[-1]:.4f}, furthest from the "
                         f"peer's by {furthest(mine, peer):.2g} of it ({time.monotonic() - begin:.1f} s both)")

    def tell_paths(self, parts):
        """Which of the calls the library says to have been Blink's."""
        if not self.preloads:
            return
        log = self.blink.log_text()
        wanted = SERVED if "collectives" in parts else ()
        for kind in (*wanted, *(["alltoall"] if "exchanges" in parts else [])):
            served = [line for line in log.splitlines() if line.startswith(f"blink: {kind} up to")]
            self.tell(f"{kind} is Blink's", bool(served) and all("goes to Blink" in line for line in served),
                      next((line for line in served if "goes to Blink" not in line), ""))
        if "split communicators" in parts:
            self.tell("the split ones are Blink's", self.split.log_text().count("processes goes to Blink") >= 12)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--limit", type=float, default=30)
    parser.add_argument("--total", type=float, default=210)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("libblink", type=pathlib.Path)
    parser.add_argument("alone", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    return parser.parse_args()


def main():
    given = options()
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: skipped")
        return 77
    gpus = torch.cuda.device_count()
    cases, programs = ([c for c in all_of if not given.case or any(text in c[0] for text in given.case)]
                       for all_of in (CASES, PROGRAMS))
    left_out = {} # why, by the job's name for a case
    if given.rehearse or gpus < 2:
        left_out |= dict.fromkeys(("exchanges", "split communicators"), "the stand-in has no sends, and no ranks to split off")
    if given.rehearse:
        left_out |= dict.fromkeys(("captured step", "lost rank", "communicators", "shards"),
                                  "gloo tells in other words, and nothing is captured")
    elif gpus < 2:
        left_out |= {"step times": "ranks that share a GPU wait for their turns on it"}
    skipped = {c[0]: left_out[c[1]] for c in cases if c[1] in left_out}
    cases = [c for c in cases if c[1] not in left_out]
    if given.rehearse or gpus < 2:
        skipped |= {p[0]: "two GPUs are needed" for p in programs}
        programs = []
    if given.list:
        print("\n".join(c[0] for c in [*cases, *programs]))
        return 0
    if gpus == 0 and not given.rehearse:
        print("no GPU is visible: skipped")
        return 77
    folder = given.folder or pathlib.Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.rank*.log"):
        old.unlink()
    print(f"logs: {folder}", flush=True)
    for name, why in skipped.items():
        print(f"skip  {name} ({why})", flush=True)
    runs = Runs(given, gpus, folder)
    for case in cases:
        runs.attempt(*case)
    for program in programs:
        runs.compare(*program)
    for who, ranks in (("peer", runs.peer), ("split", runs.split), ("blink", runs.blink)):
        if ranks.processes:
            ends = ranks.end()
            runs.tell(f"the {who} ranks end well", ends == [0, 0], str(ends))
    runs.tell_paths([c[1] for c in cases])
    print(f"{len(cases) + len(programs)} cases, {runs.failed} failed, {len(skipped)} skipped", flush=True)
    return 1 if runs.failed else 0


if __name__ == "__main__":
    sys.exit(main())
