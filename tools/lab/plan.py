"""Which cells a lab has. A cell is a dictionary of the kernel's words; what it does not name is BASE's."""

import itertools

STYLES = ("async", "thread", "user", "isr", "poll")
PRIORITIES = ("equal", "high")
BASE = {
    "driver": None,
    "device": "keyboard",
    "load": "threads:1",
    "priority": None,
    "arrival": "jitter",
    "tick": "0",
    "quantum": "10ms",
    "preempt": "on",
    "kpreempt": "on",
    "seed": "1",
}

LOADS = (
    ["idle"]
    + ["threads:%d%s" % (n, p) for n in (4, 16) for p in ("",)]
    + ["threads:4:lower", "threads:4:higher"]
    + ["tasks:%s%s" % (d, y) for d in ("1us", "10us", "100us", "1ms", "10ms") for y in ("", ":yield")]
    + ["ready:10", "ready:1000", "print", "alloc", "irqstorm", "both"]
)
ARRIVALS = ["periodic", "burst:2", "burst:4", "burst:8", "burst:16", "back-to-back"]
# What is varied, one at a time.
FACTORS = {
    "load": LOADS,
    "device": ["mouse"],
    "arrival": ARRIVALS,
    "tick": ["100", "250", "1000"],
    "quantum": ["1ms", "5ms", "20ms"],
    "preempt": ["off"],
    "kpreempt": ["off"],
    "seed": [str(seed) for seed in range(2, 11)],
}
# The bounds wait for no turn and share no executor: of them what touches an interrupt or a poll.
BOUNDS = {
    "load": ["idle", "threads:4", "tasks:1ms", "print", "alloc", "irqstorm", "both"],
    "device": ["mouse"],
    "arrival": ["burst:16", "back-to-back"],
    "preempt": ["off"],
    "kpreempt": ["off"],
}
# A process is a thread with a boundary: what makes it wait, and what makes a burst cross it once.
USER = {
    "load": ["idle", "threads:4", "threads:16", "tasks:1ms", "ready:1000", "print", "alloc", "irqstorm"],
    "device": ["mouse"],
    "arrival": ARRIVALS,
    "quantum": ["1ms"],
    "kpreempt": ["off"],
}
QUICK = {"load": ["idle", "tasks:100us", "tasks:100us:yield"], "arrival": ["burst:16"], "preempt": ["off"]}

EVENTS = 1000
EVENTS_QUICK = 100
INSTRUCTIONS_MAX = 2 * 10**9


def possible(cell):
    """A neighbour that is always ready never lets go where nothing preempts; and two drivers in ring 3 publish to one
    queue, whose reader would have to tell them apart."""
    if cell["driver"] == "user" and cell["load"] == "both":
        return False
    return cell["preempt"] == "on" or not cell["load"].startswith(("tasks", "ready"))


def factor(cell):
    """Which factor is varied: "base" if none is, "cross" if several are."""
    varied = [word for word, value in BASE.items() if value is not None and cell[word] != value]
    return varied[0] if len(varied) == 1 else "cross" if varied else "base"


def around(base, factors):
    yield dict(base)
    for word, values in factors.items():
        for value in values:
            yield {**base, word: value}


def default_lab(quick):
    for driver, priority in itertools.product(STYLES, PRIORITIES):
        base = {**BASE, "driver": driver, "priority": priority}
        if quick:
            factors = QUICK if driver in ("async", "thread") else {}
        else:
            factors = FACTORS if driver in ("async", "thread") else USER if driver == "user" else BOUNDS
        yield from around(base, factors)


def full_lab():
    values = {word: [BASE[word]] + list(FACTORS.get(word, [])) for word in BASE if BASE[word] is not None}
    values["seed"] = ["1"]
    words = list(values)
    for driver, priority in itertools.product(STYLES, PRIORITIES):
        for combination in itertools.product(*values.values()):
            yield {**BASE, **dict(zip(words, combination)), "driver": driver, "priority": priority}


def lab(quick=False, full=False):
    """All cells, each once."""
    return [cell for cell in (full_lab() if full else default_lab(quick)) if possible(cell)]


def period_ns(cell):
    """What the kernel chooses: half the port's ring is to hold what arrives while the driver waits for its turn."""
    if cell["priority"] != "equal" or not cell["load"].startswith("threads") or cell["load"].count(":") > 1:
        return 10**6
    wait = int(cell["load"].split(":")[1]) * duration_ns(cell["quantum"])
    size = 3 if cell["device"] == "mouse" else 1
    return max(1, -(-wait * size // 64 // 10**6)) * 10**6


def duration_ns(text):
    return int(text[:-2]) * {"us": 10**3, "ms": 10**6}[text[-2:]]


def events(cell, quick=False):
    """As many as a cell's instructions allow."""
    return EVENTS_QUICK if quick else min(EVENTS, INSTRUCTIONS_MAX // period_ns(cell))


def cost(cell, quick=False):
    """How long it takes, in some unit: an idle machine skips its waits, and one that switches all the time is slow."""
    count = events(cell, quick)
    if cell["arrival"] == "back-to-back":
        return 0.2
    if cell["load"] in ("idle", "both", "print", "irqstorm") and cell["driver"] != "poll":
        return 0.3
    work = count * period_ns(cell) / 10**9
    return 0.2 + work * (4 if cell["driver"] == "poll" else 2 if cell["load"].startswith("ready") else 1)


def name(cell):
    """Of its files too: the words that are not BASE's."""
    words = [cell["driver"], cell["priority"]]
    words += [value if word in ("load", "device") else "%s=%s" % (word, value) for word, value in cell.items()
              if word not in ("driver", "priority") and value != BASE[word]]
    return " ".join(words)


def parse(words):
    """A cell from KEY=VALUE words."""
    cell = dict(BASE)
    extra = []
    for word in words:
        key, _, value = word.partition("=")
        if key in cell:
            cell[key] = value
        else:
            extra.append(word)
    if not cell["driver"] or not cell["priority"]:
        raise ValueError("a cell needs driver= and priority=")
    return cell, extra


def command_line(cell, extra=(), quick=False):
    words = ["mode=bench", "suite=matrix"]
    words += ["%s=%s" % item for item in cell.items()]
    if not any(word.startswith("events=") for word in extra):
        words.append("events=%d" % events(cell, quick))
    if factor(cell) == "base":
        words.append("series=on")
    return " ".join(words + list(extra))
