/* mode=echo: every input event as one line on COM2, for tests and for anyone curious. */
#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/modes.h"
#include "kernel/panic.h"

static struct executor_thread executor;

static void send_event(const struct input_event *event)
{
    static char line[256];
    struct json json;
    char text[2] = {event->text, '\0'};

    json_begin(&json, line, sizeof(line));
    json_string(&json, "event", event->type == INPUT_REL ? "rel" : event->type == INPUT_KEY ? "key" : "button");
    json_string(&json, "driver", event->style == DRIVER_ASYNC ? "async" : "thread");
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

    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_KEYBOARD, options->keyboard, THREAD_PRIORITY_NORMAL, &executor);
    if (status == STATUS_OK)
        status = input_driver_start(DEVICE_MOUSE, options->mouse, THREAD_PRIORITY_NORMAL, &executor);
    return status;
}

_Noreturn void echo_run(const struct options *options)
{
    struct input_event event;

    if (start(options) != STATUS_OK) {
        console_print("duet: echo: no memory for the drivers\n");
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
