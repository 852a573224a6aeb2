/*
 * The soak: ten minutes of virtual time, an instruction being 128 ns of it. The kernel compares its accounts itself;
 * here they are compared again, from what it sends, and each kind of fault must have happened.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "machine.h"

#define MINUTES   10
#define SHIFT     7
#define MINUTE_MS 100000
#define BOOT_MS   90000

static json_int_t number(struct machine *machine, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        machine_fail(machine, "no %s", key);
    return json_integer_value(value);
}

/* An account, and those that must make it up. */
struct balance {
    const char *whole, *parts[2];
};

static const struct balance balances[] = {
    {"keys_injected", {"keys_refused", "keys_taken"}},
    {"keys_taken", {"keys_dropped", "keys_kept"}},
    {"keys_kept", {"keys_read"}},
    {"mouse_injected", {"mouse_refused", "mouse_taken"}},
    {"mouse_taken", {"mouse_dropped", "mouse_kept"}},
    {"mouse_kept", {"mouse_read"}},
    {"events_made", {"events_published", "events_dropped"}},
    {"events_published", {"events_consumed"}},
    {"events_dropped", {"events_missed"}},
    {"interrupts_sent", {"interrupts_merged", "interrupts_pended"}},
    {"interrupts_pended", {"interrupts_taken"}},
    {"timers_started", {"timers_expired", "timers_cancelled"}},
    {"lines_written", {"lines_read", "lines_lost"}},
    {"threads_started", {"threads_joined", "threads_released"}},
    {"units_given", {"units_taken"}},
    {"messages_sent", {"messages_received"}},
    {"tasks_spawned", {"tasks_ended"}},
    {"items_sent", {"items_received"}},
    {"processes_started", {"processes_ended"}},
};

/* What must have happened, besides. */
static const char *const happened[] = {
    "unplugged",        "recovered",        "commands_resent",   "commands_failed",   "commands_unheard",
    "stalls",           "changes_of_style", "threads_cancelled", "tasks_cancelled",   "processes_refused",
    "processes_killed", "orphans_killed",   "blocks_refused",    "frames_taken_away", "waits_timed_out"};

static void must_balance(struct machine *machine, const json_t *object)
{
    for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
        json_int_t whole = number(machine, object, balances[i].whole), sum = 0;

        for (size_t part = 0; part < 2 && balances[i].parts[part]; part++) {
            json_int_t of = number(machine, object, balances[i].parts[part]);

            if (of == 0)
                machine_fail(machine, "there were no %s", balances[i].parts[part]);
            sum += of;
        }
        if (whole != sum)
            machine_fail(machine, "%s are %lld, and what makes them up is %lld", balances[i].whole, (long long)whole,
                         (long long)sum);
    }
}

Test(soak, is_in_balance_after_ten_minutes, .timeout = 1200)
{
    struct machine *machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2,
                                                                      .module = PROGRAMS_GCC_O2,
                                                                      .cmdline = "mode=soak minutes=10 seed=1",
                                                                      .reference = true,
                                                                      .icount_shift = SHIFT});
    json_int_t frames = 0;
    json_t *object;

    for (int minute = 1; minute <= MINUTES; minute++) {
        object = machine_com2_event(machine, "soak_minute", MINUTE_MS);
        must_balance(machine, object);
        cr_assert_eq(number(machine, object, "minute"), minute);
        cr_assert_geq(number(machine, object, "virtual_ns"), minute * 60000000000LL);
        if (minute > 1 && number(machine, object, "frames_free") != frames)
            machine_fail(machine, "frames come and go");
        frames = number(machine, object, "frames_free");
        json_decref(object);
    }
    object = machine_com2_event(machine, "soak", MINUTE_MS);
    for (size_t i = 0; i < sizeof(happened) / sizeof(happened[0]); i++)
        if (number(machine, object, happened[i]) == 0)
            machine_fail(machine, "there were no %s", happened[i]);
    cr_assert_eq(number(machine, object, "failures"), 0);
    json_decref(object);
    cr_assert_eq(machine_wait_exit(machine, MINUTE_MS), EXIT_PASSED);
    machine_stop(machine);
}

/* What a controller does not queue cannot be counted: it says so. */
Test(soak, refuses_a_controller_without_queues, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=soak minutes=1"});

    cr_assert_eq(machine_wait_exit(machine, BOOT_MS), EXIT_FAILED);
    if (!machine_com1_contains(machine, "the soak needs a controller that queues", 0))
        machine_fail(machine, "it does not say why");
    machine_stop(machine);
}
