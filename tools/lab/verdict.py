"""What the lab's figures say, in words whose every number is one of them or computed from them.

A sentence belongs to a condition. Where that does not hold in the data, another sentence stands there, or none; what the
data has no cell for is not spoken of.
"""

import html

import check
import plan

AS_GOOD_PART = 0.01  # of the thread's latency: what a future may take more where it is called as good
MUCH = 2  # times the thread's worst


class Number:
    """A value, and where it is from: paths into the data, and behind their operands - + / and #, the length of what is
    there."""

    def __init__(self, value, of):
        self.value, self.of = value, list(of)

    def __sub__(self, other):
        return Number(self.value - other.value, self.of + other.of + ["-"])

    def __add__(self, other):
        return Number(self.value + other.value, self.of + other.of + ["+"])

    def __truediv__(self, other):
        return Number(self.value / other.value, self.of + other.of + ["/"])

    def text(self):
        if isinstance(self.value, int):
            return "{:,}".format(self.value)
        return "{:,.0f}".format(self.value) if self.value >= 20 else "{:,.2f}".format(self.value)

    def __str__(self):
        return '<data value="%r" data-of="%s">%s</data>' % (self.value, html.escape(" ".join(self.of)), self.text())


def most(numbers):
    return max(numbers, key=lambda n: n.value)


def least(numbers):
    return min(numbers, key=lambda n: n.value)


class Data:
    """What there is: results.json, and linux.json and external.json, or None."""

    def __init__(self, results, linux=None, external=None):
        self.files = {"results": results, "linux": linux, "external": external}
        self.results, self.linux, self.external = results, linux, external
        self.lab = results["lab"]
        self.cells = {c["name"]: c for c in self.lab["cells"]}
        self.index = {c["name"]: i for i, c in enumerate(self.lab["cells"])}
        self.finder = check.Lab(self.lab["cells"])
        self.timebase = self.lab["timebase"]
        self.unit = {"icount": "instructions", "tsc": "cycles", "tcg": "ns of the emulator's host"}[self.timebase]

    def at(self, path):
        """The number at file/key/key, keys as JSON has them. Raises check.Missing."""
        name, *keys = path.split("/")
        node = self.files[name]
        try:
            for key in keys:
                node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, TypeError):
            raise check.Missing(path) from None
        if not isinstance(node, (int, float)):
            raise check.Missing(path)
        return Number(node, [path])

    def cell(self, driver, priority, **words):
        return self.finder.cell(driver, priority, **words)

    def of(self, cell, figure):
        return self.at("results/lab/cells/%d/%s" % (self.index[cell["name"]], figure))

    def figure(self, driver, priority, figure, **words):
        return self.of(self.cell(driver, priority, **words), figure)

    def event(self, driver, priority, which="p50", **words):
        return self.figure(driver, priority, "stages/event/" + which, **words)

    def both(self, priority, which="p50", **words):
        return tuple(self.event(style, priority, which, **words) for style in ("async", "thread"))

    def micro(self, name, which="p50"):
        for i, figure in enumerate(self.results.get("micro", [])):
            if figure["name"] == name:
                return self.at("results/micro/%d/%s" % (i, which))
        raise check.Missing(name)

    def linux_micro(self, kernel, name, which="p50"):
        for k, one in enumerate((self.linux or {}).get("kernels", [])):
            for i, figure in enumerate(one["micro"]):
                if one["kernel"] == kernel and figure["name"] == name:
                    return self.at("linux/kernels/%d/micro/%d/%s" % (k, i, which))
        raise check.Missing(name)

    def outside(self, system, style, device, pace, figure):
        """Of the stopwatch's cell of that name, in this time base alone."""
        for i, cell in enumerate((self.external or {}).get("cells", [])):
            if (cell["time_base"] == self.timebase and cell["name"] == "-".join((system, style, device, pace))):
                return self.at("external/cells/%d/stages/%s" % (i, figure))
        raise check.Missing("%s-%s-%s-%s" % (system, style, device, pace))

    def linux_fits(self):
        return bool(self.linux) and self.linux["time_base"] == self.timebase

    def compared(self, priority="high"):
        """(what it is, future, thread): pairs of cells that differ in the style alone."""
        for cell in self.lab["cells"]:
            if cell["driver"] != "async" or cell["priority"] != priority or cell["factor"] not in ("base", "load", "device"):
                continue
            other = self.cells.get(cell["name"].replace("async", "thread", 1))
            if other and cell["delivered"] and other["delivered"]:
                yield " ".join(cell["name"].split(" ")[2:]) or cell["load"], cell, other


