/* The controller's bring-up against a model of it: what is sent in which order, and what becomes of every fault. */
#include "drivers/i8042.h"

#include <stdio.h>

#include "drivers/port_io.h"
#include "i8042_model.h"
#include "support.h"

#define MS_NS UINT64_C(1000000)

static struct i8042_info info;

static struct i8042_model_device *const keyboard = &i8042_model.device[MODEL_KEYBOARD];
static struct i8042_model_device *const mouse = &i8042_model.device[MODEL_MOUSE];

/* Runs the bring-up on the model as the test has set it up, and returns how long it took. */
static uint64_t start(enum status expected)
{
    uint64_t began_ns = support_clock_ns;
    enum status status;

    memset(&info, 0xff, sizeof(info));
    status = i8042_start(&info);
    cr_assert_eq(status, expected, "status %d: %s", status, info.problem ? info.problem : "no problem");
    cr_assert_eq(info.controller, status == STATUS_OK);
    cr_assert(info.controller || (!info.keyboard && !info.mouse));
    return support_clock_ns - began_ns;
}

static void expect(bool has_keyboard, bool has_mouse, const char *problem)
{
    uint8_t config = 0x44 | (has_keyboard ? 0x01 : 0x10) | (has_mouse ? 0x02 : 0);

    cr_assert_eq(info.keyboard, has_keyboard, "%s", info.problem);
    cr_assert_eq(info.mouse, has_mouse, "%s", info.problem);
    cr_assert_eq(i8042_model.config & 0xdf, config, "configuration %02x", i8042_model.config);
    if (!i8042_model.no_mouse_port && !i8042_model.mouse_port_opens_not)
        cr_assert_eq(!(i8042_model.config & 0x20), has_mouse);
    if (problem)
        cr_assert_str_eq(info.problem, problem);
    else
        cr_assert_null(info.problem, "%s", info.problem);
    cr_assert_eq(keyboard->reports || !has_keyboard, true);
    cr_assert_eq(mouse->reports || !has_mouse, true);
}

/* The next byte of each device that came up is a rising edge on its own line, whatever happened before. */
static void expect_edges(void)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned edges = i8042_model.edges[i];
        bool alive = i ? info.mouse : info.keyboard;

        cr_assert_not(i8042_model.output_full);
        keyboard->chatter_ns = mouse->chatter_ns = 0;
        keyboard->head = keyboard->tail;
        mouse->head = mouse->tail;
        i8042_model_send(i, 0x1c);
        port_in8(I8042_STATUS);
        cr_assert_eq(i8042_model.edges[i], edges + alive);
        if (alive)
            cr_assert_eq(port_in8(I8042_DATA), 0x1c);
    }
}

TestSuite(i8042, .init = i8042_model_init);

Test(i8042, brings_up_a_keyboard_and_a_five_button_mouse_in_the_manuals_order)
{
    start(STATUS_OK);
    expect(true, true, NULL);
    cr_assert_eq(info.mouse_id, 4);
    cr_assert_eq(mouse->rate, 100);
    cr_assert_str_eq(support_trace_text(), "ad a7 20 60=74 aa 60=74 a8 20 a7 "
                                           "ab ae k:ff k:f4 ad "
                                           "a9 a8 m:ff m:f6 "
                                           "m:f3 m:c8 m:f3 m:64 m:f3 m:50 m:f2 "
                                           "m:f3 m:c8 m:f3 m:c8 m:f3 m:50 m:f2 "
                                           "m:f3 m:64 m:f4 a7 60=47");
    expect_edges();
}

Test(i8042, tells_the_three_kinds_of_mouse_apart)
{
    static const uint8_t ids[] = {0, 3, 4};

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        i8042_model_init();
        mouse->max_id = ids[i];
        start(STATUS_OK);
        expect(true, true, NULL);
        cr_assert_eq(info.mouse_id, ids[i]);
        cr_assert_eq(mouse->id, ids[i]);
        cr_assert_eq(mouse->rate, 100);
    }
}

Test(i8042, does_not_knock_for_five_buttons_where_there_is_no_wheel)
{
    mouse->max_id = 0;
    start(STATUS_OK);
    cr_assert_not_null(strstr(support_trace_text(), "m:f3 m:50 m:f2 m:f3 m:64 m:f4 a7 60=47"));
}

Test(i8042, never_waits_for_hardware_that_is_ready)
{
    i8042_model.input_ns = i8042_model.answer_ns = 0;
    keyboard->answer_ns = keyboard->self_test_ns = 0;
    mouse->answer_ns = mouse->self_test_ns = 0;
    support_clock_step_ns = 1;
    /* One reading of the clock a deadline: fewer than two a byte sent. */
    cr_assert_leq(start(STATUS_OK), 2 * i8042_model.writes);
    expect(true, true, NULL);
    cr_assert_leq(i8042_model.accesses, 6 * i8042_model.writes);
}

