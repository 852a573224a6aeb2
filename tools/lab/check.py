#!/usr/bin/env python3
"""Whether the lab's figures have the shapes that the two styles must have, and whether both are measured alike.

    check.py RESULTS            each claim with its numbers; exit status 1 if one does not hold
    check.py RESULTS --guard    the asymmetry guard alone
    check.py RESULTS --baseline FILE    the claims, and whether the figures are to the digit those of the file
    check.py RESULTS --baseline FILE --write    makes them that

A claim whose cells are not among the results is left out, and said to be.
"""

import argparse
import json
import sys

import plan

US = 1000
MS = 1000 * US
HOPS = 100  # instructions: what a wake through task and executor may take more than a thread's
ALIKE = 8  # instructions: what the same object code may differ by
PREEMPTED = 2000  # instructions: a driver that preempts at once is never later
STRETCH = 100 * US  # what the load's threads compute from one place where they give way to the next


class Missing(Exception):
    """There is no such cell."""


class Lab:
    def __init__(self, cells):
        self.cells = {c["name"]: c for c in cells}
        self.handicaps = {word for c in cells for word in c["words"].split() if word.startswith("handicap=")}

    def cell(self, driver, priority, **words):
        name = " ".join([plan.name({**plan.BASE, "driver": driver, "priority": priority, **words})]
                        + sorted(self.handicaps))
        if name not in self.cells:
            raise Missing(name)
        return self.cells[name]

    def event(self, driver, priority, figure, **words):
        return self.cell(driver, priority, **words)["stages"]["event"][figure]


def verdict(good, text, *numbers):
    return bool(good), text % numbers


# ---- both styles are measured alike ----------------------------------------------------------------------------------


def same_code(lab):
    """From the driver's first instruction with the byte to the event both styles run the same object code."""
    for device in ("keyboard", "mouse"):
        for priority in plan.PRIORITIES:
            words = {"device": device} if device == "mouse" else {"load": "idle"}
            try:
                found = [lab.cell(style, priority, **words)["deltas"]["driver_event"]["min"]
                         for style in ("async", "thread")]
            except Missing:
                continue
            yield verdict(abs(found[0] - found[1]) <= ALIKE, "%s %s: from driver to event %d as a future, %d as a thread",
                          device, priority, *found)


def same_handler(lab):
    """So all do from the interrupt to the handler; where there are processes it begins with a clac, one more."""
    found = {}
    for style in plan.STYLES:
        try:
            found[style] = lab.cell(style, "high", load="idle")["stages"]["handler"]["min"]
        except Missing:
            if style in ("async", "thread"):
                raise
    yield verdict(max(found.values()) - min(found.values()) <= ALIKE, "to the handler %s", found)


def same_consumer(lab):
    """And the consumer, once the driver has done what it does after the event, which is its style's."""
    found = [lab.cell(style, "high", load="idle")["deltas"]["event_consumer"]["min"] for style in ("async", "thread")]
    yield verdict(0 <= found[0] - found[1] <= HOPS, "from event to consumer %d as a future, %d as a thread", *found)


def accounts(lab):
    """Nothing comes twice, late, or out of order, and what is lost was dropped."""
    bad = [c["name"] for c in lab.cells.values()
           if c["injected"] != c["delivered"] + c["dropped"] or c["disordered"] or c["lost"] > c["dropped"]]
    dropped = sum(c["dropped"] for c in lab.cells.values())
    yield verdict(not bad, "%d events injected, %d dropped; not accounted for in %s",
                  sum(c["injected"] for c in lab.cells.values()), dropped, bad or "no cell")


def intended_is_later(lab):
    """From the moment planned it is never less than from the injection."""
    bad = [c["name"] for c in lab.cells.values() for stage, planned in c["intended"].items()
           if planned["n"] and (planned["min"] < c["stages"][stage]["min"] or planned["max"] < c["stages"][stage]["max"])]
    yield verdict(not bad, "earlier than the injection in %s", bad or "no cell")


# ---- the shapes -------------------------------------------------------------------------------------------------------


def neighbour_bounds_future(lab):
    """A neighbour's poll is what a future waits for at worst, and a more urgent thread never."""
    threads = []
    for text in ("1us", "10us", "100us", "1ms", "10ms"):
        try:
            load, poll = "tasks:" + text, plan.duration_ns(text)
            worst = lab.event("async", "high", "max", load=load)
            threads.append(lab.event("thread", "high", "max", load=load))
        except Missing:
            continue
        yield verdict(0.8 * poll <= worst <= 1.1 * poll + PREEMPTED, "%s: %d as a future, %d as a thread", load, worst,
                      threads[-1])
    if not threads:
        raise Missing("tasks:*")
    yield verdict(max(threads) <= PREEMPTED, "as a thread at most %d, whatever the neighbour's poll", max(threads))


