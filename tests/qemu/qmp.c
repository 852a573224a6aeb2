/* The QMP client: one command, one answer; events that QEMU sends of its own are passed over. */
#include "qmp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QMP_TIMEOUT_MS 30000
#define VGA_TEXT       0xb8000
#define SCREEN_BYTES   (SCREEN_ROWS * SCREEN_COLUMNS * 2)

/* The next object that QEMU sends, whatever it is. */
static json_t *qmp_receive(struct machine *machine)
{
    struct text *text = &machine->text[MACHINE_QMP];
    long long deadline_ms = machine_now_ms() + QMP_TIMEOUT_MS;
    const char *end;
    json_t *object;

    while (!(end = text->length ? memchr(text->bytes, '\n', text->length) : NULL))
        if (machine_now_ms() >= deadline_ms || machine->stream[MACHINE_QMP] < 0 || !machine_pump(machine, 100))
            machine_fail(machine, "no answer from QEMU");
    object = json_loadb(text->bytes, (size_t)(end - text->bytes), 0, NULL);
    text->length -= (size_t)(end + 1 - text->bytes);
    memmove(text->bytes, end + 1, text->length + 1);
    if (!object)
        machine_fail(machine, "QEMU's answer is not JSON");
    return object;
}

/* The answer to the oldest command not answered yet. */
static json_t *qmp_answer(struct machine *machine)
{
    for (;;) {
        json_t *object = qmp_receive(machine);
        json_t *error = json_object_get(object, "error");

        if (error)
            machine_fail(machine, "QMP: %s", json_string_value(json_object_get(error, "desc")));
        if (json_object_get(object, "return"))
            return object;
        json_decref(object);
    }
}

static void qmp_send(struct machine *machine, const char *command, json_t *arguments)
{
    json_t *object = json_pack("{s:s}", "execute", command);
    char *line;
    size_t length;

    if (arguments)
        json_object_set_new(object, "arguments", arguments);
    line = json_dumps(object, JSON_COMPACT);
    length = strlen(line);
    line[length++] = '\n';
    if (write(machine->stream[MACHINE_QMP], line, length) != (ssize_t)length)
        machine_fail(machine, "QEMU does not take the command '%s'", command);
    free(line);
    json_decref(object);
}

void qmp_greet(struct machine *machine)
{
    json_t *greeting = qmp_receive(machine);

    if (!json_object_get(greeting, "QMP"))
        machine_fail(machine, "no QMP greeting");
    json_decref(greeting);
    json_decref(qmp_run(machine, "qmp_capabilities", NULL));
}

void qmp_end(struct machine *machine, const char *command, json_t *arguments)
{
    input_settle(machine);
    qmp_send(machine, command, arguments);
}

json_t *qmp_run(struct machine *machine, const char *command, json_t *arguments)
{
    qmp_end(machine, command, arguments);
    return qmp_answer(machine);
}

void qmp_continue(struct machine *machine)
{
    struct text *text = &machine->text[MACHINE_QMP];
    bool answered = false;

    qmp_send(machine, "cont", NULL);
    while (!answered) {
        json_t *object;

        while (!(text->length && memchr(text->bytes, '\n', text->length)))
            if (machine->stream[MACHINE_QMP] < 0 || !machine_pump(machine, 100))
                return;
        object = qmp_receive(machine);
        answered = json_object_get(object, "return") != NULL;
        json_decref(object);
    }
}

/* ---- input ---- */

static json_t *input_axis(const char *axis, int value)
{
    return json_pack("{s:s,s:{s:s,s:i}}", "type", "rel", "data", "axis", axis, "value", value);
}

