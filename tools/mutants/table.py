"""The tables of docs/mutants.md, made of the verdicts."""
import collections
import os
import re

PAGE = "docs/mutants.md"
BEGIN, END = "<!-- by tools/mutants -->\n", "<!-- end -->\n"
COLUMNS = ["mutants", "host", "kernel", "hang", "killed", "survived", "same code", "does not compile"]


def column(verdict):
    if not verdict.startswith("killed: "):
        return verdict
    name = verdict[len("killed: "):]
    if name.endswith("hangs"):
        return "hang"
    return "host" if "/" in name.split(": ")[0] else "kernel"


def group(path):
    """Assembly apart; the rest by directory."""
    if path.endswith(".S"):
        return "assembly"
    return "/".join(path.split("/")[1:-1])


def lines(title, counts):
    yield "| %s | mutants | by host tests | kernel tests | a hang | killed | survived | same code | not C |" % title
    yield "|---|---|---|---|---|---|---|---|---|"
    total = collections.Counter()
    for name in sorted(counts):
        total.update(counts[name])
    for name, count in [*sorted(counts.items()), ("all", total)]:
        killed = count["host"] + count["kernel"] + count["hang"]
        tried = killed + count["survived"]
        share = "%.1f %%" % (100 * killed / tried) if tried else ""
        yield "| %s | %d | %d | %d | %d | %s | %d | %d | %d |" % (
            name, tried, count["host"], count["kernel"], count["hang"], share, count["survived"], count["same code"],
            count["does not compile"])


def write(mutants, verdict_of, survivors):
    """Prints the tables and puts them, and the survivors, into the page."""
    by_folder, by_operator = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for mutant in mutants:
        verdict = verdict_of(mutant)
        if verdict:
            by_folder[group(mutant.path)][column(verdict)] += 1
            by_operator[mutant.operator][column(verdict)] += 1
    text = "\n".join([*lines("of", by_folder), "", *lines("operator", by_operator)])
    print(text)
    if not os.path.exists(PAGE):
        return
    reasons = collections.defaultdict(list)
    place = {m.key: m.line for m in mutants}
    for row in survivors:
        key = "\t".join(row[:4])
        reasons[row[4]].append("`%s:%s` `%s`: %s" % (row[0], place.get(key, "?"), row[1], row[3].replace("|", "\\|")))
    text += "\n\n| survives | because |\n|---|---|\n"
    text += "".join("| %s | %s |\n" % ("<br>".join(mutants), reason) for reason, mutants in reasons.items())
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    page = re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: BEGIN + text + END, page, flags=re.S)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page)