def yields_bound_it(lab):
    """One that yields in ten places bounds it by a tenth."""
    found = False
    for text in ("10us", "100us", "1ms", "10ms"):
        try:
            worst = lab.event("async", "high", "max", load="tasks:%s:yield" % text)
        except Missing:
            continue
        found = True
        yield verdict(worst <= 0.11 * plan.duration_ns(text) + PREEMPTED, "tasks:%s:yield: %d", text, worst)
    if not found:
        raise Missing("tasks:*:yield")


def many_ready_neighbours(lab):
    """Of many ready neighbours a future waits for one turn each, and a thread for none."""
    few, many = (lab.event("async", "high", "p50", load="ready:%d" % n) for n in (10, 1000))
    thread = lab.event("thread", "high", "max", load="ready:1000")
    yield verdict(many > 20 * few and thread <= PREEMPTED, "10: %d, 1,000: %d; as a thread %d at most", few, many, thread)


def equals_wait_for_quanta(lab):
    """Among equals that compute a thread waits a quantum for each at worst, its end included, and nearly that."""
    for count in (1, 4, 16):
        words = {} if count == 1 else {"load": "threads:%d" % count}
        for style in ("async", "thread"):
            worst = lab.event(style, "equal", "max", **words)
            yield verdict(0.8 * count * 10 * MS <= worst <= count * (10 * MS + PREEMPTED), "%s, %d of 10 ms: %d", style,
                          count, worst)


def quantum_scales_it(lab):
    """So it is in proportion to the quantum."""
    for text in ("1ms", "5ms", "20ms"):
        for style in ("async", "thread"):
            quantum, worst = plan.duration_ns(text), lab.event(style, "equal", "max", quantum=text)
            yield verdict(0.8 * quantum <= worst <= quantum + PREEMPTED, "%s, %s: %d", style, text, worst)


def executor_matches_thread(lab):
    """A future on an executor as urgent as the thread is later by the wake's extra hops alone."""
    for words in ({"load": "idle"}, {}, {"load": "threads:4"}, {"load": "threads:16"}, {"load": "alloc"},
                  {"load": "irqstorm"}, {"device": "mouse"}):
        async_, thread = (lab.event(style, "high", "p50", **words) for style in ("async", "thread"))
        yield verdict(0 <= async_ - thread <= HOPS, "%s: %d as a future, %d as a thread", words or "base", async_, thread)


def isr_is_the_floor(lab):
    """Nothing is sooner than to decode in the interrupt handler."""
    isr, thread, async_ = (lab.event(style, "high", "min") for style in ("isr", "thread", "async"))
    yield verdict(isr < thread < async_, "isr %d, thread %d, future %d", isr, thread, async_)


def bursts_favour_the_future(lab):
    """What a future takes more an event is paid once a burst: it shrinks as bursts grow."""
    extra = []
    for words in ({}, {"arrival": "burst:4"}, {"arrival": "burst:16"}):
        async_, thread = (lab.cell(style, "high", **words) for style in ("async", "thread"))
        extra.append(round(async_["driver_ns"] / async_["delivered"] - thread["driver_ns"] / thread["delivered"]))
    yield verdict(extra[2] < extra[1] < extra[0] and extra[2] * 3 < extra[0],
                  "of the driver's CPU, alone %d more, in bursts of 4 %d, of 16 %d", *extra)


def preempt_off_costs(lab):
    """Where nothing, or only a point, preempts, the most urgent wait for a stretch of whoever runs."""
    for word in ("preempt", "kpreempt"):
        for style in ("async", "thread"):
            on, off = lab.event(style, "high", "max"), lab.event(style, "high", "max", **{word: "off"})
            yield verdict(on <= PREEMPTED and 0.8 * STRETCH <= off <= STRETCH + PREEMPTED, "%s, %s=off: %d, on: %d", style,
                          word, off, on)


def tick_lengthens_turns(lab):
    """With a tick a turn is as much longer as the next tick is away; what preempts at once does not wait for one."""
    for text in ("100", "250", "1000"):
        tick = 10**9 // int(text)
        for style in ("async", "thread"):
            equal, high = (lab.event(style, priority, "max", tick=text) for priority in plan.PRIORITIES)
            yield verdict(equal <= 10 * MS + tick + PREEMPTED and high <= PREEMPTED, "%s, %s Hz: %d, more urgent %d", style,
                          text, equal, high)


