#!/usr/bin/python3
"""Makes small defects in the sources, one at a time, and sees whether a test notices.

mutants.py [--sample N] [--only TEXT] [--jobs N] [--again] [--host]   tries them; --host: by the host's tests alone
mutants.py --list | --table | --check                        says what there is, without trying anything

Which there are is up to tests/mutants/scope, and to mutate.py. Each is tried by the host's tests that enter the
function it changes; what survives those, and what they know nothing of, by the tests inside the kernel. The verdicts
are kept in tests/mutants/results, and stay while the mutant, its file, the test that killed it and this tool are what
they were; of a survivor, all tests.
A mutant that survives must be explained in tests/mutants/survivors, and what is explained there must survive: else the
exit status is 1. --sample tries N of those that were killed once, spread evenly, however fresh that verdict is, and
keeps nothing: are there still tests that notice?
"""
import argparse
import fnmatch
import glob
import hashlib
import os
import pickle
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import build  # noqa: E402
import mutate  # noqa: E402
import table  # noqa: E402
from host import Host, test_files  # noqa: E402
from kernel import FIRST, Kernel  # noqa: E402

SCOPE = "tests/mutants/scope"
RESULTS = "tests/mutants/results"
PASSED_HOST = "build/mutants/passed-host"
BY_HAND = "tests/mutants/by-hand"
SURVIVORS = "tests/mutants/survivors"
TOOL = [["tools/mutants/runner.c", "tools/mutants/host.py"], ["tools/mutants/kernel.py"]]  # on the host; in the kernel
FLAGS = "-std=c17 -Isrc -Isrc/kernel/x86_64 -ffreestanding -mgeneral-regs-only".split()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rows(path):
    """The fields of a table's lines, none if there is none."""
    if not os.path.exists(path):
        return []
    return [line.split("\t") for line in read(path).splitlines() if line and not line.startswith("#")]


def said(mutant):
    return "%s:%d %s: %s: %s" % (mutant.path, mutant.line, mutant.function, mutant.operator, mutant.what)


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def by_hand():
    """The mutants of tests/mutants/by-hand: whole texts."""
    for path, script, what in rows(BY_HAND):
        text = read(path)
        new = subprocess.run(["sed", script, path], stdout=subprocess.PIPE, text=True, check=True).stdout
        if new == text:
            raise build.Failure("%s: changes nothing: %s" % (BY_HAND, what))
        start = next(i for i, (a, b) in enumerate(zip(text, new)) if a != b)
        yield mutate.Mutant(path, "", "by hand", text.count("\n", 0, start) + 1, 0, len(text), new, what,
                            "\t".join((path, "", "by hand", what)))


def possible(path):
    """All mutants of a file; from a cache, since parsing all files takes seconds."""
    text = read(path)
    cache = os.path.join("build/mutants/parsed", digest(path, text, read("tools/mutants/mutate.py")))
    if os.path.exists(cache):
        with open(cache, "rb") as file:
            return pickle.load(file)
    found = mutate.of_file(path, text, FLAGS)
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    with open(cache, "wb") as file:
        pickle.dump(found, file)
    return found


def chosen():
    """The mutants in scope: of each function, the share that the first line of the scope says which matches it."""
    scope = [line.split() for line in read(SCOPE).splitlines() if line and not line.startswith("#")]
    files = sorted(glob.glob("src/**/*.[chS]", recursive=True))
    found = list(by_hand())
    for path in files:
        lines = [s for s in scope if fnmatch.fnmatch(path, s[0])]
        if not lines:
            continue
        for mutant in possible(path):
            shares = [float(s[2]) for s in lines if any(fnmatch.fnmatch(mutant.function, f) for f in s[1].split(","))]
            if shares and mutant.rank() < shares[0]:
                found.append(mutant)
    return sorted(found, key=lambda m: (m.path, m.start, m.operator, m.new))


