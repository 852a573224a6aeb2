"""How the Makefile compiles and links, so that a mutant takes one compilation and a link."""
import os
import shlex
import subprocess

HOST = "build/mutants/host"
MAP = "build/mutants/map"
KERNEL = "build/kernel-gcc-O2"
RUNNER = "tools/mutants/runner.c"


class Failure(Exception):
    """Something of the tool's own did not work."""


def run(command, **more):
    """Its output; a Failure if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        raise Failure("%s:\n%s" % (" ".join(command)[:200], done.stdout[-4000:]))
    return done.stdout


class Commands:
    """Of one target: how each of its objects is made, and what the objects are."""

    def __init__(self, target, variables=()):
        text = run(["make", "-n", "-B", "V=1", "MAKEFLAGS=", *variables, target])
        self.compile = {}
        self.link = []
        for line in text.splitlines():
            if not line.startswith("gcc "):
                continue
            words = shlex.split(line)
            if "-c" in words and words[-2] == "-o" and words[words.index("-c") + 1] != "-x":
                source = words[words.index("-c") + 1]
                self.compile[words[-1]] = (source, [w for w in words if w not in ("-MMD", "-MP")])
            elif "-o" in words:
                self.link.append(words)
        self.dependents = {}
        for made in self.compile:
            dependencies = made[:-2] + ".d"
            if not os.path.exists(dependencies):
                continue
            with open(dependencies, encoding="utf-8") as file:
                first = file.read().split("\n\n")[0].replace("\\\n", " ").split("\n")[0]
            for source in first.split()[1:]:
                self.dependents.setdefault(source, []).append(made)

    def recompile(self, made, tree, text_of, output, more=()):
        """Makes `made` as `output`, with the sources of `tree` before the repository's. False: it does not compile."""
        source, words = self.compile[made]
        words = list(words)
        at = words.index("-c")
        words[at + 1] = os.path.join(tree, source) if source in text_of else source
        words[-1] = output
        first = ["-I" + os.path.join(tree, "src"), "-I" + os.path.join(tree, "src/kernel/x86_64"),
                 "-fmacro-prefix-map=%s/=" % tree, "-w", *more]
        os.makedirs(os.path.dirname(output), exist_ok=True)
        command = [words[0], words[1]] + first + words[2:]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0