def counted(numbers):
    """How many they are; where each is from is part of it."""
    return Number(len(numbers), [path for n in numbers for path in n.of] + ["#%d" % len(numbers)])


def neighbours(load):
    return load.startswith(("tasks", "ready"))


def code(text):
    return "<code>%s</code>" % html.escape(text)


def span(text):
    """10ms as 10 ms."""
    return text.replace("us", " µs").replace("ms", " ms")


def listed(items):
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else "none"


# ---- when a future is as good -----------------------------------------------------------------------------------------


def partition(data):
    """Cells without neighbours, at high priority: where the future is as good as the thread, and where not."""
    good, bad = [], []
    for what, async_, thread in data.compared():
        if neighbours(async_["load"]):
            continue
        pairs = [(data.of(async_, "stages/event/" + w), data.of(thread, "stages/event/" + w)) for w in ("p50", "max")]
        allowed = [max(check.HOPS, AS_GOOD_PART * t.value) for _, t in pairs]
        fits = all(a.value - t.value <= limit for (a, t), limit in zip(pairs, allowed))
        (good if fits else bad).append((what, pairs[0][0] - pairs[0][1], pairs[1][0] - pairs[1][1]))
    return good, bad


def as_good(data):
    good, bad = partition(data)
    if good:
        medians, worsts = [m for _, m, _ in good], [w for *_, w in good]
        yield ("<b>As good</b> where its executor is as urgent as the thread would be and nobody on that executor computes: under "
               "%s it is later by %s to %s %s at the median, and by %s at most in the worst case."
               % (listed(code(w) for w, *_ in good), least(medians), most(medians), data.unit, most(worsts)))
    if bad:
        yield ("<b>Not as good</b>, though nobody computes on its executor, under %s." % listed(
            "%s (later by %s at the median, %s in the worst case)" % (code(w), m, x) for w, m, x in bad))


def at_equal(data):
    future, thread = data.both("equal", "max")
    high = data.both("high", "max")
    if min(future.value, thread.value) > 10 * max(h.value for h in high):
        yield ("<b>Urgency decides before style does.</b> At the load's own priority, beside one thread that computes, both wait for "
               "its quantum: %s as a future and %s as a thread at worst; above it %s and %s."
               % (future, thread, high[0], high[1]))
    elif future.value > MUCH * thread.value:
        yield "At the load's own priority the future's worst case is %s, the thread's %s." % (future, thread)
    else:
        yield "At the load's own priority the worst is %s as a future and %s as a thread." % (future, thread)


def future_is_better(data):
    """Beside neighbours at equal priority a thread waits for a quantum, and a future for a poll."""
    found = []
    for what, async_, thread in data.compared("equal"):
        a, t = data.of(async_, "stages/event/max"), data.of(thread, "stages/event/max")
        if neighbours(async_["load"]) and a.value * MUCH < t.value:
            found.append((t.value / a.value, what, a, t))
    if found:
        _, what, a, t = max(found)
        yield ("<b>Better</b> than a thread at equal priority, where the load is futures: it waits for one poll of theirs, the thread "
               "for their executor's quantum. So it is under %s loads, most under %s: %s at worst, the thread %s."
               % (counted([a for *_, a, _ in found]), code(what), a, t))


def bursts(data):
    costs = []
    for text in (None, "burst:2", "burst:4", "burst:8", "burst:16"):
        words = {"arrival": text} if text else {}
        try:
            cells = [data.cell(style, "high", **words) for style in ("async", "thread")]
        except check.Missing:
            continue
        one = [data.of(c, "driver_ns") / data.of(c, "delivered") for c in cells]
        costs.append((text, one[0], one[1], one[0].value - one[1].value))
    if len(costs) < 2 or not costs[0][3] > 0:
        return
    first, last = costs[0], costs[-1]
    if last[3] < first[3]:
        yield ("<b>Bursts favour it.</b> An event that comes alone costs %s ns of CPU in the driver as a future and %s as a thread; in %s, "
               "%s and %s: what a wake costs more is paid once a burst." % (first[1], first[2], code(last[0]), last[1], last[2]))
    else:
        yield "Bursts do not help it: of CPU an event takes %s and %s ns in %s." % (last[1], last[2], code(last[0]))


# ---- when not ----------------------------------------------------------------------------------------------------------


def polls(data, tail=""):
    for text in ("1us", "10us", "100us", "1ms", "10ms"):
        try:
            yield (text,) + data.both("high", "max", load="tasks:%s%s" % (text, tail))
        except check.Missing:
            continue


