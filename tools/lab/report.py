#!/usr/bin/env python3
"""One page about what `make bench` left behind: the verdict, the charts, the tables, and the command of each.

    report.py [FOLDER]    results.json, and linux.json and external.json if there are any, into report.html

The page needs nothing but itself. Its numbers are the data's: each stands in an element that names where it is from.
Exit status: 0 written; 1 there is no lab, its time bases are mixed, or gnuplot is missing.
"""

import argparse
import html
import json
import os
import re
import sys

import check
import histogram
import plan
import plots
import verdict

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = {"async": "future", "thread": "thread", "user": "process", "isr": "handler", "poll": "polling"}
LABELS = {"async": "future", "thread": "thread", "user": "process", "isr": "in the handler", "poll": "polling"}
DELTAS = ("handler", "driver", "event", "consumer")
PIECES = {"handler": "to the handler", "driver": "to the driver", "event": "to the event", "consumer": "to the consumer"}
MEANS = ("stages/handler/mean", "deltas/handler_driver/mean", "deltas/driver_event/mean", "deltas/event_consumer/mean")


class Unusable(Exception):
    """What there is makes no page."""


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as text:
        return text.read()


# ---- commands ----------------------------------------------------------------------------------------------------------


def lab_commands(data, cells):
    """What boots these cells: QEMU with the reference machine, and each one's words."""
    words = list(dict.fromkeys(c["words"] for c in cells))
    lines = ["cell() {", "    qemu-system-x86_64 %s \\" % data.lab["machine"],
             "        -display none -no-reboot -monitor none -parallel none -serial stdio -serial file:cell.json \\",
             "        -device isa-debug-exit,iobase=0xf4,iosize=0x04 -kernel build/kernel-gcc-O2/duet.elf -append \"$1\"", "}"]
    return "\n".join(lines + ["cell '%s'" % w for w in words])


def command(text):
    return '<details class="command"><summary>Command</summary><pre>%s</pre></details>' % html.escape(text)


def figure(name, title, caption, svg, commands):
    return ('<figure id="%s" class="chart"><h3>%s</h3>%s<figcaption>%s</figcaption>%s</figure>'
            % (name, html.escape(title), svg, caption, command(commands)))


# ---- charts ------------------------------------------------------------------------------------------------------------


def own(word):
    """Whether it may differ between cells that are merged."""
    return word.startswith(("seed=", "events=", "series="))


