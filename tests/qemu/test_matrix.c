/*
 * The kernel as either compiler makes it, at every optimisation, on machines old and new, small and large: boots that
 * are chosen so that every two values of different factors meet in one of them, which finds what goes wrong between
 * two, at a hundredth of all combinations. Each runs a part of the in-kernel tests, on the clock that counts
 * instructions, so that a busy host fails none.
 *
 * "Without" is a machine without an i8042, so without keyboard and mouse. No machine of QEMU's has the one and lacks
 * the other: tests/host/test_i8042.c has them.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define SUITE_MS   120000
#define BOOTS_MAX  64
#define VALUES_MAX 8
#define LARGE_MIB  1024 /* from here on no test takes all memory there is */

enum factor { COMPILER, OPTIMISATION, CPU, MEMORY_MIB, MACHINE, DEVICES, IRQ, SCREEN, FACTORS };

static const char *const factors[FACTORS][VALUES_MAX + 1] = {
    [COMPILER] = {"gcc", "clang"},
    [OPTIMISATION] = {"0", "2", "s"},
    [CPU] = {"qemu64", "core2duo", "Conroe", "phenom", "Nehalem", "Haswell", "EPYC", "max"},
    [MEMORY_MIB] = {"32", "64", "1024", "8192"},
    [MACHINE] = {"pc", "q35"},
    [DEVICES] = {"with", "without"},
    [IRQ] = {"pic", "apic"},
    [SCREEN] = {"none", "vga"},
};

struct boot {
    unsigned char value[FACTORS];
};

static unsigned values_of(enum factor factor)
{
    unsigned count = 0;

    while (factors[factor][count])
        count++;
    return count;
}

static const char *value_of(const struct boot *boot, enum factor factor)
{
    return factors[factor][boot->value[factor]];
}

/* ---- the choice ---- */

static struct boot boots[BOOTS_MAX];
static size_t boots_count;

/* Which pairs have met, both ways round. */
static bool met[FACTORS][VALUES_MAX][FACTORS][VALUES_MAX];

static void meet(const struct boot *boot)
{
    for (unsigned a = 0; a < FACTORS; a++)
        for (unsigned b = 0; b < FACTORS; b++)
            met[a][boot->value[a]][b][boot->value[b]] = true;
}

/* The first pair that has not met goes into *boot. */
static bool find_unmet(struct boot *boot, enum factor *first, enum factor *second)
{
    for (unsigned a = 0; a < FACTORS; a++)
        for (unsigned b = a + 1; b < FACTORS; b++)
            for (unsigned i = 0; i < values_of(a); i++)
                for (unsigned j = 0; j < values_of(b); j++)
                    if (!met[a][i][b][j]) {
                        boot->value[a] = (unsigned char)i;
                        boot->value[b] = (unsigned char)j;
                        *first = a;
                        *second = b;
                        return true;
                    }
    return false;
}

/* How many pairs a value would let meet, with the factors that are chosen already. */
static unsigned gain(const struct boot *boot, const bool *chosen, enum factor factor, unsigned value)
{
    unsigned count = 0;

    for (unsigned other = 0; other < FACTORS; other++)
        count += chosen[other] && !met[factor][value][other][boot->value[other]];
    return count;
}

/* A boot for one pair that has not met; each other factor takes the value by which most pairs meet, and of equal ones
 * the one whose turn it is, of which factors have different ones, so that their values do not go in step. */
static void choose_boots(void)
{
    enum factor first, second;
    struct boot boot;

    memset(met, 0, sizeof(met));
    for (boots_count = 0; find_unmet(&boot, &first, &second); boots_count++) {
        bool chosen[FACTORS] = {false};

        cr_assert_lt(boots_count, BOOTS_MAX);
        chosen[first] = chosen[second] = true;
        for (unsigned factor = 0; factor < FACTORS; factor++) {
            unsigned count = values_of(factor), best = 0;

            for (unsigned i = 0; i < count && !chosen[factor]; i++) {
                unsigned value = (unsigned)(i + (boots_count >> factor % 4)) % count;
                unsigned gained = gain(&boot, chosen, factor, value) + 1;

                if (gained > best) {
                    best = gained;
                    boot.value[factor] = (unsigned char)value;
                }
            }
            chosen[factor] = true;
        }
        meet(&boot);
        boots[boots_count] = boot;
    }
}

