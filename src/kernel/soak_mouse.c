/* The soak's mouse: what it is told, what it says, and what it does instead. */
#include "kernel/soak.h"
#include "lib/mouse_packet.h"
#include "thread/arch.h"

enum {
    IDENTIFY = 0xf2,
    SET_SAMPLE_RATE = 0xf3,
    ENABLE = 0xf4,
    SET_DEFAULTS = 0xf6,
    ANSWER_ACK = 0xfa,
    ANSWER_ERROR = 0xfc,
    ANSWER_RESEND = 0xfe,
    PLUGGED_IN = 0xaa, /* and 00 */
    KNOCK_WHEEL = 0xc86450,
    KNOCK_EXPLORER = 0xc8c850,
    KNOCK_MASK = 0xffffff,
    FAULT_ODDS = 3,
};

struct soak_mouse soak_mouse;
static uint64_t faults_row;

void soak_mouse_init(uint8_t id)
{
    soak_mouse = (struct soak_mouse){.plugged = true, .reporting = true, .best = id, .id = id};
}

/* What is wrong with the answer to this command, if anything. */
static bool misbehaves(void)
{
    if (soak_mouse.faults == 0 || soak_below(&faults_row, FAULT_ODDS))
        return false;
    soak_mouse.faults--;
    switch (soak_below(&faults_row, 4)) {
    case 0:
        soak_count(SOAK_COMMANDS_RESENT);
        soak_inject(DEVICE_MOUSE, ANSWER_RESEND);
        return true;
    case 1:
        soak_count(SOAK_COMMANDS_FAILED);
        soak_inject(DEVICE_MOUSE, ANSWER_ERROR);
        return true;
    case 2:
        soak_count(SOAK_COMMANDS_UNHEARD);
        return true;
    default:
        soak_inject(DEVICE_MOUSE, (uint8_t)(0x11 + soak_below(&faults_row, 0x60))); /* and then the answer */
        return false;
    }
}

static void take_rate(uint8_t rate)
{
    struct soak_mouse *mouse = &soak_mouse;

    mouse->rates = mouse->rates << 8 | rate;
    if ((mouse->rates & KNOCK_MASK) == KNOCK_WHEEL && mouse->best >= MOUSE_ID_WHEEL)
        mouse->id = MOUSE_ID_WHEEL;
    if ((mouse->rates & KNOCK_MASK) == KNOCK_EXPLORER && mouse->best == MOUSE_ID_EXPLORER)
        mouse->id = MOUSE_ID_EXPLORER;
}

static void obey(uint8_t byte)
{
    struct soak_mouse *mouse = &soak_mouse;

    soak_inject(DEVICE_MOUSE, ANSWER_ACK);
    if (mouse->argument_of) {
        mouse->argument_of = 0;
        take_rate(byte);
        return;
    }
    if (byte == SET_SAMPLE_RATE)
        mouse->argument_of = byte;
    else if (byte == IDENTIFY)
        soak_inject(DEVICE_MOUSE, mouse->id);
    else if (byte == SET_DEFAULTS)
        mouse->reporting = false;
    else if (byte == ENABLE)
        mouse->reporting = true;
}

enum status soak_mouse_send(uint8_t byte)
{
    uint64_t flags = irq_save();

    soak_count(SOAK_COMMANDS);
    if (!soak_mouse.plugged) {
        soak_count(SOAK_COMMANDS_UNHEARD);
    } else if (!misbehaves()) {
        if (byte == SET_DEFAULTS) /* wherever it was, that is no argument */
            soak_mouse.argument_of = 0;
        obey(byte);
        soak_count(SOAK_COMMANDS_ANSWERED);
    }
    irq_restore(flags);
    return STATUS_OK;
}

/* Motion that is never 0, and has no byte that a packet or an announcement could begin with: bit 3 is clear. */
static uint8_t motion(uint32_t n)
{
    n = 1 + n % 127;
    return (uint8_t)((n & 7) | (n & 0x78) << 1);
}

bool soak_mouse_next(uint8_t *byte)
{
    struct soak_mouse *mouse = &soak_mouse;
    uint32_t size = mouse->id == MOUSE_ID_STANDARD ? 3 : 4, n = mouse->packets;

    if (!mouse->reporting)
        return false;
    switch (mouse->at) {
    case 0:
        *byte = (uint8_t)(MOUSE_FIRST_ALWAYS_SET | (n % 16 == 0 ? n / 16 & MOUSE_FIRST_BUTTONS : 0));
        break;
    case 1:
        *byte = motion(n);
        break;
    case 2:
        *byte = motion(n / 127);
        break;
    default:
        *byte = (uint8_t)(1 + n % 7);
        break;
    }
    mouse->at = (mouse->at + 1) % size;
    mouse->packets += mouse->at == 0;
    return true;
}

void soak_mouse_unplug(void)
{
    uint64_t flags = irq_save();

    soak_count(SOAK_UNPLUGGED);
    soak_mouse.plugged = false;
    soak_mouse.reporting = false;
    irq_restore(flags);
}

void soak_mouse_plug_in(uint64_t *row, uint32_t faults)
{
    static const uint8_t ids[] = {MOUSE_ID_STANDARD, MOUSE_ID_WHEEL, MOUSE_ID_EXPLORER};
    uint64_t flags = irq_save();

    faults_row = soak_random(row);
    soak_mouse = (struct soak_mouse){.plugged = true,
                                     .best = ids[soak_below(row, ARRAY_SIZE(ids))],
                                     .packets = soak_mouse.packets,
                                     .faults = faults};
    soak_count(SOAK_ANNOUNCED);
    soak_inject(DEVICE_MOUSE, PLUGGED_IN);
    soak_inject(DEVICE_MOUSE, MOUSE_ID_STANDARD);
    irq_restore(flags);
}