class Charts:
    """Each method gives the charts that the data has cells for."""

    def __init__(self, data):
        self.data = data

    def drawn(self, name, title, caption, cells, kind, *arguments, **options):
        svg = kind(name, title, *arguments, **options)
        return figure(name, title, caption, svg, lab_commands(self.data, cells))

    def find(self, driver, priority, **words):
        try:
            cell = self.data.cell(driver, priority, **words)
        except check.Missing:
            return None
        return cell if cell["delivered"] else None

    def merged(self, cell):
        """(the histogram to the event, cells): of all seeds, where the cell was run with several."""
        words = [w for w in cell["words"].split() if not own(w)]
        for one in self.data.lab.get("merged", []):
            if one["words"].split() == words:
                others = [c for c in self.data.lab["cells"]
                          if [w for w in c["words"].split() if not own(w)] == words]
                return one["histograms"]["stages"]["event"], others
        return cell["histograms"]["stages"]["event"], [cell]

    def percentiles(self):
        for name, title, caption, priorities, words in (
                ("p-high", "Above a thread that computes", "The driver, or its executor, is more urgent than the load.",
                 ("high",), {}),
                ("p-equal", "At the load's own priority", "Whoever waits for a turn waits for a quantum.", ("equal",), {}),
                ("p-tasks", "Beside a future that computes 1 ms a poll", "At high priority: on the future's own executor nothing is "
                 "preempted.", ("high",), {"load": "tasks:1ms"}),
                ("p-tasks-short", "Beside a future that computes 100 µs a poll", "Dashed: at equal priority, where a thread waits for a "
                 "quantum and a future for a poll.", ("high", "equal"), {"load": "tasks:100us"}),
                ("p-print", "Beside a thread that prints", "The console's lock keeps interrupts off. Dashed: at equal priority.",
                 ("high", "equal"), {"load": "print"})):
            styles = plots.STYLES if len(priorities) == 1 else ("async", "thread", "user")
            found = [(style, p, self.find(style, p, **words)) for p in priorities for style in styles]
            found = [f for f in found if f[2]]
            if not found:
                continue
            curves, cells = [], []
            for style, priority, cell in found:
                one, others = self.merged(cell)
                cells += others
                curves.append((LABELS[style] + (", equal" if priority == "equal" and len(priorities) > 1 else ""), style,
                               priority == "equal" and len(priorities) > 1, one))
            count = max(one["n"] for *_, one in curves)
            yield self.drawn(name, title, caption + " Up to {:,} events a curve; it ends where ten lie beyond.".format(count), cells,
                             plots.percentiles, self.data.unit, curves)

    def neighbours(self):
        marks, curves, cells = [], [], []
        for label, style, tail, dashed in (("future", "async", "", False), ("future, neighbour yields", "async", ":yield", True),
                                           ("thread", "thread", "", False)):
            points = []
            for text in ("1us", "10us", "100us", "1ms", "10ms"):
                cell = self.find(style, "high", load="tasks:%s%s" % (text, tail))
                if cell:
                    cells.append(cell)
                    points.append((plan.duration_ns(text), cell["stages"]["event"]["max"]))
                    marks.append((text.replace("us", " µs").replace("ms", " ms"), plan.duration_ns(text)))
            if points:
                curves.append((label, style, dashed, points))
        if curves:
            yield self.drawn("neighbour", "The worst case beside one neighbour", "At high priority. The neighbour is a future that "
                             "is always ready; it yields in ten places of a poll, or in none.", cells, plots.lines,
                             "what the neighbour computes a poll", self.data.unit, curves, list(dict.fromkeys(marks)))

    def bursts(self):
        curves, cells, marks = [], [], []
        for style in ("async", "thread", "user"):
            points = []
            for size in (1, 2, 4, 8, 16):
                cell = self.find(style, "high", **({"arrival": "burst:%d" % size} if size > 1 else {}))
                if cell:
                    cells.append(cell)
                    points.append((size, cell["driver_ns"] / cell["delivered"]))
                    marks.append((str(size), size))
            if len(points) > 1:
                curves.append((LABELS[style], style, False, points))
        if curves:
            yield self.drawn("bursts", "What bursts save", "CPU of the driver's thread, or its executor's, an event, at high "
                             "priority.", cells, plots.lines, "bytes a burst", "ns of CPU an event", curves,
                             list(dict.fromkeys(marks)))

    def series(self):
        for priority, title, caption, limit in (
                ("high", "Latency over time, above the load", "Each point is an event.", 400),
                ("equal", "Latency over time, at the load's priority", "Each point is an event: the later in the other's quantum, the "
                 "shorter the wait.", 120)):
            cells = [c for c in (self.find(s, priority) for s in plots.STYLES) if c and c.get("series")]
            sets = [(LABELS[c["driver"]], c["driver"], series_points(c, limit)) for c in cells]
            if sets:
                yield self.drawn("time-" + priority, title, caption + " The first %d of each." % max(len(s) for *_, s in sets), cells,
                                 plots.scatter, "millions of %s since the first injection" % self.data.unit, self.data.unit, sets)

    def stages(self):
        for name, title, words, priority, scale in (
                ("stages-key", "Where a key's time goes", {"load": "idle"}, "high", 1),
                ("stages-mouse", "Where a motion's time goes", {"device": "mouse"}, "high", 1),
                ("stages-equal", "The same where a quantum must end first", {}, "equal", 1000)):
            cells = [c for c in (self.find(s, priority, **words) for s in plots.STYLES) if c]
            if not cells:
                continue
            rows = [(LABELS[c["driver"]], [(piece, self.data.of(c, mean).value) for piece, mean in zip(DELTAS, MEANS)])
                    for c in cells]
            unit = self.data.unit if scale == 1 else "thousands of " + self.data.unit
            caption = "Means of each event's own differences, from the injection to a thread that waits for the event"
            yield self.drawn(name, title, caption + (", on an idle machine." if words.get("load") else ", priority %s, %s." % (
                priority, "beside a thread that computes")), cells, plots.bars, unit, rows, PIECES, scale)

    def heat(self):
        styles = {s: SHORT[s] for s in plots.STYLES if any(c["driver"] == s for c in self.data.lab["cells"])}
        columns = list(plan.PRIORITIES)
        for name, title, factors in (("heat-load", "Style by load", ("base", "load")),
                                     ("heat-other", "Style by everything else", ("base", "device", "arrival", "tick", "quantum", "preempt",
                                                                                 "kpreempt"))):
            cells = [c for c in self.data.lab["cells"] if c["factor"] in factors]
            table = {(row_of(c), c["driver"], c["priority"]): tail_of(c) for c in cells if c["delivered"]}
            rows = sorted({row_of(c): plan_place(c) for c in cells if c["delivered"]}.items(), key=lambda r: r[1])
            if len(rows) < 2:
                continue
            yield self.drawn(name, title, "To the event, %s: p99, or the worst where too few events came for one. k: thousand, M: million, "
                             "G: thousand million." % self.data.unit, cells, plots.heat, styles, columns, [(r, r) for r, _ in rows],
                             lambda row, style, column: table.get((row, style, column)))

    def memory(self):
        cells = [c for c in (self.find(s, "high") for s in plots.STYLES) if c]
        if not cells:
            return
        rows = [(LABELS[c["driver"]], [(c["driver"], c["memory"]["frame"] + c["memory"]["stack"])]) for c in cells]
        used = [(LABELS[c["driver"]], [(c["driver"], c["memory"]["frame"] + c["memory"]["stack_used"])]) for c in cells]
        yield self.drawn("memory-used", "Memory that is touched", "Bytes of the driver's own: its future and task, its waker, or its thread "
                         "with as much of its stack as was ever used.", cells, plots.bars, "bytes", used)
        yield self.drawn("memory", "Memory that is taken", "Bytes of the driver's own, the whole stack included.", cells, plots.bars,
                         "bytes", rows)

    def code(self):
        for what, title, unit in (("text", "Code of a style's own", "bytes of text"), ("lines", "Source of a style's own", "lines")):
            for device in ("keyboard", "mouse"):
                own = self.data.lab["code"][device]
                rows = [(LABELS[s], [(s, own[s][what])]) for s in plots.STYLES if s in own]
                svg = plots.bars("%s-%s" % (what, device), "%s: %s" % (title, device), unit, rows)
                yield figure("%s-%s" % (what, device), "%s: %s" % (title, device),
                             "Beside %s that all styles share." % self.data.at("results/lab/code/%s/shared/%s" % (device, what)), svg,
                             "make bench    # sizes by nm of build/kernel-gcc-O2/src/drivers/%s_*.c.o; lines without blanks and comments"
                             % device)

    def outside(self):
        for device, title in (("keyboard", "A key, delivered"), ("mouse", "A motion, delivered")):
            rows = []
            for system, style, label in OUTSIDE:
                found = attempt(self.data.outside, system, style, device, "busy", "consumer/p50")
                if found:
                    rows.append((label, [(system, found.value)]))
            if rows:
                yield figure("outside-" + device, title, "Medians, from outside, while a thread of lower priority computes.",
                             plots.bars("outside-" + device, title, self.data.unit, rows), "make bench-external    # cells: *-%s-busy" % device)

    def linux(self):
        data = self.data
        if not data.linux_fits():
            return
        rows, readers = [], {"fifo_lean": "FIFO", "fifo_shipped": "FIFO, console too", "normal_lean": "normal"}
        for label, style in (("Duet, thread", "thread"), ("Duet, future", "task"), ("Duet, process", "user")):
            try:
                rows.append((label, [("duet", data.micro("key.%s_consumer" % style).value)]))
            except check.Missing:
                continue
        for kernel, word in (("stock", "Linux"), ("rt", "RT")):
            for reader, label in readers.items():
                try:
                    rows.append(("%s, %s" % (word, label), [(kernel, data.linux_micro(kernel, "key." + reader).value)]))
                except check.Missing:
                    continue
        svg = plots.bars("linux-key", "A key, to the program that waits for it", data.unit, rows)
        yield figure("linux-key", "A key, to the program that waits for it",
                     "Medians, a thread of lower priority computing. FIFO: <code>SCHED_FIFO</code>; console too: the kernel's own "
                     "readers get the key as well.", svg, linux_commands(data))


