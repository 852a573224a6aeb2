/*
 * The kernel on machines of other sizes and shapes than the reference machine's, on the reference machine again and
 * again, and on one that the world outside interferes with.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "qmp.h"

#define BOOT_MS  60000
#define SUITE_MS 200000

static const char *com1(const struct machine *machine)
{
    return machine->text[MACHINE_COM1].bytes ? machine->text[MACHINE_COM1].bytes : "";
}

static void must_pass(struct machine *machine, int timeout_ms)
{
    int status = machine_wait_exit(machine, timeout_ms);

    if (status != EXIT_PASSED)
        machine_fail(machine, "ended with %d%s", status, status == EXIT_RESET ? ", by a triple fault" : "");
}

/* ---- memory ---- */

#define IMAGE_MIB         8 /* the most that the kernel, its stacks and its tables take, and what lies below 1 MiB */
#define FRAME_ENTRY_BYTES 12

struct shape {
    unsigned memory_mib;
    unsigned top_mib;      /* where memory ends, its holes counted */
    unsigned left_out_mib; /* what is beyond the 64 GiB that the kernel manages */
    bool grub;
    bool sparse;
    char machine[32];
    char cpu[8];
};

/* A PC has a hole below 4 GiB: what memory would be there is above. */
static struct shape shapes[] = {
    {32, 32, 0, false, false, "pc", "max"},
    {64, 64, 0, false, false, "pc", "max"},
    {64, 64, 0, false, false, "pc", "qemu64"},
    {1024, 1024, 0, false, false, "pc", "max"},
    {8192, 9216, 0, false, false, "pc", "max"},
    {8192, 10240, 0, false, false, "q35", "max"},
    {3072, 6144, 0, false, false, "pc,max-ram-below-4g=1G", "max"},
    {65536, 65536, 1024, false, true, "pc", "max"},
    {32, 32, 0, true, false, "pc", "max"},
    {1024, 1024, 0, true, false, "q35", "max"},
    {8192, 9216, 0, true, false, "pc", "max"},
    {3072, 6144, 0, true, false, "pc,max-ram-below-4g=1G", "max"},
};

/* 0 if nobody says so. */
static unsigned number_before(const char *text, const char *words)
{
    const char *at = strstr(text, words);

    while (at && at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return at ? (unsigned)strtoul(at, NULL, 10) : 0;
}

static struct machine *shape_start(const struct shape *shape, const char *test)
{
    char cmdline[64];

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s", test);
    return machine_start(&(struct machine_options){.kernel = shape->grub ? NULL : KERNEL_GCC_O2,
                                                   .iso = ISO,
                                                   .cmdline = cmdline,
                                                   .reference = !shape->grub, /* GRUB is slow there */
                                                   .machine = shape->machine,
                                                   .cpu = shape->cpu,
                                                   .memory_mib = shape->memory_mib,
                                                   .sparse = shape->sparse,
                                                   .vga = true});
}

ParameterizedTestParameters(machines, the_first_words_say_how_much_memory_is_free)
{
    return cr_make_param_array(struct shape, shapes, sizeof(shapes) / sizeof(shapes[0]));
}

ParameterizedTest(struct shape *shape, machines, the_first_words_say_how_much_memory_is_free, .timeout = 240)
{
    struct machine *machine = shape_start(shape, "boot.clock_is_monotonic");
    unsigned most = shape->memory_mib - shape->left_out_mib;
    unsigned table = shape->top_mib * FRAME_ENTRY_BYTES / 4096;
    unsigned free, left_out;

    must_pass(machine, BOOT_MS);
    free = number_before(com1(machine), " MiB free, TSC ");
    left_out = number_before(com1(machine), " KiB of the map are not used") / 1024;
    if (free > most || free + table + IMAGE_MIB < most)
        machine_fail(machine, "%u MiB free of %u, with a table of %u", free, most, table);
    if (left_out != shape->left_out_mib)
        machine_fail(machine, "%u MiB are left out, not %u", left_out, shape->left_out_mib);
    machine_stop(machine);
}

#define TOUCHED_MIB 192 /* the host's, QEMU's own and the table of frames among them */

/* The most memory that a process has had, so far. */
static unsigned resident_mib(pid_t pid)
{
    unsigned long kib = 0;
    char line[128], path[32];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) && sscanf(line, "VmHWM: %lu", &kib) != 1)
        continue;
    fclose(file);
    cr_assert_gt(kib, 0);
    return (unsigned)(kib / 1024);
}

