"""A lab's results out of a model of both styles, for pages whose verdict is known beforehand."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lab"))

import histogram
import lab
import plan

MODEL = {
    "path": {"async": 394, "thread": 336, "user": 841, "isr": 259, "poll": 265},  # instructions from the injection to the event
    "spread": {"async": 97, "thread": 97, "user": 132, "isr": 97, "poll": 97},
    "memory": {"async": (152, 0, 0), "thread": (240, 16384, 176), "user": (69872, 16384, 560), "isr": (16, 0, 0), "poll": (240, 16384, 376)},
    "text": {"async": 705, "thread": 162, "user": 243, "isr": 178, "poll": 109, "shared": 2394},
    "neighbours": True,  # a future waits for the polls of its executor's others
    "dropped": 0,
    "disordered": 0,
    "timebase": "icount",
}
EVENTS = 1000
STEPS = 40  # different values a histogram


def bucket(value):
    """The last whose least value is not greater."""
    low, high = 0, histogram.BUCKETS - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if histogram.least(middle) <= value else (low, middle - 1)
    return low


def histogram_of(values, times=1):
    """Of values that each came so many times."""
    counts = {}
    for value in values:
        place = bucket(value)
        counts[place] = counts.get(place, 0) + times
    return {"n": len(values) * times, "min": min(values), "max": max(values), "sum": sum(values) * times,
            "worst": values.index(max(values)), "buckets": [number for b in sorted(counts) for number in (b, counts[b])]}


def wait(model, cell):
    """How long at most until the driver runs."""
    style, load, equal = cell["driver"], cell["load"], cell["priority"] == "equal"
    if style == "isr":
        return 0
    if cell["preempt"] == "off" or cell["kpreempt"] == "off":
        return 10**5
    if load.startswith("tasks") and style == "async":
        duration = plan.duration_ns(load.split(":")[1])
        return 0 if not model["neighbours"] else duration // 10 if load.endswith("yield") else duration
    if load.startswith("ready") and style == "async":
        return 58 * int(load.split(":")[1])
    if load == "threads:4:higher":
        return 10**9
    quanta = int(load.split(":")[1]) if load.startswith("threads") and load.count(":") == 1 else load.startswith(("tasks", "ready", "alloc"))
    return quanta * plan.duration_ns(cell["quantum"]) if equal else 0


def cell_of(model, cell):
    style, device = cell["driver"], cell["device"]
    most, path = wait(model, cell), model["path"][style] + 48 * (device == "mouse")
    waits = [most * (i * 7 % STEPS + 1) // STEPS + (model["spread"][style] if i == 5 else 0) for i in range(STEPS)]
    driver = [82 + (path - 187) + w for w in waits]
    values = {"stages": {"handler": [82] * STEPS, "driver": driver, "event": [d + 105 for d in driver],
                         "consumer": [d + 232 for d in driver]},
              "deltas": {"handler_driver": [d - 82 for d in driver], "driver_event": [105] * STEPS, "event_consumer": [127] * STEPS},
              "intended": {"event": [d + 443 for d in driver], "consumer": [d + 570 for d in driver]}}
    found = {of: {name: histogram_of(v, EVENTS // STEPS) for name, v in names.items()} for of, names in values.items()}
    words = plan.command_line(cell)
    frame, stack, used = model["memory"][style]
    one = {"name": plan.name(cell), "factor": plan.factor(cell), "words": words, "timebase": model["timebase"], "driver": style,
           "device": device, "load": cell["load"], "priority": cell["priority"], "arrival": cell["arrival"], "seed": int(cell["seed"]),
           "injected": EVENTS, "delivered": EVENTS - model["dropped"], "dropped": model["dropped"], "lost": model["dropped"],
           "disordered": model["disordered"], "injector_tail": 50, "switches": 3004, "polls": 1001,
           "driver_ns": EVENTS * (231 + (121 if style == "async" else 0) // int((cell["arrival"] + ":1").split(":")[1])),
           "consumer_ns": 199114, "memory": {"frame": frame, "stack": stack, "stack_used": used}, "histograms": found}
    for of, names in found.items():
        one[of] = {name: histogram.describe(h) for name, h in names.items()}
    if "series=on" in words:
        one["series"] = [n for i, late in enumerate(values["stages"]["event"] * (EVENTS // STEPS)) for n in (i * 10**6, late)]
    return one


def results(quick=False, **changes):
    """results.json as the model, but for the changes, would have it."""
    model = {**MODEL, **changes}
    cells = [cell_of(model, c) for c in plan.lab(quick)]
    code = {style: {"text": text, "lines": text // 40} for style, text in model["text"].items()}
    micro = [{"name": name, "unit": "instructions", "timebase": model["timebase"], "n": 1000, "min": v, "p50": v, "p99": v, "max": v + 9}
             for name, v in (("thread.yield", 55), ("task.self_wake", 40), ("key.thread", 269), ("key.thread_consumer", 383),
                             ("key.task_consumer", 515), ("mouse.thread_consumer", 441), ("mouse.task_consumer", 573))]
    return {"schema": 1, "timebase": model["timebase"], "build": {"compiler": "12.2.0", "optimized": True}, "micro": micro,
            "lab": {"schema": 1, "timebase": model["timebase"], "machine": "-machine pc -icount shift=0", "qemu": "QEMU 7.2",
                    "quick": quick, "full": False, "base": {}, "code": {"keyboard": code, "mouse": code}, "cells": cells,
                    "merged": lab.merged_seeds(cells)}}


def linux(time_base="icount"):
    figures = {"thread.yield": 1077, "key.fifo_lean": 5901, "key.fifo_shipped": 10549, "key.normal_lean": 6294, "mouse.fifo_lean": 5917}
    return {"time_base": time_base, "qemu": "QEMU 7.2", "quick": False, "memory_mib": 256, "kernels": [
        {"kernel": kernel, "package": "linux-image-" + kernel, "version": "6.1", "sha256": "00", "command": "qemu-system-x86_64 " + kernel,
         "micro": [{"name": name, "unit": "instructions", "n": 1000, "min": v * times, "p50": v * times, "p99": v * times, "max": v * times}
                   for name, v in figures.items()]} for kernel, times in (("stock", 1), ("rt", 3))]}


def external():
    """Cells of the stopwatch's: all that the one table has a column for, and one at the host's pace."""
    cells = []
    for system, style, times in (("duet", "thread", 1), ("duet", "async", 1.25), ("duet", "user", 3), ("stock", "fifo-lean", 15),
                                 ("stock", "fifo-shipped", 23), ("stock", "normal-lean", 17), ("rt", "fifo-lean", 45)):
        for device in ("keyboard", "mouse"):
            for pace in ("idle", "busy", "free"):
                if pace == "free" and style != "thread":
                    continue
                read, consumer = 33 if system == "duet" else 286, round(375 * times)
                one = {"name": "-".join((system, style, device, pace)), "system": system, "style": style.split("-")[0], "device": device,
                       "pace": pace, "time_base": "tcg" if pace == "free" else "icount", "injected": 1002, "delivered": 1002, "lost": 0,
                       "unsent": 0, "right": True, "command": "qemu-system-x86_64 external",
                       "stages": {"handler": {"n": 1002, "min": 0, "p50": 0, "p99": 0, "max": 7},
                                  "read": {"n": 1002, "min": read, "p50": read, "p99": read, "max": read + 7},
                                  "consumer": {"n": 1002, "min": consumer, "p50": consumer, "p99": consumer, "max": consumer + 125}}}
                if system != "duet":
                    one["shipped"] = style.endswith("shipped")
                cells.append(one)
    return {"qemu": "QEMU 7.2", "quick": False, "cells": cells}