def series_points(cell, limit):
    """(when, in millions, latency) of the first events."""
    flat = cell["series"]
    return [(at / 10**6, max(1, late)) for at, late in list(zip(flat[::2], flat[1::2]))[:limit]]


def tail_of(cell):
    event = cell["stages"]["event"]
    return event.get("p99", event["max"])


def row_of(cell):
    if cell["factor"] == "base":
        return plan.BASE["load"]
    words = dict(w.split("=", 1) for w in cell["words"].split())
    value = words[cell["factor"]]
    return value if cell["factor"] in ("load", "device", "arrival") else "%s=%s" % (cell["factor"], value)


def plan_place(cell):
    """Where the plan has it."""
    row = row_of(cell)
    order = [plan.BASE["load"]] + ["%s=%s" % (f, v) if f in ("tick", "quantum", "preempt", "kpreempt") else v
                                   for f, values in plan.FACTORS.items() for v in values]
    return order.index(row) if row in order else len(order)


# ---- tables ------------------------------------------------------------------------------------------------------------


def td(number):
    if number is None:
        return '<td data-v="-">-</td>'
    return '<td data-v="%r">%s</td>' % (number.value, number)


def td_text(text, kind="left"):
    return '<td class="%s">%s</td>' % (kind, html.escape(str(text)))


