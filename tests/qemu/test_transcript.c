/*
 * What is typed and moved is what arrives, whichever way each driver is written.
 *
 * The expected transcript is computed from what is sent. Each of the nine pairs of drivers must give exactly that text,
 * so the nine are alike byte for byte but for the driver's name. Paced: each event is sent after the echo of the one
 * before. Unpaced: bursts that just fit the devices' queues of 16 bytes, where only each device's own order is defined.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "machine.h"
#include "qmp.h"

#define SEED            UINT64_C(20240101)
#define KEYSTROKES      200
#define MOVES           200
#define INTERLEAVED     200
#define BURSTS          60
#define QUEUE_BYTES     16
#define PACKET_BYTES    4
#define LOCK_BYTES      4 /* room for the keyboard's answers to the two bytes that set its lights */
#define ECHO_MS         20000
#define BOOT_MS         60000
#define MOVE_MAX        120
#define WHEEL_MAX       3
#define BURST_KEYS      QUEUE_BYTES
#define BURST_LINES     (2 * BURST_KEYS)
#define BURST_PACKETS   (QUEUE_BYTES / PACKET_BYTES)
#define CHANCE(percent) (seeded_random(&echo->random, 100) < (percent))

struct pair {
    char keyboard[8], mouse[8];
    bool reference; /* on the reference machine, where a tick is an instruction, and not at the host's pace */
    bool apic;      /* on q35, the lines through the I/O APIC */
};

/* A machine in echo mode, and what it should know. */
struct echo {
    struct machine *machine;
    const char *keyboard;
    const char *mouse;
    uint64_t random;
    struct key_model keys;
    unsigned buttons; /* held, a bit for each of button[] */
};

struct button {
    const char *qmp;
    unsigned code;
    const char *name;
};

static const struct button button[] = {
    {"left", 272, "BTN_LEFT"}, {"right", 273, "BTN_RIGHT"}, {"middle", 274, "BTN_MIDDLE"},
    {"side", 275, "BTN_SIDE"}, {"extra", 276, "BTN_EXTRA"},
};

#define BUTTONS (sizeof(button) / sizeof(button[0]))

/* ---- paced ---- */

static struct echo echo_start(const struct pair *pair)
{
    struct echo echo = {
        .keyboard = pair->keyboard,
        .mouse = pair->mouse,
        .random = SEED,
    };
    char cmdline[80];

    snprintf(cmdline, sizeof(cmdline), "mode=echo keyboard=%s mouse=%s irq=%s", echo.keyboard, echo.mouse,
             pair->apic ? "apic" : "pic");
    echo.machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2,
                                                           .cmdline = cmdline,
                                                           .module = PROGRAMS_GCC_O2,
                                                           .machine = pair->apic ? "q35" : NULL,
                                                           .reference = pair->reference});
    json_decref(machine_com2_event(echo.machine, "ready", BOOT_MS));
    if (pair->apic && !machine_com1_contains(echo.machine, "irq: I/O APIC at", 0))
        machine_fail(echo.machine, "the lines do not come through the I/O APIC");
    return echo;
}

static void await_line(struct echo *echo, const char *expected)
{
    const char *line = machine_com2_try_line(echo->machine, ECHO_MS);

    if (!line || strcmp(line, expected) != 0)
        machine_fail(echo->machine, "expected '%s', got '%s'", expected, line ? line : "nothing");
}

static void paced_key(struct echo *echo, const struct key *key, bool down, bool held)
{
    char lines[2][KEY_LINE_BYTES];
    size_t count = key_expect(&echo->keys, key, down, held, echo->keyboard, lines);

    machine_key(echo->machine, key->qcode, down);
    for (size_t i = 0; i < count; i++)
        await_line(echo, lines[i]);
}

static void paced_tap(struct echo *echo, const struct key *key)
{
    paced_key(echo, key, true, false);
    paced_key(echo, key, false, true);
}

static const struct key *random_key(struct echo *echo)
{
    return &keys[seeded_random(&echo->random, (uint32_t)keys_count)];
}

/* A key that types, and whose typing shift changes or at least does not disturb. */
static const struct key *random_typing_key(struct echo *echo)
{
    const struct key *key;

    do
        key = random_key(echo);
    while (!key->plain || key->kind == KEY_KIND_KEYPAD);
    return key;
}