def nobody_runs_below_higher(lab):
    """Whoever is less urgent than what computes runs when that ends."""
    for style in ("async", "thread"):
        least = lab.event(style, "equal", "min", load="threads:4:higher")
        lower = lab.event(style, "equal", "max", load="threads:4:lower")
        yield verdict(least > 100 * MS and lower <= PREEMPTED, "%s: below them at least %d, above them at most %d", style,
                      least, lower)


def seeds_differ(lab):
    """Another seed has other arrivals."""
    sums = [json.dumps(lab.cell("thread", "equal", seed=str(seed))["stages"]) for seed in (1, 2, 3)]
    yield verdict(len(set(sums)) == len(sums), "%d different of %d", len(set(sums)), len(sums))


GUARD = (same_code, same_handler, same_consumer, executor_matches_thread)
CLAIMS = (accounts, intended_is_later, same_code, same_handler, same_consumer, executor_matches_thread,
          isr_is_the_floor, neighbour_bounds_future, yields_bound_it, many_ready_neighbours, equals_wait_for_quanta,
          quantum_scales_it, bursts_favour_the_future, preempt_off_costs, tick_lengthens_turns,
          nobody_runs_below_higher, seeds_differ)


def check(lab, claims):
    """Prints each claim. The number of those that do not hold, and that of those that were looked at."""
    failed = seen = 0
    for claim in claims:
        found, missing = [], None
        try:
            for one in claim(lab):
                found.append(one)
        except Missing as error:
            missing = error
        if not found:
            print("-     %s: no cell '%s'" % (claim.__name__, missing))
            continue
        good = all(one[0] for one in found)
        seen += 1
        failed += not good
        print("%-5s %s: %s" % ("ok" if good else "FALSE", claim.__name__, claim.__doc__))
        for one in found:
            print("      %s %s" % (" " if one[0] else "!", one[1]))
    return failed, seen


# ---- the baseline -----------------------------------------------------------------------------------------------------


def baseline_of(results):
    """What is the same in a short run and a long one, and depends on nothing but the code it is of."""
    figures = {m["name"]: m["p50"] for m in results.get("micro", [])
               if m["unit"] == "instructions" and not m["name"].startswith(("heap.batch", "heap.bump", "pi.wait_off"))}
    for cell in results["lab"]["cells"]:
        if cell["priority"] == "high" and cell["factor"] in ("base", "load") and cell["load"] in ("idle", "threads:1"):
            for stage, values in cell["stages"].items():
                figures["%s: %s" % (cell["name"], stage)] = values["p50"]
    return {"build": results.get("build"), "qemu": results["lab"]["qemu"], "figures": figures}


def compare(results, path):
    """Prints each figure that is another. True if none is, or if they are of another compiler or QEMU."""
    found = baseline_of(results)
    with open(path, encoding="utf-8") as text:
        expected = json.load(text)
    if (found["build"], found["qemu"]) != (expected["build"], expected["qemu"]):
        print("-     baseline: it is of %s, %s, and says nothing of %s, %s"
              % (expected["build"], expected["qemu"], found["build"], found["qemu"]))
        return True
    before, now = expected["figures"], found["figures"]
    left_out = {name for name in before if ": " in name and name not in now}  # cells that a short run has not
    changed = [name for name in sorted({**before, **now}) if before.get(name) != now.get(name) and name not in left_out]
    print("%-5s baseline: %d figures, %d of them changed" % ("FALSE" if changed else "ok", len(before) - len(left_out), len(changed)))
    for name in changed:
        print("      ! %s: %s, now %s" % (name, before.get(name, "nothing"), now.get(name, "nothing")))
    return not changed


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--guard", action="store_true")
    parser.add_argument("--baseline")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    try:
        with open(options.results, encoding="utf-8") as text:
            results = json.load(text)
            lab = results["lab"]
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write("bench-check: %s has no lab: %s\n" % (options.results, error))
        return 1
    if lab["timebase"] != "icount":
        sys.stderr.write("bench-check: the time base is %s: only instructions are exact\n" % lab["timebase"])
        return 1
    if options.write:
        with open(options.baseline, "w", encoding="utf-8") as out:
            out.write(json.dumps(baseline_of(results), indent=1, sort_keys=True) + "\n")
        return 0
    failed, seen = check(Lab(lab["cells"]), GUARD if options.guard else CLAIMS)
    print("bench-check: %d of %d claims hold" % (seen - failed, seen))
    same = not options.baseline or compare(results, options.baseline)
    return 1 if failed or not seen or not same else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
