/* What both keyboard drivers do with a byte. */
#include "drivers/keyboard.h"

/*
 * Set/Reset Status Indicators and the two answers to any command byte (IBM PS/2 Technical Reference, keyboard). The
 * answers arrive among the scan codes; 0xfa and 0xfe are no scan codes of any key, and are taken for answers only while
 * a command waits for one.
 */
enum {
    COMMAND_SET_LEDS = 0xed,
    ANSWER_ACK = 0xfa,
    ANSWER_RESEND = 0xfe,
    RESENDS_MAX = 3,
    COMMAND_TIMEOUT_NS = 100000000,
};

enum command_state {
    COMMAND_IDLE,
    COMMAND_SENT,  /* COMMAND_SET_LEDS, its answer awaited */
    ARGUMENT_SENT, /* the lights, their answer awaited */
};

void keyboard_init(struct keyboard *keyboard, struct ps2_port *port, struct event_queue *queue)
{
    *keyboard = (struct keyboard){.port = port, .queue = queue};
}

static void command_send(struct keyboard *keyboard, enum command_state state)
{
    uint8_t byte = state == ARGUMENT_SENT ? keymap_leds(&keyboard->keymap) : (uint8_t)COMMAND_SET_LEDS;

    keyboard->command_sent_ns = clock_now_ns();
    if (keyboard->port->send(byte) != STATUS_OK)
        state = COMMAND_IDLE;
    if (state == ARGUMENT_SENT)
        keyboard->leds_shown = byte;
    keyboard->command_state = (uint8_t)state;
}

/* Starts a command if the lights are not what the locks say. Lights are a courtesy: a keyboard that does not answer, or
 * not in time, costs nothing but its lights. */
static void command_start(struct keyboard *keyboard)
{
    if (likely(keymap_leds(&keyboard->keymap) == keyboard->leds_shown) || !keyboard->port->send)
        return;
    if (keyboard->command_state != COMMAND_IDLE && clock_now_ns() - keyboard->command_sent_ns < COMMAND_TIMEOUT_NS)
        return;
    keyboard->resends = 0;
    command_send(keyboard, COMMAND_SENT);
}

/* After the last resend the lights are left as they are until a lock changes: this keyboard takes no such command. */
static void command_end(struct keyboard *keyboard, uint8_t answer)
{
    if (answer == ANSWER_RESEND)
        keyboard->leds_shown = keymap_leds(&keyboard->keymap);
    keyboard->command_state = COMMAND_IDLE;
}

/* True if the byte was the answer to a command. */
static bool command_answered(struct keyboard *keyboard, uint8_t byte)
{
    enum command_state state = keyboard->command_state;

    if (likely(state == COMMAND_IDLE) || (byte != ANSWER_ACK && byte != ANSWER_RESEND))
        return false;
    if (byte == ANSWER_RESEND && keyboard->resends++ < RESENDS_MAX)
        command_send(keyboard, state);
    else if (byte == ANSWER_ACK && state == COMMAND_SENT)
        command_send(keyboard, ARGUMENT_SENT);
    else
        command_end(keyboard, byte);
    return true;
}

static inline void make_event(struct input_event *event, const struct key_event *key, uint64_t stamp,
                              enum driver_style style)
{
    *event = (struct input_event){.stamp = stamp,
                                  .type = INPUT_KEY,
                                  .style = (uint8_t)style,
                                  .text = key->text,
                                  .value = (int8_t)key->value,
                                  .code = key->code};
}

static void decode(struct keyboard *keyboard, struct ps2_byte byte, enum driver_style style)
{
    struct key_change changes[2];
    struct input_event event;
    struct key_event key;
    size_t count = scancode_feed(&keyboard->decoder, byte.data, changes);

    for (size_t i = 0; i < count; i++) {
        if (!keymap_apply(&keyboard->keymap, changes[i], &key))
            continue;
        make_event(&event, &key, byte.stamp, style);
        event_publish(keyboard->queue, event);
    }
}

void keyboard_receive_any(struct keyboard *keyboard, struct ps2_byte byte, enum driver_style style)
{
    if (!command_answered(keyboard, byte.data))
        decode(keyboard, byte, style);
    command_start(keyboard);
    keyboard->busy = keyboard->decoder.state || keyboard->command_state != COMMAND_IDLE ||
                     keymap_leds(&keyboard->keymap) != keyboard->leds_shown;
}

/* Most bytes are the press or the release of a key that types, and nothing is under way. */
void keyboard_receive(struct keyboard *keyboard, struct ps2_byte byte, enum driver_style style)
{
    struct event_queue *queue;
    struct event_place place;
    struct key_event key;

    if (unlikely(keyboard->busy) || unlikely(!keymap_type(&keyboard->keymap, scancode_whole(byte.data), &key))) {
        keyboard_receive_any(keyboard, byte, style);
        return;
    }
    queue = keyboard->queue;
    place = event_publish_begin(queue);
    if (unlikely(!place.event))
        return;
    make_event(place.event, &key, byte.stamp, style);
    event_publish_end(queue, place);
}
