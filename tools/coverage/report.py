#!/usr/bin/env python3
"""report.py INFO HOST: what lcov's tracefile INFO says, by directory, and HOST, the host tests' part of it.

Prints the summary. Writes coverage/uncovered.md: each function with lines that never ran, these lines, and why that is
so, which coverage/reasons says. Fails where a directory is below its floor (coverage/floors) or has no figures, where a
floor is below what it once was, where a source is neither measured nor named in coverage/excluded, and where a line that
never ran has no reason. A reason that none needs is said.
"""
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
KINDS = ("lines", "functions", "branches")


class Source:
    """Counts of one file: by line, by name, by (line, block, branch)."""

    def __init__(self):
        self.lines, self.functions, self.branches, self.begins = {}, {}, {}, {}

    def figures(self, kind):
        counts = getattr(self, kind).values()
        return sum(count > 0 for count in counts), len(counts)

    def function_of(self, line):
        begun = [(begin, name) for name, begin in self.begins.items() if begin <= line]
        return max(begun)[1] if begun else "?"


def read_info(path):
    sources = collections.defaultdict(Source)
    for text in pathlib.Path(path).read_text().splitlines():
        key, _, value = text.partition(":")
        fields = value.split(",")
        if key == "SF":
            source = sources[str(pathlib.Path(value).relative_to(TOP))]
        elif key == "FN":
            source.begins[fields[1]] = int(fields[0])
        elif key == "FNDA":
            source.functions[fields[1]] = int(fields[0])
        elif key == "DA":
            source.lines[int(fields[0])] = int(fields[1])
        elif key == "BRDA":
            source.branches[tuple(fields[:3])] = int(fields[3].replace("-", "0"))
    return sources


def directory_of(path):
    """The kernel's suites are tests, and no part of what is measured by them."""
    parts = pathlib.Path(path).parts
    return "suites" if parts[:3] == ("src", "kernel", "suites") else parts[1]


def words(path, fields):
    """The lines of a file of ours that are no comment, each split into so many fields."""
    lines = (line.strip() for line in (TOP / path).read_text().splitlines())
    return [line.split(None, fields - 1) for line in lines if line and not line.startswith("#")]


def sums(sources):
    total = collections.defaultdict(lambda: {kind: [0, 0] for kind in KINDS})
    for path, source in sources.items():
        for kind in KINDS:
            for i, number in enumerate(source.figures(kind)):
                total[directory_of(path)][kind][i] += number
    return total


def percent(hit, found):
    return 100 * hit / found if found else 100.0


def row(name, figures):
    cells = (f"{percent(*figures[kind]):6.2f} % ({figures[kind][0]} of {figures[kind][1]})" for kind in KINDS)
    return f"{name:10}" + "".join(f" {cell:>26}" for cell in cells)


def check_floors(total, host):
    """The table; and what is wrong with it."""
    floors = {name: (float(lines), float(branches)) for name, lines, branches in words("coverage/floors", 3)}
    wrong = []
    print(f"{'':10}" + "".join(f" {kind:>26}" for kind in KINDS))
    for name in sorted(set(floors) | set(total)):
        print(row(name, total[name]))
        if name in host:
            print(row("  host", host[name]))  # what the host's tests reach of it alone
        got = percent(*total[name]["lines"]), percent(*total[name]["branches"])
        if name in floors and not total[name]["lines"][1]:
            wrong.append(f"{name} is not measured")
        elif name in floors and (got[0] < floors[name][0] or got[1] < floors[name][1]):
            wrong.append(f"{name} is below its floor of {floors[name][0]:g} and {floors[name][1]:g} %")
    return wrong + once_higher(floors)


def once_higher(floors):
    """Floors are raised and never lowered: compared with every one that was committed."""
    git = ["git", "-C", str(TOP)]
    commits = subprocess.run(git + ["log", "--format=%h", "--", "coverage/floors"], capture_output=True, text=True)
    wrong = set()
    for commit in commits.stdout.split():
        old = subprocess.run(git + ["show", f"{commit}:coverage/floors"], capture_output=True, text=True).stdout
        for name, *numbers in (line.split() for line in old.splitlines() if line and not line.startswith("#")):
            if name not in floors or any(now < float(then) for now, then in zip(floors[name], numbers)):
                wrong.add(f"the floor of {name} was higher in {commit}")
    return sorted(wrong)


def check_excluded(sources):
    """Sources without figures, by name, and nothing but these."""
    excluded = dict(words("coverage/excluded", 2))
    wrong = []
    for path in sorted(str(path.relative_to(TOP)) for path in (TOP / "src").rglob("*.[cS]")):
        if (path in sources) == (path in excluded):
            wrong.append(f"{path} is {'measured and excluded' if path in sources else 'not measured'}")
    return wrong + [f"{path} is excluded and does not exist" for path in excluded if not (TOP / path).exists()]


def spans(numbers):
    """1, 2, 3, 7 as "1-3, 7"."""
    text, numbers = [], sorted(numbers)
    while numbers:
        end = 0
        while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
            end += 1
        text.append(f"{numbers[0]}-{numbers[end]}" if end else str(numbers[0]))
        numbers = numbers[end + 1:]
    return ", ".join(text)


def rules(file="coverage/reasons"):
    """(pattern of paths, patterns of functions or None, expression or None, why), in order: the first that fits counts."""
    for path, what, why in words(file, 3):
        text = re.compile(what[1:-1].replace("\\s", " ")) if what.startswith("/") else None
        yield path, None if text else what, text, why


def reason(path, name, text, ordered, used):
    for number, (paths, names, expression, why) in enumerate(ordered):
        if fnmatch.fnmatch(path, paths) and (
                expression.search(text) if expression else any(fnmatch.fnmatch(name, one) for one in names.split("|"))):
            used.add(number)
            return why
    return None


def check_uncovered(sources):
    """Writes the page; returns what has no reason."""
    ordered, used, wrong, page = list(rules()), set(), [], []
    for path in sorted(path for path in sources if directory_of(path) != "suites"):
        source, missed = sources[path], collections.defaultdict(list)
        text = (TOP / path).read_text().splitlines()
        for line in sorted(line for line, count in source.lines.items() if not count):
            name = source.function_of(line)
            missed[name, reason(path, name, text[line - 1], ordered, used)].append(line)
        for (name, why), lines in missed.items():
            if not why:
                wrong.append(f"{path}:{spans(lines)}: {name}() has lines that never ran, and no reason")
            page.append(f"| `{path}` | `{name}` | {spans(lines)} | {why or '**none**'} |")
    for number, (path, names, expression, _) in enumerate(ordered):
        if number not in used:
            print(f"coverage/reasons: nothing needs that of {path} {names or expression.pattern} any more")
    text = ("# Lines that never ran\n\nWritten by `make coverage`; the reasons are those of coverage/reasons.\n\n"
            "| file | function | lines | why |\n|---|---|---|---|\n" + "\n".join(page) +
            "\n\n# Sources without figures\n\n| file | why |\n|---|---|\n" +
            "\n".join(f"| `{path}` | {why} |" for path, why in words("coverage/excluded", 2)))
    (TOP / "coverage/uncovered.md").write_text(text + "\n")
    return wrong


def main(info, host):
    sources = read_info(info)
    wrong = check_floors(sums(sources), sums(read_info(host)))
    wrong += check_excluded(sources) + check_uncovered(sources)
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
