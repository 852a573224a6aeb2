/*
 * mode=demo: both drivers, two threads and a task at work on one screen, and keys that change how the drivers wait or
 * break things on purpose.
 *
 * Who runs at which priority decides what each experiment shows:
 *  - a thread-style driver at HIGH: a rogue thread cannot hold it up;
 *  - the consumer, which reads the events, shows them, and switches drivers, in between: it survives everything here;
 *  - the executor, the two counting threads and the rogue thread at NORMAL: they share the CPU in time slices, so a
 *    rogue thread makes async drivers slow, and a rogue future stops them, but only them.
 *
 * Latency is from the interrupt handler's first instruction to the consumer's return from event_read(). Nothing ends a
 * rogue: threads cannot be killed, and a future that does not return has no one to return to.
 */
#include "executor/sleep.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/x86_64/clock.h"
#include "lib/format.h"

enum {
    ROW_TITLE,
    ROW_DEVICES, /* one each */
    ROW_WORKERS = ROW_DEVICES + DEVICE_ALL,
    ROW_ROGUES,
    ROW_MESSAGE,
    ROWS_RESERVED,
    ROWS_FREE = CONSOLE_ROWS - ROWS_RESERVED,

    COLUMN_THREAD_A = 0, /* of ROW_WORKERS */
    COLUMN_THREAD_B = 20,
    COLUMN_CLOCK = 40,
    COLUMN_QUEUE = 62,

    ATTRIBUTE_TITLE = 0x70,
    ATTRIBUTE_STATUS = 0x1f,
    ATTRIBUTE_MESSAGE = 0x1e,

    PRIORITY_CONSUMER = 20,
    REFRESH_NS = 100000000,
    THREAD_A_NS = 100000000,
    THREAD_B_NS = 250000000,
    CLOCK_NS = 1000000000,

    /* An executor that shares the CPU has its turn within a few quanta. Several short waits and not a long one: when
     * the host stalls, it is a wait that runs out, and the executor still has the others. */
    ANSWER_WAITS = 10,
    ANSWER_WAIT_NS = 25000000,

    COUNTS_PER_COLUMN = 8,
    COUNTS_PER_ROW = 16,
    LATENCY_BYTES = 24,
};

static struct executor_thread executor;

/* What the consumer knows of a device. Consumer only. */
static struct watch {
    enum style style;
    uint64_t events;
    /* of the driver running now */
    bool timed;
    uint64_t last_ticks;
    uint64_t worst_ticks;
} watches[DEVICE_ALL];

/* An event stamped earlier waited for the consumer, which was switching drivers: it says nothing about its driver. */
static uint64_t timed_from;

static bool rogue_thread_runs, rogue_future_runs;
static bool line_open; /* COM1 is in a line of typed text. Preemption off */

static const char *device_name(enum device device)
{
    return device == DEVICE_KEYBOARD ? "keyboard" : "mouse";
}

/* ---- the screen ---- */

static void show_row(unsigned row, uint8_t attribute, const char *format, ...) printf_like(3, 4);

static void show_row(unsigned row, uint8_t attribute, const char *format, ...)
{
    char text[CONSOLE_COLUMNS + 1];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    while (length < CONSOLE_COLUMNS)
        text[length++] = ' ';
    text[CONSOLE_COLUMNS] = '\0';
    console_write_at(row, 0, text, attribute);
}

static void show_at(unsigned column, const char *format, ...) printf_like(2, 3);

/* In ROW_WORKERS, whose fields have different writers. */
static void show_at(unsigned column, const char *format, ...)
{
    char text[CONSOLE_COLUMNS + 1];
    va_list arguments;

    va_start(arguments, format);
    format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    console_write_at(ROW_WORKERS, column, text, ATTRIBUTE_STATUS);
}

static void say(const char *format, ...) printf_like(1, 2);

