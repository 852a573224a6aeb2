"""Tries mutants by the host's tests: those that enter the function that was changed, the fast ones first."""
import glob
import os
import re
import subprocess
import threading

import build

RUNNER = "build/mutants/runner.o"
FAST_MS = 20
LIMIT_MS = 400     # what a test may compute for at least, and how many times longer than it does otherwise
LIMIT_FACTOR = 10
CUT_MS = 1000      # what is reckoned with for those that did not come to their end, noting functions
LONG_MS = 20000    # and their limit
SLOW_BUDGET_MS = 8000
SANITIZED = 8      # how much longer it takes with the sanitizers


def test_files():
    """By suite: the source of its tests."""
    found = {}
    for path in sorted(glob.glob("tests/host/*.c")):
        with open(path, encoding="utf-8") as file:
            for suite in re.findall(r"^(?:Parameterized)?Test\(\s*(\w+),", file.read(), re.M):
                found[suite] = path
    return found


class Programs:
    """One of the builds of the host's tests: what it is linked from, and how."""

    def __init__(self, folder, flags=()):
        build.run(["make", "-s", "-j2", folder + "/host-tests"])
        self.flags = list(flags)
        self.commands = build.Commands(folder + "/host-tests")
        self.objects = [o for o in self.commands.compile if o.startswith(folder)]

    def link(self, changed, program):
        """The test program, with the objects that were changed in place of its own."""
        build.run(["gcc", *self.flags, *[changed.get(o, o) for o in self.objects], RUNNER, "-lm", "-o", program])
        return program

    def with_mutant(self, mutant, text, tree, tests):
        """The test program with the mutant in it, in all of the core and in these tests' sources; None if it does not
        compile."""
        changed = {}
        os.makedirs(os.path.join(tree, os.path.dirname(mutant.path)), exist_ok=True)
        with open(os.path.join(tree, mutant.path), "w", encoding="utf-8") as file:
            file.write(mutant.apply(text))
        try:
            for made in self.commands.dependents[mutant.path]:
                source = self.commands.compile[made][0]
                if source.startswith("src/") or source in tests:
                    changed[made] = os.path.join(tree, made)
                    if not self.commands.recompile(made, tree, {mutant.path}, changed[made]):
                        return None
            return self.link(changed, os.path.join(tree, "host-tests"))
        except build.Failure:
            return None
        finally:
            os.unlink(os.path.join(tree, mutant.path))


class Host:
    def __init__(self, work):
        self.work = work
        self.plain = Programs(build.HOST)
        self.map = Programs(build.MAP)
        self.sanitized = None  # made when it is needed
        build.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-c", build.RUNNER,
                   "-o", RUNNER])
        self.tests = {}      # by (file, function): names of tests
        self.milliseconds = {}
        self.limit = {}
        self.files = test_files()
        self.sound = set()   # tests that pass without a mutant
        self.lock = threading.Lock()
        self.read_times(self.run_all(self.plain, "times"))
        self.read_map(self.run_all(self.map, "map"))

    @staticmethod
    def run_all(programs, name):
        """Runs every test once: how it ends, how long it takes, and, in the build for that, which functions it enters.
        That disturbs those that interrupt at every instruction, and long ones are cut short: neither matters for it."""
        path, program = "build/mutants/%s.txt" % name, "build/mutants/%s-tests" % name
        newest = max(os.path.getmtime(o) for o in programs.objects + [build.RUNNER])
        if not os.path.exists(path) or os.path.getmtime(path) < newest:
            text = build.run([programs.link({}, program)])
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            return [line.split() for line in file]

    def read_times(self, rows):
        for name, ended, milliseconds, *_ in rows:
            self.milliseconds[name] = int(milliseconds) if ended == "passed" else max(int(milliseconds), CUT_MS)
            self.limit[name] = max(LIMIT_MS, LIMIT_FACTOR * int(milliseconds)) if ended == "passed" else LONG_MS

    def read_map(self, rows):
        addresses = sorted({a for row in rows for a in row[3:]})
        told = subprocess.run(["addr2line", "-f", "-e", "build/mutants/map-tests"], input="\n".join(addresses),
                              stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        place = {}
        for address, function, where in zip(addresses, told[::2], told[1::2]):
            name = re.sub(r"^duet_|\..*", "", function)  # mem.c's are renamed there
            place[address] = (os.path.relpath(where.rsplit(":", 1)[0]), name)
        for name, _, _, *entered in rows:
            for address in entered:
                self.tests.setdefault(place[address], set()).add(name)

    def reaching(self, mutant):
        """The names of the tests, fastest first: all that are fast, and as many of the others as is bearable."""
        names = self.tests.get((mutant.path, mutant.function), ())
        module = re.sub(r"_(task|thread|isr|poll)$", "", os.path.basename(mutant.path).rsplit(".", 1)[0])
        if mutant.operator == "by hand":
            names = [n for n in self.milliseconds if n.startswith(module + "/")]
        if mutant.path.endswith(".h"):  # tests that enter it by themselves note nothing
            own = "test_%s.c" % module
            names = set(names) | {n for n in self.milliseconds if self.files.get(n.split("/")[0], "").endswith(own)}
        names = sorted(names, key=lambda n: (self.milliseconds[n], n))
        fast = [n for n in names if self.milliseconds[n] <= FAST_MS]
        fast.sort(key=lambda n: not n.startswith(module + "/"))  # its own first
        slow, spent = [], 0
        for name in sorted(names[len(fast):], key=lambda n: (not n.startswith(module + "/"), self.milliseconds[n], n)):
            spent += self.milliseconds[name]
            if spent <= SLOW_BUDGET_MS:
                slow.append(name)
        return fast + slow

    def knows(self, path):
        return path in self.plain.commands.dependents

    def attempt(self, mutant, text, tree):
        """killed and by which test, 'does not compile', or 'survived'."""
        names = self.reaching(mutant)
        verdict = self.attempt_in(self.plain, 1, names, mutant, text, tree)
        if verdict != "survived" or not names:
            return verdict
        with self.lock:
            if not self.sanitized:
                self.sanitized = Programs("build/host-san", ["-fsanitize=address,undefined"])
        fast = [n for n in names if self.milliseconds[n] <= FAST_MS]
        return self.attempt_in(self.sanitized, SANITIZED, fast, mutant, text, tree)

    def attempt_in(self, programs, factor, names, mutant, text, tree):
        sources = {self.files.get(n.split("/")[0]) for n in names}
        program = programs.with_mutant(mutant, text, tree, sources)
        if not program:
            return "does not compile"
        verdict = self.ask(program, names, factor)
        if verdict != "survived":
            self.check(programs, factor, verdict.split(": ")[1])
        return verdict

    def ask(self, program, names, factor):
        """What the runner says of these tests."""
        if not names:
            return "survived"
        asked = "".join("%s %d\n" % (n, self.limit[n] * factor) for n in names)
        done = subprocess.run([program, "-"], input=asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, check=False)
        if done.returncode or not done.stdout:
            raise build.Failure("runner: %d %s" % (done.returncode, done.stderr))
        return done.stdout.splitlines()[-1]

    def check(self, programs, factor, name):
        """That the test passes without a mutant, too."""
        with self.lock:
            if (programs, name) in self.sound:
                return
            program = os.path.join(self.work, "host-tests-%d" % factor)
            if not os.path.exists(program):
                programs.link({}, program)
            if self.ask(program, [name], factor) != "survived":
                raise build.Failure("fails without a mutant: " + name)
            self.sound.add((programs, name))
