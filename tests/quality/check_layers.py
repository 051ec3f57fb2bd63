#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Walks the source tree and names every file that breaks the house rules.

    check_layers.py SOURCE_ROOT        prints `FILE:LINE: RULE` for each violation; exit status 1 where there is one
    check_layers.py --self-test        shows each rule a small tree that breaks it

In include/blink: a header includes its own layer and lower ones; what is optional stays in its folder; includes are
never relative. Everywhere: two SPDX lines, at most 400 lines, and `#pragma once` in headers.
"""
import pathlib
import re
import sys
import tempfile

LAYERS = ["core", "topology", "packing", "schedule", "plan", "execute", "communicator", "face"]

# Headers of the top folder that are no faces of a collective.
TOP_HEADERS = {"version.hpp": "core", "plan.hpp": "plan", "plan_impl.hpp": "plan", "plan_json.hpp": "plan",
               "advise.hpp": "plan", "advise_impl.hpp": "plan", "repair.hpp": "plan", "repair_impl.hpp": "plan", "communicator.hpp": "communicator",
               "local_group.hpp": "communicator"}

# Outside the folders given, the pattern may not appear: an optional thing is a folder, not an #ifdef.
CONFINED = [
    ("Eigen outside packing/", r"#\s*include\s*<Eigen|\bEigen::", ["packing/"]),
    ("NVML outside topology/probe", r"nvml[A-Z]\w*\s*\(|libnvidia-ml", ["topology/probe"]),
    ("MPI outside its folder", r"#\s*include\s*<mpi\.h>", ["execute/servers/", "communicator/mpi"]),
    ("NCCL outside its folder", r"#\s*include\s*<nccl\.h>", ["execute/servers/", "communicator/nccl"]),
]

SOURCES = {".hpp", ".cuh", ".cpp", ".cu", ".in", ".py", ".sh"}
HEADERS = {".hpp", ".cuh"}
FOLDERS = ["include", "preload", "tests", "examples", "benchmarks", "scripts", "cmake", ".ci"]
LONGEST = 400


def layer_of(header):
    """The layer of a path below include/blink."""
    first = header.split("/")[0]
    if "/" in header:
        return first if first in LAYERS else None
    return TOP_HEADERS.get(header, "face")


def executor_of(header):
    """The executor that a header of execute/ belongs to, or None for what they share."""
    parts = header.split("/")
    return parts[1] if parts[0] == "execute" and len(parts) > 2 else None


def check_include(header, included):
    """The rule that `header` breaks by including <blink/included>, or None."""
    own, other = layer_of(header), layer_of(included)
    if other is None:
        return f"<blink/{included}> belongs to no layer"
    if LAYERS.index(other) > LAYERS.index(own):
        return f"{own} includes <blink/{included}> of the upper layer {other}"
    if own == "execute" and executor_of(included) not in (None, executor_of(header)):
        return f"executor {executor_of(header) or 'parts in common'} includes <blink/{included}> of another executor"
    return None


def check_header(header, lines):
    """(line, rule) for what holds in include/blink alone."""
    if layer_of(header) is None:
        yield 1, f"no layer has a folder {header.split('/')[0]}/: expected one of {', '.join(LAYERS[:-1])}"
        return
    for number, line in enumerate(lines, 1):
        if re.match(r'\s*#\s*include\s*"', line):
            yield number, 'include with "": expected <blink/...>'
        if re.match(r"\s*#\s*include\s*<\.\.?/", line):
            yield number, "relative include: expected <blink/...>"
        if match := re.match(r"\s*#\s*include\s*<blink/([^>]+)>", line):
            if rule := check_include(header, match[1]):
                yield number, rule
        for rule, pattern, folders in CONFINED:
            if re.search(pattern, line.split("//")[0]) and not any(header.startswith(f) for f in folders):
                yield number, rule


def check_file(path, text):
    """(line, rule) for what holds in every file."""
    lines = text.splitlines()
    head = "\n".join(lines[:4])
    if "SPDX-FileCopyrightText: The Blink authors" not in head:
        yield 1, "no SPDX-FileCopyrightText line at the top"
    if "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception" not in head:
        yield 1, "no SPDX-License-Identifier line at the top"
    if len(lines) > LONGEST:
        yield len(lines), f"{len(lines)} lines: expected at most {LONGEST}"
    if path.suffix in HEADERS and "#pragma once" not in lines:
        yield 1, "no #pragma once"


def violations(root):
    """`FILE:LINE: RULE` for every violation below `root`."""
    for folder in FOLDERS:
        for path in sorted(p for p in (root / folder).rglob("*") if p.is_file()):
            relative = path.relative_to(root)
            if path.suffix not in SOURCES and not path.read_bytes().startswith(b"#!"):
                continue
            text = path.read_text()
            found = list(check_file(path, text))
            if relative.parts[:2] == ("include", "blink"):
                found += check_header("/".join(relative.parts[2:]), text.splitlines())
            for line, rule in found:
                yield f"{relative}:{line}: {rule}"


def self_test():
    """Every rule rejects a header that breaks it and no other rule, and accepts the header without that line."""
    good = ("// SPDX-FileCopyrightText: The Blink authors\n"
            "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n#pragma once\n")
    cases = [
        ("topology/a.hpp", good + "#include <blink/packing/b.hpp>\n", "upper layer packing"),
        ("packing/a.hpp", good + "#include <blink/plan.hpp>\n", "upper layer plan"),
        ("plan.hpp", good + "#include <blink/execute/host/a.hpp>\n", "upper layer execute"),
        ("core/a.hpp", good + "#include <blink/allreduce.hpp>\n", "upper layer face"),
        ("execute/host/a.hpp", good + "#include <blink/execute/cuda/a.cuh>\n", "of another executor"),
        ("core/a.hpp", good + "#include <blink/elsewhere/a.hpp>\n", "belongs to no layer"),
        ("elsewhere/a.hpp", good, "no layer has a folder elsewhere/"),
        ("schedule/a.hpp", good + "#include <Eigen/Core>\n", "Eigen outside"),
        ("execute/cuda/a.cuh", good + 'void* h = dlopen("libnvidia-ml.so.1", 1);\n', "NVML outside"),
        ("communicator/a.hpp", good + "#include <mpi.h>\n", "MPI outside"),
        ("execute/cuda/a.cuh", good + "#include <nccl.h>\n", "NCCL outside"),
        ("core/a.hpp", good + '#include "b.hpp"\n', 'include with ""'),
        ("core/a.hpp", good + "#include <../b.hpp>\n", "relative include"),
        ("core/a.hpp", good.replace("#pragma once\n", ""), "no #pragma once"),
        ("core/a.hpp", good.split("\n", 1)[1], "no SPDX-FileCopyrightText"),
        ("core/a.hpp", good.replace("Apache-2.0", "MIT"), "no SPDX-License-Identifier"),
        ("core/a.hpp", good + "\n" * LONGEST, "expected at most 400"),
    ]
    accepted = [
        ("packing/a.hpp", good + "#include <Eigen/Core>\n#include <blink/topology/a.hpp>\n"),
        ("execute/cuda/a.cuh", good + "#include <blink/execute/shared.hpp>\n#include <blink/plan.hpp>\n"),
        ("allreduce.hpp", good + "#include <blink/communicator/a.hpp>\n"),
        ("topology/probe.hpp", good + 'auto* h = dlopen("libnvidia-ml.so.1", 1);\n'),
    ]
    failures = []
    for header, text, *expected in cases + accepted:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "include/blink", header)
            path.parent.mkdir(parents=True)
            path.write_text(text)
            found = list(violations(pathlib.Path(folder)))
        if len(found) != len(expected) or any(e not in f for e, f in zip(expected, found)):
            failures.append(f"{header}: expected {expected}, found {found}")
    return failures


def main():
    found = self_test() if sys.argv[1:] == ["--self-test"] else list(violations(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