class Verdicts:
    """What is known from before, and whether it still holds."""

    def __init__(self):
        self.known = {"\t".join(r[2:6]): r for r in rows(RESULTS)}
        self.tool = [digest(*[read(t) for t in part]) for part in TOOL]
        self.texts = {}
        self.on_host_known = None

    def text(self, path):
        if path not in self.texts:
            self.texts[path] = read(path)
        return self.texts[path]

    def folder(self, path):
        return "".join(self.text(p) for p in sorted(glob.glob(path + "/*.[chS]")))

    def test(self, suite, name):
        """The text of a test."""
        text = self.text(self.suites[suite]) if suite in self.suites else ""
        found = re.search(r"^Test\(\s*%s,\s*%s\b.*?^}" % (suite, name), text, re.M | re.S)
        return found.group() if found else ""

    def suite(self, name):
        """The text of the file that has a test of the kernel's."""
        texts = [self.text(p) for p in sorted(glob.glob("src/kernel/suites/*.c"))]
        return next((t for t in texts if '"%s"' % name in t), "")

    def state(self, mutant, verdict):
        """Of all that the verdict depends on."""
        name = verdict.split(": ")[1] if verdict.startswith("killed: ") else ""
        parts = [mutant.new, self.text(mutant.path), self.tool["/" not in name]]
        if "/" in name:
            parts.append(self.test(*name.split("/")))
        elif name:
            parts.append(self.suite(name))
        else:
            parts += [self.folder("src/kernel/suites"), self.folder("tests/host"), self.text(FIRST)]
        return digest(*parts)

    def on_host(self, mutant):
        return digest(mutant.key, mutant.new, self.text(mutant.path), self.tool[0], self.folder("tests/host"))

    def passes_host(self, mutant):
        """Notes that the host's tests do not notice it: the kernel's are to try."""
        with open(PASSED_HOST, "a", encoding="utf-8") as file:
            file.write(self.on_host(mutant) + "\n")

    def passed_host(self, mutant):
        if self.on_host_known is None:
            self.on_host_known = {r[0] for r in rows(PASSED_HOST)}
        return self.on_host(mutant) in self.on_host_known

    def of(self, mutant):
        row = self.known.get(mutant.key)
        return row[0] if row and row[6] == self.state(mutant, row[0]) else None


def explanations():
    """Why a mutant may survive, by its key."""
    return {"\t".join(r[:4]): r[4] for r in rows(SURVIVORS)}


