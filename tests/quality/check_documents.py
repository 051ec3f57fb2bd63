#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Blink authors
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Holds README.md and docs/ against the source tree.

    check_documents.py SOURCE_ROOT

Every C++ block stands, line for line, in a file that the build compiles; every JSON block is JSON; every link and
picture that is a path exists. So what a reader copies works, and a renamed file is noticed.
"""
import json
import pathlib
import re
import sys
import textwrap

COMPILED = ["examples", "tests", "benchmarks", "include"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|<img[^>]* src=\"([^\"]+)\"")


def squeezed(text):
    """Lines without indentation and blank lines, so that a part of a function may be quoted."""
    return "\n" + "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def problems(root):
    sources = [squeezed(p.read_text()) for folder in COMPILED for p in (root / folder).rglob("*")
               if p.suffix in {".hpp", ".cuh", ".cpp", ".cu"}]
    documents = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])
    for document in documents:
        name, text = document.relative_to(root), document.read_text()
        for language, block in BLOCK.findall(text):
            if language in {"cpp", "cuda"} and not any(squeezed(block) in source for source in sources):
                yield f"{name}: stands in no compiled file:\n{textwrap.indent(block, '    ')}"
            if language == "json":
                try:
                    json.loads(block)
                except ValueError as error:
                    yield f"{name}: {error} in:\n{textwrap.indent(block, '    ')}"
        for link in (a or b for a, b in LINK.findall(text)):
            if "://" not in link and not (document.parent / link).exists():
                yield f"{name}: {link} does not exist"
    if not any(BLOCK.search(d.read_text()) for d in documents):
        yield "no document holds a block: the check looks for the wrong thing"


def main():
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
