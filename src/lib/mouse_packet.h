/*
 * PS/2 mouse packets, a byte at a time: motion, wheel and up to five buttons.
 *
 * Three bytes, or four once the mouse has been told apart by the sample-rate knock (drivers/i8042.h). Only the first
 * byte can be recognised, by its bit 3, so a lost byte is noticed when a byte in first place has bit 3 clear; such
 * bytes are discarded until one has it set.
 *
 * Facts: IBM PS/2 Technical Reference, "Mouse", data report; A. Chapweske, "The PS/2 Mouse Interface", for the wheel
 * and five-button packets.
 */
#ifndef DUET_LIB_MOUSE_PACKET_H
#define DUET_LIB_MOUSE_PACKET_H

#include "lib/base.h"

/* What the mouse answers to Get Device ID after the knocks. */
#define MOUSE_ID_STANDARD 0 /* three bytes, three buttons */
#define MOUSE_ID_WHEEL    3 /* a fourth byte: the wheel */
#define MOUSE_ID_EXPLORER 4 /* a fourth byte: the wheel in four bits and two more buttons */

#define MOUSE_BUTTON_COUNT 5

struct mouse_packet {
    int16_t dx;      /* counts, to the right */
    int16_t dy;      /* counts, downwards as on a screen (the mouse itself counts upwards) */
    int8_t wheel;    /* detents, away from the user positive as Linux's REL_WHEEL (the mouse itself counts towards) */
    uint8_t buttons; /* bit 0 left, 1 right, 2 middle, 3 side, 4 extra */
    uint8_t changed; /* those that differ from the packet before */
};

/* Owned by one reader. */
struct mouse_decoder {
    uint8_t size;      /* bytes a packet; set once */
    uint8_t device_id; /* MOUSE_ID_*; set once */
    uint8_t count;     /* bytes of the packet under way */
    uint8_t buttons;   /* of the last packet */
    uint8_t bytes[4];
    uint32_t discarded; /* bytes that could not be part of a packet */
    uint32_t overflows; /* axes reported as 0 because their counter had overflowed */
    uint32_t hotplugs;  /* a mouse was plugged in: it is in its power-on state and silent until set up again */
};

/* Ready for the first packet of a mouse of this id; an id that is not listed above is taken for the standard mouse. */
void mouse_decoder_init(struct mouse_decoder *decoder, uint8_t device_id);

/* The same, but what was counted stays: another mouse, or the same one anew. */
void mouse_decoder_identify(struct mouse_decoder *decoder, uint8_t device_id);

/* Gives up a packet of which no more will come: its bytes are discarded. */
void mouse_decoder_abandon(struct mouse_decoder *decoder);

/*
 * Takes the next byte. True if it completed a packet, now in *packet; *packet is untouched otherwise.
 *
 * An axis whose overflow bit is set has lost an unknown part of its motion, even its direction: it is reported as 0 and
 * counted. Buttons of such a packet are valid.
 *
 * aa 00 where a packet could start is a plugged-in mouse's announcement, as Linux takes it. The one packet that begins
 * the same way (right button alone, no motion to the right, vertical overflow) is lost with it.
 *
 * After lost or extra bytes at most one wrong packet is delivered before the first right one, provided that the motion
 * bytes have bit 3 clear (at rest: always; moving: sooner or later).
 *
 * Context: any, one caller at a time.
 */
must_check bool mouse_feed(struct mouse_decoder *decoder, uint8_t byte, struct mouse_packet *packet);

/* The first byte. */
#define MOUSE_FIRST_BUTTONS    0x07
#define MOUSE_FIRST_ALWAYS_SET 0x08
#define MOUSE_FIRST_X_NEGATIVE 0x10
#define MOUSE_FIRST_Y_NEGATIVE 0x20
#define MOUSE_FIRST_X_OVERFLOW 0x40
#define MOUSE_FIRST_Y_OVERFLOW 0x80

/* The explorer mouse's fourth byte. */
#define MOUSE_EXPLORER_WHEEL        0x0f
#define MOUSE_EXPLORER_BUTTONS      0x30 /* side and extra, one place left of where mouse_packet has them */
#define MOUSE_EXPLORER_ALWAYS_CLEAR 0xc0

/* The mouse counts detents towards the user; -128 has no opposite in eight bits. */
static inline int8_t mouse_wheel(const struct mouse_decoder *decoder, uint8_t fourth)
{
    int towards_user = (int8_t)fourth;

    if (decoder->device_id == MOUSE_ID_EXPLORER)
        towards_user = ((fourth & MOUSE_EXPLORER_WHEEL) ^ 8) - 8;
    return (int8_t)(towards_user == -128 ? 127 : -towards_user);
}

static inline uint8_t mouse_more_buttons(const struct mouse_decoder *decoder, uint8_t fourth)
{
    return (uint8_t)(decoder->device_id == MOUSE_ID_EXPLORER ? (fourth & MOUSE_EXPLORER_BUTTONS) >> 1 : 0);
}

/* mouse_feed() for the last byte of what most packets are, motion with no button changed and nothing overflowed: false,
 * and nothing done, for any other byte, which mouse_feed() is then to have. Inline: it is what comes between most
 * packets and their events. */
must_check static inline bool mouse_motion(struct mouse_decoder *decoder, uint8_t byte, struct mouse_packet *packet)
{
    const unsigned same = MOUSE_FIRST_BUTTONS | MOUSE_FIRST_X_OVERFLOW | MOUSE_FIRST_Y_OVERFLOW;
    unsigned first = decoder->bytes[0];
    uint8_t count = (uint8_t)(decoder->count + 1);
    uint8_t y = byte;
    int dx, dy, wheel = 0;

    if (count != decoder->size || ((first ^ decoder->buttons) & same))
        return false;
    if (unlikely(count == 4)) { /* not rare, but it has more to do anyway */
        if (decoder->device_id == MOUSE_ID_EXPLORER && (byte & MOUSE_EXPLORER_ALWAYS_CLEAR))
            return false;
        if (mouse_more_buttons(decoder, byte) != (decoder->buttons & ~MOUSE_FIRST_BUTTONS))
            return false;
        y = decoder->bytes[2];
        wheel = mouse_wheel(decoder, byte);
    }
    dx = decoder->bytes[1] - (int)(first << 4 & 0x100); /* the signs, bits 4 and 5, are worth 256 */
    dy = (int)(first << 3 & 0x100) - y;
    if (!(dx | dy | wheel))
        return false;
    decoder->count = 0;
    packet->dx = (int16_t)dx;
    packet->dy = (int16_t)dy;
    packet->wheel = (int8_t)wheel;
    packet->buttons = decoder->buttons;
    packet->changed = 0;
    return true;
}

/* BTN_LEFT ... BTN_EXTRA for bit 0 ... 4 of buttons. Context: any. */
uint16_t mouse_button_code(unsigned bit);

#endif
