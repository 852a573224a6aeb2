/* See mouse_packet.h. */
#include "lib/mouse_packet.h"

#include <linux/input-event-codes.h>

#include "lib/mem.h"

#define SELF_TEST_PASSED 0xaa /* followed by the device id, 0: what a mouse sends on power-on */
#define POWER_ON_ID      0x00

void mouse_decoder_init(struct mouse_decoder *decoder, uint8_t device_id)
{
    *decoder = (struct mouse_decoder){.discarded = 0};
    mouse_decoder_identify(decoder, device_id);
}

void mouse_decoder_identify(struct mouse_decoder *decoder, uint8_t device_id)
{
    decoder->size = device_id == MOUSE_ID_WHEEL || device_id == MOUSE_ID_EXPLORER ? 4 : 3;
    decoder->device_id = device_id;
    decoder->count = 0;
    decoder->buttons = 0;
}

void mouse_decoder_abandon(struct mouse_decoder *decoder)
{
    decoder->discarded += decoder->count;
    decoder->count = 0;
}

/* Nine bits in two's complement, of which the sign travels in the first byte. */
static int16_t axis_motion(struct mouse_decoder *decoder, uint8_t low, uint8_t sign_bit, uint8_t overflow_bit)
{
    uint8_t first = decoder->bytes[0];

    if (first & overflow_bit) {
        decoder->overflows++;
        return 0;
    }
    return (int16_t)(first & sign_bit ? low - 256 : low);
}

static void decode(struct mouse_decoder *decoder, struct mouse_packet *packet)
{
    uint8_t buttons = decoder->bytes[0] & MOUSE_FIRST_BUTTONS;
    bool four_bytes = decoder->size == 4;

    if (four_bytes)
        buttons |= mouse_more_buttons(decoder, decoder->bytes[3]);
    *packet = (struct mouse_packet){
        .dx = axis_motion(decoder, decoder->bytes[1], MOUSE_FIRST_X_NEGATIVE, MOUSE_FIRST_X_OVERFLOW),
        .dy = (int16_t)-axis_motion(decoder, decoder->bytes[2], MOUSE_FIRST_Y_NEGATIVE, MOUSE_FIRST_Y_OVERFLOW),
        .wheel = four_bytes ? mouse_wheel(decoder, decoder->bytes[3]) : 0,
        .buttons = buttons,
        .changed = buttons ^ decoder->buttons,
    };
    decoder->buttons = buttons;
}

/* Gives up the byte in first place, and those behind it up to one that a packet may begin with. Out of line: who calls
 * nothing needs no frame. */
static __attribute__((noinline)) void discard_first(struct mouse_decoder *decoder)
{
    do {
        decoder->discarded++;
        decoder->count--;
        memmove(decoder->bytes, decoder->bytes + 1, decoder->count);
    } while (decoder->count && !(decoder->bytes[0] & MOUSE_FIRST_ALWAYS_SET));
}

bool mouse_feed(struct mouse_decoder *decoder, uint8_t byte, struct mouse_packet *packet)
{
    if (decoder->count == 0 && !(byte & MOUSE_FIRST_ALWAYS_SET)) {
        decoder->discarded++;
        return false;
    }
    decoder->bytes[decoder->count++] = byte;
    if (decoder->count == 2 && decoder->bytes[0] == SELF_TEST_PASSED && byte == POWER_ON_ID) {
        decoder->hotplugs++;
        decoder->count = 0;
        return false;
    }
    if (decoder->count < decoder->size)
        return false;
    if (decoder->device_id == MOUSE_ID_EXPLORER && (byte & MOUSE_EXPLORER_ALWAYS_CLEAR)) {
        discard_first(decoder);
        return false;
    }
    decode(decoder, packet);
    decoder->count = 0;
    return true;
}

uint16_t mouse_button_code(unsigned bit)
{
    static const uint16_t codes[MOUSE_BUTTON_COUNT] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA};

    ASSERT(bit < MOUSE_BUTTON_COUNT);
    return codes[bit];
}