static void paced_shifted(struct echo *echo)
{
    const struct key *shift = key_find(CHANCE(50) ? "shift" : "shift_r");

    paced_key(echo, shift, true, false);
    paced_tap(echo, random_typing_key(echo));
    paced_key(echo, shift, false, true);
}

static void paced_repeat(struct echo *echo)
{
    const struct key *key = random_typing_key(echo);

    paced_key(echo, key, true, false);
    paced_key(echo, key, true, true);
    paced_key(echo, key, true, true);
    paced_key(echo, key, false, true);
}

/* The second key goes down before the first goes up. */
static void paced_rollover(struct echo *echo)
{
    const struct key *first = random_typing_key(echo);
    const struct key *second;

    do
        second = random_typing_key(echo);
    while (second == first);
    paced_key(echo, first, true, false);
    paced_key(echo, second, true, false);
    paced_key(echo, first, false, true);
    paced_key(echo, second, false, true);
}

static void paced_keystroke(struct echo *echo)
{
    uint32_t choice = seeded_random(&echo->random, 100);

    if (choice < 25)
        paced_shifted(echo);
    else if (choice < 32)
        paced_repeat(echo);
    else if (choice < 40)
        paced_rollover(echo);
    else if (choice < 48)
        paced_tap(echo, key_find("caps_lock"));
    else if (choice < 54)
        paced_tap(echo, key_find("num_lock"));
    else
        paced_tap(echo, random_key(echo));
}

