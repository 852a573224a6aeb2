# gdb commands that know Duet's own structures. They only read memory, so the kernel may be stopped anywhere.
#
#   duet-threads          every thread: state, what it waits for and whose that is, the priority it runs at and its
#                         own, whether it is cancelled, quantum, bytes of its stack that were ever used and its size,
#                         switches; with insight=on voluntary and forced ones, and wakes with the mean and longest
#                         time to its running; run time, and the calls in which it waits
#   duet-tasks [EXECUTOR] every task of the executor at this address, or of every executor thread: whether it is
#                         queued, its polls, and the awaits in which it waits

python
import re


def address_of(pointer):
    return int(pointer) & 0xFFFFFFFFFFFFFFFF


def container_of(address, type_name, member):
    outer = gdb.lookup_type(type_name)
    offset = next(field.bitpos for field in outer.fields() if field.name == member) // 8
    return gdb.Value(address - offset).cast(outer.pointer()).dereference()


def text_of(value):
    try:
        return value.string(errors="replace").rstrip("\0")
    except gdb.error:
        return "?"


def function_name(pc):
    function = gdb.block_for_pc(pc)
    while function is not None and function.function is None:
        function = function.superblock
    if function is not None:
        return function.function.name
    symbol = re.search(r"<(\w+)", str(gdb.Value(pc).cast(gdb.lookup_type("char").pointer().pointer())))
    return symbol.group(1) if symbol else hex(pc)


