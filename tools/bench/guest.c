#include "guest.h"

#include <string.h>

#include "util.h"

const char *const guest_stages[GUEST_STAGES] = {"handler", "driver", "event", "consumer"};

struct reader {
    struct guest *guest;
    size_t line;
    bool done;
};

static char *take_cell(struct guest *guest, json_t *object)
{
    if (guest->cell)
        return text_format("a second cell line on COM2");
    json_object_del(object, "event");
    guest->cell = json_incref(object);
    return NULL;
}

static char *take_micro(struct guest *guest, json_t *object)
{
    if (!json_is_string(json_object_get(object, "name")) || !json_is_integer(json_object_get(object, "p50")))
        return text_format("a micro line on COM2 without a name or a median");
    json_object_del(object, "event");
    json_array_append(guest->micro, object);
    return NULL;
}

static char *take_thread_metric(struct guest *guest, json_t *object)
{
    static const char *const figures[] = {"per_10s", "each_ns", "rounds", "elapsed_ns"};
    const char *name = json_string_value(json_object_get(object, "name"));

    if (!name)
        return text_format("a test of Thread-Metric without a name");
    for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
        if (!json_is_integer(json_object_get(object, figures[i])))
            return text_format("%s has no figure '%s'", name, figures[i]);
    }
    if (!json_is_true(json_object_get(object, "passed")))
        return text_format("%s broke its rules", name);
    json_object_del(object, "event");
    json_array_append(guest->thread_metric, object);
    return NULL;
}

static char *take_done(struct reader *reader, const json_t *object)
{
    reader->done = true;
    if (!json_is_true(json_object_get(object, "passed")))
        return text_format("the guest says that it did not pass");
    return NULL;
}

static char *take_object(struct reader *reader, json_t *object)
{
    const char *event = json_string_value(json_object_get(object, "event"));

    if (!event)
        return text_format("COM2 line %zu has no member 'event'", reader->line);
    if (reader->done)
        return text_format("COM2 line %zu comes after the line 'done'", reader->line);
    if (!strcmp(event, "boot") && !reader->guest->boot)
        reader->guest->boot = json_incref(object);
    else if (!strcmp(event, "cell"))
        return take_cell(reader->guest, object);
    else if (!strcmp(event, "micro"))
        return take_micro(reader->guest, object);
    else if (!strcmp(event, "thread_metric"))
        return take_thread_metric(reader->guest, object);
    else if (!strcmp(event, "done"))
        return take_done(reader, object);
    return NULL;
}

static char *take_line(struct reader *reader, const char *line, size_t size)
{
    json_error_t error;
    json_t *object;
    char *complaint;

    reader->line++;
    if (strspn(line, " \t\r") >= size)
        return NULL;
    object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return text_format("COM2 line %zu is not JSON: %s: %.*s", reader->line, error.text, (int)size, line);
    complaint = take_object(reader, object);
    json_decref(object);
    return complaint;
}

static char *check_stages(const json_t *cell)
{
    static const char *const figures[] = {"n", "min", "p50", "max"};

    for (size_t i = 0; i < GUEST_STAGES; i++) {
        const json_t *stage = json_object_get(json_object_get(cell, "stages"), guest_stages[i]);
        bool empty = json_integer_value(json_object_get(stage, "n")) == 0;

        for (size_t j = 0; j < (empty ? 1 : ARRAY_SIZE(figures)); j++) {
            if (!json_is_integer(json_object_get(stage, figures[j])))
                return text_format("the cell has no figure '%s' for the stage '%s'", figures[j], guest_stages[i]);
        }
    }
    return NULL;
}

static char *check_accounts(const json_t *cell, unsigned events)
{
    const json_t *injected = json_object_get(cell, "injected");
    const json_t *delivered = json_object_get(cell, "delivered");
    const json_t *dropped = json_object_get(cell, "dropped");

    if (!json_is_integer(injected) || !json_is_integer(delivered) || !json_is_integer(dropped))
        return text_format("the cell does not say how many events were injected, delivered and dropped");
    if (json_integer_value(injected) != (json_int_t)events)
        return text_format("injected %lld events, asked for %u", (long long)json_integer_value(injected), events);
    if (json_integer_value(injected) != json_integer_value(delivered) + json_integer_value(dropped))
        return text_format("events are missing: injected %lld, but delivered %lld + dropped %lld",
                           (long long)json_integer_value(injected), (long long)json_integer_value(delivered),
                           (long long)json_integer_value(dropped));
    return NULL;
}

static char *check_cell(const json_t *cell, const struct boot *boot, unsigned events)
{
    const char *asked[][2] = {
        {"driver", boot->driver}, {"device", boot->device}, {"load", boot->load}, {"priority", boot->priority}};
    char *complaint;

    if (!cell)
        return text_format("no cell line on COM2");
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        const char *answer = json_string_value(json_object_get(cell, asked[i][0]));

        if (!answer || strcmp(answer, asked[i][1]) != 0)
            return text_format("asked for %s=%s, got %s", asked[i][0], asked[i][1], answer ? answer : "nothing");
    }
    complaint = check_stages(cell);
    return complaint ? complaint : check_accounts(cell, events);
}

char *guest_read(struct guest *guest, const char *text, const struct boot *boot, unsigned events)
{
    struct reader reader = {.guest = guest};

    *guest = (struct guest){.micro = json_array(), .thread_metric = json_array()};
    while (*text) {
        size_t size = strcspn(text, "\n");
        char *complaint = take_line(&reader, text, size);

        if (complaint)
            return complaint;
        text += size + (text[size] == '\n');
    }
    if (!reader.done)
        return text_format("COM2 ends without the line 'done'");
    if (boot->driver)
        return check_cell(guest->cell, boot, events);
    if (boot->thread_metric) {
        return json_array_size(guest->thread_metric) == GUEST_THREAD_METRIC
                   ? NULL
                   : text_format("%zu tests of Thread-Metric, not %d", json_array_size(guest->thread_metric),
                                 GUEST_THREAD_METRIC);
    }
    return json_array_size(guest->micro) ? NULL : text_format("no micro line on COM2");
}
