/*
 * The suites inside the kernel, on every kernel that is built. The kernel's own list says which tests there are, so
 * that none can be left out of a run; one that expects a panic runs alone, as nothing can run after it.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gdb.h"
#include "machine.h"

#define SUITES_MS  540000
#define TEST_MS    60000
#define TESTS_MAX  512
#define NAME_BYTES 64

struct kernel {
    char path[48];
    char irq[8]; /* the controller that the interrupt lines come through */
    char heap[8];
    char tests[16]; /* that run: all, or those that begin so */
    char memory[8]; /* 1g, or the default */
    char irqoff[8]; /* on, or the default */
};

/* On the reference machine, whose clock counts instructions: what a host that is busy does to time cannot fail a test.
 */
static struct kernel kernels[] = {
    {KERNEL_GCC_O2, "pic", "slab", "all", "", "off"},        {KERNEL_GCC_O0, "pic", "slab", "all", "", "off"},
    {KERNEL_CLANG_O2, "pic", "slab", "all", "", "off"},      {KERNEL_CLANG_O0, "pic", "slab", "all", "", "off"},
    {KERNEL_GCC_O2, "apic", "slab", "all", "", "off"},       {KERNEL_GCC_UBSAN, "pic", "slab", "all", "", "off"},
    {KERNEL_CLANG_UBSAN, "pic", "slab", "all", "", "off"},   {KERNEL_GCC_O2, "pic", "debug", "all", "", "off"},
    {KERNEL_GCC_UBSAN, "pic", "debug", "user.*", "", "off"}, {KERNEL_GCC_O2, "pic", "bump", "heap.*", "", "off"},
    {KERNEL_GCC_O2, "pic", "list", "heap.*", "", "off"},     {KERNEL_GCC_O2, "pic", "block", "heap.*", "", "off"},
    {KERNEL_GCC_O2, "pic", "slab", "life.*", "1g", "off"},   {KERNEL_GCC_O2, "pic", "slab", "all", "", "on"},
    {KERNEL_CLANG_O0, "pic", "slab", "all", "", "on"}};

/* The tests that end one way or the other. */
struct list {
    struct listed {
        char name[NAME_BYTES];
        char needs[NAME_BYTES]; /* "", or the word without which it is skipped: key=value or key=value,value */
    } tests[TESTS_MAX];
    size_t count;
};

static const char *string_member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static struct machine *suite_start(const struct kernel *kernel, const char *test)
{
    const char *irqoff = *kernel->irqoff ? kernel->irqoff : "off";
    char cmdline[128], programs[64];
    int folder = (int)strcspn(kernel->path, "/") + 1;

    folder += (int)strcspn(kernel->path + folder, "/");
    snprintf(programs, sizeof(programs), "%.*s/programs.tar", folder, kernel->path);
    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s irq=%s heap=%s irqoff=%s", test, kernel->irq, kernel->heap,
             irqoff);
    return machine_start(&(struct machine_options){.kernel = kernel->path,
                                                   .cmdline = cmdline,
                                                   .module = programs,
                                                   .reference = true,
                                                   .memory_mib = *kernel->memory ? 1024 : 0,
                                                   .vga = true});
}

static void must_exit(struct machine *machine, int wanted, int timeout_ms)
{
    int status = machine_wait_exit(machine, timeout_ms);

    if (status != wanted)
        machine_fail(machine, "ended with %d, not %d", status, wanted);
}

/* What test=list says of the tests of that kind, "pass" or "panic". */
static void list_read(const struct kernel *kernel, const char *expects, struct list *list)
{
    struct machine *machine = suite_start(kernel, "list");
    const char *line;

    list->count = 0;
    must_exit(machine, EXIT_PASSED, TEST_MS);
    while ((line = machine_com2_try_line(machine, 0))) {
        json_t *object = json_loads(line, 0, NULL);

        if (strcmp(string_member(object, "event"), "list") == 0 &&
            strcmp(string_member(object, "expects"), expects) == 0) {
            cr_assert_lt(list->count, TESTS_MAX);
            snprintf(list->tests[list->count].name, NAME_BYTES, "%s", string_member(object, "name"));
            snprintf(list->tests[list->count++].needs, NAME_BYTES, "%s", string_member(object, "needs"));
        }
        json_decref(object);
    }
    machine_stop(machine);
    cr_assert_gt(list->count, 0, "no test expects '%s'", expects);
}

static bool list_remove(struct list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->tests[i].name, name) == 0) {
            list->tests[i] = list->tests[--list->count];
            return true;
        }
    }
    return false;
}