static void input_append(json_t *events, const struct input *input)
{
    switch (input->type) {
    case INPUT_KEY:
        json_array_append_new(events, json_pack("{s:s,s:{s:b,s:{s:s,s:s}}}", "type", "key", "data", "down", input->down,
                                                "key", "type", "qcode", "data", input->name));
        break;
    case INPUT_MOVE:
        json_array_append_new(events, input_axis("x", input->dx));
        json_array_append_new(events, input_axis("y", input->dy));
        break;
    case INPUT_BUTTON:
        json_array_append_new(
            events, json_pack("{s:s,s:{s:b,s:s}}", "type", "btn", "data", "down", input->down, "button", input->name));
        break;
    }
}

void input_post(struct machine *machine, const struct input *inputs, size_t count)
{
    json_t *events = json_array();

    for (size_t i = 0; i < count; i++)
        input_append(events, &inputs[i]);
    qmp_send(machine, "input-send-event", json_pack("{s:o}", "events", events));
    machine->qmp_posted++;
}

void input_settle(struct machine *machine)
{
    for (; machine->qmp_posted; machine->qmp_posted--)
        json_decref(qmp_answer(machine));
}

void input_send(struct machine *machine, const struct input *inputs, size_t count)
{
    input_post(machine, inputs, count);
    input_settle(machine);
}

void machine_key(struct machine *machine, const char *qcode, bool down)
{
    input_send(machine, &(struct input){.type = INPUT_KEY, .name = qcode, .down = down}, 1);
}

void machine_tap(struct machine *machine, const char *qcode)
{
    machine_key(machine, qcode, true);
    machine_key(machine, qcode, false);
}

void machine_mouse_move(struct machine *machine, int dx, int dy)
{
    input_send(machine, &(struct input){.type = INPUT_MOVE, .dx = dx, .dy = dy}, 1);
}

void machine_mouse_button(struct machine *machine, const char *button, bool down)
{
    input_send(machine, &(struct input){.type = INPUT_BUTTON, .name = button, .down = down}, 1);
}

void machine_mouse_wheel(struct machine *machine, int step)
{
    machine_mouse_button(machine, step > 0 ? "wheel-up" : "wheel-down", true);
}

/* ---- the screen ---- */

void machine_screen(struct machine *machine, struct screen *screen)
{
    unsigned char cells[SCREEN_BYTES];
    char path[32];

    snprintf(path, sizeof(path), "/dev/fd/%d", machine->screen);
    json_decref(qmp_run(machine, "pmemsave",
                        json_pack("{s:i,s:i,s:s}", "val", VGA_TEXT, "size", SCREEN_BYTES, "filename", path)));
    if (pread(machine->screen, cells, sizeof(cells), 0) != SCREEN_BYTES)
        machine_fail(machine, "QEMU saved no screen");
    for (int row = 0; row < SCREEN_ROWS; row++) {
        for (int column = 0; column < SCREEN_COLUMNS; column++) {
            const unsigned char *cell = &cells[2 * (row * SCREEN_COLUMNS + column)];

            screen->text[row][column] = (char)(cell[0] ? cell[0] : ' ');
            screen->attribute[row][column] = cell[1];
        }
        screen->text[row][SCREEN_COLUMNS] = 0;
    }
}

bool machine_screen_contains(struct machine *machine, const char *text, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;
    char joined[SCREEN_ROWS * SCREEN_COLUMNS + 1] = "";
    struct screen screen;

    do {
        machine_screen(machine, &screen);
        for (int row = 0; row < SCREEN_ROWS; row++)
            memcpy(joined + row * SCREEN_COLUMNS, screen.text[row], SCREEN_COLUMNS);
        if (strcasestr(joined, text))
            return true;
        machine_pump(machine, 20);
    } while (machine_now_ms() < deadline_ms);
    return false;
}

int machine_screen_row(struct machine *machine, int first_row, const char *text, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;
    struct screen screen;

    do {
        machine_screen(machine, &screen);
        for (int row = first_row; row < SCREEN_ROWS; row++)
            if (strstr(screen.text[row], text))
                return row;
        machine_pump(machine, 20);
    } while (machine_now_ms() < deadline_ms);
    return -1;
}
