"""A trace's file: what is right is written, and what is not is refused."""

import copy
import unittest

import sample  # first: it says where the lab's modules are
import lab
import trace

LOAD, DRIVER, CONSUMER, TASK = 100, 200, 300, 400
SW, WAKE, TWAKE, POLL, END, IRQ, IRQ_END = range(7)


def press(at, future):
    """The records of one key press, and its moments."""
    records = [(at, IRQ, 0x21), (at + 40, TWAKE, TASK) if future else (at + 40, WAKE, DRIVER), (at + 60, IRQ_END, 0x21),
               (at + 70, SW, DRIVER)]
    records += [(at + 80, POLL, TASK)] if future else []
    records += [(at + 150, WAKE, CONSUMER)] + ([(at + 160, END, TASK)] if future else [])
    records += [(at + 170, SW, CONSUMER), (at + 300, SW, LOAD)]
    injection = [(at - 50, IRQ, 0x30), (at - 5, IRQ_END, 0x30)]
    return injection + records, (at - 10, at + 20, at + 100, at + 140, at + 200)


def lines(future=True, presses=5):
    """COM2 of a cell with its trace."""
    records, events = [(0, SW, LOAD)], []
    for i in range(presses):
        some, event = press(1000 * (i + 1), future)
        records += some
        events.append(event)
    stages = {name: sample.histogram_of([e[i + 1] - e[0] for e in events]) for i, name in enumerate(trace.STAGES[1:])}
    cell = {"event": "cell", "driver": "async", "device": "keyboard", "load": "threads:1", "priority": "high", "timebase": "icount",
            "delivered": presses, "stages": stages, "deltas": {}, "intended": {}}
    return ([{"event": "trace_thread", "id": i, "name": n} for i, n in ((LOAD, "load"), (DRIVER, "driver"), (CONSUMER, "consumer"))]
            + [cell] + [{"event": "histogram", "of": "stages", "name": n, **h} for n, h in stages.items()]
            + [{"event": "trace", "first": 0, "values": [n for r in records for n in r]},
               {"event": "trace_event", "values": [n for e in events for n in e]}])


class Trace(unittest.TestCase):
    def names(self, made):
        return {(e["pid"], e["tid"]): e["args"]["name"] for e in made["traceEvents"] if e["name"] == "thread_name"}

    def test_an_event_is_a_chain_from_the_interrupt_to_the_consumer(self):
        for future, where in ((True, "task 1"), (False, "driver")):
            made, (slices, flows) = trace.convert(lines(future))
            names = self.names(made)
            chain = [names[e["pid"], e["tid"]] for e in made["traceEvents"] if e["ph"] in "stf" and e["id"] == 2]
            self.assertEqual(chain, ["interrupts", "interrupts", where, where, "consumer"])
            self.assertEqual((slices, flows), (1 + 5 * (5 + future), 5))

    def test_stages_add_up(self):
        made, _ = trace.convert(lines())
        ends = [e["ts"] for e in made["traceEvents"] if e["ph"] in "be" and e["id"] == 0]
        self.assertEqual(round((ends[-1] - ends[0]) * 1000), 210)

    def refused(self, says, change):
        made = copy.deepcopy(lines())
        change(made)
        with self.assertRaisesRegex(trace.Wrong, says):
            trace.convert(made)

    def test_what_is_wrong_is_refused(self):
        def record(i, j, value):
            def change(made):
                made[-2]["values"][3 * i + j] = value
            return change

        def moment(event, stage, value):
            def change(made):
                made[-1]["values"][5 * event + stage] = value
            return change

        self.refused("in no slice", moment(4, 4, 9999))
        self.refused("stages up to", moment(0, 4, 1250))
        self.refused("goes back|in no slice|stages up to", moment(0, 1, 985))
        self.refused("end of another handler", record(2, 2, 0x55))
        self.refused("a handler within another", record(2, 1, IRQ))
        self.refused("a poll within", record(9, 1, POLL))
        self.refused("before it begins", record(5, 0, 20))
        self.refused("overwritten", lambda made: made[-2].update(first=25))
        self.refused("no trace", lambda made: made[-2].update(values=[]))
        self.refused("stages up to", lambda made: made[-1].update(values=made[-1]["values"][5:]))

    def test_slices_that_cross_are_found(self):
        def one(begin, end, tid=2):
            return {"ph": "X", "pid": 1, "tid": tid, "ts": begin, "dur": end - begin}

        self.assertEqual(trace.check_slices([one(0, 5, 1), one(1, 3, 1), one(5, 9, 1)]), 3)
        with self.assertRaisesRegex(trace.Wrong, "cross"):
            trace.check_slices([one(0, 5, 1), one(3, 7, 1)])
        with self.assertRaisesRegex(trace.Wrong, "two threads"):
            trace.check_slices([one(0, 5, 2), one(3, 7, 3)])

    def test_flows_that_break_are_found(self):
        made, _ = trace.convert(lines())
        flows = [e for e in made["traceEvents"] if e["ph"] in "stf"]
        for broken in (flows[0], flows[2], flows[4]):
            with self.assertRaisesRegex(trace.Wrong, "the flow 0 is"):
                trace.check_flows([e for e in made["traceEvents"] if e is not broken])


assert lab
