#include "reading.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/util.h"

const char *const stage_names[STAGES] = {"handler", "read", "event", "consumer"};

/* ---- the log ---- */

/* Where in the log we are. */
struct scan {
    struct reading reading;
    size_t capacity;
    bool interrupt; /* QEMU said so: the next instruction is a handler's first */
    uint64_t entry; /* the last such */
    uint64_t in;    /* the last `in` */
};

static void scan_inject(struct scan *scan, uint64_t zero, uint64_t address)
{
    if (scan->reading.count == scan->capacity) {
        scan->capacity = scan->capacity ? 2 * scan->capacity : 1024;
        scan->reading.injections = realloc(scan->reading.injections, scan->capacity * sizeof(struct injection));
        if (!scan->reading.injections)
            die("out of memory");
    }
    scan->reading.injections[scan->reading.count++] = (struct injection){.address = address, .zero = zero};
    scan->interrupt = false;
    scan->entry = 0;
}

static void scan_stage(struct injection *injection, enum stage stage, uint64_t count)
{
    if (!injection->stage[stage])
        injection->stage[stage] = count - injection->zero;
}

/* The last event before the consumer is the one it got: a packet has several bytes, and each passes there. */
static void scan_event(struct injection *injection, uint64_t count)
{
    if (!injection->stage[STAGE_CONSUMER])
        injection->stage[STAGE_EVENT] = count - injection->zero;
}

static void scan_plugin(struct scan *scan, const char *line)
{
    struct injection *injection = scan->reading.count ? &scan->reading.injections[scan->reading.count - 1] : NULL;
    uint64_t count;
    uint64_t address;

    if (sscanf(line, "inject %*u %" SCNu64 " %" SCNx64, &count, &address) == 2) {
        scan_inject(scan, count, address);
    } else if (sscanf(line, "flow %" SCNu64, &count) == 1) {
        if (scan->interrupt)
            scan->entry = count;
        scan->interrupt = false;
    } else if (sscanf(line, "in %" SCNu64, &count) == 1) {
        scan->in = count;
    } else if (injection && sscanf(line, "event %" SCNu64, &count) == 1) {
        scan_event(injection, count);
    } else if (injection && sscanf(line, "consumer %" SCNu64, &count) == 1) {
        scan_stage(injection, STAGE_CONSUMER, count);
        injection->deliveries++;
    }
}

/* The interrupt whose handler reads the data port is the device's. */
static void scan_read(struct scan *scan)
{
    struct injection *injection = scan->reading.count ? &scan->reading.injections[scan->reading.count - 1] : NULL;

    if (!injection || injection->stage[STAGE_READ])
        return;
    if (scan->entry)
        injection->stage[STAGE_HANDLER] = scan->entry - injection->zero;
    scan_stage(injection, STAGE_READ, scan->in);
}

struct reading reading_of(const char *path)
{
    struct scan scan = {0};
    char line[512];
    FILE *file = fopen(path, "re");

    if (!file)
        die("cannot read the log %s", path);
    while (fgets(line, sizeof(line), file)) {
        if (!strncmp(line, "stopwatch ", 10))
            scan_plugin(&scan, line + 10);
        else if (!strncmp(line, "Servicing hardware INT", 22))
            scan.interrupt = true;
        else if (!strncmp(line, "pckbd_kbd_read_data", 19))
            scan_read(&scan);
    }
    fclose(file);
    return scan.reading;
}

void reading_free(struct reading *reading)
{
    free(reading->injections);
}

/* ---- what was seen ---- */

static void seen_add(struct seen *seen, const char *line)
{
    if (seen->count % 1024 == 0) {
        seen->lines = realloc(seen->lines, (seen->count + 1024) * sizeof(*seen->lines));
        if (!seen->lines)
            die("out of memory");
    }
    snprintf(seen->lines[seen->count++], sizeof(*seen->lines), "%s", line);
}

static int member(const json_t *object, const char *name)
{
    return (int)json_integer_value(json_object_get(object, name));
}

static void seen_key(struct seen *seen, int code, int value, const char *text)
{
    char line[40];

    snprintf(line, sizeof(line), "key %d %d", code, value);
    seen_add(seen, line);
    if (text) {
        char *longer = text_format("%s%s", seen->text ? seen->text : "", text);

        free(seen->text);
        seen->text = longer;
    }
}

static void seen_move(struct seen *seen, int dx, int dy)
{
    char line[40];

    snprintf(line, sizeof(line), "rel %d %d", dx, dy);
    seen_add(seen, line);
}

/* Linux tells a move as one event an axis, x first: EV_REL is 2, EV_KEY 1. */
static void seen_linux(struct seen *seen, const json_t *object, int *dx)
{
    if (member(object, "type") == 1)
        seen_key(seen, member(object, "code"), member(object, "value"), NULL);
    else if (member(object, "code") == 0)
        *dx = member(object, "value");
    else
        seen_move(seen, *dx, member(object, "value"));
}

