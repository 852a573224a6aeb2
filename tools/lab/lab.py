#!/usr/bin/env python3
"""The latency lab: boots the kernel once for every cell, and keeps what it says.

    lab.py run    all cells, so many at a time; those that a run that died has left, if there is one
    lab.py list   the command of every cell, a line each, for a runner of jobs on one host or many
    lab.py cell   one cell: KEY=VALUE words
    lab.py merge  the results that are there, into one file

A cell's result is a file of its own, written at its end, which names the kernel, the machine and the words it is of: a
run that dies keeps what is finished, and the next one goes on; once all is merged, it begins anew. Exit status: 0 all
is there; 1 a cell failed, or a result is missing; 2 wrong usage; 130 interrupted.
"""

import argparse
import concurrent.futures
import errno
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import histogram
import plan

PASSED = 33
LIMIT_S = 600
# The source that a style has to itself, and its object, in the kernel's folder.
SOURCES = {style: ("src/drivers/%%s_%s.c" % path, "src/drivers/%%s_%s.c.o" % path)
           for style, path in (("async", "task"), ("thread", "thread"), ("isr", "isr"), ("poll", "poll"))}
SOURCES["user"] = ("src/user/programs/%s.c", "user/src/user/programs/%s.c.o")


class Failure(Exception):
    """A cell that has no result, and why."""


# ---- one cell ------------------------------------------------------------------------------------------------------


def machine_arguments(path):
    with open(path, encoding="utf-8") as lines:
        return " ".join(line.strip() for line in lines if not line.startswith("#"))


def digest(*paths):
    whole = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as part:
            whole.update(part.read())
    return whole.hexdigest()


def programs_of(kernel):
    """The archive of its programs, which is made beside it."""
    return os.path.join(os.path.dirname(kernel), "programs.tar")


def file_name(name):
    return "".join(c if c.isalnum() or c in "=.-" else "-" for c in name)


def qemu_command(options, words, stem):
    return (["qemu-system-x86_64"] + options.arguments.split()
            + ["-display", "none", "-no-reboot", "-monitor", "none", "-parallel", "none",
               "-serial", "file:%s.com1" % stem, "-serial", "file:%s.com2" % stem,
               "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", options.kernel,
               "-initrd", options.programs, "-append", words])


running = set()
running_lock = threading.Lock()