/* A frame is zeroed when somebody takes it, so a host that promises more than it has can promise it to the kernel. */
Test(machines, most_of_8_gib_is_never_touched, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo", .memory_mib = 8192});
    unsigned touched;

    json_decref(machine_com2_event(machine, "ready", BOOT_MS));
    touched = resident_mib(machine->pid);
    if (touched > TOUCHED_MIB)
        machine_fail(machine, "%u MiB of the host's memory are in use", touched);
    machine_stop(machine);
}

/* This CPU has neither XSAVE nor AVX: FXSAVE keeps what there is. */
Test(machines, vector_registers_are_kept_without_xsave, .timeout = 240)
{
    static const char *const tests[] = {"vectors.*", "registers.*"};

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        struct machine *machine = shape_start(&(struct shape){64, 64, 0, false, false, "pc", "qemu64"}, tests[i]);

        must_pass(machine, SUITE_MS);
        machine_stop(machine);
    }
}

static struct shape exhausted[] = {
    {32, 32, 0, false, false, "pc", "max"},     {32, 32, 0, true, false, "pc", "max"},
    {64, 64, 0, false, false, "pc", "qemu64"},  {1536, 4608, 0, false, false, "pc,max-ram-below-4g=1G", "max"},
    {8192, 9216, 0, false, false, "pc", "max"},
};

static unsigned host_free_mib(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    unsigned long kib = 0;
    char line[128];

    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %lu", &kib) != 1)
        continue;
    fclose(file);
    return (unsigned)(kib / 1024);
}

ParameterizedTestParameters(machines, every_test_of_boot_and_memory_passes)
{
    return cr_make_param_array(struct shape, exhausted, sizeof(exhausted) / sizeof(exhausted[0]));
}

/* They write to all the memory there is. */
ParameterizedTest(struct shape *shape, machines, every_test_of_boot_and_memory_passes, .timeout = 300)
{
    static const char *const suites[] = {"boot.*", "memory.*"};

    if (host_free_mib() < shape->memory_mib + 512)
        cr_skip_test("%u MiB of memory are more than this host has free", shape->memory_mib);
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        struct machine *machine = shape_start(shape, suites[i]);
        json_t *done = machine_com2_event(machine, "done", SUITE_MS);

        cr_assert_geq(json_integer_value(json_object_get(done, "tests")), 12, "%s", suites[i]);
        json_decref(done);
        must_pass(machine, BOOT_MS);
        machine_stop(machine);
    }
}

/* ---- the same again ---- */

#define BOOTS 100

/* Threads, both devices, the PIT and the APIC's timer; each line of the log has its microsecond. */
static struct machine *same_start(void)
{
    return machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .cmdline = "mode=test test=boot.spurious_* log=debug", .reference = true});
}

static void must_say_the_same(struct machine *machine, struct machine *first, unsigned number)
{
    for (int i = MACHINE_COM1; i <= MACHINE_COM2; i++) {
        const struct text *text = &machine->text[i], *wanted = &first->text[i];

        if (text->length != wanted->length || memcmp(text->bytes, wanted->bytes, text->length) != 0)
            machine_fail(machine, "boot %u says something else on COM%d than the first, which said\n%s", number, i + 1,
                         wanted->bytes);
    }
}

