/* Index and data registers. */
#include "kernel/x86_64/vga.h"

#include "kernel/x86_64/cpu.h"

enum {
    CRTC_INDEX = 0x3d4,
    CRTC_DATA = 0x3d5,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,

    ATTRIBUTE_WRITE = 0x3c0, /* index and data in turn; reading INPUT_STATUS makes it the index's */
    ATTRIBUTE_READ = 0x3c1,
    ATTRIBUTE_MODE = 0x10,
    ATTRIBUTE_MODE_BLINK = 1 << 3,
    ATTRIBUTE_PALETTE_IN_USE = 1 << 5, /* in the index; without it the screen is dark */
    INPUT_STATUS = 0x3da,
};

void vga_blink_off(void)
{
    uint8_t mode;

    (void)inb(INPUT_STATUS);
    outb(ATTRIBUTE_WRITE, ATTRIBUTE_MODE | ATTRIBUTE_PALETTE_IN_USE);
    mode = inb(ATTRIBUTE_READ);
    outb(ATTRIBUTE_WRITE, (uint8_t)(mode & ~ATTRIBUTE_MODE_BLINK));
}

static void crtc_write(uint8_t index, uint8_t value)
{
    outb(CRTC_INDEX, index);
    outb(CRTC_DATA, value);
}

void vga_cursor_set(unsigned cell)
{
    crtc_write(CRTC_CURSOR_HIGH, (uint8_t)(cell >> 8));
    crtc_write(CRTC_CURSOR_LOW, (uint8_t)cell);
}
