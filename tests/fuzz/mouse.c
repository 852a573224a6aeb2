/* Mouse packets of all three kinds, against a reader that keeps the bytes in a text of all that came; and the promise
 * about what a stream in which bytes were lost costs. */
#include "lib/mouse_packet.h"

#include "fuzz.h"
#include "linux/input-event-codes.h"

enum { BYTES_MAX = 1024, RIGHT_PACKETS = 8 };

static const uint8_t ids[] = {MOUSE_ID_STANDARD, MOUSE_ID_WHEEL, MOUSE_ID_EXPLORER, 0x55};

/* ---- the reference: what came and is in no packet yet ---- */

static struct {
    uint8_t id;
    uint8_t waiting[8];
    size_t count, packet_bytes;
    uint8_t buttons;
    uint32_t discarded, overflows, hotplugs;
} state;

static void quit_first(void)
{
    memmove(state.waiting, state.waiting + 1, --state.count);
    state.discarded++;
}

static int axis(int low, bool negative, bool overflow)
{
    state.overflows += overflow;
    return overflow ? 0 : negative ? low - 256 : low;
}

static int wheel(void)
{
    int last = state.waiting[3];

    if (state.id == MOUSE_ID_WHEEL)
        return last == 128 ? 127 : last > 128 ? 256 - last : -last;
    if (state.id == MOUSE_ID_EXPLORER)
        return (last & 15) >= 8 ? 16 - (last & 15) : -(last & 15);
    return 0;
}

static void read_packet(struct mouse_packet *packet)
{
    uint8_t first = state.waiting[0], buttons = first & 7;

    if (state.id == MOUSE_ID_EXPLORER)
        buttons = (uint8_t)(buttons | (state.waiting[3] / 16 & 3) << 3);
    packet->dx = (int16_t)axis(state.waiting[1], first & 0x10, first & 0x40);
    packet->dy = (int16_t)-axis(state.waiting[2], first & 0x20, first & 0x80);
    packet->wheel = (int8_t)wheel();
    packet->buttons = buttons;
    packet->changed = buttons ^ state.buttons;
    state.buttons = buttons;
}

static bool reference(uint8_t byte, struct mouse_packet *packet)
{
    state.waiting[state.count++] = byte;
    if (!(state.waiting[0] & 8)) {
        quit_first();
        return false;
    }
    if (state.count == 2 && state.waiting[0] == 0xaa && byte == 0) {
        state.hotplugs++;
        state.count = 0;
        return false;
    }
    if (state.count < state.packet_bytes)
        return false;
    if (state.id == MOUSE_ID_EXPLORER && state.waiting[3] >= 0x40) {
        do
            quit_first();
        while (state.count && !(state.waiting[0] & 8));
        return false;
    }
    read_packet(packet);
    state.count = 0;
    return true;
}

/* ---- under test ---- */

static struct mouse_decoder decoder;

static void feed(uint8_t byte)
{
    struct mouse_packet packet, untouched, wanted;
    bool whole;

    memset(&packet, 0x5a, sizeof(packet));
    untouched = packet;
    whole = mouse_feed(&decoder, byte, &packet);
    CHECK(whole == reference(byte, &wanted));
    CHECK(decoder.discarded == state.discarded && decoder.overflows == state.overflows);
    CHECK(decoder.hotplugs == state.hotplugs);
    if (!whole) {
        CHECK(memcmp(&packet, &untouched, sizeof(packet)) == 0);
        return;
    }
    CHECK(packet.dx == wanted.dx && packet.dy == wanted.dy && packet.wheel == wanted.wheel);
    CHECK(packet.buttons == wanted.buttons && packet.changed == wanted.changed);
    CHECK(packet.dx >= -256 && packet.dx <= 255 && packet.dy >= -255 && packet.dy <= 256);
    for (unsigned bit = 0; packet.buttons >> bit; bit++)
        CHECK(mouse_button_code(bit) == BTN_LEFT + bit);
}

/* Packets whose motion has bit 3 clear, after anything: one wrong one at most before the first right one, and then all
 * are right. */
static void check_resync(void)
{
    uint8_t motion[2] = {fuzz_byte() & 0x77, fuzz_byte() & 0x77};
    unsigned delivered = 0, right = 0;

    for (unsigned i = 0; i < RIGHT_PACKETS; i++) {
        /* A first byte that starts no announcement. */
        const uint8_t bytes[4] = {(uint8_t)(0x08 | (i & 7)), motion[0], motion[1],
                                  decoder.device_id == MOUSE_ID_EXPLORER ? 0x01 : 0x02};

        for (unsigned b = 0; b < decoder.size; b++) {
            struct mouse_packet packet;

            if (!mouse_feed(&decoder, bytes[b], &packet))
                continue;
            delivered++;
            if (b + 1 == decoder.size && packet.dx == motion[0] && packet.dy == -motion[1] && packet.buttons == (i & 7))
                right++;
            else
                CHECK(right == 0 && delivered == 1);
        }
    }
    CHECK(right >= RIGHT_PACKETS - 2);
}

void fuzz_one(void)
{
    uint8_t id = ids[fuzz_byte() % sizeof(ids)];

    memset(&state, 0, sizeof(state));
    state.id = id;
    state.packet_bytes = id == MOUSE_ID_WHEEL || id == MOUSE_ID_EXPLORER ? 4 : 3;
    mouse_decoder_init(&decoder, id);
    for (unsigned i = 0; fuzz_more() && i < BYTES_MAX; i++)
        feed(fuzz_byte());
    check_resync();
}
