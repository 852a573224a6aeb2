/* The words of load= and arrival=. */
#include "lib/workload.h"

#include <string.h>

#include "support.h"

static struct load must_load(const char *text)
{
    struct load load;

    memset(&load, 0xff, sizeof(load));
    cr_assert(load_parse(text, &load), "%s", text);
    return load;
}

static void must_not_load(const char *text)
{
    struct load before, load;

    memset(&before, 0x5a, sizeof(before));
    load = before;
    cr_assert_not(load_parse(text, &load), "%s", text);
    cr_assert_arr_eq(&load, &before, sizeof(load), "%s", text);
}

Test(workload, reads_each_load)
{
    static const struct {
        const char *text;
        enum load_kind kind;
        unsigned count;
        enum load_priority priority;
        uint64_t duration_ns;
        bool yields;
    } loads[] = {
        {"idle", LOAD_IDLE, 0, LOAD_EQUAL, 0, false},
        {"threads:1", LOAD_THREADS, 1, LOAD_EQUAL, 0, false},
        {"threads:16:equal", LOAD_THREADS, 16, LOAD_EQUAL, 0, false},
        {"threads:4:lower", LOAD_THREADS, 4, LOAD_LOWER, 0, false},
        {"threads:4:higher", LOAD_THREADS, 4, LOAD_HIGHER, 0, false},
        {"tasks:1us", LOAD_TASKS, 0, LOAD_EQUAL, 1000, false},
        {"tasks:100ms", LOAD_TASKS, 0, LOAD_EQUAL, 100000000, false},
        {"tasks:10ms:yield", LOAD_TASKS, 0, LOAD_EQUAL, 10000000, true},
        {"ready:1", LOAD_READY, 1, LOAD_EQUAL, 0, false},
        {"ready:1000", LOAD_READY, 1000, LOAD_EQUAL, 0, false},
        {"print", LOAD_PRINT, 0, LOAD_EQUAL, 0, false},
        {"alloc", LOAD_ALLOC, 0, LOAD_EQUAL, 0, false},
        {"irqstorm", LOAD_IRQSTORM, 0, LOAD_EQUAL, 0, false},
        {"both", LOAD_BOTH, 0, LOAD_EQUAL, 0, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        struct load load = must_load(loads[i].text);

        cr_assert_eq(load.kind, loads[i].kind, "%s", loads[i].text);
        cr_assert_eq(load.count, loads[i].count, "%s", loads[i].text);
        cr_assert_eq(load.priority, loads[i].priority, "%s", loads[i].text);
        cr_assert_eq(load.duration_ns, loads[i].duration_ns, "%s", loads[i].text);
        cr_assert_eq(load.yields, loads[i].yields, "%s", loads[i].text);
    }
}

Test(workload, refuses_what_is_no_load)
{
    static const char *const texts[] = {"",
                                        "all",
                                        "idle:",
                                        "idle:1",
                                        "idle:1us",
                                        "print:1ms",
                                        "both:2us",
                                        "threads",
                                        "threads:",
                                        "threads:0",
                                        "threads:17",
                                        "threads:1:",
                                        "threads:1:up",
                                        "threads:1x",
                                        "threads:-1",
                                        "threads:+1",
                                        "tasks",
                                        "tasks:",
                                        "tasks:1",
                                        "tasks:us",
                                        "tasks:0us",
                                        "tasks:1ns",
                                        "tasks:1s",
                                        "tasks:101ms",
                                        "tasks:1us:",
                                        "tasks:1us:no",
                                        "tasks:1xs",
                                        "tasks:1 us",
                                        "ready:0",
                                        "ready:1001",
                                        "ready:1:1",
                                        "print:1",
                                        "boths",
                                        "irqstor",
                                        "tasks:100001us",
                                        "tasks:99999999999999999999us",
                                        "tasks:4294967297us", /* 2^32 + 1 */
                                        "threads:4294967297",
                                        "averylongnameofaload:1",
                                        "threads:1:lower:1",
                                        "tasks:1us:yield:"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        must_not_load(texts[i]);
}

Test(workload, reads_each_arrival)
{
    struct arrival arrival;

    cr_assert(arrival_parse("jitter", &arrival) && arrival.kind == ARRIVAL_JITTER && arrival.bytes == 0);
    cr_assert(arrival_parse("periodic", &arrival) && arrival.kind == ARRIVAL_PERIODIC);
    cr_assert(arrival_parse("back-to-back", &arrival) && arrival.kind == ARRIVAL_BACK);
    cr_assert(arrival_parse("burst:2", &arrival) && arrival.kind == ARRIVAL_BURST && arrival.bytes == 2);
    cr_assert(arrival_parse("burst:16", &arrival) && arrival.bytes == 16);
}

Test(workload, refuses_what_is_no_arrival)
{
    static const char *const texts[] = {"", "burst", "burst:", "burst:1", "burst:0", "burst:17", "periodic:1", "back"};
    struct arrival arrival = {.kind = ARRIVAL_BACK, .bytes = 7};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cr_assert_not(arrival_parse(texts[i], &arrival), "%s", texts[i]);
        cr_assert(arrival.kind == ARRIVAL_BACK && arrival.bytes == 7, "%s", texts[i]);
    }
}

Test(workload, reads_numbers_up_to_the_greatest)
{
    unsigned number = 7;

    cr_assert(workload_number("1", 1, &number) && number == 1);
    cr_assert_not(workload_number("2", 1, &number));
    cr_assert_not(workload_number("1000001", 1000000, &number));
    cr_assert_eq(number, 1);
}