/* Leaves the tests that `tests` chooses. */
static void list_keep(struct list *list, const char *tests)
{
    size_t length = strcspn(tests, "*"), kept = 0;

    if (strcmp(tests, "all") == 0)
        return;
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->tests[i].name, tests, length) == 0)
            list->tests[kept++] = list->tests[i];
    list->count = kept;
    cr_assert_gt(kept, 0, "no test is one of %s", tests);
}

/* Those about how threads are scheduled run in test_modes.c; what runs here is the default of each. */
static bool is_of_modes(const char *needs)
{
    return strncmp(needs, "preempt=", 8) == 0 || strncmp(needs, "kpreempt=", 9) == 0 || strncmp(needs, "tick=", 5) == 0;
}

/* Where a kernel keeps its choice of what a test needs. */
static char *choice_of(struct kernel *kernel, const char *needs)
{
    bool irq = strncmp(needs, "irq=", 4) == 0;

    if (strncmp(needs, "irqoff=", 7) == 0)
        return kernel->irqoff;
    if (strncmp(needs, "memory=", 7) == 0)
        return kernel->memory;
    cr_assert(irq || strncmp(needs, "heap=", 5) == 0, "a test needs %s, whatever that is", needs);
    return irq ? kernel->irq : kernel->heap;
}

/* Whether the kernel runs with what a test needs. */
static bool has(const struct kernel *kernel, const char *needs)
{
    struct kernel copy = *kernel;
    const char *choice;
    size_t length;

    if (strcmp(needs, "programs=there") == 0)
        return true; /* suite_start() */
    if (strcmp(needs, "int80=on") == 0)
        return false; /* test_user.c */
    if (is_of_modes(needs))
        return strcmp(needs, "preempt=on") == 0 || strcmp(needs, "tick=0") == 0;
    choice = *needs ? choice_of(&copy, needs) : "";
    length = strlen(choice);
    for (const char *at = strchr(needs, '='); at; at = strchr(at + 1, ','))
        if (strncmp(at + 1, choice, length) == 0 && (at[1 + length] == ',' || !at[1 + length]))
            return true;
    return !*needs;
}

/* The kernel with what a test needs: the first of several. */
static struct kernel with(const struct kernel *kernel, const char *needs)
{
    struct kernel with = *kernel;
    const char *values = needs + strcspn(needs, "=") + 1;

    if (!has(kernel, needs))
        snprintf(choice_of(&with, needs), sizeof(with.irq), "%.*s", (int)strcspn(values, ","), values);
    return with;
}

/* Whether the test, by its line, was run; one that needs something else, and no other, is left out. */
static bool must_have_passed(struct machine *machine, const struct kernel *kernel, const json_t *line)
{
    const char *result = string_member(line, "result");
    bool applies = has(kernel, string_member(line, "needs"));

    if (strcmp(result, applies ? "passed" : "skipped") != 0)
        machine_fail(machine, "%s: %s", string_member(line, "name"), result);
    return applies;
}

ParameterizedTestParameters(suites, every_test_in_the_kernel_runs_and_passes)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, suites, every_test_in_the_kernel_runs_and_passes, .timeout = 600)
{
    static struct list left;
    struct machine *machine;
    json_int_t ran = 0;
    json_int_t skipped = 0;
    json_t *object;

    list_read(kernel, "pass", &left);
    list_keep(&left, kernel->tests);
    machine = suite_start(kernel, kernel->tests);
    while (strcmp(string_member((object = machine_com2_object(machine, SUITES_MS)), "event"), "done") != 0) {
        if (strcmp(string_member(object, "event"), "test") == 0) {
            const char *name = string_member(object, "name");

            if (must_have_passed(machine, kernel, object))
                ran++;
            else
                skipped++;
            if (!list_remove(&left, name))
                machine_fail(machine, "%s is not in the list, or ran twice", name);
        }
        json_decref(object);
    }
    if (left.count)
        machine_fail(machine, "%zu tests did not run, the last of them %s", left.count,
                     left.tests[left.count - 1].name);
    if (machine_com1_contains(machine, "skipped: this machine", 0))
        machine_fail(machine, "a test found nothing to test");
    cr_assert(json_is_true(json_object_get(object, "passed")));
    cr_assert_eq(json_integer_value(json_object_get(object, "tests")), ran);
    cr_assert_eq(json_integer_value(json_object_get(object, "skipped")), skipped);
    json_decref(object);
    must_exit(machine, EXIT_PASSED, TEST_MS);
    machine_stop(machine);
}

/* Runs a test alone, which must end in the panic it expects. The caller stops the machine. */
static struct machine *must_panic(const struct kernel *kernel, const struct listed *test)
{
    struct kernel suitable = with(kernel, test->needs);
    struct machine *machine = suite_start(&suitable, test->name);
    int status = machine_wait_exit(machine, TEST_MS);

