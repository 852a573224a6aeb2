/*
 * What a test does to a running machine: QMP commands, input events, a look at the screen.
 *
 * Input goes through QEMU's emulated PS/2 devices, so the guest sees what it would see of a real keyboard and mouse.
 * One input_send() is one QMP command. QEMU queues all its key bytes before the guest can take any, and makes one mouse
 * packet of all its motion, buttons and wheel steps. Every device's queue holds 16 bytes; what does not fit is lost.
 */
#ifndef DUET_TESTS_QEMU_QMP_H
#define DUET_TESTS_QEMU_QMP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "machine.h"

#define SCREEN_COLUMNS 80
#define SCREEN_ROWS    25

enum input_type { INPUT_KEY, INPUT_MOVE, INPUT_BUTTON };

/* One event of a command; a wheel step is the press of the button "wheel-up" or "wheel-down". */
struct input {
    enum input_type type;
    const char *name; /* a key's or a button's QMP name */
    bool down;
    int dx; /* screen sense: down and right are positive */
    int dy;
};

/* VGA text memory as it stood: characters, and attributes (background in the high nibble). */
struct screen {
    char text[SCREEN_ROWS][SCREEN_COLUMNS + 1];
    unsigned char attribute[SCREEN_ROWS][SCREEN_COLUMNS];
};

/* Reads QEMU's greeting and enters command mode. Called by machine_start(). */
void qmp_greet(struct machine *machine);

/* Runs a command to its answer, which the caller drops. Steals the reference to arguments, which may be NULL. */
json_t *qmp_run(struct machine *machine, const char *command, json_t *arguments);

/* Sends a command that may end the machine before QEMU has answered: the answer is not waited for. */
void qmp_end(struct machine *machine, const char *command, json_t *arguments);

/* Lets a machine that was started stopped run. One that ends at once may do so before QEMU has answered. */
void qmp_continue(struct machine *machine);

/* Sends the events as one command and waits until QEMU has taken them. */
void input_send(struct machine *machine, const struct input *inputs, size_t count);

/* Sends them without waiting; input_settle() waits for the answers to all that were posted. */
void input_post(struct machine *machine, const struct input *inputs, size_t count);
void input_settle(struct machine *machine);

void machine_key(struct machine *machine, const char *qcode, bool down);
void machine_tap(struct machine *machine, const char *qcode);
void machine_mouse_move(struct machine *machine, int dx, int dy);
void machine_mouse_button(struct machine *machine, const char *button, bool down);
/* One step up (+1) or down (-1). */
void machine_mouse_wheel(struct machine *machine, int step);

void machine_screen(struct machine *machine, struct screen *screen);

/* Waits for a text on the screen, which may run over the end of rows, letter case ignored. Returns whether it came. */
bool machine_screen_contains(struct machine *machine, const char *text, int timeout_ms);

/* Waits for a text within a row of the screen, from first_row on. Returns the row, or -1. */
int machine_screen_row(struct machine *machine, int first_row, const char *text, int timeout_ms);

#endif