def attempt(get, *arguments):
    try:
        return get(*arguments)
    except check.Missing:
        return None


def table(name, heads, rows, commands, filtered=False):
    """Rows are strings of td elements. A head that begins with < stands over text."""
    head = "".join('<th scope="col"%s><button type="button">%s</button></th>' % (' class="left"' * h.startswith("<"),
                                                                                  html.escape(h.lstrip("<"))) for h in heads)
    box = ('<input class="filter" type="search" data-table="%s" aria-label="Rows that contain" placeholder="Rows with all of these words">'
           % name) if filtered else ""
    return ('%s<div class="scroll"><table id="%s"><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>%s'
            % (box, name, head, "\n".join("<tr>%s</tr>" % r for r in rows), command(commands)))


def cells_table(data):
    shown = ("min", "p50", "p90", "p99", "max", "mean")
    heads = ["<driver", "<priority", "<cell", "injected", "delivered", "dropped"] + ["event " + s for s in shown] + [
        "consumer p50", "from plan max", "switches", "polls", "driver's CPU ns", "frame", "stack used"]
    rows = []
    for cell in data.lab["cells"]:
        row = td_text(cell["driver"]) + td_text(cell["priority"]) + td_text(" ".join(cell["name"].split(" ")[2:]) or "(base)")
        paths = (["injected", "delivered", "dropped"] + ["stages/event/" + s for s in shown]
                 + ["stages/consumer/p50", "intended/event/max", "switches", "polls", "driver_ns", "memory/frame",
                    "memory/stack_used"])
        empty = not cell["delivered"]
        rows.append(row + "".join(td(None if empty and "/" in p and "memory" not in p else attempt(data.of, cell, p))
                                  for p in paths))
    return table("cells", heads, rows, lab_commands(data, data.lab["cells"]), filtered=True)