static bool any_boot_has(enum factor a, const char *value_a, enum factor b, const char *value_b)
{
    for (size_t i = 0; i < boots_count; i++)
        if (strcmp(value_of(&boots[i], a), value_a) == 0 && strcmp(value_of(&boots[i], b), value_b) == 0)
            return true;
    return false;
}

Test(matrix, every_two_values_meet)
{
    unsigned pairs = 0;

    choose_boots();
    for (unsigned a = 0; a < FACTORS; a++)
        for (unsigned b = 0; b < a; b++)
            for (const char *const *i = factors[a]; *i; i++)
                for (const char *const *j = factors[b]; *j; j++, pairs++)
                    cr_assert(any_boot_has(a, *i, b, *j), "no boot has %s and %s", *i, *j);
    cr_assert_eq(pairs, 258);
    cr_assert_leq(boots_count, 40, "%zu boots are more than a choice should need", boots_count);
}

/* ---- the boots ---- */

static void must_pass(const struct boot *boot, const char *tests)
{
    char kernel[64], programs[64], cmdline[64], type[32], words[160] = "";
    unsigned memory_mib = 0;
    struct machine *machine;
    json_t *done;
    int status;

    snprintf(kernel, sizeof(kernel), "build/kernel-%s-O%s/duet.elf", value_of(boot, COMPILER),
             value_of(boot, OPTIMISATION));
    snprintf(programs, sizeof(programs), "build/kernel-%s-O%s/programs.tar", value_of(boot, COMPILER),
             value_of(boot, OPTIMISATION));
    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s irq=%s", tests, value_of(boot, IRQ));
    snprintf(type, sizeof(type), "%s%s", value_of(boot, MACHINE), boot->value[DEVICES] ? ",i8042=off" : "");
    sscanf(value_of(boot, MEMORY_MIB), "%u", &memory_mib);
    for (unsigned factor = 0; factor < FACTORS; factor++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s", value_of(boot, factor));
    machine = machine_start(&(struct machine_options){.kernel = kernel,
                                                      .module = programs,
                                                      .cmdline = cmdline,
                                                      .reference = true,
                                                      .machine = type,
                                                      .cpu = value_of(boot, CPU),
                                                      .memory_mib = memory_mib,
                                                      .vga = boot->value[SCREEN] != 0});
    status = machine_wait_exit(machine, SUITE_MS);
    if (status != EXIT_PASSED)
        machine_fail(machine, "%s ended with %d on%s", tests, status, words);
    done = machine_com2_event(machine, "done", 0);
    if (!json_is_true(json_object_get(done, "passed")) || json_integer_value(json_object_get(done, "tests")) == 0)
        machine_fail(machine, "%s passed nothing on%s", tests, words);
    json_decref(done);
    machine_stop(machine);
}

ParameterizedTestParameters(matrix, a_part_of_the_tests_passes_on_each)
{
    choose_boots();
    return cr_make_param_array(struct boot, boots, boots_count);
}

/* Threads, executor, timers, memory, vector registers, ring 3 and what it must not do; and where there is an i8042,
 * what needs it: interrupts, and devices that both drivers read. */
ParameterizedTest(struct boot *boot, matrix, a_part_of_the_tests_passes_on_each, .timeout = 600)
{
    static const char *const everywhere[] = {"thread.*",  "executor.*", "vectors.*",      "space.*",
                                             "memory.e*", "pages.*",    "user.threads_*", "user.attacks_are_contained"};
    static const char *const with_devices[] = {"boot.*", "tickless.*", "input.storm_e*", "user.events_*"};
    static const char *const with_little_memory[] = {"memory.*", "heap.*"};
    unsigned memory_mib = 0;

    sscanf(value_of(boot, MEMORY_MIB), "%u", &memory_mib);
    for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++)
        must_pass(boot, everywhere[i]);
    for (size_t i = 0; i < sizeof(with_devices) / sizeof(with_devices[0]) && !boot->value[DEVICES]; i++)
        must_pass(boot, with_devices[i]);
    for (size_t i = 0; i < sizeof(with_little_memory) / sizeof(with_little_memory[0]) && memory_mib < LARGE_MIB; i++)
        must_pass(boot, with_little_memory[i]);
}