struct seen seen_of(const char *com2)
{
    struct seen seen = {0};
    char *text = file_read(com2);
    char *state;
    int dx = 0;

    if (!text)
        die("cannot read %s", com2);
    for (char *line = strtok_r(text, "\r\n", &state); line; line = strtok_r(NULL, "\r\n", &state)) {
        json_t *object = json_loads(line, 0, NULL);
        const char *event = json_string_value(json_object_get(object, "event"));

        if (event && !strcmp(event, "input"))
            seen_linux(&seen, object, &dx);
        else if (event && !strcmp(event, "rel"))
            seen_move(&seen, member(object, "dx"), member(object, "dy"));
        else if (event && (!strcmp(event, "key") || !strcmp(event, "button")))
            seen_key(&seen, member(object, "code"), member(object, "value"),
                     json_string_value(json_object_get(object, "text")));
        json_decref(object);
    }
    free(text);
    return seen;
}

void seen_free(struct seen *seen)
{
    free(seen->lines);
    free(seen->text);
}

/* ---- the verdict ---- */

/* BTN_* are from 0x100 on. */
static bool is_mouse(const char *line)
{
    unsigned code;

    return sscanf(line, "key %u", &code) != 1 || code >= 0x100;
}

static void note(struct verdict *verdict, const char *what, const char *line)
{
    if (!verdict->first[0])
        snprintf(verdict->first, sizeof(verdict->first), "%s: %s", what, line);
}

/* Whether a line is one of the keyboard's, or the mouse's, that are compared. */
typedef bool chooser(const char *line, bool mouse);

static bool counts_all(const char *line, bool mouse)
{
    return is_mouse(line) == mouse;
}

static bool counts_unless_move(const char *line, bool mouse)
{
    return is_mouse(line) == mouse && strncmp(line, "rel", 3) != 0;
}

static void lose(struct verdict *verdict, const char *line)
{
    verdict->lost++;
    note(verdict, "lost", line);
}

/* Where in the script, from `at` on, an event is that was seen, if no more than so many before it were lost; else
 * script->count. */
static size_t find(const struct script *script, size_t at, const char *line, bool mouse, chooser *is_compared)
{
    enum { LOST_AT_ONCE = 64 };

    for (unsigned passed = 0; at < script->count && passed <= LOST_AT_ONCE; at++) {
        if (!strcmp(script->acts[at].line, line))
            return at;
        passed += is_compared(script->acts[at].line, mouse);
    }
    return script->count;
}

/*
 * One device's events in their order. Where the next one of the script is not the next one seen, those up to the one
 * seen were lost; one that is nowhere near was not sent there.
 */
static void compare(struct verdict *verdict, const struct script *script, const struct seen *seen, bool mouse,
                    chooser *is_compared)
{
    size_t next = 0;

    for (size_t i = 0; i < seen->count; i++) {
        const char *line = seen->lines[i];
        size_t found;

        if (!is_compared(line, mouse))
            continue;
        verdict->delivered++;
        found = find(script, next, line, mouse, is_compared);
        if (found == script->count) {
            verdict->unsent++;
            note(verdict, "not sent there", line);
            continue;
        }
        for (; next < found; next++)
            if (is_compared(script->acts[next].line, mouse))
                lose(verdict, script->acts[next].line);
        next = found + 1;
    }
    for (; next < script->count; next++)
        if (is_compared(script->acts[next].line, mouse))
            lose(verdict, script->acts[next].line);
}

static bool is_text_right(const struct script *script, const struct seen *seen)
{
    size_t length = 0;

    if (!seen->text)
        return true;
    for (size_t i = 0; i < script->count; i++) {
        if (!script->acts[i].text)
            continue;
        if (seen->text[length] != script->acts[i].text)
            return false;
        length++;
    }
    return !seen->text[length];
}

struct verdict verdict_of(const struct script *script, const struct seen *seen)
{
    struct verdict verdict = {.injected = script->count, .text_right = is_text_right(script, seen)};

    compare(&verdict, script, seen, false, counts_all);
    compare(&verdict, script, seen, true, counts_all);
    return verdict;
}

static void add_move(const char *line, long sum[2])
{
    int dx;
    int dy;

    if (sscanf(line, "rel %d %d", &dx, &dy) == 2) {
        sum[0] += dx;
        sum[1] += dy;
    }
}

struct verdict verdict_summed(const struct script *script, const struct seen *seen)
{
    struct verdict verdict = {.injected = script->count, .text_right = is_text_right(script, seen)};
    long sent[2] = {0};
    long came[2] = {0};

    compare(&verdict, script, seen, false, counts_unless_move);
    compare(&verdict, script, seen, true, counts_unless_move);
    for (size_t i = 0; i < script->count; i++)
        add_move(script->acts[i].line, sent);
    for (size_t i = 0; i < seen->count; i++) {
        add_move(seen->lines[i], came);
        verdict.delivered += !strncmp(seen->lines[i], "rel", 3);
    }
    if (memcmp(sent, came, sizeof(sent)) != 0)
        lose(&verdict, "part of a move");
    return verdict;
}
