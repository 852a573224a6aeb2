/*
 * The keyboard driver with a keyboard that answers what it likes, when it likes, and a reader that falls behind,
 * against a driver that does one thing after the other. Which keys bytes are is the target scancode's question: the
 * same decoder and keymap are used here.
 */
#include "drivers/keyboard.h"

#include "fuzz.h"
#include "support.h"

enum { STEPS_MAX = 600, EVENTS_MAX = 2048, RESENDS = 3 };

#define PATIENCE_NS UINT64_C(100000000)

static struct ps2_port port;
static struct event_queue queue;
static struct keyboard keyboard;
static uint64_t stamp;

static uint8_t sent[8];
static unsigned sent_count;
static bool refuses;

static enum status send_byte(uint8_t byte)
{
    CHECK(sent_count < sizeof(sent));
    sent[sent_count++] = byte;
    return refuses ? STATUS_TIMEOUT : STATUS_OK;
}

/* ---- the reference ---- */

static struct {
    struct scancode_decoder decoder;
    struct keymap keymap;
    bool takes_commands;
    char waits_for; /* what the last byte sent was: 'c' command, 'a' argument, 0 none awaits an answer */
    unsigned resends;
    uint8_t lights;
    uint64_t since_ns;
    uint8_t sent[8];
    unsigned sent_count;
    struct input_event events[EVENTS_MAX];
    size_t published, read, dropped;
} model;

static void model_send(char what)
{
    uint8_t lights = keymap_leds(&model.keymap);

    model.sent[model.sent_count++] = what == 'c' ? 0xed : lights;
    model.since_ns = support_clock_ns;
    model.waits_for = refuses ? 0 : what;
    if (what == 'a' && !refuses)
        model.lights = lights;
}

static void model_answer(uint8_t byte)
{
    if (byte == 0xfa && model.waits_for == 'c') {
        model_send('a');
    } else if (byte == 0xfe && model.resends++ < RESENDS) {
        model_send(model.waits_for);
    } else {
        model.waits_for = 0;
        if (byte == 0xfe) /* it will not have them */
            model.lights = keymap_leds(&model.keymap);
    }
}

static void model_keys(uint8_t byte, enum driver_style style)
{
    struct key_change changes[2];
    struct key_event key;
    size_t count = scancode_feed(&model.decoder, byte, changes);

    for (size_t i = 0; i < count; i++) {
        if (!keymap_apply(&model.keymap, changes[i], &key))
            continue;
        if (model.published - model.read == EVENT_QUEUE_EVENTS) {
            model.dropped++;
            continue;
        }
        model.events[model.published++] = (struct input_event){.stamp = stamp,
                                                               .type = INPUT_KEY,
                                                               .style = style,
                                                               .text = key.text,
                                                               .value = (int8_t)key.value,
                                                               .code = key.code};
    }
}

static void model_receive(uint8_t byte, enum driver_style style)
{
    if (model.waits_for && (byte == 0xfa || byte == 0xfe))
        model_answer(byte);
    else
        model_keys(byte, style);
    if (model.takes_commands && keymap_leds(&model.keymap) != model.lights &&
        (!model.waits_for || support_clock_ns - model.since_ns >= PATIENCE_NS)) {
        model.resends = 0;
        model_send('c');
    }
}

/* ---- operations ---- */

static void receive(uint8_t byte)
{
    enum driver_style style = (enum driver_style)fuzz_below(2);

    stamp++;
    refuses = fuzz_below(16) == 15;
    sent_count = model.sent_count = 0;
    keyboard_receive(&keyboard, (struct ps2_byte){stamp, byte}, style);
    model_receive(byte, style);
    CHECK(sent_count == model.sent_count && memcmp(sent, model.sent, sent_count) == 0);
    CHECK(queue.published == model.published && queue.dropped == model.dropped);
}

static void read_events(size_t count)
{
    struct input_event event;

    while (count-- && model.read < model.published) {
        const struct input_event *expected = &model.events[model.read++];

        CHECK(event_try_read(&queue, &event));
        CHECK(event.stamp == expected->stamp && event.type == expected->type && event.style == expected->style);
        CHECK(event.text == expected->text && event.value == expected->value && event.code == expected->code);
        CHECK(event.dy == 0);
    }
    CHECK(model.read < model.published || !event_try_read(&queue, &event));
}

static void operate(void)
{
    static const uint8_t locks[] = {0x3a, 0xba, 0x45, 0xc5, 0x46, 0xc6};
    static const uint8_t answers[] = {0xfa, 0xfa, 0xfe};
    unsigned what = (unsigned)fuzz_below(8);

    if (what == 0)
        support_clock_ns += fuzz_below(4) * PATIENCE_NS / 2;
    else if (what == 1)
        receive(answers[fuzz_below(sizeof(answers))]);
    else if (what == 2)
        receive(locks[fuzz_below(sizeof(locks))]);
    else if (what == 3)
        read_events(fuzz_number() % 400);
    else if (what == 4) /* a key that repeats and repeats */
        for (unsigned n = (unsigned)fuzz_below(200), byte = fuzz_byte(); n && model.published < EVENTS_MAX - 8; n--)
            receive((uint8_t)byte);
    else
        receive(fuzz_byte());
}

void fuzz_one(void)
{
    memset(&model, 0, sizeof(model));
    stamp = 0;
    model.takes_commands = fuzz_below(8) != 7;
    support_clock_ns = 10 * PATIENCE_NS;
    port = (struct ps2_port){.send = model.takes_commands ? send_byte : NULL};
    queue = (struct event_queue){.published = 0};
    keyboard_init(&keyboard, &port, &queue);
    for (unsigned i = 0; fuzz_more() && i < STEPS_MAX && model.published < EVENTS_MAX - 8; i++)
        operate();
    read_events(EVENTS_MAX);
}