def read_word(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def thread_at(address):
    return gdb.Value(address).cast(gdb.lookup_type("struct thread").pointer()).dereference()


def object_name(address):
    """The variable that lies there, or the address."""
    found = re.match(r"(\S+)(?: \+ \d+)? in section", gdb.execute("info symbol %#x" % address, to_string=True))
    return found.group(1) if found else "%#x" % address


def walk_list(head):
    node = head["next"]
    while address_of(node) != address_of(head.address):
        yield address_of(node)
        node = node.dereference()["next"]


def print_table(titles, rows):
    widths = [max(len(row[i]) for row in [titles] + rows) for i in range(len(titles))]
    for row in [titles] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


class Report(gdb.Command):
    """A command that reads the kernel's memory, and says so plainly when it cannot."""

    def invoke(self, argument, from_tty):
        try:
            self.report(argument)
        except gdb.error as error:
            raise gdb.GdbError(str(error))


class Threads(Report):
    """List Duet's threads. The running one is marked by '*'; of the others the innermost call comes first."""

    SHOWN_CALLS = 8
    CONTENDED = 1  # MUTEX_CONTENDED

    def __init__(self):
        super().__init__("duet-threads", gdb.COMMAND_STATUS)

    def stack_calls(self, thread):
        """Follows the frame pointers from where context_switch() left the thread."""
        frame = gdb.Value(address_of(thread["sp"])).cast(gdb.lookup_type("struct switch_frame").pointer()).dereference()
        low = address_of(thread["stack"])
        high = low + int(thread["stack_bytes"])
        pc = address_of(frame["rip"])
        base = address_of(frame["rbp"])
        calls = []
        while len(calls) < self.SHOWN_CALLS:
            # A return address may be one past its function; the call before it is inside.
            calls.append(function_name(pc - 1) if calls else function_name(pc))
            if not low <= base < high - 8:
                break
            pc = read_word(base + 8)
            base = read_word(base)
        return " < ".join(calls)

    def where(self, thread, current):
        try:
            if address_of(thread.address) == current:
                return function_name(gdb.newest_frame().pc())
            if not address_of(thread["sp"]):
                return "not started"
            return self.stack_calls(thread)
        except gdb.error as error:
            return "? (%s)" % error

    def stack_used(self, thread):
        """The bytes above the first, beyond the account at the lowest end, that is not zero."""
        size = int(thread["stack_bytes"])
        skip = gdb.lookup_type("struct account").sizeof
        stack = bytes(gdb.selected_inferior().read_memory(address_of(thread["stack"]), size))[skip:]
        return len(stack.lstrip(b"\0")) + 7 & ~7

    def counts(self, thread):
        """Voluntary and forced switches, wakes, and the mean and longest wait after one."""
        if not int(thread["attention"]) & int(gdb.parse_and_eval("ATTENTION_INSIGHT")):
            return ["-"] * 5
        account = thread["stack"].cast(gdb.lookup_type("struct account").pointer()).dereference()
        wakes = int(account["wakes"])
        return [str(int(account["voluntary"])), str(int(account["forced"])), str(wakes),
                "%.3f" % (int(account["wake_ns_sum"]) / wakes / 1e3) if wakes else "-",
                "%.3f" % (int(account["wake_ns_max"]) / 1e3) if wakes else "-"]

    def state(self, thread, current):
        states = {field.enumval: field.name[len("THREAD_"):].lower()
                  for field in gdb.lookup_type("enum thread_state").fields()}
        states[int(gdb.parse_and_eval("THREAD_PARKED_WATCHED"))] = "parked"
        if address_of(thread.address) == current:
            return "running"
        return states.get(int(thread["condition"]), "?")

    def waits_for(self, thread):
        """A mutex and who owns it, or a queue: by name where that is known."""
        if self.state(thread, None) != "waiting":
            return ""
        mutex = address_of(thread["waits_for"])
        if not mutex:
            return object_name(address_of(thread["waits_in"]))
        owner = read_word(address_of(thread["waits_for"]["owner"].address)) & ~self.CONTENDED
        return "%s of %s" % (object_name(mutex), text_of(thread_at(owner)["name"]) if owner else "nobody")

    def report(self, argument):
        head = gdb.parse_and_eval("thread_all")
        current = address_of(gdb.parse_and_eval("cpu_boot.current"))
        if not address_of(head["next"]):
            raise gdb.GdbError("no threads yet")
        rows = []
        for node in walk_list(head):
            thread = container_of(node, "struct thread", "all")
            mark = "*" if address_of(thread.address) == current else ""
            rows.append([mark + str(int(thread["id"])), text_of(thread["name"]), self.state(thread, current),
                         self.waits_for(thread), "%d/%d" % (int(thread["priority"]), int(thread["base_priority"])), "yes" if thread["cancelled"] else "", "%g" % (int(thread["quantum_ns"]) / 1e6),
                         "%d/%d" % (self.stack_used(thread), int(thread["stack_bytes"])), str(int(thread["switches"])),
                         *self.counts(thread),
                         "now" if mark else "%.3f" % (int(thread["run_ns"]) / 1e6), "%#x" % address_of(thread.address),
                         self.where(thread, current)])
        print_table(["id", "name", "state", "waits for", "prio/own", "cancelled", "quantum ms", "stack used/of", "switches",
                     "voluntary", "forced", "wakes", "mean us", "max us", "run ms", "address", "where"], rows)


class Tasks(Report):
    """List the tasks of an executor, given by its address, or of every executor thread."""

    ASLEEP = 1  # EXECUTOR_ASLEEP
    QUEUED = 1  # TASK_QUEUED
    FREE = 64   # TASK_FREE

    DONE = 0xFFFFFFFF
    DEPTH = 16

    def __init__(self):
        super().__init__("duet-tasks", gdb.COMMAND_STATUS, gdb.COMPLETE_EXPRESSION)
        self.async_bodies = {}

    def executors(self):
        """The executors that are threads, oldest first."""
        owner = gdb.parse_and_eval("executor_thread_all")
        found = []
        while address_of(owner):
            found.append((text_of(owner["thread"]["name"]), owner["executor"]))
            owner = owner["next"]
        return reversed(found)

    def has_async_body(self, poll):
        """True for a poll function with an ASYNC block: the macro names the frame's pointer async_."""
        if poll not in self.async_bodies:
            self.async_bodies[poll] = self.search_async_body(poll)
        return self.async_bodies[poll]

    def search_async_body(self, poll):
        function = gdb.block_for_pc(poll)
        while function is not None and function.function is None:
            function = function.superblock
        if function is None:
            return False
        for pc in range(function.start, function.end):
            block = gdb.block_for_pc(pc)
            while block is not None and block.function is None:
                if any(symbol.name == "async_" for symbol in block):
                    return True
                block = block.superblock
        return False

    def awaits(self, future, depth=0):
        """Where a future waits: file and line of each await, down to the leaf."""
        if not address_of(future):
            return "finished"
        poll = address_of(future.dereference()["poll"])
        if depth == self.DEPTH or not self.has_async_body(poll):
            return function_name(poll)
        frame = future.cast(gdb.lookup_type("struct async").pointer()).dereference()
        source = gdb.find_pc_line(poll).symtab.filename.rsplit("/", 1)[-1]
        line = int(frame["line"])
        if line == self.DONE or line == 0:
            return "%s %s" % (source, "done" if line else "not started")
        if not address_of(frame["child"]):
            return "%s after :%d" % (source, line)
        return "%s:%d -> %s" % (source, line, self.awaits(frame["child"], depth + 1))

    def inbox(self, executor):
        task = executor["inbox"]
        while address_of(task) > self.ASLEEP:
            yield task.dereference()
            task = task.dereference()["next"]

    def pooled(self, executor):
        """Those of its pools, but for slots that are free."""
        pool = executor["pools"]
        while address_of(pool):
            slots = pool.dereference()
            for i in range(int(slots["count"])):
                at = gdb.Value(address_of(slots["slots"]) + i * int(slots["slot_bytes"]))
                task = at.cast(gdb.lookup_type("struct task").pointer()).dereference()
                if not int(task["state"]) & self.FREE:
                    yield task
            pool = slots["next"]

    def tasks(self, executor):
        """Those polled before, and those that were spawned and wait in the inbox for their first poll."""
        seen = []
        task = executor["all"]
        while address_of(task):
            seen.append(task.dereference())
            task = task.dereference()["all"]
        seen.extend(self.pooled(executor))
        known = {address_of(task.address) for task in seen}
        seen.reverse()
        waiting = [task for task in self.inbox(executor) if address_of(task.address) not in known]
        waiting.reverse()
        return seen + waiting

    def show(self, name, executor):
        pointer = address_of(executor.address)
        tasks = self.tasks(executor)
        current = address_of(executor["current"])
        print("executor %s (%#x): %d tasks, %d polls" % (name, pointer, len(tasks),
              int(executor["polls"]) + sum(int(task["polls"]) for task in tasks)))
        rows = []
        for task in tasks:
            mark = "*" if address_of(task.address) == current else ""
            state = "polled now" if mark else "queued" if int(task["state"]) & self.QUEUED else "waiting"
            rows.append([mark + text_of(task["name"]), state, str(int(task["polls"])),
                         "%#x" % address_of(task.address), self.awaits(task["future"])])
        if rows:
            print_table(["name", "state", "polls", "address", "where"], rows)

    def report(self, argument):
        if argument:
            pointer = gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct executor").pointer())
            self.show(argument, pointer.dereference())
            return
        for name, executor in self.executors():
            self.show(name, executor)


Threads()
Tasks()
end