    if (status != EXIT_PASSED)
        machine_fail(machine, "%s ended with %d", test->name, status);
    if (!machine_com1_contains(machine, "PANIC: ", 0))
        machine_fail(machine, "%s said nothing of its panic", test->name);
    return machine;
}

Test(suites, every_test_that_expects_a_panic_gets_it, .timeout = 600)
{
    static struct list list;

    list_read(&kernels[0], "panic", &list);
    for (size_t i = 0; i < list.count; i++)
        machine_stop(must_panic(&kernels[0], &list.tests[i]));
}

/* ---- the debug heap, by what a person reads ---- */

static const struct kernel debugging = {KERNEL_GCC_O2, "pic", "debug", "all", "", "off"};

/* The functions' names, in the report and the backtrace below it. */
Test(suites, who_misuses_the_debug_heap_is_named, .timeout = 120)
{
    static const char *const tests[] = {"heap.double_free", "heap.overrun", "heap.use_after_free"};

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        struct listed test = {.needs = "heap=debug"};
        struct machine *machine;

        snprintf(test.name, sizeof(test.name), "%s", tests[i]);
        machine = must_panic(&debugging, &test);
        if (!machine_com1_contains(machine, "allocated by who_allocates", 0))
            machine_fail(machine, "%s: who allocated is not named", tests[i]);
        if (!machine_com1_contains(machine, "who_frees", 0))
            machine_fail(machine, "%s: who freed is not named", tests[i]);
        machine_stop(machine);
    }
}

Test(suites, a_list_of_leaks_names_who, .timeout = 120)
{
    struct machine *machine = suite_start(&debugging, "heap.leaks_are_listed");

    must_exit(machine, EXIT_PASSED, TEST_MS);
    if (!machine_com1_contains(machine, "24 bytes at 0x", 0) ||
        !machine_com1_contains(machine, "allocated by who_allocates", 0))
        machine_fail(machine, "who leaks is not named");
    machine_stop(machine);
}

/* ---- undefined behaviour ---- */

#define UBSAN_SUITE "src/kernel/suites/ubsan.c"

static bool line_is_marked(unsigned number)
{
    FILE *source = fopen(UBSAN_SUITE, "r");
    char line[256] = "";

    cr_assert_not_null(source);
    while (number-- && fgets(line, sizeof(line), source))
        continue;
    fclose(source);
    return strstr(line, "/* undefined */");
}

/* The panic names the place, in a line that the suite marks. */
static void must_name_the_place(struct machine *machine, const char *test)
{
    const char *panic = strstr(machine->text[MACHINE_COM1].bytes, "PANIC: ");
    unsigned line, column;

    if (sscanf(panic, "PANIC: undefined, " UBSAN_SUITE ":%u:%u: ", &line, &column) != 2 || !column ||
        !line_is_marked(line))
        machine_fail(machine, "%s does not name where it is undefined", test);
}

static struct kernel checked_kernels[] = {{KERNEL_GCC_UBSAN, "pic", "slab", "all", "", "off"},
                                          {KERNEL_CLANG_UBSAN, "pic", "slab", "all", "", "off"}};

ParameterizedTestParameters(suites, what_c_leaves_undefined_is_a_panic_that_names_the_place)
{
    return cr_make_param_array(struct kernel, checked_kernels, sizeof(checked_kernels) / sizeof(checked_kernels[0]));
}

ParameterizedTest(struct kernel *kernel, suites, what_c_leaves_undefined_is_a_panic_that_names_the_place,
                  .timeout = 600)
{
    static struct list list;
    size_t ran = 0;

    list_read(kernel, "panic", &list);
    for (size_t i = 0; i < list.count; i++) {
        if (strncmp(list.tests[i].name, "ubsan.", 6) == 0) {
            struct machine *machine = must_panic(kernel, &list.tests[i]);

            must_name_the_place(machine, list.tests[i].name);
            machine_stop(machine);
            ran++;
        }
    }
    cr_assert_gt(ran, 0, "no test of undefined behaviour in %s", kernel->path);
}

/* ---- what makes a test fail ---- */

#define HANG_MS 3000
#define RET     0x909090c3u
#define LOOP    0x9090feebu

/* At the test's first instruction, what is written over it, or where the CPU is sent; and what comes of it. */
struct mishap {
    char test[32];
    char function[32];
    uint32_t instruction;
    char instead[24];
    int status;
    char said[48];
};

