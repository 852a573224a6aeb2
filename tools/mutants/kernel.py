"""Tries mutants by the tests inside the kernel, on the reference machine."""
import os
import re
import subprocess
import time

import build

FIRST = "tests/mutants/first"
FATAL = ["panic.null_write", "panic.double_fault", "panic.park_in_poll"]  # how it is to end
ORDER = ("src/thread/", "src/executor/", "src/bridge/", "src/kernel/", "src/drivers/ps2_port", "src/lib/w",
         "src/lib/completion")
STALL_SECONDS = 8  # of computing, without a word
IDLE_SECONDS = 30  # without computing
TICK = os.sysconf("SC_CLK_TCK")
PASSED = 33


def computed(pid):
    """Seconds that a process computed for."""
    with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def first_tests(mutant):
    with open(FIRST, encoding="utf-8") as file:
        rows = [line.split(None, 2) for line in file if not line.startswith("#")]
    for path, function, tests in rows:
        if mutant.path.startswith(path) and (function == "*" or mutant.function.startswith(function)):
            return [t.strip() for t in tests.split(";")]
    return []


class Kernel:
    def __init__(self, work):
        self.work = work
        variables = ["CC=gcc", "OPT=2"]
        build.run(["make", "-s", "-j2", *variables, "kernel"])
        self.commands = build.Commands(build.KERNEL + "/duet.elf", variables)
        self.first, self.last = [w for w in self.commands.link if w[-1].endswith(".elf")]
        self.arguments = [w for line in open("tools/reference-machine", encoding="utf-8") if not line.startswith("#")
                          for w in line.split()]

    def knows(self, path):
        return path in self.commands.dependents

    def compile(self, mutant, text, tree):
        """The objects that the mutant changes, None if one does not compile; and whether the code is another at all."""
        changed, differs = {}, False
        path = os.path.join(tree, mutant.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for made in self.commands.dependents[mutant.path]:
            output = os.path.join(tree, made)
            codes = []
            for version in (text, mutant.apply(text)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(version)
                if not self.commands.recompile(made, tree, {mutant.path}, output, ["-frandom-seed=0"]):
                    os.unlink(path)
                    return None, False
                subprocess.run(["strip", "-g", "-o", output + ".code", output], check=True)
                with open(output + ".code", "rb") as file:
                    codes.append(file.read())
            if codes[0] != codes[1]:
                changed[made] = output
                differs = True
        os.unlink(path)
        return changed, differs

    def link(self, changed, tree):
        folder = os.path.join(tree, "kernel")
        os.makedirs(folder, exist_ok=True)
        nameless, names, kernel = [os.path.join(folder, n) for n in ("nameless.elf", "symbols", "duet.elf")]

        def with_changes(words, output, more):
            return [more.get(w, changed.get(w, w)) for w in words[:-1]] + [output]
        try:
            build.run(with_changes(self.first, nameless, {}))
            build.run(["build/duet-symbols", nameless, names + ".bin"])
            build.run(["gcc", "-c", "-x", "assembler", "-", "-o", names + ".o"],
                      input='.section symbols, "a", @progbits\n.incbin "%s"\n' % (names + ".bin"))
            build.run(with_changes(self.last, kernel, {build.KERNEL + "/symbols.o": names + ".o"}))
        except build.Failure:
            return None
        return kernel

    def boot(self, kernel, test, tree):
        """How it ended, None if all that was asked for passed. Stopped at the first word of a failure."""
        test, *options = test.split()
        arguments = list(self.arguments)
        for option in [o for o in options if o.startswith("cpu=")]:
            options.remove(option)
            arguments[arguments.index("-cpu") + 1] = option[len("cpu="):]
        console, data = os.path.join(tree, "com1"), os.path.join(tree, "com2")
        for stream in (console, data):
            open(stream, "w", encoding="utf-8").close()
        machine = subprocess.Popen(
            ["qemu-system-x86_64", *arguments, "-display", "none", "-no-reboot", "-monitor", "none",
             "-serial", "file:" + console, "-serial", "file:" + data, "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
             "-kernel", kernel,
             "-initrd", build.KERNEL + "/programs.tar", "-append", " ".join(["mode=test", "test=" + test, *options])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        size, spent, moved, hangs = 0, 0.0, time.monotonic(), False
        at_word = 0.0
        while machine.poll() is None:
            time.sleep(0.1)
            text = self.read(console)
            if "[FAILED]" in text:
                break
            try:
                now = computed(machine.pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
            if len(text) != size:
                size, at_word = len(text), now
            if now - spent > 0.02:
                spent, moved = now, time.monotonic()
            if now - at_word > STALL_SECONDS or time.monotonic() - moved > IDLE_SECONDS:
                hangs = True
                break
        if machine.poll() is None:
            machine.kill()
        machine.wait()
        return self.verdict(machine.returncode, hangs, self.read(console), self.read(data))

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read().decode("latin-1")

    @staticmethod
    def verdict(status, hangs, text, data):
        last = (re.findall(r"^([a-z_]+\.[a-z0-9_.]+)\.\.\.\s*$", text, re.M) or ["boot"])[-1]
        failed = re.search(r"^([a-z_]+\.[a-z0-9_.]+)\t\[FAILED\]", text, re.M)
        panic = re.search(r"^PANIC: (.*)", text, re.M)
        if failed:
            return failed.group(1)
        if hangs:
            return last + ": hangs"
        if status == PASSED:
            return None if data.count('"event":"done"') <= 1 else last + ": ends more than once"
        if panic:
            return last + ": panics"
        return last + ": resets"

    def attempt(self, mutant, text, tree):
        """killed and by which test, 'does not compile', 'same code', or 'survived'."""
        changed, differs = self.compile(mutant, text, tree)
        if changed is None:
            return "does not compile"
        if not differs:
            return "same code"
        kernel = self.link(changed, tree)
        if not kernel:
            return "does not compile"
        tests = first_tests(mutant)
        if mutant.path.endswith(".S") or mutant.path.startswith("src/kernel/"):
            tests += ["all"] + FATAL
        if mutant.path.startswith(ORDER):
            tests.append("sweep")
        for test in tests:
            ended = self.boot(kernel, test, tree)
            if ended:
                return "killed: " + ended
        return "survived"