static void say(const char *format, ...)
{
    char text[CONSOLE_COLUMNS + 1];
    va_list arguments;

    va_start(arguments, format);
    format_text_va(text, sizeof(text), format, arguments);
    va_end(arguments);
    show_row(ROW_MESSAGE, ATTRIBUTE_MESSAGE, "%s", text);
    preempt_disable();
    console_print_serial("%s[%s]\n", line_open ? "\n" : "", text);
    line_open = false;
    preempt_enable();
}

static void format_latency(char text[LATENCY_BYTES], bool timed, uint64_t ticks)
{
    uint64_t tenths = ticks * 10 / (clock_tsc_hz() / 1000000);

    if (!timed)
        format_text(text, LATENCY_BYTES, "-");
    else if (tenths < 100000)
        format_text(text, LATENCY_BYTES, "%lu.%lu us", (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
    else
        format_text(text, LATENCY_BYTES, "%lu us", (unsigned long)(tenths / 10));
}

static void show_device(enum device device)
{
    const struct watch *watch = &watches[device];
    char last[LATENCY_BYTES], worst[LATENCY_BYTES];

    format_latency(last, watch->timed, watch->last_ticks);
    format_latency(worst, watch->timed, watch->worst_ticks);
    show_row(ROW_DEVICES + device, ATTRIBUTE_STATUS, "%-8s  %-6s  events %lu  last %s  worst %s  dropped %u%s",
             device_name(device), style_name(watch->style), (unsigned long)watch->events, last, worst,
             input.ports[device].dropped,
             (device == DEVICE_KEYBOARD ? input.info.keyboard : input.info.mouse) ? "" : "  absent");
}

static void show_status(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++)
        show_device(device);
    show_at(COLUMN_QUEUE, "queue dropped %u", input.events.dropped);
    show_row(ROW_ROGUES, ATTRIBUTE_STATUS,
             "rogue thread: %-3s  rogue future: %-3s  unread bytes: keyboard %u, mouse %u",
             rogue_thread_runs ? "on" : "off", rogue_future_runs ? "on" : "off",
             ring_count(&input.ports[DEVICE_KEYBOARD].ring), ring_count(&input.ports[DEVICE_MOUSE].ring));
}

/* ---- those that work beside the drivers ---- */

static struct counter {
    struct thread thread;
    const char *name;
    unsigned column;
    uint64_t period_ns;
} counters[] = {
    {.name = "thread a", .column = COLUMN_THREAD_A, .period_ns = THREAD_A_NS},
    {.name = "thread b", .column = COLUMN_THREAD_B, .period_ns = THREAD_B_NS},
};

_Noreturn static void *counter_thread(void *argument)
{
    const struct counter *self = argument;
    uint64_t next_ns = clock_now_ns();

    for (unsigned count = 0;; count++) {
        show_at(self->column, "%s: %u", self->name, count);
        (void)thread_sleep_next(&next_ns, self->period_ns);
    }
}

static struct clock_task {
    struct async async;
    struct sleep tick;
    uint64_t next_ns;
    struct task task;
} clock_task;

static enum poll clock_poll(struct future *future, struct waker *waker)
{
    struct clock_task *self = container_of(future, struct clock_task, async.future);

    ASYNC (&self->async) {
        for (;;) {
            self->next_ns += CLOCK_NS;
            self->tick = sleep_until(&executor.executor, self->next_ns);
            AWAIT(&self->tick.future);
            show_at(COLUMN_CLOCK, "clock task: %lu:%02lu:%02lu", (unsigned long)(self->next_ns / CLOCK_NS / 3600),
                    (unsigned long)(self->next_ns / CLOCK_NS / 60 % 60),
                    (unsigned long)(self->next_ns / CLOCK_NS % 60));
        }
    }
}

/* ---- rogues ---- */

_Noreturn static void *rogue_thread(void *unused)
{
    (void)unused;
    for (;;)
        ;
}

static void rogue_thread_start(void)
{
    static struct thread thread;

    if (rogue_thread_runs) {
        say("rogue thread: runs already, nothing can end it");
        return;
    }
    if (thread_start(&thread, "rogue", THREAD_PRIORITY_NORMAL, rogue_thread, NULL) != STATUS_OK) {
        say("rogue thread: no memory for its stack");
        return;
    }
    rogue_thread_runs = true;
    say("rogue thread: started, never parks; time slices go round");
}

_Noreturn static enum poll rogue_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    for (;;)
        ;
}

