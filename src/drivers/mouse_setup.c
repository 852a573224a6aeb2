/*
 * Setting up a mouse that was plugged in while everything runs: i8042.c's bring-up without waiting, as its answers come
 * among the bytes of the port. An answer that is neither the one nor the other is motion that was still on its way, or
 * an error: who says nothing else until the alarm is asked again from the first step.
 *
 * Facts: as i8042.h.
 */
#include "drivers/mouse.h"

enum {
    IDENTIFY = 0xf2,
    SET_SAMPLE_RATE = 0xf3,
    ENABLE = 0xf4,
    SET_DEFAULTS = 0xf6,
    ANSWER_ACK = 0xfa,
    ANSWER_RESEND = 0xfe,
    ANSWER_PASSED = 0xaa, /* and an id of 00: it was plugged in, again */
    RESENDS_MAX = 3,
    ROUNDS_MAX = 5,
    ANSWER_WAIT_NS = 100000000,
};

/* The two knocks for longer packets, each with its question: for the wheel, and, if there is one, for five buttons. */
static const uint8_t script[] = {SET_DEFAULTS, SET_SAMPLE_RATE, 200, SET_SAMPLE_RATE, 100, SET_SAMPLE_RATE, 80,
                                 IDENTIFY,     SET_SAMPLE_RATE, 200, SET_SAMPLE_RATE, 200, SET_SAMPLE_RATE, 80,
                                 IDENTIFY,     SET_SAMPLE_RATE, 100, ENABLE};
enum { STEPS = sizeof(script), STEP_WHEEL_KNOWN = 9, STEP_ID_KNOWN = 16 };

/* What cannot be sent is not answered either. */
static void send_step(struct mouse *mouse)
{
    (void)mouse->port->send(script[mouse->setup.step - 1]);
    ps2_alarm(mouse->port, ANSWER_WAIT_NS);
}

static void go_to(struct mouse *mouse, unsigned step)
{
    mouse->setup.step = (uint8_t)step;
    mouse->setup.identity = false;
    mouse->setup.resends = 0;
    send_step(mouse);
}

static void begin_round(struct mouse *mouse)
{
    if (mouse->setup.rounds++ < ROUNDS_MAX) {
        go_to(mouse, 1);
        return;
    }
    mouse->setup.step = 0; /* it is as good as unplugged */
    mouse->setup.given_up++;
}

void mouse_setup_start(struct mouse *mouse)
{
    if (!mouse->port->send)
        return;
    mouse->setup.rounds = 0;
    mouse->setup.last = 0;
    begin_round(mouse);
}

void mouse_setup_late(struct waker *late)
{
    struct mouse *mouse = container_of(late, struct mouse, late);

    if (mouse->setup.step)
        begin_round(mouse);
}

static void finish(struct mouse *mouse)
{
    ps2_alarm(mouse->port, 0);
    mouse_decoder_identify(&mouse->decoder, mouse->setup.id);
    mouse->setup.step = 0;
    mouse->setup.done++;
}

static void receive_ack(struct mouse *mouse)
{
    unsigned step = mouse->setup.step;

    if (script[step - 1] == IDENTIFY)
        mouse->setup.identity = true; /* the alarm that runs is its, too */
    else if (step == STEPS)
        finish(mouse);
    else
        go_to(mouse, step + 1);
}

static void receive_id(struct mouse *mouse, uint8_t id)
{
    bool wheel = mouse->setup.step < STEP_WHEEL_KNOWN && id == MOUSE_ID_WHEEL;

    if (id != MOUSE_ID_STANDARD && id != MOUSE_ID_WHEEL && id != MOUSE_ID_EXPLORER)
        return;
    mouse->setup.id = id;
    go_to(mouse, wheel ? STEP_WHEEL_KNOWN : STEP_ID_KNOWN);
}

void mouse_setup_receive(struct mouse *mouse, uint8_t byte)
{
    struct mouse_setup *setup = &mouse->setup;
    bool again = setup->last == ANSWER_PASSED && byte == MOUSE_ID_STANDARD;

    setup->last = byte;
    if (again)
        mouse_setup_start(mouse);
    else if (setup->identity)
        receive_id(mouse, byte);
    else if (byte == ANSWER_ACK)
        receive_ack(mouse);
    else if (byte == ANSWER_RESEND && setup->resends++ < RESENDS_MAX)
        send_step(mouse);
}