def peers():
    """What others cost, by figure: of kernels LK, NuttX and Linux, of executors embassy, blog_os, tokio and C++20."""
    with open(os.path.join(HERE, "..", "bench", "anchors.c"), encoding="utf-8") as text:
        found = re.findall(r'\{"([\w.]+)", \{((?:"[^"]*"|NULL)(?:, (?:"[^"]*"|NULL)){3})\}\}', text.read())
    return {name: [p or "-" for p in re.findall(r'"([^"]*)"|NULL', values)] for name, values in found}


def micro_table(data):
    others, bars = peers(), json.loads(read("peers.json"))["bars"]
    rows = []
    for one in data.results.get("micro", []):
        name, found = one["name"], others.get(one["name"], ["-"] * 4)
        kernels = "-" if name.startswith("task.") else " · ".join(found[:3]) if set(found[:3]) != {"-"} else "-"
        executors = " · ".join(found) if name.startswith("task.") and set(found) != {"-"} else "-"
        p50 = data.micro(name)
        bar = bars.get(name)
        reached = "-" if bar is None else "yes" if p50.value <= bar else "no, by {:,}".format(p50.value - bar)
        rows.append(td_text(name) + td_text(one["unit"]) + td(data.micro(name, "n")) + td(p50) + td(attempt(data.micro, name, "p99"))
                    + td(data.micro(name, "max")) + ('<td data-v="%s">%s</td>' % (bar, "{:,}".format(bar)) if bar else "<td>-</td>")
                    + td_text(reached, "left missed" if reached.startswith("no") else "left") + td_text(kernels) + td_text(executors))
    return table("micro", ["<figure", "<unit", "n", "p50", "p99", "max", "at most", "<reached", "<LK · NuttX · Linux",
                           "<embassy · blog_os · tokio · C++20"], rows,
                 "make bench    # boots build/kernel-gcc-O2/duet.elf with -append 'mode=bench suite=threads', suite=micro; results.json: micro",
                 filtered=True) if rows else ""


# ---- Linux -------------------------------------------------------------------------------------------------------------


def linux_commands(data):
    return "\n".join(["make bench && make bench-linux"] + [k["command"] for k in data.linux["kernels"]])


def linux_rows(data):
    """(figure, Duet as a thread, Duet as a future, the reader or what it is, stock, RT)."""
    for name in ("thread.yield", "thread.sem_oneway", "thread.sem_oneway_wait", "thread.event_oneway", "thread.event_oneway_wait",
                 "thread.lifecycle", "timer.thread", "timer.thread_idle"):
        yield name, attempt(data.micro, name), None, None, "SCHED_FIFO", name
    for device in ("key", "mouse"):
        for reader in ("fifo_lean", "fifo_shipped", "normal_lean", "normal_shipped"):
            yield ("%s, to the program that waits" % device,
                   *(attempt(data.micro, "%s.%s_consumer" % (device, s)) for s in ("thread", "task", "user")),
                   reader.replace("_", ", "), "%s.%s" % (device, reader))


def linux_table(data):
    rows = []
    for what, thread, future, process, reader, name in linux_rows(data):
        stock, rt = (attempt(data.linux_micro, kernel, name) for kernel in ("stock", "rt"))
        if stock or rt:
            ratio = attempt(lambda s, t: s / t, stock, thread) if stock and thread else None
            rows.append(td_text(what) + td(thread) + td(future) + td(process) + td_text(reader) + td(stock) + td(rt) + td(ratio))
    return table("linux", ["<figure", "Duet, thread", "Duet, future", "Duet, process", "<Linux's", "stock", "PREEMPT_RT", "stock / thread"],
                 rows, linux_commands(data))