static void rogue_future_start(void)
{
    static struct future future = {.poll = rogue_poll};
    static struct task task;

    if (rogue_future_runs) {
        say("rogue future: runs already, nothing can end it");
        return;
    }
    rogue_future_runs = true;
    executor_spawn(&executor.executor, &task, "rogue", &future);
    say("rogue future: started, never returns; async drivers and the clock starve");
}

/* ---- switching a driver's style ---- */

static enum poll answer_poll(struct future *future, struct waker *waker)
{
    (void)future;
    (void)waker;
    return POLL_READY;
}

/*
 * True if the executor has polled a task spawned just now: then it polls whatever is woken next as well, a driver that
 * is told to end for instance. One that does not answer keeps the question, and may answer it the next time.
 */
static bool executor_answers(void)
{
    static struct future future = {.poll = answer_poll};
    static struct task task;
    static bool asked;

    if (!asked)
        executor_spawn(&executor.executor, &task, "answer", &future);
    asked = true;
    for (unsigned i = 0; completion_register(&task.done, &thread_current()->waker); i++) {
        if (i == ANSWER_WAITS)
            return false;
        thread_park_until(clock_now_ns() + ANSWER_WAIT_NS);
    }
    asked = false;
    return true;
}

/* As a task if there is no memory for a thread. Returns the style that it has. One that polls would keep all that is
 * less urgent from the CPU. */
static enum style driver_start(enum device device, enum style style)
{
    unsigned priority = style == STYLE_POLL ? THREAD_PRIORITY_NORMAL : THREAD_PRIORITY_HIGH;

    if (input_driver_start(device, style, priority, &executor) != STATUS_OK) {
        style = STYLE_ASYNC;
        if (input_driver_start(device, style, THREAD_PRIORITY_HIGH, &executor) != STATUS_OK)
            panic("a task needed memory");
        say("%s: no memory for a thread, it is async", device_name(device));
    }
    watches[device].style = style;
    watches[device].timed = false;
    watches[device].worst_ticks = 0;
    return style;
}

static void driver_switch(enum device device)
{
    enum style from = watches[device].style;
    enum style to = from == STYLE_ASYNC ? STYLE_THREAD : STYLE_ASYNC;

    if (from == STYLE_ASYNC && !executor_answers()) {
        say("%s: the async driver is stuck behind %s, it stays async", device_name(device),
            rogue_future_runs ? "the rogue future" : "other tasks");
    } else {
        input_driver_stop(device);
        if (driver_start(device, to) == to)
            say("%s: %s -> %s%s", device_name(device), style_name(from), style_name(to),
                to == STYLE_ASYNC && rogue_future_runs ? ", stuck behind the rogue future" : "");
    }
    timed_from = clock_ticks();
}

/* ---- the consumer ---- */

static void watch_event(const struct input_event *event, uint64_t ticks)
{
    struct watch *watch = &watches[event->type == INPUT_KEY ? DEVICE_KEYBOARD : DEVICE_MOUSE];

    watch->events++;
    if (event->stamp < timed_from)
        return;
    watch->timed = true;
    watch->last_ticks = ticks - event->stamp;
    if (watch->last_ticks > watch->worst_ticks)
        watch->worst_ticks = watch->last_ticks;
}

static void type(char c)
{
    preempt_disable();
    console_print("%c", c);
    line_open = c != '\n';
    preempt_enable();
}