Test(machines, a_hundred_boots_say_the_same_to_the_byte, .timeout = 240)
{
    struct machine *first = same_start();

    must_pass(first, BOOT_MS);
    cr_assert_gt(first->text[MACHINE_COM1].length, 1000);
    cr_assert_gt(first->text[MACHINE_COM2].length, 300);
    for (unsigned i = 2; i <= BOOTS; i += 2) {
        struct machine *one = same_start();
        struct machine *other = i < BOOTS ? same_start() : NULL;

        must_pass(one, BOOT_MS);
        must_say_the_same(one, first, i);
        machine_stop(one);
        if (!other)
            break;
        must_pass(other, BOOT_MS);
        must_say_the_same(other, first, i + 1);
        machine_stop(other);
    }
    machine_stop(first);
}

/* ---- from outside ---- */

/* The answer to a command of QEMU's monitor, which the caller frees. */
static char *monitor(struct machine *machine, const char *command)
{
    json_t *answer = qmp_run(machine, "human-monitor-command", json_pack("{s:s}", "command-line", command));
    char *text = strdup(json_string_value(json_object_get(answer, "return")));

    json_decref(answer);
    return text;
}

/* A kernel that idles in echo mode. */
static struct machine *idle_start(void)
{
    struct machine *machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo"});

    json_decref(machine_com2_event(machine, "ready", BOOT_MS));
    return machine;
}

static void must_end_in(struct machine *machine, const char *panic)
{
    int status = machine_wait_exit(machine, BOOT_MS);

    if (status != EXIT_FAILED)
        machine_fail(machine, "ended with %d%s", status, status == EXIT_RESET ? ", by a triple fault" : "");
    if (!strstr(com1(machine), panic))
        machine_fail(machine, "COM1 never says '%s'", panic);
    machine_stop(machine);
}

/* The bank: valid, uncorrected, enabled, with two further words, the CPU's state spoilt. The CPU: in a machine check,
 * and where it was interrupted it could go on (Intel SDM vol. 3, 15.3.1.2 and 15.3.2.2). */
Test(machines, a_machine_check_is_a_panic_that_names_the_bank, .timeout = 120)
{
    struct machine *machine = idle_start();

    qmp_end(machine, "human-monitor-command",
            json_pack("{s:s}", "command-line", "mce 0 3 0xbe00000000000135 0x5 0x12345678 0x42"));
    must_end_in(machine, "PANIC: machine check: bank 3 says 0xbe00000000000135, the CPU 0x5");
}

Test(machines, an_nmi_is_a_panic, .timeout = 120)
{
    struct machine *machine = idle_start();

    qmp_end(machine, "inject-nmi", NULL);
    must_end_in(machine, "PANIC: NMI");
}

/* The hexadecimal number that follows the words and blanks. */
static uint64_t number_after(struct machine *machine, const char *text, const char *words)
{
    const char *at = strstr(text, words);

    if (!at)
        machine_fail(machine, "'%s' is not in '%s'", words, text);
    return strtoull(at + strlen(words), NULL, 16);
}

/* A loader's module: what nobody else would have in memory. */
#define MODULE_WORDS 8192
#define MODULE_MIB   32

static size_t module_copies(struct machine *machine, const uint64_t *module)
{
    static uint64_t memory[((size_t)MODULE_MIB << 20) / sizeof(uint64_t)];
    size_t words = sizeof(memory) / sizeof(memory[0]);
    size_t copies = 0;
    char path[32];

    snprintf(path, sizeof(path), "/dev/fd/%d", machine->screen);
    json_decref(qmp_run(machine, "pmemsave",
                        json_pack("{s:i,s:I,s:s}", "val", 0, "size", (json_int_t)sizeof(memory), "filename", path)));
    cr_assert_eq(pread(machine->screen, memory, sizeof(memory), 0), sizeof(memory));
    for (size_t at = 0; at + MODULE_WORDS <= words; at += 4096 / sizeof(uint64_t))
        copies += memcmp(memory + at, module, MODULE_WORDS * sizeof(uint64_t)) == 0;
    return copies;
}