Test(i8042, takes_reads_of_ff_for_no_controller_and_writes_nothing)
{
    i8042_model.absent = true;
    cr_assert_eq(start(STATUS_NOT_FOUND), 0);
    cr_assert_str_eq(info.problem, "no PS/2 controller");
    cr_assert_eq(i8042_model.writes, 0);
}

Test(i8042, gives_up_on_a_controller_that_takes_no_commands)
{
    i8042_model.busy = true;
    cr_assert_lt(start(STATUS_TIMEOUT), 20 * MS_NS);
    cr_assert_str_eq(info.problem, "the PS/2 controller takes no commands");
}

Test(i8042, gives_up_on_a_controller_that_does_not_answer)
{
    i8042_model.mute = true;
    cr_assert_lt(start(STATUS_TIMEOUT), 30 * MS_NS);
    cr_assert_str_eq(info.problem, "the PS/2 controller does not answer");
    cr_assert_eq(i8042_model.config & 0x30, 0x30);
}

Test(i8042, gives_up_on_output_that_never_ends)
{
    i8042_model.endless_output = true;
    cr_assert_lt(start(STATUS_IO), 20 * MS_NS);
    cr_assert_str_eq(info.problem, "the PS/2 controller's output never ends");
}

Test(i8042, gives_up_in_bounded_time_wherever_the_controller_stops)
{
    unsigned writes;

    start(STATUS_OK);
    writes = i8042_model.writes;
    for (unsigned n = 1; n < writes; n++) {
        i8042_model_init();
        i8042_model.busy_after = n;
        cr_assert_lt(start(STATUS_TIMEOUT), 1500 * MS_NS, "stops after %u", n);
        cr_assert_not_null(info.problem);
        cr_assert_eq(i8042_model.writes, n);
    }
}

/* Stuck for a moment, and well again: all is done as ever, or a problem is noted. */
Test(i8042, notices_what_is_not_taken_wherever_it_is)
{
    char healthy[2048];
    unsigned writes, noticed = 0;

    start(STATUS_OK);
    writes = i8042_model.writes;
    snprintf(healthy, sizeof(healthy), "%s", support_trace_text());
    for (unsigned n = 1; n < writes; n++) {
        i8042_model_init();
        i8042_model.busy_after = n;
        i8042_model.busy_ns = 12 * MS_NS;
        if (i8042_start(&info) != STATUS_OK)
            cr_assert_not_null(info.problem);
        if (info.problem)
            noticed++;
        else
            cr_assert_str_eq(support_trace_text(), healthy, "stuck after %u", n);
    }
    cr_assert_gt(noticed, 10);
}

Test(i8042, repeats_a_failed_self_test)
{
    i8042_model.self_test_failures = 2;
    start(STATUS_OK);
    expect(true, true, NULL);
}

Test(i8042, carries_on_after_a_failed_self_test_and_says_so)
{
    i8042_model.self_test_failures = 100;
    start(STATUS_OK);
    expect(true, true, "the PS/2 controller failed its self test");
}

Test(i8042, does_not_wait_for_ever_for_a_self_test)
{
    i8042_model.mute_self_test = true;
    cr_assert_lt(start(STATUS_TIMEOUT), 550 * MS_NS);
    cr_assert_str_eq(info.problem, "the PS/2 controller does not finish its self test");
}

Test(i8042, restores_a_configuration_that_the_self_test_forgets)
{
    i8042_model.forgets_config = true;
    start(STATUS_OK);
    expect(true, true, NULL);
    expect_edges();
}

/* A key that came in meanwhile is not the configuration, by whose clear bit the mouse's port would seem to open. */
Test(i8042, is_not_misled_by_keys_of_a_port_that_the_self_test_opens)
{
    i8042_model.forgets_config = true;
    i8042_model.mouse_port_opens_not = true;
    i8042_model.answer_ns = 4600000;
    i8042_model.device[MODEL_KEYBOARD].chatter_ns = 110000;
    i8042_model.device[MODEL_KEYBOARD].chatter_byte = 0x1e;
    start(STATUS_OK);
    expect(true, false, "no PS/2 mouse port");
}

Test(i8042, drains_what_firmware_left_behind)
{
    for (unsigned n = 1; n <= 16; n++) {
        for (unsigned from_mouse = 0; from_mouse < 2; from_mouse++) {
            i8042_model_init();
            i8042_model.leftover = n;
            i8042_model.leftover_from_mouse = from_mouse;
            start(STATUS_OK);
            expect(true, true, NULL);
            expect_edges();
        }
    }
}