def neighbour(data):
    found = list(polls(data))
    worse = [(t, a, b) for t, a, b in found if a.value > MUCH * b.value]
    if worse:
        text, a, b = worse[-1]
        yield ("<b>Not as good</b> beside a neighbour that computes: nothing can take the CPU from a poll. One of %s makes its worst "
               "case %s; a thread's stays at %s, %s times less. From %s a poll on, the future's is more than %d times the thread's."
               % (span(text), a, b, a / b, span(worse[0][0]), MUCH))
    elif found:
        yield ("A neighbour's poll did not make the future's worst case more than %d times the thread's: with %s it is %s, the "
               "thread's %s." % (MUCH, span(found[-1][0]), *found[-1][1:]))
    for (text, plain, _), (other, yielding, _) in zip(found[::-1], list(polls(data, ":yield"))[::-1]):
        if text == other and yielding.value * MUCH < plain.value:
            yield ("A neighbour that yields in ten places of its %s bounds it at %s, %s times less: the future is as good as the "
                   "longest stretch between two awaits on its executor." % (span(text), yielding, plain / yielding))
            return


def ready(data):
    few, many = (data.event("async", "high", "p50", load="ready:%d" % n) for n in (10, 1000))
    thread = data.event("thread", "high", "p50", load="ready:1000")
    if many.value > MUCH * few.value and many.value > MUCH * thread.value:
        yield ("Nor beside many that are ready, however little each does: behind 10 it takes %s at the median, behind 1,000 %s, and a "
               "thread %s." % (few, many, thread))


def preemption(data):
    for word, why in (("preempt", "nothing preempts"), ("kpreempt", "only points in the code let others run")):
        try:
            off, on = data.both("high", "max", **{word: "off"}), data.both("high", "max")
        except check.Missing:
            continue
        if min(o.value for o in off) > 10 * max(o.value for o in on):
            yield ("With %s, where %s, an urgent thread is no better than a future: %s and %s at worst, for whoever computes goes on to "
                   "its next point." % (code(word + "=off"), why, off[1], off[0]))


# ---- what each costs ----------------------------------------------------------------------------------------------------


def cost_latency(data):
    a, t = data.both("high", "p50", load="idle")
    kind = "<b>Latency.</b> From the injection to the event, on an idle machine: %s as a future, %s as a thread" % (a, t)
    more = a - t
    yield kind + (": %s more, or %s times as many." % (more, a / t) if more.value > 0 else "." if not more.value else ": the future is sooner by %s."
                  % (t - a))
    try:
        floor = data.event("isr", "high", "p50", load="idle")
        poll = data.event("poll", "high", "p50", load="idle")
    except check.Missing:
        return
    if floor.value <= min(a.value, t.value):
        yield "The floor, decoded in the interrupt handler: %s. A thread that polls, and lets nobody below it run: %s." % (floor, poll)


def cost_jitter(data):
    spread = [data.event(s, "high", "max") - data.event(s, "high", "min") for s in ("async", "thread")]
    text = "<b>Jitter.</b> Beside a thread that computes, above it: between the least and the most lie %s as a future, %s as a thread" % (
        spread[0], spread[1])
    if abs(spread[0].value - spread[1].value) <= check.ALIKE:
        yield text + ": the same."
    else:
        yield text + ": the %s has less." % ("future" if spread[0].value < spread[1].value else "thread")
    wide = [(data.of(a, "stages/event/max") - data.of(a, "stages/event/min"),
             data.of(t, "stages/event/max") - data.of(t, "stages/event/min"), what)
            for what, a, t in data.compared() if neighbours(a["load"])]
    if wide:
        future, thread, what = max(wide, key=lambda w: w[0].value)
        if future.value > MUCH * thread.value:
            yield "With neighbours on its executor they are at most %s as a future (%s), where the thread has %s." % (
                future, code(what), thread)


def cost_memory(data):
    cells = [data.cell(style, "high") for style in ("async", "thread")]
    whole = [data.of(c, "memory/frame") + data.of(c, "memory/stack") for c in cells]
    used = data.of(cells[1], "memory/stack_used")
    text = "<b>Memory.</b> A driver has to itself %s bytes as a future and %s as a thread" % (whole[0], whole[1])
    if whole[0].value < whole[1].value:
        yield text + ", %s times as much; of the thread's stack %s bytes were ever used." % (whole[1] / whole[0], used)
    else:
        yield text + "."


def cost_code(data):
    for what, unit in (("text", "bytes of text"), ("lines", "lines of source")):
        a, t, shared = (data.at("results/lab/code/keyboard/%s/%s" % (s, what)) for s in ("async", "thread", "shared"))
        start = "<b>Code.</b> The keyboard's driver has" if what == "text" else "It has"
        yield "%s %s %s of its own as a future, %s as a thread, beside %s that both share." % (start, a, unit, t, shared)


