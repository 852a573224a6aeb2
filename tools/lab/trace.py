#!/usr/bin/env python3
"""What happens in a cell, as a file that Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) show.

    trace.py KEY=VALUE...    boots the cell with trace=on and writes build/bench/trace.json

A track for each thread, for each task and for the interrupts; a slice for each turn a thread has on the CPU, for each
poll, and for each handler; a mark for each wake, and for each event a chain of arrows: injected, handled, in the driver,
published, consumed. What is written is checked first. With trace=on everything takes longer, for insight counts beside
it: no figure of such a cell belongs among others. Exit status: 0 written; 1 the cell failed or its trace is not right.
"""

import argparse
import json
import os
import sys

import lab
import plan

SWITCH, WAKE, TASK_WAKE, POLL, POLL_END, INTERRUPT, INTERRUPT_END = range(7)
STAGES = ("injected", "handler", "driver", "event", "consumer")
THREADS, TASKS, EVENTS = 1, 2, 3  # the viewers' processes
INTERRUPTS = 1  # a track of THREADS; its threads' tracks follow
VECTORS = {0x21: "keyboard", 0x2c: "mouse", 0x30: "timer"}


class Wrong(Exception):
    """The trace is not what a trace is."""


def groups(objects, event, size):
    """The numbers of all such lines, so many at a time."""
    flat = [number for o in objects if o["event"] == event for number in o["values"]]
    return [tuple(flat[i:i + size]) for i in range(0, len(flat), size)]


class Slices:
    """What is on the tracks: (begin, end, name) by (process, track), in the order of their ends."""

    def __init__(self, objects):
        self.tracks, self.names, self.wakes, self.ids = {}, {}, [], {}
        self.threads = {o["id"]: o["name"] for o in objects if o["event"] == "trace_thread"}
        self.records = groups(objects, "trace", 3)
        if not self.records:
            raise Wrong("there is no trace: was it on?")
        if next(o for o in objects if o["event"] == "trace")["first"]:
            raise Wrong("the oldest records were overwritten: trace fewer events")
        self.name((THREADS, INTERRUPTS), "interrupts")
        self.read()

    def name(self, track, name):
        self.names[track] = name
        self.tracks.setdefault(track, [])

    def track(self, process, who):
        if (process, who) not in self.ids:
            self.ids[process, who] = track = (process, 2 + sum(p == process for p, _ in self.ids))
            self.name(track, self.threads.get(who, "thread %d" % track[1]) if process == THREADS else "task %d" % (track[1] - 1))
        return self.ids[process, who]

    def add(self, track, begin, end, name):
        self.tracks[track].append((begin, end, name))

    def read(self):
        running, since, polls, interrupt = None, 0, {}, None
        for at, kind, who in self.records:
            if kind == SWITCH:
                if running is not None:
                    self.add(self.track(THREADS, running), since, at, "runs")
                running, since = who, at
            elif kind == POLL:
                if who in polls:
                    raise Wrong("a poll within its task's poll at %d" % at)
                polls[who] = at
            elif kind == POLL_END:
                if who in polls:  # else it began before the trace
                    self.add(self.track(TASKS, who), polls.pop(who), at, "poll")
            elif kind == INTERRUPT:
                if interrupt:
                    raise Wrong("a handler within another at %d" % at)
                interrupt = (who, at)
            elif kind == INTERRUPT_END:
                if not interrupt or interrupt[0] != who:
                    raise Wrong("the end of another handler at %d" % at)
                self.add((THREADS, INTERRUPTS), interrupt[1], at, VECTORS.get(who, "vector 0x%x" % who))
                interrupt = None
            else:
                self.wakes.append((at, self.track(TASKS if kind == TASK_WAKE else THREADS, who)))
        last = self.records[-1][0]
        if running is not None:
            self.add(self.track(THREADS, running), since, last, "runs")

    def at(self, moment, wanted):
        """The slice of a track of `wanted` that the moment is in: the shortest, which is the innermost."""
        found = [(end - begin, track) for track in wanted for begin, end, _ in self.tracks[track] if begin <= moment <= end]
        return min(found)[1] if found else None