class Trial:
    def __init__(self, mutants, verdicts, jobs, keep):
        self.mutants, self.verdicts, self.jobs, self.keep = mutants, verdicts, jobs, keep
        self.work = tempfile.mkdtemp(prefix="mutants-")
        self.queues = {True: queue.PriorityQueue(), False: queue.PriorityQueue()}  # for the kernel, for the host
        self.lock = threading.Lock()
        self.found = {}
        self.explained = explanations()
        self.host_only = False
        self.failure = None

    def attempt(self, in_kernel, mutant, tree):
        text = self.verdicts.text(mutant.path)
        if in_kernel:
            return self.kernel.attempt(mutant, text, tree) if self.kernel.knows(mutant.path) else "survived"
        return self.host.attempt(mutant, text, tree)

    def note(self, mutant, verdict, seconds):
        with self.lock:
            self.found[mutant.key] = verdict
            print("%4d/%d %5.1f s  %s  [%s]" % (len(self.found), len(self.mutants), seconds, said(mutant), verdict),
                  flush=True)
            if self.keep and len(self.found) % 10 == 0:
                self.keep(self.found)

    def worker(self, number):
        tree = os.path.join(self.work, str(number))
        while not self.failure:
            task = self.next(number)
            if not task:
                return
            in_kernel, order, mutant = task
            begun = time.monotonic()
            try:
                verdict = self.attempt(in_kernel, mutant, tree)
            except Exception as failure:  # pylint: disable=broad-except
                self.failure = failure
                return
            if verdict == "survived" and not in_kernel:
                self.verdicts.passes_host(mutant)
                self.queues[True].put((order, mutant.key, mutant))
                print("   the kernel is to try  %s" % said(mutant), flush=True)
            else:
                self.note(mutant, verdict, time.monotonic() - begun)

    def next(self, number):
        """What a worker is to try: the even ones in the kernel rather than on the host, the odd ones the other way."""
        for in_kernel in (False,) if self.host_only else (number % 2 == 0, number % 2 == 1):
            try:
                order, _, mutant = self.queues[in_kernel].get_nowait()
                return in_kernel, order, mutant
            except queue.Empty:
                pass
        return None

    def put(self, mutant):
        """In an order of chance, so that what was tried is a sample of all whenever it is interrupted; headers, and what
        is expected to survive, last."""
        in_kernel = mutant.path.endswith(".S") or not self.host.knows(mutant.path) or self.verdicts.passed_host(mutant)
        last = mutant.key in self.explained or mutant.path.endswith(".h") and not in_kernel
        self.queues[in_kernel].put((mutant.rank() + last, mutant.key, mutant))

    def run(self):
        try:
            self.host, self.kernel = Host(self.work), Kernel(self.work)
            for mutant in self.mutants:
                self.put(mutant)
            threads = [threading.Thread(target=self.worker, args=(n,), daemon=True) for n in range(self.jobs)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            if self.keep:
                self.keep(self.found)
            shutil.rmtree(self.work, ignore_errors=True)
        if self.failure:
            raise self.failure
        return self.found


def judge(mutants, verdict_of, whole):
    """Says what is wrong, and returns how much is: a survivor unexplained, an explanation of what does not survive."""
    explained = explanations()
    wrong = 0
    for mutant in mutants:
        if verdict_of(mutant) == "survived" and mutant.key not in explained:
            wrong += 1
            print("SURVIVED, unexplained: " + said(mutant))
        if mutant.key in explained and verdict_of(mutant) not in (None, "survived"):
            wrong += 1
            print("explained, and yet %s: %s" % (verdict_of(mutant), mutant.key.replace("\t", " ")))
    if whole:
        keys = {m.key for m in mutants}
        for key in explained:
            if key not in keys:
                wrong += 1
                print("explained, and no mutant: " + key.replace("\t", " "))
        for mutant in mutants:
            wrong += verdict_of(mutant) is None
    return wrong


def write(mutants, verdicts, found):
    """The verdicts that hold, into tests/mutants/results."""
    with open(RESULTS, "w", encoding="utf-8") as file:
        file.write("# verdict, line, path, function, operator, what is changed, state of all that it depends on\n")
        for mutant in mutants:
            verdict = found.get(mutant.key) or verdicts.of(mutant)
            if verdict:
                file.write("\t".join((verdict, str(mutant.line), mutant.key, verdicts.state(mutant, verdict))) + "\n")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sample", type=int)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count())
    for flag in ("--again", "--host", "--list", "--table", "--check"):
        arguments.add_argument(flag, action="store_true")
    asked = arguments.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    verdicts, mutants = Verdicts(), chosen()
    verdicts.suites = test_files()
    if asked.list:
        for mutant in mutants:
            print("%s  [%s]" % (said(mutant), verdicts.of(mutant) or "not tried"))
        return 0
    if asked.table or asked.check:
        wrong = judge(mutants, verdicts.of, True)
        table.write(mutants, verdicts.of, rows(SURVIVORS))
        return 1 if asked.check and wrong else 0
    if asked.sample:
        killed = [m for m in mutants if verdicts.known.get(m.key, [""])[0].startswith("killed")]
        step = max(1, len(killed) // asked.sample)
        part = killed[step // 2::step][:asked.sample]
        found = Trial(part, verdicts, asked.jobs, None).run()
        wrong = judge(part, lambda m: found[m.key], False)
        print("%d passed, %d failed" % (len(found) - wrong, wrong))
        return 1 if wrong else 0
    part = [m for m in mutants if asked.only in said(m) and (asked.again or not verdicts.of(m))]
    print("mutants: %d in scope, %d to be tried" % (len(mutants), len(part)), flush=True)
    trial = Trial(part, verdicts, asked.jobs, lambda f: write(mutants, verdicts, f))
    trial.host_only = asked.host
    found = trial.run() if part else {}
    write(mutants, verdicts, found)
    wrong = judge(mutants, lambda m: found.get(m.key) or verdicts.of(m), not asked.only)
    table.write(mutants, lambda m: found.get(m.key) or verdicts.of(m), rows(SURVIVORS))
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except build.Failure as failure:
        sys.exit("mutants: %s" % failure)
    except KeyboardInterrupt:
        sys.exit(130)