static void key_event(const struct input_event *event)
{
    if (event->value == KEY_RELEASED)
        return;
    if (event->text)
        type(event->text);
    else if (event->code == KEY_BACKSPACE)
        console_backspace();
    if (event->value != KEY_PRESSED)
        return;
    if (event->code == KEY_F1)
        driver_switch(DEVICE_KEYBOARD);
    else if (event->code == KEY_F2)
        driver_switch(DEVICE_MOUSE);
    else if (event->code == KEY_F3)
        rogue_thread_start();
    else if (event->code == KEY_F4)
        rogue_future_start();
}

static int clamp(int value, int limit)
{
    return value < 0 ? 0 : value < limit ? value : limit - 1;
}

/* Moves the mouse's cursor, which starts in the middle of the free rows. */
static void pointer_move(int dx, int dy)
{
    static int x = CONSOLE_COLUMNS * COUNTS_PER_COLUMN / 2, y = ROWS_FREE * COUNTS_PER_ROW / 2;

    x = clamp(x + dx, CONSOLE_COLUMNS * COUNTS_PER_COLUMN);
    y = clamp(y + dy, ROWS_FREE * COUNTS_PER_ROW);
    console_point(ROWS_RESERVED + (unsigned)y / COUNTS_PER_ROW, (unsigned)x / COUNTS_PER_COLUMN);
}

static void consume(const struct input_event *event)
{
    watch_event(event, clock_ticks());
    if (event->type == INPUT_KEY)
        key_event(event);
    else if (event->type == INPUT_REL)
        pointer_move(event->dx, event->dy);
}

_Noreturn static void *consumer_thread(void *unused)
{
    struct input_event event;
    uint64_t refresh_ns = 0;

    (void)unused;
    for (enum device device = 0; device < DEVICE_ALL; device++)
        (void)driver_start(device, watches[device].style);
    timed_from = clock_ticks();
    pointer_move(0, 0);
    for (;;) {
        if (event_read_until(&input.events, &event, refresh_ns))
            consume(&event);
        if (clock_now_ns() >= refresh_ns) {
            show_status();
            refresh_ns = clock_now_ns() + REFRESH_NS;
        }
    }
}

/* ---- start ---- */

static void show_first(void)
{
    console_reserve_rows(ROWS_RESERVED);
    show_row(ROW_TITLE, ATTRIBUTE_TITLE,
             " Duet   F1 keyboard style   F2 mouse style   F3 rogue thread   F4 rogue future");
    show_row(ROW_WORKERS, ATTRIBUTE_STATUS, "%s", "");
    show_row(ROW_MESSAGE, ATTRIBUTE_MESSAGE, "%s", "");
    console_print("Type, and move the mouse. F1 and F2 change how a driver waits, async or thread.\n"
                  "F3 starts a thread that never parks: the others still have their time slices.\n"
                  "F4 starts a future that never returns: what is async stops, the rest goes on.\n"
                  "Before F4 make the keyboard a thread, or no key will come through after it.\n\n");
}

static void start_beside(void)
{
    clock_task.async.future.poll = clock_poll;
    clock_task.next_ns = clock_now_ns() / CLOCK_NS * CLOCK_NS;
    executor_spawn(&executor.executor, &clock_task.task, "clock", &clock_task.async.future);
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        if (thread_start(&counters[i].thread, counters[i].name, THREAD_PRIORITY_NORMAL, counter_thread, &counters[i]) !=
            STATUS_OK)
            say("%s: no memory for its stack", counters[i].name);
}

static struct thread consumer;

static enum status start(void)
{
    enum status status = executor_thread_start(&executor, "executor", THREAD_PRIORITY_NORMAL);

    if (status == STATUS_OK)
        status = thread_start(&consumer, "consumer", PRIORITY_CONSUMER, consumer_thread, NULL);
    return status;
}

_Noreturn void demo_run(const struct options *options)
{
    watches[DEVICE_KEYBOARD].style = options->keyboard;
    watches[DEVICE_MOUSE].style = options->mouse;
    show_first();
    if (start() != STATUS_OK) {
        say("no memory for the demo's threads, nothing runs");
        for (;;)
            thread_park();
    }
    start_beside();
    (void)thread_join(&consumer);
    panic("the consumer ended");
}
