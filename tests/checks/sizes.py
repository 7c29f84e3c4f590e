# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of functions and files, by Universal Ctags, and what every file starts with.

usage: sizes.py CTAGS SOURCE_DIR
"""
import json
import math
import pathlib
import subprocess
import sys

LONGEST_FUNCTION, P95_FUNCTION, LONGEST_FILE, COLUMNS = 100, 60, 800, 120
LICENSE = "SPDX-License-Identifier: GPL-3.0-or-later"


def functions(ctags, files):
    command = [ctags, "--output-format=json", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+ne",
               "-f", "-"]
    output = subprocess.run(command + files, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        tag = json.loads(line)
        if tag.get("kind") == "function" and "end" in tag:
            yield tag["end"] - tag["line"] + 1, tag["name"], tag["path"]


def files_of(root, folders, endings):
    return [p for folder in folders for p in sorted((root / folder).rglob("*")) if p.suffix in endings]


def main():
    ctags, root = sys.argv[1], pathlib.Path(sys.argv[2])
    problems = []
    product = files_of(root, ("src", "include"), (".c", ".h"))
    if not product:
        return "no source file found"
    measured = sorted(functions(ctags, [str(p) for p in product]))
    p95 = measured[math.ceil(len(measured) * 0.95) - 1][0] if measured else 0
    for length, name, path in measured:
        if length > LONGEST_FUNCTION:
            problems.append(f"{path}: {name} has {length} lines (limit {LONGEST_FUNCTION})")
    if p95 > P95_FUNCTION:
        problems.append(f"one function in twenty has more than {p95} lines (limit {P95_FUNCTION})")
    for path in product + files_of(root, ("tests",), (".c", ".h", ".py")):
        lines = path.read_text().splitlines()
        if len(lines) > LONGEST_FILE:
            problems.append(f"{path}: {len(lines)} lines (limit {LONGEST_FILE})")
        if not lines or LICENSE not in lines[0]:
            problems.append(f"{path}:1: the first line is not '{LICENSE}'")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS or "\t" in line or line != line.rstrip():
                problems.append(f"{path}:{number}: over {COLUMNS} columns, a tab, or blanks at the end")
    for problem in problems:
        print(problem)
    median = measured[len(measured) // 2][0] if measured else 0
    print(f"{len(product)} files, {len(measured)} functions: median {median}, p95 {p95}")
    return 1 if problems else 0


sys.exit(main())
