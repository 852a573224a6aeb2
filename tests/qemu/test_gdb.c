/* gdb itself, with tools/duet.gdb, on a machine that was stopped while threads wait. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gdb.h"
#include "machine.h"

enum { BOOT_MS = 60000 };

enum { GDB_STUB = 3 };

/* What gdb says, the machine's gdbstub being its descriptor 3: sh reads only one digit. cat does not wait to read, so
   it blocks. */
static void ask_gdb(struct machine *machine, const char *command, char *answer, size_t size)
{
    int stub = machine->stream[MACHINE_GDB], out[2], status;
    posix_spawn_file_actions_t actions;
    char line[512], shell[] = "sh", run[] = "-c";
    FILE *gdb;
    pid_t pid;

    snprintf(
        line, sizeof(line),
        "exec timeout 60 gdb -nx -q -batch -x tools/duet.gdb -ex 'target remote | cat <&%d & exec cat >&%d' -ex %s %s",
        GDB_STUB, GDB_STUB, command, KERNEL_GCC_O2);
    cr_assert_eq(fcntl(stub, F_SETFL, fcntl(stub, F_GETFL) & ~O_NONBLOCK), 0);
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, stub, GDB_STUB);
    cr_assert_eq(posix_spawn(&pid, "/bin/sh", &actions, NULL, (char *[]){shell, run, line, NULL}, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    gdb = fdopen(out[0], "r");
    answer[fread(answer, 1, size - 1, gdb)] = '\0';
    fclose(gdb);
    waitpid(pid, &status, 0);
}

/* The line of a thread, from its name on. */
static const char *line_of(const char *answer, const char *name)
{
    const char *line = strstr(answer, name);

    cr_assert_not_null(line, "no %s in:\n%s", name, answer);
    return line;
}

static void expect_words(const char *line, const char *name, const char *state, const char *waits_for)
{
    char found[3][32] = {{0}};

    cr_assert_geq(sscanf(line, "%31s %31s %31[^0-9]", found[0], found[1], found[2]), 2, "%.80s", line);
    cr_expect_str_eq(found[0], name);
    cr_expect_str_eq(found[1], state);
    cr_expect_eq(strncmp(found[2], waits_for, strlen(waits_for)), 0, "'%s', not '%s'", found[2], waits_for);
}

Test(gdb, shows_who_waits_for_what, .timeout = 180)
{
    struct machine *machine = machine_start(
        &(struct machine_options){.kernel = KERNEL_GCC_O2, .cmdline = "mode=test test=account.report", .gdb = true});
    char answer[8192];

    gdb_attach(machine);
    gdb_run_to(machine, elf_symbol(KERNEL_GCC_O2, "report_threads_json"), BOOT_MS);
    ask_gdb(machine, "duet-threads", answer, sizeof(answer));
    expect_words(line_of(answer, "boot "), "boot", "running", "");
    expect_words(line_of(answer, "holder "), "holder", "parked", "");
    expect_words(line_of(answer, "locker "), "locker", "waiting", "mutex of holder");
    expect_words(line_of(answer, "taker "), "taker", "waiting", "semaphore");
    machine_stop(machine);
}