Test(i8042, carries_on_without_a_mouse_port)
{
    i8042_model.no_mouse_port = true;
    start(STATUS_OK);
    expect(true, false, "no PS/2 mouse port");
    cr_assert_null(strchr(support_trace_text(), 'm'));
    expect_edges();
}

Test(i8042, takes_a_mouse_port_that_does_not_open_for_none)
{
    i8042_model.mouse_port_opens_not = true;
    start(STATUS_OK);
    expect(true, false, "no PS/2 mouse port");
    cr_assert_null(strchr(support_trace_text(), 'm'));
}

Test(i8042, leaves_alone_a_port_that_fails_its_test)
{
    i8042_model.port_test[MODEL_KEYBOARD] = 2;
    start(STATUS_OK);
    expect(false, true, "the PS/2 keyboard port failed its test");
    cr_assert_eq(keyboard->taken, 0);
    expect_edges();

    i8042_model_init();
    i8042_model.port_test[MODEL_MOUSE] = 1;
    start(STATUS_OK);
    expect(true, false, "the PS/2 mouse port failed its test");
    cr_assert_eq(mouse->taken, 0);
    expect_edges();
}

Test(i8042, closes_the_port_of_a_missing_device_and_carries_on)
{
    mouse->absent = true;
    cr_assert_lt(start(STATUS_OK), 400 * MS_NS);
    expect(true, false, "no PS/2 mouse answers");
    expect_edges();

    i8042_model_init();
    keyboard->absent = true;
    cr_assert_lt(start(STATUS_OK), 500 * MS_NS);
    expect(false, true, "no PS/2 keyboard answers");
    expect_edges();

    i8042_model_init();
    keyboard->absent = mouse->absent = true;
    cr_assert_lt(start(STATUS_OK), 100 * MS_NS);
    expect(false, false, "no PS/2 keyboard answers");
}

Test(i8042, does_not_use_a_mouse_that_falls_silent_anywhere)
{
    unsigned bytes;

    start(STATUS_OK);
    bytes = mouse->sent;
    cr_assert_gt(bytes, 20);
    for (unsigned n = 1; n < bytes; n++) {
        i8042_model_init();
        mouse->silent_after = n;
        cr_assert_lt(start(STATUS_OK), 1000 * MS_NS);
        expect(true, false,
               n == 1   ? "the PS/2 mouse failed its self test"
               : n == 2 ? "what is on the PS/2 mouse port is not a mouse"
                        : "the PS/2 mouse stopped answering");
    }
}

Test(i8042, does_not_use_a_keyboard_that_falls_silent_anywhere)
{
    keyboard->silent_after = 1;
    start(STATUS_OK);
    expect(false, true, "the PS/2 keyboard failed its self test");

    i8042_model_init();
    keyboard->silent_after = 2;
    start(STATUS_OK);
    expect(false, true, "the PS/2 keyboard does not start scanning");
}

/* A mouse that floods its port meanwhile makes no difference: the wait is bounded by the clock, not by silence. */
Test(i8042, uses_what_was_found_before_the_controller_stopped_answering)
{
    static const struct {
        enum status status;
        bool has_keyboard;
        const char *problem;
    } outcomes[] = {
        {STATUS_TIMEOUT, false, "the PS/2 controller does not finish its self test"},
        {STATUS_OK, false, "the PS/2 keyboard port failed its test"},
        {STATUS_OK, false, "the PS/2 keyboard port failed its test"},
        {STATUS_OK, true, "the PS/2 mouse port failed its test"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(outcomes); i++) {
        i8042_model_init();
        i8042_model.mute_after = i + 1;
        mouse->reports = true;
        mouse->chatter_ns = 1;
        mouse->chatter_byte = 0x08;
        cr_assert_lt(start(outcomes[i].status), 1000 * MS_NS);
        if (outcomes[i].status == STATUS_OK)
            expect(outcomes[i].has_keyboard, false, outcomes[i].problem);
        else
            cr_assert_str_eq(info.problem, outcomes[i].problem);
    }
}

Test(i8042, does_not_use_a_device_that_fails_its_self_test)
{
    keyboard->self_test = 0xfc;
    start(STATUS_OK);
    expect(false, true, "the PS/2 keyboard failed its self test");

    i8042_model_init();
    mouse->self_test = 0xfc;
    start(STATUS_OK);
    expect(true, false, "the PS/2 mouse failed its self test");

    i8042_model_init();
    mouse->self_test_ns = 2000 * MS_NS;
    cr_assert_lt(start(STATUS_OK), 1000 * MS_NS);
    expect(true, false, "the PS/2 mouse failed its self test");
}

Test(i8042, does_not_take_a_keyboard_on_the_mouse_port_for_a_mouse)
{
    mouse->reset_id = 0xab;
    start(STATUS_OK);
    expect(true, false, "what is on the PS/2 mouse port is not a mouse");
}

Test(i8042, resends_twice_and_then_gives_up)
{
    keyboard->resends = mouse->resends = 2;
    start(STATUS_OK);
    expect(true, true, NULL);
    cr_assert_not_null(strstr(support_trace_text(), "k:ff k:ff k:ff k:f4"));
    cr_assert_not_null(strstr(support_trace_text(), "m:ff m:ff m:ff m:f6"));

    i8042_model_init();
    mouse->resends = 3;
    start(STATUS_OK);
    expect(true, false, "no PS/2 mouse answers");

    i8042_model_init();
    keyboard->resends = 3;
    start(STATUS_OK);
    expect(false, true, "no PS/2 keyboard answers");
}

/*
 * Before a device is reset it may send anything at any rate, an answer's look-alikes included. A keyboard scans as soon
 * as it has passed its test, and fe is also the release of a key: if that comes three times in a row it must look
 * refused.
 */
Test(i8042, is_not_confused_by_bytes_that_were_on_their_way)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned which = 1; which < 4; which++) {
            i8042_model_init();
            support_clock_step_ns = 10000;
            keyboard->self_test_ns = mouse->self_test_ns = 5 * MS_NS;
            mouse->reports = true;
            keyboard->chatter_ns = !(which & 1) ? 0 : byte == 0xfe ? 3 * MS_NS : 60000 + byte * 1000;
            mouse->chatter_ns = which & 2 ? 70000 + which * 7000 : 0;
            keyboard->chatter_byte = mouse->chatter_byte = (uint8_t)byte;
            start(STATUS_OK);
            expect(true, true, NULL);
            cr_assert_eq(info.mouse_id, 4);
            expect_edges();
        }
    }
}