def external_table(data):
    rows, commands = [], []
    for i, cell in enumerate(data.external["cells"]):
        fits = cell.get("time_base") == data.timebase
        path = "external/cells/%d/" % i
        stages = [attempt(data.at, path + "stages/%s/%s" % s) if fits else None
                  for s in (("read", "p50"), ("event", "p50"), ("consumer", "p50"), ("consumer", "p99"), ("consumer", "max"))]
        rows.append(td_text(cell["system"]) + td_text(cell["style"] + ("" if "shipped" not in cell else ", shipped" if cell["shipped"]
                                                                         else ", lean"))
                    + td_text(cell["device"]) + td_text(cell["pace"])
                    + "".join(td(attempt(data.at, path + k)) for k in ("injected", "delivered", "lost")) + "".join(map(td, stages)))
        commands.append(cell["command"])
    return table("external", ["<kernel", "<style", "<device", "<pace", "injected", "delivered", "lost", "read p50", "event p50",
                              "delivered p50", "delivered p99", "delivered max"], rows,
                 "\n".join(["make bench-external"] + commands), filtered=True)


# Columns of the one table: what is booted, and its head.
OUTSIDE = (("duet", "thread", "Duet, thread"), ("duet", "async", "Duet, future"), ("duet", "user", "Duet, process")) + tuple(
    (kernel, "%s-%s" % (style, reader), "%s, %s%s" % (word, {"fifo": "FIFO", "normal": "normal"}[style], ", shipped" * (reader == "shipped")))
    for kernel, word in (("stock", "Linux"), ("rt", "RT")) for style in ("fifo", "normal") for reader in ("lean", "shipped"))
MEASURES = (("handler/p50", "to the handler"), ("handler/max", "to the handler, worst"), ("read/p50", "to the port's read"),
            ("read/max", "to the port's read, worst"), ("consumer/p50", "to the delivery"), ("consumer/p99", "to the delivery, p99"),
            ("consumer/max", "to the delivery, worst"))


def outside_table(data):
    """All kernels by one stopwatch: a row for each measure, a column for each kernel's each style."""
    rows = []
    for device, what in (("keyboard", "a key"), ("mouse", "a motion")):
        for pace, when in (("idle", "CPU idle"), ("busy", "CPU busy")):
            for path, measure in MEASURES:
                found = [attempt(data.outside, system, style, device, pace, path) for system, style, _ in OUTSIDE]
                if any(found):
                    rows.append(td_text(what) + td_text(when) + td_text(measure) + "".join(map(td, found)))
    return table("outside", ["<of", "<when", "<from the injection"] + [head for *_, head in OUTSIDE], rows,
                 "make bench-external    # a cell alone: ONLY=stock-fifo-lean-keyboard-busy", filtered=True)


def linux_section(data, charts):
    parts = []
    if any(c["time_base"] == data.timebase for c in (data.external or {}).get("cells", [])):
        parts += ["<h3>From outside, by one stopwatch for all kernels</h3><p class=soft>Counted by a plugin of the emulator, from the "
                  "first instruction that could be the handler's to the delivery to whoever reads events; the kernels do not know of it. RT: PREEMPT_RT. Busy: a thread "
                  "of lower priority computes. Shipped: the kernel's own readers get the event as well; else the program has the device to "
                  "itself. A motion is a packet of four bytes with an interrupt each.</p>",
                  '<div class="charts">%s</div>' % "".join(charts.outside()), outside_table(data),
                  "<h3>Each cell of the stopwatch's, and what was lost</h3>", external_table(data)]
    if data.linux_fits():
        kernels = ", ".join("%s is %s %s" % ({"stock": "stock", "rt": "PREEMPT_RT"}.get(k["kernel"], k["kernel"]), k["package"], k["version"])
                            for k in data.linux["kernels"])
        parts += ["<h3>From within, by each kernel's own programs</h3><p class=soft>Debian's kernels on the same machine with more memory (%s MiB): "
                  "%s. Medians. From the injection by a program of the machine: another zero than above, so no figure here is to be set beside one "
                  "there.</p>" % (data.at("linux/memory_mib"), html.escape(kernels)),
                  '<div class="charts">%s</div>' % "".join(charts.linux()), linux_table(data)]
    return "<h2 id=kernels>Duet, Linux, Linux-RT</h2>" + "".join(parts) if parts else ""


