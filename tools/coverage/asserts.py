#!/usr/bin/env python3
"""asserts.py BUILD...: which assertions no test has seen fail.

In each folder gcov says, of each line, whether some of its code never ran: on a line with an assertion that is what comes
of its failure. One folder in which all of it ran is enough: on the host that is a death test, in the kernel a test that
expects the panic. Of the same expression in several places one is enough. Fails where what is left has no reason in
coverage/asserts.
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

import report

TOP = pathlib.Path(__file__).resolve().parents[2]
ASSERT = re.compile(r"(?<![A-Z_])ASSERT\((.*)")


def lines_of(data):
    """(file, line, all of it ran) of every line that gcov knows of one .gcda."""
    output = subprocess.run(["gcov", "--json-format", "--stdout", data], cwd=TOP, capture_output=True, check=True).stdout
    for document in output.splitlines():
        for source in json.loads(document)["files"] if document.strip() else ():
            for line in source["lines"]:
                yield source["file"], line["line_number"], line["count"] > 0 and not line["unexecuted_block"]


def main(builds):
    failed, known = collections.defaultdict(bool), {}
    data = [str(path.resolve()) for build in builds for path in pathlib.Path(build).rglob("*.gcda")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda path: list(lines_of(path)), data):
            for name, number, whole in found:
                path = pathlib.Path(name)
                if not path.is_absolute() or not str(path).startswith(f"{TOP}/src/"):
                    continue
                if path not in known:
                    known[path] = path.read_text().splitlines()
                if ASSERT.search(known[path][number - 1]) and "#define" not in known[path][number - 1]:
                    failed[str(path.relative_to(TOP)), number] |= whole
    seen = {text_of(known, *key) for key, whole in failed.items() if whole}
    ordered, used, wrong = list(report.rules("coverage/asserts")), set(), 0
    left = [key for key in sorted(failed) if text_of(known, *key) not in seen]
    for path, number in left:
        text = known[TOP / path][number - 1].strip()
        if not report.reason(path, "", text, ordered, used):
            print(f"{path}:{number}: {text} has neither a test in which it fails nor a reason")
            wrong += 1
    for number, (path, _, expression, _) in enumerate(ordered):
        if number not in used:
            print(f"coverage/asserts: nothing needs that of {path} {expression.pattern} any more")
    print(f"{len(failed)} assertions; of {len(failed) - len(left)} tests saw the expression fail, {len(left) - wrong} have a reason")
    sys.exit(bool(wrong))


def text_of(known, path, number):
    return ASSERT.search(known[TOP / path][number - 1]).group(1)


if __name__ == "__main__":
    main(sys.argv[1:])