def losses(data):
    dropped = [c for c in data.lab["cells"] if c["dropped"]]
    wrong = [c for c in data.lab["cells"] if c["disordered"] or c["lost"] > c["dropped"]
             or c["injected"] != c["delivered"] + c["dropped"]]
    if wrong:
        yield "<b>Not accounted for</b>: events of %s." % listed(code(c["name"]) for c in wrong)
        return
    if not dropped:
        yield "<b>Losses.</b> No event was lost in any cell, and none came twice or out of order."
        return
    styles = sorted({plan.STYLES.index(c["driver"]) for c in dropped if c["driver"] in plan.STYLES})
    yield ("<b>Losses.</b> No event came twice or out of order. Where more came than the ring holds while the driver had no turn they "
           "were dropped and counted, in %s of %s cells, of the styles %s."
           % (counted([data.of(c, "dropped") for c in dropped]), Number(len(data.lab["cells"]), ["results/lab/cells", "#"]), listed(code(plan.STYLES[s]) for s in styles)))


def beside_linux(data):
    if not data.linux_fits():
        return
    duet = [data.micro("key.%s_consumer" % s) for s in ("task", "thread")]
    stock = data.linux_micro("stock", "key.fifo_lean")
    worst = duet[0] if duet[0].value > duet[1].value else duet[1]
    text = ("<b>Beside Linux</b>, from the key to the program that waits for it: %s as a future and %s as a thread; Linux's "
            "<code>SCHED_FIFO</code> reader with the keyboard to itself %s" % (duet[0], duet[1], stock))
    try:
        rt = data.linux_micro("rt", "key.fifo_lean")
        text += ", %s under PREEMPT_RT" % rt
    except check.Missing:
        pass
    if stock.value > worst.value:
        yield text + (". The styles differ by %s; the kernels by %s times and more. Linux does more on the way: processes, many readers, a "
                      "console." % (most(duet) - least(duet), stock / worst))
    else:
        yield text + "."


def from_outside(data):
    """One stopwatch for all kernels."""
    future, thread = (data.outside("duet", s, "keyboard", "busy", "consumer/p50") for s in ("async", "thread"))
    stock, rt = (data.outside(k, "fifo-lean", "keyboard", "busy", "consumer/p50") for k in ("stock", "rt"))
    worst = [data.outside(*c, "keyboard", "busy", "consumer/max") for c in (("duet", "async"), ("stock", "fifo-lean"), ("rt", "fifo-lean"))]
    yield ("<b>Timed from outside</b>, by one stopwatch that none of the kernels knows of, a key is delivered after %s as a future and %s as a "
           "thread, by Linux after %s and by PREEMPT_RT after %s; at worst after %s as a future, %s and %s."
           % (future, thread, stock, rt, *worst))


GROUPS = (
    ("When is a future as good as a thread?", (as_good, at_equal, future_is_better, bursts)),
    ("When is it not?", (neighbour, ready, preemption)),
    ("What does each cost?", (cost_latency, cost_jitter, cost_memory, cost_code, losses, beside_linux, from_outside)),
)


def short_answer(data):
    """One sentence above all, of the parts that hold."""
    parts = []
    good, bad = partition(data)
    if good and not bad:
        parts.append("A future is as good as a thread when its executor is as urgent as that thread")
    elif good:
        parts.append("A future is as good as a thread under some loads, and not under others, although its executor is as urgent")
    worse = [p for p in polls(data) if p[1].value > MUCH * p[2].value]
    if parts and worse:
        parts.append("and nothing else on that executor computes for long")
    text = " ".join(parts)
    try:
        a, t = data.both("high", "p50", load="idle")
        frame = [data.figure(s, "high", "memory/frame") + data.figure(s, "high", "memory/stack") for s in ("async", "thread")]
        if text and a.value > t.value and frame[0].value < frame[1].value:
            text += ": it is then %s %s later, and needs %s bytes instead of %s" % (a - t, data.unit, frame[0], frame[1])
    except check.Missing:
        pass
    if worse:
        label, a, t = worse[-1]
        text += "%s beside a neighbour that computes %s a poll it is %s late at worst, and a thread %s" % (". But" if text else "", span(label), a, t)
    return text + "." if text else "The cells that would answer the question are not among the results."


def sentences(data, group):
    found = []
    for claim in group:
        try:
            found += list(claim(data))
        except check.Missing:
            continue
    return found