# ---- what the figures cannot say ----------------------------------------------------------------------------------------


def ours(data, beside):
    """The same relation in this data."""
    if beside == "latency":
        a, t = data.both("high", "p50", load="idle")
        return a / t
    if beside == "jitter":
        spread = [data.event(s, "high", "max") - data.event(s, "high", "min") for s in ("async", "thread")]
        return spread[0] / spread[1]
    if beside == "interrupt":
        handler = [data.figure(s, "high", "stages/handler/p50", load="idle") for s in ("async", "thread")]
        return handler[0] / handler[1]
    if beside == "code":
        text = [data.at("results/lab/code/keyboard/%s/text" % s) for s in ("async", "thread")]
        return text[0] / text[1]
    if beside == "switch":
        return data.micro("task.self_wake") / data.micro("thread.yield")
    if beside == "memory":
        whole = [data.figure(s, "high", "memory/frame") + data.figure(s, "high", "memory/stack") for s in ("async", "thread")]
        return whole[0] / whole[1]
    if beside == "neighbours":
        return data.event("async", "high", "max", load="ready:10") / data.event("async", "high", "p50", load="idle")
    return None


def blind_section(data):
    published = json.loads(read("peers.json"))
    rows, silicon = [], []
    for one in published["published"]:
        try:
            here = ours(data, one["beside"])
        except (check.Missing, ZeroDivisionError):
            here = None
        if one["beside"] == "latency":
            silicon.append(one["one"] / one["other"])
        rows.append(td_text(one["who"]) + td_text(one["on"]) + td_text(one["what"], "left wrap")
                    + td_text("{:,}".format(one["one"]) + " / " + "{:,} {}".format(one["other"], one["unit"]), "")
                    + td_text("%.2f" % (one["one"] / one["other"]), "") + td(here))
    base = {
        "icount": "Every figure counts instructions. That makes it exact, the same in each run, and free of the host; and blind to what an "
                  "instruction takes. A locked operation, a port access that takes a real machine a microsecond, an <code>iretq</code> and a "
                  "<code>nop</code> count one each. Not seen are caches and TLBs, cold after a switch or beside a load that evicts them; "
                  "pipelines, mispredicted branches and store buffers; the bus and other processors. A thread's switch to a stack of its "
                  "own touches other lines of the cache than a poll on a stack that is warm, and here that is free.",
        "tsc": "Figures are cycles of this machine: caches and pipelines are in them, and so is whatever else the machine did.",
        "tcg": "Figures are the emulator's clock on its host, which is noise: nothing here says which style is faster.",
    }[data.timebase]
    latency = attempt(ours, data, "latency")
    if data.timebase == "icount" and silicon and latency and latency.value > max(silicon):
        base += (" On hardware the balance has been another: a published latency as a future is %.2f of that as a thread, where here it is %s."
                 % (max(silicon), latency))
    return ("<h2 id=blind>What these figures cannot see</h2><p>%s</p>" % base
            + table("published", ["<published by", "<on", "<what", "one / other", "ratio", "ratio here"], rows,
                    "tools/lab/report.py    # published figures: tools/lab/peers.json; those here: results.json")
            + "<p class=soft>Elsewhere: %s.</p>" % html.escape("; ".join(published["elsewhere"])))


# ---- the page ------------------------------------------------------------------------------------------------------------


def section(name, title, text, charts):
    charts = list(charts)
    if not charts:
        return ""
    return "<h2 id=%s>%s</h2><p>%s</p><div class=charts>%s</div>" % (name, title, text, "\n".join(charts))


