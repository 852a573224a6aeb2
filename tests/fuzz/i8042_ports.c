/*
 * Bring-up of the keyboard controller on ports that read as the input says: not a controller at all. It comes to an end
 * within its time, reads no more than it must, and its answer makes sense. Both writers too.
 */
#include "drivers/i8042.h"

#include "drivers/port_io.h"
#include "fuzz.h"
#include "support.h"

enum { ACCESSES_MAX = 4000000 };

static unsigned accesses;
static uint8_t status_byte, data_byte, left;
static bool status_was_ready;

/* A byte of the input says how long the next status lasts; after its end all stays as it is. */
uint8_t port_in8(uint16_t port)
{
    CHECK(accesses++ < ACCESSES_MAX);
    CHECK(port == 0x60 || port == 0x64);
    if (port == 0x60) {
        if (fuzz_more())
            data_byte = fuzz_byte();
        return data_byte;
    }
    if (left == 0 && fuzz_more()) {
        status_byte = fuzz_byte();
        left = fuzz_byte() % 16;
    } else if (left) {
        left--;
    }
    status_was_ready = !(status_byte & 0x02);
    return status_byte;
}

void port_out8(uint16_t port, uint8_t value)
{
    (void)value;
    CHECK(accesses++ < ACCESSES_MAX);
    CHECK(port == 0x60 || port == 0x64);
    CHECK(status_was_ready); /* looked at before each write */
    status_was_ready = false;
}

void fuzz_one(void)
{
    struct i8042_info info;
    enum status status;
    uint64_t begin_ns;

    accesses = 0;
    left = 0;
    status_was_ready = false;
    support_clock_step_ns = UINT64_C(100000) << fuzz_below(4);
    status_byte = fuzz_byte();
    data_byte = fuzz_byte();
    memset(&info, 0x5a, sizeof(info));
    status = i8042_start(&info);
    CHECK(support_clock_ns < UINT64_C(8000000000));
    CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_TIMEOUT || status == STATUS_IO);
    CHECK(info.controller == (status == STATUS_OK));
    CHECK(info.controller || (!info.keyboard && !info.mouse));
    CHECK((info.keyboard && info.mouse) || info.problem);
    begin_ns = support_clock_ns;
    status = i8042_write_mouse(0xf4);
    CHECK(status == STATUS_OK || status == STATUS_TIMEOUT);
    status = i8042_write_keyboard(0xf4);
    CHECK(status == STATUS_OK || status == STATUS_TIMEOUT);
    CHECK(support_clock_ns - begin_ns < 10 * (100000 + support_clock_step_ns));
}