def places(slices, event):
    """The track of each moment of an event: (moment, track). Handlers first, then a task's poll, then a thread's turn."""
    interrupts = [(THREADS, INTERRUPTS)]
    tasks = [t for t in slices.tracks if t[0] == TASKS]
    threads = [t for t in slices.tracks if t[0] == THREADS and t[1] != INTERRUPTS]
    result = []
    for stage, moment in zip(STAGES, event):
        order = [threads] if stage == "consumer" else [interrupts, tasks, threads] if stage in ("driver", "event") else [interrupts, threads]
        track = next((t for t in (slices.at(moment, o) for o in order) if t), None)
        if not track:
            raise Wrong("'%s' at %d is in no slice" % (stage, moment))
        result.append((moment, track))
    return result


def us(ticks):
    """As the format has time: microseconds, of ticks of a nanosecond."""
    return ticks / 1000


def chrome(slices, events):
    """The list of trace events."""
    out = [{"ph": "M", "pid": p, "name": "process_name", "args": {"name": n}}
           for p, n in ((THREADS, "CPU 0: threads"), (TASKS, "tasks"), (EVENTS, "events"))]
    for (pid, tid), name in slices.names.items():
        out.append({"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}})
    for (pid, tid), track in slices.tracks.items():
        for begin, end, name in sorted(track):
            out.append({"ph": "X", "pid": pid, "tid": tid, "ts": us(begin), "dur": us(end) - us(begin), "name": name, "cat": "run"})
    for at, (pid, tid) in slices.wakes:
        out.append({"ph": "i", "s": "t", "pid": pid, "tid": tid, "ts": us(at), "name": "woken", "cat": "wake"})
    for number, event in enumerate(events):
        chain = places(slices, event)
        for i, (moment, (pid, tid)) in enumerate(chain):
            out.append({"ph": "s" if i == 0 else "f" if i == len(chain) - 1 else "t", "id": number, "pid": pid, "tid": tid, "ts": us(moment),
                        "name": "event", "cat": "event", **({"bp": "e"} if i else {})})
        for (stage, begin), end in zip(zip(STAGES[1:], event), event[1:]):
            for phase, moment in (("b", begin), ("e", end)):
                out.append({"ph": phase, "id": number, "pid": EVENTS, "tid": 1, "ts": us(moment), "name": "to the " + stage, "cat": "stage"})
    return out


# ---- whether it is right ------------------------------------------------------------------------------------------------


def check_slices(trace):
    """Those of a track lie beside or within one another, and one thread runs at a time. Their number."""
    tracks = {}
    for one in trace:
        if one["ph"] == "X":
            if one["dur"] < 0:
                raise Wrong("a slice that ends before it begins at %g" % one["ts"])
            tracks.setdefault((one["pid"], one["tid"]), []).append((one["ts"], one["ts"] + one["dur"]))
    runs = sorted(s for (pid, tid), track in tracks.items() if pid == THREADS and tid != INTERRUPTS for s in track)
    for before, after in zip(runs, runs[1:]):
        if after[0] < before[1] - 1e-6:
            raise Wrong("two threads run at %g" % after[0])
    for track in tracks.values():
        open_ends = []
        for begin, end in sorted(track, key=lambda s: (s[0], -s[1])):
            while open_ends and open_ends[-1] <= begin + 1e-6:
                open_ends.pop()
            if open_ends and end > open_ends[-1] + 1e-6:
                raise Wrong("slices that cross at %g" % begin)
            open_ends.append(end)
    return sum(map(len, tracks.values()))


def check_flows(trace):
    """Each begins once, goes on in time, ends once, and each of its points is in a slice of its track. Their number."""
    slices, flows = {}, {}
    for one in trace:
        if one["ph"] == "X":
            slices.setdefault((one["pid"], one["tid"]), []).append((one["ts"], one["ts"] + one["dur"]))
        elif one["ph"] in "stf":
            flows.setdefault(one["id"], []).append(one)
    for number, points in flows.items():
        phases = "".join(p["ph"] for p in points)
        if phases != "s" + "t" * (len(STAGES) - 2) + "f":
            raise Wrong("the flow %s is '%s'" % (number, phases))
        if any(a["ts"] > b["ts"] for a, b in zip(points, points[1:])):
            raise Wrong("the flow %s goes back in time" % number)
        for point in points:
            if not any(b - 1e-6 <= point["ts"] <= e + 1e-6 for b, e in slices.get((point["pid"], point["tid"]), [])):
                raise Wrong("the flow %s has a point in no slice at %g" % (number, point["ts"]))
    return len(flows)


def check_stages(trace, cell):
    """The sum of an event's stages is its latency: all together, the least and the worst are the histograms'."""
    begins, totals = {}, {}
    for one in trace:
        if one["ph"] in "be":
            begins.setdefault(one["id"], []).append((one["ph"], one["name"], one["ts"]))
    for number, parts in begins.items():
        so_far = 0
        for (_, name, begin), (_, other, end) in zip(parts[::2], parts[1::2]):
            if name != other:
                raise Wrong("the stages of event %s cross" % number)
            so_far += round((end - begin) * 1000)
            totals.setdefault(name.split(" ")[-1], []).append(so_far)
    for stage, one in cell["histograms"]["stages"].items():
        found = totals.get(stage, [])
        if (len(found), sum(found)) != (one["n"], one["sum"]) or found and (min(found), max(found)) != (one["min"], one["max"]):
            raise Wrong("the stages up to '%s' are %d events' %d, the histogram's %d events' %d"
                        % (stage, len(found), sum(found), one["n"], one["sum"]))


def convert(objects):
    """Chrome's object, of the lines of COM2. Raises Wrong."""
    cell = lab.take(objects)
    slices = Slices(objects)
    trace = chrome(slices, groups(objects, "trace_event", len(STAGES)))
    counts = check_slices(trace), check_flows(trace)
    check_stages(trace, cell)
    if counts[1] != cell["delivered"]:
        raise Wrong("%d flows of %d events" % (counts[1], cell["delivered"]))
    return {"displayTimeUnit": "ns", "otherData": {"cell": "%s %s %s %s" % (cell["driver"], cell["device"], cell["load"], cell["priority"]),
                                                   "timebase": cell["timebase"]}, "traceEvents": trace}, counts


def compare(traced, plain):
    """As much must have happened: recording changes when, and not what."""
    for figure in ("injected", "delivered", "dropped", "disordered", "switches", "polls", "wakes", "coalesced"):
        if traced[figure] != plain[figure]:
            raise Wrong("%s: %d with a trace, %d without" % (figure, traced[figure], plain[figure]))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", nargs="*", help="KEY=VALUE: driver=async priority=high load=threads:1 events=100, if not said")
    parser.add_argument("--kernel", default="build/kernel-gcc-O2/duet.elf")
    parser.add_argument("--machine", default="tools/reference-machine")
    parser.add_argument("--out", default="build/bench")
    parser.add_argument("--orders", action="store_true", help="boot it without a trace as well: as much must happen")
    options = parser.parse_intermixed_args(arguments)
    options.programs = lab.programs_of(options.kernel)
    options.arguments = lab.machine_arguments(options.machine)
    given = {"driver": "async", "priority": "high", "events": "100", **dict(w.partition("=")[::2] for w in options.cell)}
    cell, extra = plan.parse(["%s=%s" % item for item in given.items()])
    words = plan.command_line(cell, extra + ["trace=on"])
    stem = os.path.join(options.out, "trace")
    try:
        os.makedirs(options.out, exist_ok=True)
        lab.boot(options, words, stem)
        objects = lab.read_lines(stem + ".com2")
        trace, counts = convert(objects)
        if options.orders:
            lab.boot(options, words.replace("trace=on", "trace=off"), stem)
            compare(lab.take(objects), lab.take(lab.read_lines(stem + ".com2")))
        lab.write(stem + ".json", json.dumps(trace) + "\n")
    except (lab.Failure, Wrong, OSError) as error:
        sys.stderr.write("trace: %s\n" % error)
        return 1
    print("%s.json: %d slices, %d events; open it at ui.perfetto.dev or chrome://tracing" % ((stem,) + counts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