def verdict_section(data):
    parts = ['<p class="answer" id="answer">%s</p>' % verdict.short_answer(data)]
    for title, group in verdict.GROUPS:
        found = verdict.sentences(data, group)
        if found:
            parts.append("<h3>%s</h3><ul>%s</ul>" % (title, "".join("<li>%s</li>" % s for s in found)))
    return '<section id="verdict">%s</section>' % "".join(parts)


def header(data):
    lab, build = data.lab, data.results.get("build") or {}
    facts = ["Time base <code>%s</code>: %s." % (data.timebase, data.unit),
             "%s cells." % verdict.Number(len(lab["cells"]), ["results/lab/cells", "#"]), html.escape(lab["qemu"]) + ".",
             "Compiler %s." % html.escape(str(build["compiler"])) if build.get("compiler") else "",
             "<b>A quick run: few cells, few events.</b>" if lab["quick"] else ""]
    return ("<h1>Future or thread?</h1><p class=soft>Keyboard and mouse drivers as futures and as threads in one kernel, from the injection "
            "of an event to the moment it exists for the rest of the system. %s</p>" % " ".join(f for f in facts if f))


def page(data):
    charts = Charts(data)
    body = [header(data), verdict_section(data), blind_section(data),
            section("percentiles", "How late, and how often", "The further right, the rarer: each mark is ten times as rare as the one before.",
                    list(charts.percentiles())),
            section("neighbours", "Neighbours and bursts", "What sharing an executor costs, and what it saves.",
                    list(charts.neighbours()) + list(charts.bursts())),
            section("time", "Latency over time", "The base cells, in the order of the events.", charts.series()),
            section("stages", "Stages", "Where the time goes between the injection and whoever reads the event.", charts.stages()),
            section("heat", "Every load, every style", "Redder is later; one row's boxes differ by style and priority alone.", charts.heat()),
            section("size", "Memory and source", "What a driver takes in each style.", list(charts.memory()) + list(charts.code())),
            linux_section(data, charts),
            "<h2 id=tables>All cells</h2><p class=soft>Press a column's head to sort.</p>", cells_table(data),
            "<h2 id=single>Single figures, beside others'</h2>" + micro_table(data) if data.results.get("micro") else "",
            "<h2 id=again>Again</h2><p>All of it: <code>make bench-all</code>; without Linux: <code>make bench</code>; this page anew from what is "
            "there: <code>make report</code>. Beside this page lie <code>results.json</code> and <code>results.csv</code>.</p>"]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Duet: future or thread?</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n<style>\n%s</style></head>\n'
            "<body>\n%s\n<script>\n%s</script>\n</body></html>\n" % (read("report.css"), "\n".join(b for b in body if b), read("report.js")))


def load(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8") as text:
            return json.load(text)
    except ValueError as error:
        raise Unusable("%s is not JSON: %s" % (path, error)) from None


def data_of(folder):
    results = load(folder, "results.json")
    if not results or not results.get("lab", {}).get("cells"):
        raise Unusable("%s has no lab: `make bench` makes one" % os.path.join(folder, "results.json"))
    bases = {c["timebase"] for c in results["lab"]["cells"]} | {m["timebase"] for m in results.get("micro", [])}
    if len(bases) > 1:
        raise Unusable("figures of several time bases: %s" % ", ".join(sorted(bases)))
    return verdict.Data(results, load(folder, "linux.json"), load(folder, "external.json"))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="build/bench")
    options = parser.parse_args(arguments)
    path = os.path.join(options.folder, "report.html")
    try:
        text = page(data_of(options.folder))
        with open(path + ".partial", "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(path + ".partial", path)
    except (Unusable, plots.Failure, OSError) as error:
        sys.stderr.write("report: %s\n" % error)
        return 1
    print("%s: the verdict, %d charts, %d tables" % (path, text.count('class="chart"'), text.count("<table")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
