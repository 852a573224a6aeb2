/* mode=echo: every input event as one line on COM2, for tests and for anyone curious. `load=threads:N` keeps the CPU
 * busy below the drivers, so that what comes from outside finds it computing. */
#include "kernel/bench.h"
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/panic.h"

enum { LOAD_PRIORITY = THREAD_PRIORITY_NORMAL / 2, LOAD_THREADS_MAX = 16 };

static struct executor_thread executor;
static struct thread loads[LOAD_THREADS_MAX];

static void *load_main(void *unused)
{
    static _Atomic uint64_t sink;

    for (;;) /* the store makes it work that has a result */
        atomic_store_explicit(&sink, bench_work(sink + 1), memory_order_relaxed);
    return unused;
}

static enum status load_start(const struct load *load)
{
    enum status status = STATUS_OK;

    if (load->kind == LOAD_THREADS)
        for (unsigned i = 0; status == STATUS_OK && i < load->count && i < LOAD_THREADS_MAX; i++)
            status = thread_start(&loads[i], "load", LOAD_PRIORITY, load_main, NULL);
    return status;
}

static void send_event(const struct input_event *event)
{
    static char line[256];
    struct json json;
    char text[2] = {event->text, '\0'};

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event->type == INPUT_REL ? "rel" : event->type == INPUT_KEY ? "key" : "button");
    json_string(&json, "driver", style_name((enum style)event->style));
    if (event->type == INPUT_REL) {
        json_signed(&json, "dx", event->dx);
        json_signed(&json, "dy", event->dy);
        json_signed(&json, "wheel", event->wheel);
    } else {
        json_unsigned(&json, "code", event->code);
        json_string(&json, "name", key_name(event->code));
        json_signed(&json, "value", event->value);
        if (event->text)
            json_string(&json, "text", text);
    }
    console_send_json(&json);
}

static void send_ready(void)
{
    static char line[256];
    struct json json;

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", "ready");
    json_bool(&json, "keyboard", input.info.keyboard);
    json_bool(&json, "mouse", input.info.mouse);
    json_unsigned(&json, "mouse_id", input.info.mouse_id);
    console_send_json(&json);
}

static enum status start(const struct options *options)
{
    enum status status = executor_thread_start(&executor, "executor", THREAD_PRIORITY_NORMAL);

    input_take_events();

    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_KEYBOARD, options->keyboard, THREAD_PRIORITY_NORMAL, &executor);
    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_MOUSE, options->mouse, THREAD_PRIORITY_NORMAL, &executor);
    if (status == STATUS_OK)
        status = load_start(&options->load);
    return status;
}

_Noreturn void echo_run(const struct options *options)
{
    enum status status;
    struct input_event event;

    status = start(options);
    if (status != STATUS_OK) {
        console_print("duet: echo: %s\n", status == STATUS_NO_MEMORY ? "no memory for the drivers or the load"
                                                                     : "the drivers cannot be started");
        machine_exit(EXIT_FAILED);
    }
    console_print("echo: keyboard=%s mouse=%s, events as JSON on COM2\n", style_name(options->keyboard),
                  style_name(options->mouse));
    send_ready();
    for (;;) {
        event_read(&input.events, &event);
        send_event(&event);
    }
}