/* All frames are taken, zeroed and written to, and then the machine halts. */
Test(machines, a_module_of_the_loader_stays_as_it_is, .timeout = 120)
{
    static uint64_t module[MODULE_WORDS];
    char path[] = "/tmp/duet-module-XXXXXX";
    int file = mkstemp(path);
    struct machine *machine;
    json_t *done;

    for (size_t i = 0; i < MODULE_WORDS; i++)
        module[i] = 0x9e3779b97f4a7c15u * (i + 1);
    cr_assert_eq(write(file, module, sizeof(module)), sizeof(module));
    machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2,
                                                      .cmdline = "mode=test test=memory.all_frames_had_and_given",
                                                      .module = path,
                                                      .memory_mib = MODULE_MIB,
                                                      .stays = true});
    done = machine_com2_event(machine, "done", BOOT_MS);
    unlink(path);
    close(file);
    cr_assert(json_is_true(json_object_get(done, "passed")));
    json_decref(done);
    if (module_copies(machine, module) != 1)
        machine_fail(machine, "the module is not in memory once");
    machine_stop(machine);
}

/* By QEMU's account of the CPU. */
Test(machines, the_log_says_where_gates_and_page_tables_are, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=echo log=debug"});
    char *cpu;

    json_decref(machine_com2_event(machine, "ready", BOOT_MS));
    if (!machine_com1_contains(machine, "lines at vectors 32 to 47", BOOT_MS))
        machine_fail(machine, "nothing is said of interrupts");
    cpu = monitor(machine, "info registers");
    cr_assert_eq(number_after(machine, com1(machine), "interrupts: on, 256 gates at "),
                 number_after(machine, cpu, "IDT="));
    cr_assert_eq(number_after(machine, com1(machine), "memory: page tables at "), number_after(machine, cpu, "CR3="));
    free(cpu);
    machine_stop(machine);
}

#define FLAG_INTERRUPTS 0x200u

Test(machines, a_panic_halts_for_good, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=demo", .stays = true});
    long long end_ms = machine_now_ms() + BOOT_MS;
    char *cpu = NULL;

    if (!machine_com1_contains(machine, "] info ", BOOT_MS))
        machine_fail(machine, "the log says nothing");
    json_decref(qmp_run(machine, "inject-nmi", NULL));
    if (!machine_com1_contains(machine, "PANIC: NMI", BOOT_MS))
        machine_fail(machine, "no panic");
    do {
        free(cpu);
        cpu = monitor(machine, "info registers");
    } while (!strstr(cpu, "HLT=1") && machine_now_ms() < end_ms);
    cr_assert_not_null(strstr(cpu, "HLT=1"), "%s", cpu);
    cr_assert_eq(number_after(machine, cpu, "RFL=") & FLAG_INTERRUPTS, 0, "%s", cpu);
    free(cpu);
    machine_stop(machine);
}

/* One CPU runs all threads; the others are as the firmware left them, halted and deaf to all but an NMI or an INIT. */
Test(machines, further_cpus_stay_where_the_firmware_left_them, .timeout = 120)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=demo", .cpus = 4});
    unsigned halted = 0;
    char *cpus, *at;

    if (!machine_com1_contains(machine, "] info ", BOOT_MS))
        machine_fail(machine, "the log says nothing");
    cpus = monitor(machine, "info registers -a");
    at = strstr(cpus, "CPU#1");
    cr_assert_not_null(at, "%s", cpus);
    for (; (at = strstr(at, "EFL=")); at++) { /* in real mode, where they began */
        const char *halt = strstr(at, "HLT=1");
        const char *line_end = strchr(at, '\n');

        cr_assert(halt && halt < line_end, "%s", at);
        cr_assert_eq(number_after(machine, at, "EFL=") & FLAG_INTERRUPTS, 0, "%s", at);
        halted++;
    }
    cr_assert_eq(halted, 3, "%s", cpus);
    free(cpus);
    machine_stop(machine);
    machine = machine_start(&(struct machine_options){
        .kernel = KERNEL_GCC_O2, .cmdline = "mode=test test=thread.*", .reference = true, .cpus = 4});
    must_pass(machine, SUITE_MS);
    machine_stop(machine);
}
