/*
 * Bring-up of the keyboard controller, with the faults of the host tests' model of one chosen by the input, all at
 * once. The model checks how it is talked to; here it is checked that whatever is wrong is bounded, and what is right
 * works.
 */
#include "drivers/i8042.h"

#include "fuzz.h"
#include "i8042_model.h"
#include "lib/mouse_packet.h"
#include "support.h"

enum { SECONDS_MAX = 8 }; /* of waiting, if everything fails as late as it can */

static bool rarely(void)
{
    return fuzz_below(8) == 7;
}

static void break_device(struct i8042_model_device *device)
{
    static const uint8_t results[] = {0xfc, 0x00, 0xfe, 0xfa, 0xaa};

    device->absent = rarely();
    device->silent_after = rarely() ? (unsigned)fuzz_below(40) : 0;
    device->resends = rarely() ? (unsigned)fuzz_below(6) : 0;
    device->self_test = rarely() ? results[fuzz_below(sizeof(results))] : 0xaa;
    device->reports = rarely();
    if (rarely())
        device->answer_ns = fuzz_below(64) * 1000000;
    if (rarely())
        device->self_test_ns = fuzz_below(64) * 10000000;
    if (rarely()) {
        device->chatter_ns = (1 + fuzz_below(100)) * 1000000; /* a byte is a millisecond on the wire */
        device->chatter_byte = fuzz_byte();
        if (device->chatter_byte == 0x55 || device->chatter_byte == 0xfc) /* the controller's own answers */
            device->chatter_byte = 0x1e;
    }
    device->reset_id = rarely() ? fuzz_byte() : 0;
    if (device->absent)
        device->chatter_ns = 0;
}

static void break_controller(void)
{
    struct i8042_model *m = &i8042_model;

    m->absent = fuzz_below(32) == 31;
    m->busy = fuzz_below(32) == 31;
    m->busy_after = rarely() ? (unsigned)fuzz_below(64) : 0;
    m->endless_output = fuzz_below(32) == 31;
    m->mouse_port_opens_not = rarely();
    m->mute = fuzz_below(32) == 31;
    m->mute_after = rarely() ? (unsigned)fuzz_below(12) : 0;
    m->mute_self_test = fuzz_below(32) == 31;
    m->forgets_config = rarely();
    m->self_test_failures = rarely() ? (unsigned)fuzz_below(5) : 0;
    m->port_test[0] = rarely() ? (uint8_t)fuzz_below(5) : 0;
    m->port_test[1] = rarely() ? (uint8_t)fuzz_below(5) : 0;
    m->leftover = rarely() ? (unsigned)fuzz_below(80) : 0;
    m->leftover_from_mouse = fuzz_below(2);
    m->input_ns = rarely() ? fuzz_below(200) * 100000 : 2000;
    m->answer_ns = rarely() ? fuzz_below(200) * 100000 : 20000;
    m->no_mouse_port = rarely();
    m->config = rarely() ? fuzz_byte() : 0x47;
    m->config &= m->no_mouse_port ? 0xdf : 0xff; /* it has no such bit */
}

/* The ports that are open, and the interrupts that are on, are those of the devices that are there. */
static void check_open(const struct i8042_info *info)
{
    uint8_t config = i8042_model.config;

    CHECK(!(config & 0x10) == info->keyboard && (config & 0x01) == (info->keyboard ? 0x01 : 0));
    CHECK((config & 0x02) == (info->mouse ? 0x02 : 0) && (!info->mouse || !(config & 0x20)));
    CHECK(config & 0x40);
}

void fuzz_one(void)
{
    struct i8042_info info;
    struct i8042_model_device *keyboard = &i8042_model.device[MODEL_KEYBOARD];
    struct i8042_model_device *mouse = &i8042_model.device[MODEL_MOUSE];
    enum status status;
    uint8_t max_ids[] = {0, 3, 4};

    i8042_model_init();
    support_clock_step_ns = 100000;
    break_controller();
    break_device(keyboard);
    break_device(mouse);
    if (i8042_model.no_mouse_port)
        mouse->chatter_ns = 0;
    mouse->max_id = max_ids[fuzz_below(sizeof(max_ids))];
    memset(&info, 0x5a, sizeof(info));
    status = i8042_start(&info);
    CHECK(support_clock_ns < SECONDS_MAX * UINT64_C(1000000000));
    CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_TIMEOUT || status == STATUS_IO);
    CHECK(info.controller == (status == STATUS_OK) && (status != STATUS_NOT_FOUND || i8042_model.absent));
    CHECK(info.controller || (!info.keyboard && !info.mouse && info.problem));
    CHECK((info.keyboard && info.mouse) || info.problem);
    if (info.problem)
        CHECK(strlen(info.problem) < 80);
    CHECK(!info.keyboard || (!keyboard->absent && keyboard->self_test == 0xaa));
    CHECK(!info.mouse || (!mouse->absent && !i8042_model.no_mouse_port));
    if (status == STATUS_OK)
        check_open(&info);
    if (info.mouse && !mouse->chatter_ns)
        CHECK(info.mouse_id == mouse->id);
}