/* Every key of the table once, in random order, and then keystrokes of every kind. */
static void paced_keystrokes(struct echo *echo, size_t count)
{
    size_t order[256];

    cr_assert_lt(keys_count, count);
    for (size_t i = 0; i < keys_count; i++) {
        size_t j = seeded_random(&echo->random, (uint32_t)i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < keys_count; i++)
        paced_tap(echo, &keys[order[i]]);
    for (size_t i = keys_count; i < count; i++)
        paced_keystroke(echo);
}

/* One packet of the mouse: motion, wheel steps and at most one button's change. */
struct packet {
    int dx;
    int dy;
    int wheel;
    int button; /* the one that changes, or -1 */
    bool down;
};

static int random_delta(struct echo *echo)
{
    return (int)seeded_random(&echo->random, 2 * MOVE_MAX + 1) - MOVE_MAX;
}

static struct packet random_packet(struct echo *echo)
{
    struct packet packet = {.button = -1};

    if (CHANCE(25)) {
        packet.button = (int)seeded_random(&echo->random, BUTTONS);
        packet.down = !(echo->buttons >> packet.button & 1);
        echo->buttons ^= 1u << packet.button;
    }
    if (CHANCE(20))
        packet.wheel = (int)(1 + seeded_random(&echo->random, WHEEL_MAX)) * (CHANCE(50) ? 1 : -1);
    if (CHANCE(60) || (packet.button < 0 && !packet.wheel))
        do {
            packet.dx = random_delta(echo);
            packet.dy = random_delta(echo);
        } while (!packet.dx && !packet.dy);
    return packet;
}

static size_t packet_inputs(const struct packet *packet, struct input inputs[2 + WHEEL_MAX])
{
    size_t count = 0;

    if (packet->dx || packet->dy)
        inputs[count++] = (struct input){.type = INPUT_MOVE, .dx = packet->dx, .dy = packet->dy};
    for (int i = 0; i < abs(packet->wheel); i++)
        inputs[count++] = (struct input){
            .type = INPUT_BUTTON, .name = packet->wheel > 0 ? "wheel-up" : "wheel-down", .down = true};
    if (packet->button >= 0)
        inputs[count++] = (struct input){
            .type = INPUT_BUTTON, .name = button[packet->button].qmp, .down = packet->down};
    return count;
}

static void button_line(char line[KEY_LINE_BYTES], const struct echo *echo, const struct packet *packet)
{
    snprintf(line, KEY_LINE_BYTES, "{\"event\":\"button\",\"driver\":\"%s\",\"code\":%u,\"name\":\"%s\",\"value\":%d}",
             echo->mouse, button[packet->button].code, button[packet->button].name, packet->down);
}

static void paced_packet(struct echo *echo, const struct packet *packet)
{
    struct input inputs[2 + WHEEL_MAX];
    char line[KEY_LINE_BYTES];

    input_send(echo->machine, inputs, packet_inputs(packet, inputs));
    if (packet->dx || packet->dy || packet->wheel) {
        snprintf(line, sizeof(line), "{\"event\":\"rel\",\"driver\":\"%s\",\"dx\":%d,\"dy\":%d,\"wheel\":%d}",
                 echo->mouse, packet->dx, packet->dy, packet->wheel);
        await_line(echo, line);
    }
    if (packet->button >= 0) {
        button_line(line, echo, packet);
        await_line(echo, line);
    }
}

static void paced_move(struct echo *echo)
{
    struct packet packet = random_packet(echo);

    paced_packet(echo, &packet);
}

/* Ends the machine; a line that nobody expected would come before this key's. */
static void echo_stop(struct echo *echo)
{
    paced_tap(echo, key_find("esc"));
    machine_stop(echo->machine);
}

static struct pair pairs[] = {
    {"async", "async", false, false},  {"async", "thread", false, false},  {"async", "user", false, false},
    {"thread", "async", false, false}, {"thread", "thread", false, false}, {"thread", "user", false, false},
    {"user", "async", false, false},   {"user", "thread", false, false},   {"user", "user", false, false},
    {"async", "thread", true, false},  {"thread", "async", true, false},   {"user", "user", true, false},
    {"thread", "async", false, true},  {"user", "user", false, true},      {"async", "poll", false, false},
    {"poll", "isr", false, false},     {"isr", "thread", false, false},
};

ParameterizedTestParameters(transcript, every_pair_of_drivers_echoes_exactly_what_was_sent)
{
    return cr_make_param_array(struct pair, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

ParameterizedTest(struct pair *pair, transcript, every_pair_of_drivers_echoes_exactly_what_was_sent, .timeout = 300)
{
    struct echo started = echo_start(pair);
    struct echo *echo = &started;

    paced_keystrokes(echo, KEYSTROKES);
    for (int i = 0; i < MOVES; i++)
        paced_move(echo);
    for (int i = 0; i < INTERLEAVED; i++) {
        if (CHANCE(50))
            paced_keystroke(echo);
        else
            paced_move(echo);
    }
    echo_stop(echo);
}

/* ---- unpaced ---- */

/* What a burst sent, what it should bring, and what of it has come. */
struct burst {
    char key_line[BURST_LINES][KEY_LINE_BYTES];
    size_t key_lines;
    size_t key_seen;
    char button_line[BURST_PACKETS][KEY_LINE_BYTES];
    size_t button_lines;
    size_t button_seen;
    int motion[3]; /* dx, dy and wheel: sent minus seen */
};

/* The keys of a burst that the test holds down come up within it, so that nothing may stay down behind it. */
struct key_burst {
    struct input inputs[BURST_KEYS];
    size_t count;
    unsigned bytes;
};

static void burst_key(struct echo *echo, struct burst *burst, struct key_burst *keys_sent, const struct key *key,
                      bool down)
{
    char lines[2][KEY_LINE_BYTES];
    size_t count = key_expect(&echo->keys, key, down, !down, echo->keyboard, lines);

    keys_sent->inputs[keys_sent->count++] = (struct input){.type = INPUT_KEY, .name = key->qcode, .down = down};
    keys_sent->bytes += down ? key->press_bytes : key->release_bytes;
    for (size_t i = 0; i < count; i++)
        memcpy(burst->key_line[burst->key_lines++], lines[i], KEY_LINE_BYTES);
}

static unsigned tap_bytes(const struct key *key)
{
    return key->press_bytes + key->release_bytes + (key->kind == KEY_KIND_LOCK ? LOCK_BYTES : 0u);
}

/* Taps, some under shift, until the next one might not fit. Returns whether a lock was among them. */
static bool burst_fill(struct echo *echo, struct burst *burst, struct key_burst *keys_sent, unsigned room)
{
    const struct key *shift = CHANCE(30) ? key_find("shift_r") : NULL;
    bool locked = false;

    if (shift) {
        room -= shift->release_bytes;
        burst_key(echo, burst, keys_sent, shift, true);
    }
    for (;;) {
        const struct key *key = shift ? random_typing_key(echo) : random_key(echo);

        if (key->kind == KEY_KIND_SHIFT)
            continue;
        if (keys_sent->bytes + tap_bytes(key) > room)
            break;
        burst_key(echo, burst, keys_sent, key, true);
        burst_key(echo, burst, keys_sent, key, false);
        if (key->kind == KEY_KIND_LOCK) {
            room -= LOCK_BYTES;
            locked = true;
        }
    }
    if (shift)
        burst_key(echo, burst, keys_sent, shift, false);
    return locked;
}

static void burst_packet(struct echo *echo, struct burst *burst)
{
    struct packet packet = random_packet(echo);
    struct input inputs[2 + WHEEL_MAX];

    burst->motion[0] += packet.dx;
    burst->motion[1] += packet.dy;
    burst->motion[2] += packet.wheel;
    if (packet.button >= 0)
        button_line(burst->button_line[burst->button_lines++], echo, &packet);
    input_post(echo->machine, inputs, packet_inputs(&packet, inputs));
}

static int member(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static void burst_take(struct echo *echo, struct burst *burst, const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    const char *event = json_string_value(json_object_get(object, "event"));

    cr_assert_not_null(event, "'%s'", line);
    if (strcmp(event, "key") == 0) {
        if (burst->key_seen == burst->key_lines || strcmp(line, burst->key_line[burst->key_seen++]) != 0)
            machine_fail(echo->machine, "key out of order: '%s'", line);
    } else if (strcmp(event, "button") == 0) {
        if (burst->button_seen == burst->button_lines || strcmp(line, burst->button_line[burst->button_seen++]) != 0)
            machine_fail(echo->machine, "button out of order: '%s'", line);
    } else {
        cr_assert_str_eq(event, "rel");
        burst->motion[0] -= member(object, "dx");
        burst->motion[1] -= member(object, "dy");
        burst->motion[2] -= member(object, "wheel");
    }
    json_decref(object);
}

static bool burst_complete(const struct burst *burst)
{
    return burst->key_seen == burst->key_lines && burst->button_seen == burst->button_lines && !burst->motion[0] &&
           !burst->motion[1] && !burst->motion[2];
}

/* Posts the mouse's packets round the keys' one command, and takes lines until all is accounted for. */
static bool burst_run(struct echo *echo, unsigned room)
{
    struct burst burst = {.key_lines = 0};
    struct key_burst keys_sent = {.count = 0};
    bool locked = burst_fill(echo, &burst, &keys_sent, room);
    uint32_t packets = seeded_random(&echo->random, BURST_PACKETS + 1);
    uint32_t before = seeded_random(&echo->random, packets + 1);

    for (uint32_t i = 0; i <= packets; i++) {
        if (i == before)
            input_post(echo->machine, keys_sent.inputs, keys_sent.count);
        if (i < packets)
            burst_packet(echo, &burst);
    }
    input_settle(echo->machine);
    while (!burst_complete(&burst)) {
        const char *line = machine_com2_try_line(echo->machine, ECHO_MS);

        if (!line)
            machine_fail(echo->machine, "%zu of %zu keys, %zu of %zu buttons, motion short by %d, %d, wheel %d",
                         burst.key_seen, burst.key_lines, burst.button_seen, burst.button_lines, burst.motion[0],
                         burst.motion[1], burst.motion[2]);
        burst_take(echo, &burst, line);
    }
    return locked;
}

ParameterizedTestParameters(transcript, bursts_that_fit_the_queues_lose_and_reorder_nothing)
{
    return cr_make_param_array(struct pair, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

ParameterizedTest(struct pair *pair, transcript, bursts_that_fit_the_queues_lose_and_reorder_nothing, .timeout = 300)
{
    struct echo started = echo_start(pair);
    struct echo *echo = &started;
    bool locked = false;

    for (int i = 0; i < BURSTS; i++)
        locked = burst_run(echo, locked ? QUEUE_BYTES - LOCK_BYTES : QUEUE_BYTES);
    echo_stop(echo);
}