Test(i8042, gives_up_on_a_device_that_sends_anything_but_an_answer)
{
    keyboard->absent = true;
    keyboard->chatter_ns = 1;
    keyboard->chatter_byte = 0x55;
    cr_assert_lt(start(STATUS_OK), 1000 * MS_NS);
    expect(false, true, "no PS/2 keyboard answers");
    expect_edges();
}

Test(i8042, comes_up_at_whatever_pace_the_specifications_allow)
{
    uint64_t seed = 8042;

    for (unsigned round = 0; round < 200; round++) {
        i8042_model_init();
        support_clock_step_ns = 5000 + support_random(&seed) % 50000;
        i8042_model.input_ns = support_random(&seed) % 300000;
        i8042_model.answer_ns = support_random(&seed) % 5000000;
        for (unsigned i = 0; i < 2; i++) {
            struct i8042_model_device *device = &i8042_model.device[i];

            device->answer_ns = support_random(&seed) % 20000000;
            device->self_test_ns = device->answer_ns + support_random(&seed) % 450000000;
            device->chatter_ns = round % 2 ? 1000000 + support_random(&seed) % 10000000 : 0;
            device->chatter_byte = (uint8_t)(support_random(&seed) % 0xfe);
        }
        start(STATUS_OK);
        expect(true, true, NULL);
        expect_edges();
    }
}

Test(i8042, sends_a_byte_to_each_device)
{
    start(STATUS_OK);
    i8042_model.brought_up = true;
    support_trace_clear();
    support_clock_ns += MS_NS;
    cr_assert_eq(i8042_write_keyboard(0xed), STATUS_OK);
    cr_assert_eq(i8042_write_keyboard(0x07), STATUS_OK);
    cr_assert_eq(i8042_write_mouse(0xf4), STATUS_OK);
    cr_assert_str_eq(support_trace_text(), "k:ed k:07 m:f4");
}

Test(i8042, sends_nothing_and_says_so_if_the_controller_stays_busy)
{
    uint64_t began_ns;

    start(STATUS_OK);
    i8042_model.brought_up = true;
    support_trace_clear();
    i8042_model.busy = true;
    for (unsigned i = 0; i < 2; i++) {
        began_ns = support_clock_ns;
        cr_assert_eq(i ? i8042_write_mouse(0xf4) : i8042_write_keyboard(0xed), STATUS_TIMEOUT);
        cr_assert_geq(support_clock_ns - began_ns, 100000);
        cr_assert_leq(support_clock_ns - began_ns, 105000);
    }
    i8042_model.busy = false;
    i8042_model.input_until_ns = 0;
    i8042_model.input_ns = MS_NS;
    cr_assert_eq(i8042_write_mouse(0xf4), STATUS_TIMEOUT); /* after the command, before the byte */
    cr_assert_str_eq(support_trace_text(), "");
    i8042_model.input_until_ns = 0;
    i8042_model.input_ns = 2000;
    cr_assert_eq(i8042_write_mouse(0xf4), STATUS_OK);
    cr_assert_str_eq(support_trace_text(), "m:f4");
}