static struct mishap mishaps[] = {
    /* A panic nobody expects, a test that hangs; one that expects a panic and gets none, or another. */
    {"boot.clock_is_monotonic", "clock_is_monotonic", 0, "__stack_chk_fail", EXIT_FAILED, "PANIC: stack smashed"},
    {"boot.clock_is_monotonic", "clock_is_monotonic", LOOP, "", EXIT_NONE, "boot.clock_is_monotonic..."},
    {"panic.invalid_opcode", "invalid_opcode", RET, "", EXIT_FAILED, "did not panic with \"invalid opcode\""},
    {"panic.invalid_opcode", "invalid_opcode", 0, "__stack_chk_fail", EXIT_FAILED, "FAILED: the test expects a panic"},
};

ParameterizedTestParameters(suites, a_test_that_goes_wrong_does_not_pass)
{
    return cr_make_param_array(struct mishap, mishaps, sizeof(mishaps) / sizeof(mishaps[0]));
}

static struct machine *stop_at(const char *test, const char *function)
{
    char cmdline[64];
    struct machine *machine;

    snprintf(cmdline, sizeof(cmdline), "mode=test test=%s", test);
    machine = machine_start(&(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = cmdline, .gdb = true});
    gdb_attach(machine);
    gdb_run_to(machine, elf_symbol(KERNEL_GCC_O2, function), TEST_MS);
    return machine;
}

ParameterizedTest(struct mishap *mishap, suites, a_test_that_goes_wrong_does_not_pass, .timeout = 120)
{
    struct machine *machine = stop_at(mishap->test, mishap->function);
    int status;

    if (mishap->instruction)
        gdb_write_memory_u32(machine, gdb_read_register(machine, GDB_RIP), mishap->instruction);
    else
        gdb_write_register(machine, GDB_RIP, elf_symbol(KERNEL_GCC_O2, mishap->instead));
    gdb_continue(machine);
    status = machine_wait_exit(machine, mishap->status == EXIT_NONE ? HANG_MS : TEST_MS);
    if (status != mishap->status || (status == EXIT_NONE && !machine->pid))
        machine_fail(machine, "%s ended with %d", mishap->test, status);
    if (!machine_com1_contains(machine, mishap->said, 0))
        machine_fail(machine, "%s never said '%s'", mishap->test, mishap->said);
    if (strstr(machine->text[MACHINE_COM2].bytes, "\"passed\""))
        cr_assert_null(strstr(machine->text[MACHINE_COM2].bytes, "\"passed\":true"));
    machine_stop(machine);
}

/* What all tests of panics rely on: an exception that nothing can take is a triple fault, and that is no verdict. */
Test(suites, a_triple_fault_does_not_pass, .timeout = 120)
{
    struct machine *machine = stop_at("panic.invalid_opcode", "invalid_opcode");
    uint64_t idt = elf_symbol(KERNEL_GCC_O2, "idt");
    int status;

    for (unsigned at = 0; at < 32 * 16; at += 4)
        gdb_write_memory_u32(machine, idt + at, 0);
    gdb_continue(machine);
    status = machine_wait_exit(machine, TEST_MS);
    if (status != EXIT_RESET)
        machine_fail(machine, "ended with %d", status);
    machine_stop(machine);
}

Test(suites, a_report_shows_every_register, .timeout = 120)
{
    static const struct {
        const char *name;
        enum gdb_register number;
    } registers[] = {{"rip", GDB_RIP}, {"rsp", GDB_RSP}, {"rax", GDB_RAX}, {"rbx", GDB_RBX}, {"rcx", GDB_RCX},
                     {"rdx", GDB_RDX}, {"rsi", GDB_RSI}, {"rdi", GDB_RDI}, {"rbp", GDB_RBP}, {"r8 ", GDB_R8},
                     {"r9 ", GDB_R9},  {"r10", GDB_R10}, {"r11", GDB_R11}, {"r12", GDB_R12}, {"r13", GDB_R13},
                     {"r14", GDB_R14}, {"r15", GDB_R15}};
    struct machine *machine = stop_at("panic.invalid_opcode", "invalid_opcode");
    char wanted[sizeof(registers) / sizeof(registers[0])][24];

    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        enum gdb_register number = registers[i].number;
        uint64_t value = 0x1234567800000000u + i;

        if (number == GDB_RIP || number == GDB_RSP || number == GDB_RBP)
            value = gdb_read_register(machine, number);
        else
            gdb_write_register(machine, number, value);
        snprintf(wanted[i], sizeof(wanted[i]), "%s %016" PRIx64, registers[i].name, value);
    }
    gdb_continue(machine);
    cr_assert_eq(machine_wait_exit(machine, TEST_MS), EXIT_PASSED);
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
        if (!machine_com1_contains(machine, wanted[i], 0))
            machine_fail(machine, "the report does not say '%s'", wanted[i]);
    machine_stop(machine);
}
