# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Two ranks, a process each, that do one part after another for whoever asks them, each within a time.

A rank is a program such as torch_job.py. It gets a line of JSON on its standard input for each part, {"part": NAME, "limit":
SECONDS}, and answers with a line on its standard output: an object, with "error" where the part failed. Its first answer, to
no question, says that it has started. It ends with its input. What else it prints goes to its standard error, a log.
"""
import json
import os
import queue
import socket
import subprocess
import threading
import time

GRACE = 3 # seconds beyond a part's limit, in which a rank says for its log where it stands


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ranks:
    """Started at the first part, and anew where a part has not ended well."""

    def __init__(self, name, folder, command, environment, count=2, start_limit=60):
        self.name, self.folder, self.command, self.environment = name, folder, command, environment
        self.count, self.start_limit = count, start_limit
        self.until = float("inf") # of time.monotonic(): nothing goes on beyond
        self.processes, self.answers, self.failed_starts = [], None, 0

    def log(self, rank=0):
        return self.folder / f"{self.name}.rank{rank}.log"

    def log_text(self):
        return self.log().read_text(encoding="utf-8", errors="replace") if self.log().exists() else ""

    def do(self, part, limit, survivors=None):
        """Rank 0's answer with the seconds it "took", or why there is none as "error".

        survivors: how many ranks answer, the first ones; the others may end.
        """
        begin = time.monotonic()
        if not self.processes:
            if self.failed_starts > 1:
                return {"error": "the ranks do not start", "took": 0.0}
            failure = self.start(min(self.start_limit, self.until - begin))
            if failure:
                self.failed_starts += 1
                return {"error": f"the ranks do not start: {failure}", "took": time.monotonic() - begin}
            begin = time.monotonic()
        limit = min(limit, max(1.0, self.until - begin))
        for process in self.processes:
            try:
                process.stdin.write(json.dumps({"part": part, "limit": limit}) + "\n")
                process.stdin.flush()
            except OSError: # it has ended, which its answer tells
                pass
        answer = self.gather(limit + GRACE, self.count if survivors is None else survivors)
        took = time.monotonic() - begin
        if "error" in answer and took >= limit: # the ranks end themselves then, or hang
            answer = {"error": f"not done within {limit:.0f} s; see {self.log()}"}
        if "error" in answer or survivors is not None:
            self.kill()
        return {**answer, "took": took}

    def start(self, limit):
        """Why it could not; else nothing."""
        port, self.answers = free_port(), queue.Queue()
        for rank in range(self.count):
            environment = {**os.environ, **self.environment, "RANK": str(rank), "LOCAL_RANK": str(rank),
                           "WORLD_SIZE": str(self.count), "LOCAL_WORLD_SIZE": str(self.count), "MASTER_ADDR": "127.0.0.1",
                           "MASTER_PORT": str(port)}
            with open(self.log(rank), "a", encoding="utf-8") as log:
                process = subprocess.Popen(self.command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           stderr=log, text=True)
            self.processes.append(process)
            threading.Thread(target=self.listen, args=(rank, process, self.answers), daemon=True).start()
        answer = self.gather(limit, self.count)
        if "error" in answer:
            self.kill()
        return answer.get("error", "")

    @staticmethod
    def listen(rank, process, answers):
        for line in process.stdout:
            answers.put((rank, line))
        answers.put((rank, None))

    def gather(self, limit, wanted):
        """One answer of each of the first `wanted` ranks; rank 0's, or what went wrong first."""
        end, known = time.monotonic() + limit, {}
        while len(known) < wanted:
            try:
                rank, line = self.answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                missing = [str(r) for r in range(wanted) if r not in known]
                return {"error": f"no answer of rank {', '.join(missing)} within {limit:.0f} s"}
            if rank >= wanted:
                continue
            if line is None:
                return {"error": f"rank {rank} has ended; see {self.log(rank)}"}
            try:
                known[rank] = json.loads(line)
            except json.JSONDecodeError:
                return {"error": f"rank {rank} answers {line.strip()!r}"}
            if "error" in known[rank]:
                return {"error": f"rank {rank}: {known[rank]['error']}"}
        return known[0]

    def end(self, limit=5):
        """How the ranks end, by their statuses."""
        for process in self.processes:
            try:
                process.stdin.close()
            except OSError:
                pass
        end, statuses = time.monotonic() + limit, []
        for process in self.processes:
            try:
                statuses.append(process.wait(max(0.1, end - time.monotonic())))
            except subprocess.TimeoutExpired:
                statuses.append("too slow")
        self.kill()
        return statuses

    def kill(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            try:
                process.wait(5) # one that hangs in the driver may take its time
            except subprocess.TimeoutExpired:
                pass
        self.processes = []