def boot(options, words, stem):
    """Runs QEMU to its end. Raises Failure unless the kernel says that it passed."""
    with open(stem + ".qemu", "wb") as log:
        process = subprocess.Popen(qemu_command(options, words, stem), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    with running_lock:
        running.add(process)
    try:
        status = process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failure("hung: killed after %d s" % LIMIT_S) from None
    finally:
        with running_lock:
            running.discard(process)
    if status < 0:
        raise Failure("QEMU was killed by signal %d (%s)" % (-status, signal.strsignal(-status)))
    if status != PASSED:
        raise Failure("exit status %d, not %d; %s.com1 has its console" % (status, PASSED, stem))


def read_lines(path):
    """The objects of COM2. One that ends early was not written whole: most likely the disk is full."""
    objects = []
    if not os.path.exists(path):
        raise Failure("there is no %s: is the disk full?" % path)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                objects.append(json.loads(line))
            except ValueError as error:
                raise Failure("line %d of %s is not JSON (%s): is the disk full?" % (number, path, error)) from None
    if not objects or objects[-1].get("event") != "done" or not objects[-1].get("passed"):
        raise Failure("%s ends without the line 'done': is the disk full?" % path)
    return objects


def take(objects):
    """The cell, with its histograms: what is said about it is in it, once."""
    cells = [o for o in objects if o["event"] == "cell"]
    if len(cells) != 1:
        raise Failure("%d cells in one boot" % len(cells))
    cell = {key: value for key, value in cells[0].items() if key != "event"}
    cell["histograms"] = {"stages": {}, "deltas": {}, "intended": {}}
    for o in objects:
        if o["event"] == "histogram":
            cell["histograms"][o["of"]][o["name"]] = {k: o[k] for k in ("n", "min", "max", "sum", "worst", "buckets")}
    series = [number for o in objects if o["event"] == "series" for number in o["values"]]
    if series:
        cell["series"] = series
    for of, names in cell["histograms"].items():
        if set(names) != set(cell[of]):
            raise Failure("not every figure of '%s' has its histogram" % of)
    return cell


def complain(cell, words):
    """Why the cell's figures cannot be right, or None."""
    accounts = [("", cell)] + ([("of the other device ", cell["other"])] if "other" in cell else [])
    for whose, account in accounts:
        if account["injected"] != account["delivered"] + account["dropped"]:
            return "%sinjected %d, but delivered %d + dropped %d" % (
                whose, account["injected"], account["delivered"], account["dropped"])
        if account["disordered"]:
            return "%d events %scame doubled or out of order" % (account["disordered"], whose)
    if cell["lost"] > cell["dropped"]:
        return "%d events were lost, and %d dropped" % (cell["lost"], cell["dropped"])
    for word in words.split():
        key, _, value = word.partition("=")
        if key in ("driver", "device", "load", "priority", "arrival") and cell[key] != value:
            return "asked for %s, got %s" % (word, cell[key])
        if key in ("events",) and cell["injected"] != int(value):
            return "injected %d events, asked for %s" % (cell["injected"], value)
    if "series=on" in words.split():
        latencies = cell.get("series", [])[1::2]
        event = cell["histograms"]["stages"]["event"]
        if (len(latencies), sum(latencies)) != (event["n"], event["sum"]):
            return "the series is not of the events that the histogram is of"
    for names in cell["histograms"].values():
        for name, one in names.items():
            if one["n"] != cell["delivered"] or sum(one["buckets"][1::2]) != one["n"]:
                return "the histogram '%s' does not hold %d events" % (name, cell["delivered"])
    return None


def layers(cell):
    """What an event takes in each layer where it waits for nobody: the least of each difference, and the handler's way
    less the injector's."""
    deltas = cell["deltas"]
    if not cell["delivered"]:
        return {}
    return {"interrupt": cell["stages"]["handler"]["min"] - cell["injector_tail"],
            "driver": deltas["handler_driver"]["min"], "event": deltas["driver_event"]["min"],
            "consumer": deltas["event_consumer"]["min"]}


def key_of(options, words):
    return {"kernel": options.digest, "machine": options.arguments, "qemu": options.qemu, "words": words}


def result_path(options, name):
    return os.path.join(options.out, "lab", file_name(name) + ".json")


def load(options, name, words):
    """The cell's result if there is one of this very kernel, machine and words."""
    try:
        with open(result_path(options, name), encoding="utf-8") as text:
            result = json.load(text)
    except (OSError, ValueError):
        return None
    return result["cell"] if result.get("key") == key_of(options, words) else None


def write(path, text):
    """A complete file or none; of several processes that write it, one's."""
    partial = "%s.%d.partial" % (path, os.getpid())
    with open(partial, "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(partial, path)


def run_cell(options, cell, extra=()):
    """Boots it and keeps the result, unless it is there."""
    extra = list(extra) + options.words
    words = plan.command_line(cell, extra, options.quick)
    name = " ".join([plan.name(cell)] + extra)
    if load(options, name, words):
        return
    stem = os.path.join(options.out, "lab", file_name(name))
    started = time.monotonic()
    boot(options, words, stem)
    result = take(read_lines(stem + ".com2"))
    complaint = complain(result, words)
    if complaint:
        raise Failure(complaint)
    result = {"name": name, "factor": plan.factor(cell), "words": words, **result, "layers": layers(result)}
    write(result_path(options, name), json.dumps({"key": key_of(options, words), "cell": result}) + "\n")
    for suffix in (".com1", ".com2", ".qemu"):
        os.remove(stem + suffix)
    options.spent[name] = time.monotonic() - started


# ---- all of them ----------------------------------------------------------------------------------------------------


def duration(seconds):
    return "%d:%02d" % (seconds // 60, seconds % 60)


class Progress:
    """A line that is drawn anew on a terminal; else one every so often."""

    def __init__(self, total, work, jobs):
        self.total, self.work, self.done, self.worked = total, work, 0, 0.0
        self.jobs, self.started, self.said = jobs, time.monotonic(), time.monotonic()
        self.terminal = sys.stderr.isatty()

    def ended(self, cost, name):
        self.done += 1
        self.worked += cost
        now = time.monotonic()
        left = (now - self.started) / self.worked * (self.work - self.worked)
        text = "%d/%d cells, %s, %s left: %s" % (self.done, self.total, duration(now - self.started), duration(left), name)
        if self.terminal:
            sys.stderr.write("\r\033[K" + text + ("\n" if self.done == self.total else ""))
        elif now - self.said >= 20 or self.done == self.total:
            sys.stderr.write(text + "\n")
            self.said = now
        sys.stderr.flush()


def describe_error(error):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full (%s)" % error
    return str(error)


def kill_running():
    with running_lock:
        for process in running:
            process.kill()


def run_all(options, cells):
    """True if every cell has its result. After a failure nothing new starts: it would most likely be the next one."""
    extra = options.words
    missing = [c for c in cells
               if not load(options, " ".join([plan.name(c)] + extra), plan.command_line(c, extra, options.quick))]
    if len(missing) < len(cells):
        sys.stderr.write("lab: %d of %d cells have their results already\n" % (len(cells) - len(missing), len(cells)))
    missing.sort(key=lambda c: -plan.cost(c, options.quick))
    progress = Progress(len(missing), sum(plan.cost(c, options.quick) for c in missing), options.jobs)
    failures = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(run_cell, options, cell): cell for cell in missing}
        try:
            for future in concurrent.futures.as_completed(futures):
                cell = futures[future]
                if future.cancelled():
                    continue
                error = future.exception()
                if error is None:
                    progress.ended(plan.cost(cell, options.quick), plan.name(cell))
                    continue
                failures.append((plan.name(cell), error))
                for other in futures:
                    other.cancel()
        except KeyboardInterrupt:
            for other in futures:
                other.cancel()
            kill_running()
            sys.stderr.write("\nlab: interrupted; finished cells are kept, and the same command goes on\n")
            sys.exit(130)
    for name, error in failures:
        sys.stderr.write("\nlab: the cell '%s' failed: %s\n" % (name, describe_error(error)))
    if failures:
        sys.stderr.write("lab: %d of %d cells are finished and kept; the same command goes on with the others\n"
                         % (len(cells) - len(missing) + progress.done, len(cells)))
    return not failures


# ---- what came of it --------------------------------------------------------------------------------------------------


def source_lines(path):
    """Lines with code: neither blank nor all comment."""
    count, comment = 0, False
    with open(path, encoding="utf-8") as text:
        for line in text:
            line = line.strip()
            if not comment and line.startswith("/*"):
                comment = True
            elif line and not comment:
                count += 1
            if comment and line.endswith("*/"):
                comment = False
    return count


def text_bytes(path):
    """The sizes of an object's functions, added up."""
    out = subprocess.run(["nm", "-S", "-t", "d", path], capture_output=True, text=True, check=True).stdout
    return sum(int(fields[1]) for fields in map(str.split, out.splitlines())
               if len(fields) == 4 and fields[2] in "tT")


def code_of(options):
    """What a driver is in each style, beside what all share: bytes of text, and lines of source."""
    folder = os.path.dirname(options.kernel)
    code = {}
    for device in ("keyboard", "mouse"):
        code[device] = {}
        for style, (source, made) in SOURCES.items():
            code[device][style] = {"text": text_bytes(os.path.join(folder, made % device)),
                                   "lines": source_lines(source % device)}
        shared = ["src/drivers/%s.c" % device, "src/drivers/ps2_port.c", "src/drivers/input.c"]
        code[device]["shared"] = {"text": sum(text_bytes("%s/%s.o" % (folder, s)) for s in shared),
                                  "lines": sum(map(source_lines, shared))}
    return code


def merged_seeds(cells):
    """Cells that differ in their seed alone, as one: so many events support further percentiles."""
    groups = {}
    for cell in cells:
        words = tuple(w for w in cell["words"].split() if not w.startswith(("seed=", "events=", "series=")))
        groups.setdefault(words, []).append(cell)
    merged = []
    for words, group in groups.items():
        if len(group) < 2:
            continue
        one = {"words": " ".join(words), "seeds": [c["seed"] for c in group], "driver": group[0]["driver"],
               "device": group[0]["device"], "load": group[0]["load"], "priority": group[0]["priority"],
               "timebase": group[0]["timebase"], "histograms": {}}
        for of in group[0]["histograms"]:
            one["histograms"][of] = {name: histogram.merge([c["histograms"][of][name] for c in group])
                                     for name in group[0]["histograms"][of]}
            one[of] = {name: histogram.describe(h) for name, h in one["histograms"][of].items()}
        merged.append(one)
    return merged


def csv(cells):
    """A line for each figure of each cell."""
    columns = ("min", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean")
    lines = ["timebase,driver,device,load,priority,arrival,period_ns,quantum_ns,tick_hz,preemption,seed,handicap,"
             "injected,delivered,dropped,of,figure,n," + ",".join(columns) + ",worst"]
    for cell in cells:
        head = [cell[k] for k in ("timebase", "driver", "device", "load", "priority", "arrival", "period_ns",
                                  "quantum_ns", "tick_hz", "preemption", "seed", "handicap", "injected", "delivered",
                                  "dropped")]
        for of in ("stages", "deltas", "intended"):
            for figure, values in cell[of].items():
                row = head + [of, figure, values["n"]] + [values.get(c, "") for c in columns]
                row.append(cell["histograms"][of][figure]["worst"])
                lines.append(",".join(map(str, row)))
    return "\n".join(lines) + "\n"


def merge(options, cells):
    """All results into results.json, beside what it has already, and results.csv. False if one is missing."""
    results, missing = [], []
    for cell in cells:
        result = load(options, " ".join([plan.name(cell)] + options.words),
                      plan.command_line(cell, options.words, options.quick))
        if result:
            results.append(result)
        else:
            missing.append(plan.name(cell))
    if missing:
        sys.stderr.write("lab: %d cells have no result, such as '%s'\n" % (len(missing), missing[0]))
    timebases = sorted({c["timebase"] for c in results})
    if len(timebases) > 1:
        sys.stderr.write("lab: figures of several time bases: %s\n" % ", ".join(timebases))
        return False
    path = os.path.join(options.out, "results.json")
    whole = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as text:
            whole = json.load(text)
    whole["lab"] = {"schema": 1, "timebase": timebases[0] if timebases else None, "machine": options.arguments,
                    "qemu": options.qemu, "quick": options.quick, "full": options.full,
                    "base": {k: v for k, v in plan.BASE.items() if v is not None}, "code": code_of(options),
                    "cells": results, "merged": merged_seeds(results)}
    write(path, json.dumps(whole, indent=1) + "\n")
    write(os.path.join(options.out, "results.csv"), csv(results))
    return not missing


def table(cells):
    """To the event, at both priorities, cooperative beside preemptive."""
    by_name = {c["name"]: c for c in cells}
    print("%-34s %-5s %30s   %30s" % ("to the event, in instructions", "prio", "async  p50 / p99 / max",
                                      "thread  p50 / p99 / max"))
    for cell in cells:
        if cell["driver"] != "async" or (cell["seed"] != 1 and cell["factor"] == "seed"):
            continue
        other = by_name.get(cell["name"].replace("async", "thread", 1))
        if not other:
            continue
        what = cell["name"].split(" ", 2)[2:] or ["(base: threads:1)"]
        print("%-34s %-5s %30s   %30s" % (what[0], cell["priority"], *[" / ".join(
            "{:,}".format(c["stages"]["event"][k]) if k in c["stages"]["event"] else "-" for k in ("p50", "p99", "max"))
            for c in (cell, other)]))


def unfinished(options):
    return os.path.join(options.out, "lab", "unfinished")


def begin(options):
    """Forgets the results of a run that came to its end."""
    if not os.path.exists(unfinished(options)):
        for entry in os.listdir(os.path.join(options.out, "lab")):
            os.remove(os.path.join(options.out, "lab", entry))
    write(unfinished(options), "a run that is not merged yet\n")


def finish(options, cells):
    complete = merge(options, cells)
    if complete and os.path.exists(unfinished(options)):
        os.remove(unfinished(options))
    if complete and not options.full:
        with open(os.path.join(options.out, "results.json"), encoding="utf-8") as text:
            table(json.load(text)["lab"]["cells"])
    return 0 if complete else 1


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "list", "cell", "merge"))
    parser.add_argument("cell", nargs="*", help="of `cell`: its words, KEY=VALUE")
    parser.add_argument("--kernel", default="build/kernel-gcc-O2/duet.elf")
    parser.add_argument("--machine", default="tools/reference-machine")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--quick", action="store_true", help="fewer cells and events")
    parser.add_argument("--full", action="store_true", help="the cross product of all factors")
    parser.add_argument("--only", default="", help="cells whose name contains this, or one of A|B")
    parser.add_argument("--words", default="", help="for the kernel, besides: handicap=async:1000")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_intermixed_args(arguments)
    options.words = options.words.split()
    options.programs = programs_of(options.kernel)
    options.arguments = machine_arguments(options.machine)
    options.spent = {}
    return options


def qemu_version():
    out = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0]


def main(arguments):
    options = parse(arguments)
    cells = [c for c in plan.lab(options.quick, options.full)
             if not options.only or any(part in plan.name(c) for part in options.only.split("|"))]
    if options.command == "list":
        flags = " --quick" if options.quick else ""
        for cell in cells:
            print("%s cell --kernel %s --out %s%s %s" % (sys.argv[0], shlex.quote(options.kernel),
                                                         shlex.quote(options.out), flags,
                                                         " ".join("%s=%s" % i for i in cell.items())))
        return 0
    try:
        options.digest, options.qemu = digest(options.kernel, options.programs), qemu_version()
        os.makedirs(os.path.join(options.out, "lab"), exist_ok=True)
        if options.command == "cell":
            cell, extra = plan.parse(options.cell)
            write(unfinished(options), "cells that are not merged yet\n")
            run_cell(options, cell, extra)
            return 0
        if options.command == "run":
            begin(options)
            return 0 if run_all(options, cells) else 1
        return finish(options, cells)
    except (Failure, OSError, ValueError) as error:
        sys.stderr.write("lab: %s\n" % describe_error(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
