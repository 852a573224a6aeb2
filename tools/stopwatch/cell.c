#include "cell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../bench/util.h"
#include "../linux/boot.h"
#include "figure.h"
#include "reading.h"
#include "symbol.h"

#define SEED UINT64_C(20240101)
#define QUIT "{\"execute\":\"quit\"}"

enum {
    LIMIT_S = 1800,
    DUET_GAP = 12000, /* instructions: what an event's line on COM2 takes, and more */
    LINUX_GAP = 50000,
    GAP_SPREAD = 20011,
    CLOSE_SPREAD = 16001, /* about two events' work */
    AFTER_LAST = 3000000,
    AFTER_LAST_LINUX = 2000000000, /* it ends by itself, after it has told what it read */
    FREE_MS = 1,
    LINUX_PART = 4, /* of as many events as Duet gets */
};

static const char *const device_names[] = {"keyboard", "mouse", "both"};
static const char *const pace_names[] = {"idle", "busy", "close", "free"};

static bool is_duet(const struct cell *cell)
{
    return !strcmp(cell->system, "duet");
}

/* ---- before ---- */

static void write_plan(const struct run *run, const char *path, long drop)
{
    static const char *const paces[] = {"halt", "at", "both", "at"};
    const char *pace = paces[run->cell->pace];
    bool duet = is_duet(run->cell);
    uint64_t random = SEED;
    FILE *file = fopen(path, "we");

    if (!file)
        die("cannot write %s", path);
    for (size_t i = 0; i < run->script.count; i++) {
        unsigned long gap = (duet ? DUET_GAP : LINUX_GAP) + script_random(&random, GAP_SPREAD);

        if (run->cell->pace == PACE_IDLE)
            gap = 1 + (duet ? 0 : script_random(&random, 3));
        if (run->cell->pace == PACE_CLOSE)
            gap = script_random(&random, CLOSE_SPREAD);
        if ((long)i != drop)
            fprintf(file, "%s %lu %s\n", pace, gap, run->script.acts[i].command);
    }
    fprintf(file, "%s %d " QUIT "\n", duet ? "both" : "at", duet ? AFTER_LAST : AFTER_LAST_LINUX);
    if (fclose(file) != 0)
        die("cannot write %s", path);
}

static char *duet_words(const struct cell *cell)
{
    return text_format("mode=echo keyboard=%s mouse=%s%s", cell->style, cell->style,
                       cell->pace == PACE_BUSY ? " load=threads:1" : "");
}

static char *linux_words(const struct cell *cell)
{
    return text_format("watch=%s class=%s grab=%d busy=%d", cell->device == SCRIPT_MOUSE ? "mouse" : "key", cell->style,
                       !cell->shipped, cell->pace == PACE_BUSY);
}

/* Where the stopwatch looks: in Duet by the addresses of functions, in Linux by the program's own two ports. */
static char *markers(const struct cell *cell, const char *duet)
{
    const char *device = cell->device == SCRIPT_MOUSE ? "mouse" : "keyboard";
    struct symbol read, first, last;
    char name[32];

    if (!is_duet(cell))
        return text_format("start=out:e8,consumer=out:e9");
    read = symbol_find(duet, "event_read");
    /* Two functions, beside each other, that end each other's calls by a jump. */
    snprintf(name, sizeof(name), "%s_receive_any", device);
    first = symbol_find(duet, name);
    snprintf(name, sizeof(name), "%s_receive", device);
    last = symbol_find(duet, name);
    return text_format("start=pc:%" PRIx64 ",consumer=ret:%" PRIx64 "-%" PRIx64 ",event=ret:%" PRIx64 "-%" PRIx64,
                       read.address, read.address, read.address + read.size, first.address, last.address + last.size);
}

static char **base_command(const struct run *run, const struct setting *setting)
{
    struct qemu_machine machine = is_duet(run->cell) ? qemu_machine_read(setting->machine)
                                                     : linux_machine(setting->machine);
    char *words = is_duet(run->cell) ? duet_words(run->cell) : linux_words(run->cell);
    char *name = text_format("%s/%s", setting->out, run->name);
    char *com1 = text_format("%s.com1", name);
    char *icount = strstr(machine.arguments, " -icount ");
    char **command;

    if (run->cell->pace == PACE_FREE && icount) /* the last of the machine's words */
        *icount = '\0';
    command = is_duet(run->cell) ? qemu_command(&machine, &(struct qemu_boot){.kernel = setting->duet,
                                                                              .programs = setting->programs,
                                                                              .words = words,
                                                                              .com1 = com1,
                                                                              .com2 = run->com2})
                                 : linux_command(&machine, setting->kernels, run->cell->system, words, name);
    remove(run->com2);
    free(words);
    free(name);
    free(com1);
    return command;
}

static char **watch_command(const struct run *run, const struct setting *setting, const char *socket, const char *plan)
{
    char *where = markers(run->cell, setting->duet);
    char *qmp = text_format("unix:%s,server=on,wait=off", socket);
    char *plugin = text_format("%s,qmp=%s,plan=%s,%s", setting->plugin, socket, plan, where);
    char **command = command_with((const char *const *)base_command(run, setting),
                                  (const char *const[]){"-qmp", qmp, "-d", "int,plugin", "-trace",
                                                        "pckbd_kbd_read_data", "-D", run->log, "-plugin", plugin,
                                                        NULL});

    free(where);
    free(qmp);
    free(plugin);
    return command;
}

/* This program again, which starts QEMU and feeds it. */
static char **free_command(const struct run *run, const struct setting *setting, const char *socket, const char *plan)
{
    char *qmp = text_format("unix:%s,server=on,wait=off", socket);
    char *pause = text_format("%d", FREE_MS);
    const char *const more[] = {"-qmp", qmp, NULL};
    char **qemu = command_with((const char *const *)base_command(run, setting), more);
    char **command = command_with((const char *const[]){setting->self, "--feed", pause, plan, socket, run->com2, NULL},
                                  (const char *const *)qemu);

    free(qmp);
    free(pause);
    return command;
}

void run_make(struct run *run, const struct cell *cell, const struct setting *setting)
{
    size_t events = is_duet(cell) ? setting->events : setting->events / LINUX_PART;
    char *socket;

    *run = (struct run){
        .cell = cell, .script = script_make(cell->device, events, SEED), .sent = setting->drop < 0 ? 0 : -1};
    run->sent += (long)run->script.count;
    run->image = is_duet(cell) ? text_format("%s", setting->duet)
                               : text_format("%s/%s/vmlinuz", setting->kernels, cell->system);
    run->initrd = is_duet(cell) ? text_format("%s", setting->programs)
                                : text_format("%s/%s/initramfs.cpio", setting->kernels, cell->system);
    run->name = text_format("%s-%s%s-%s-%s", cell->system, cell->style,
                            is_duet(cell)   ? ""
                            : cell->shipped ? "-shipped"
                                            : "-lean",
                            device_names[cell->device], pace_names[cell->pace]);
    run->com2 = text_format("%s/%s.com2", setting->out, run->name);
    run->log = text_format("%s/%s.qemu", setting->out, run->name);
    run->plan = text_format("%s/%s.plan", setting->out, run->name);
    socket = text_format("%s/%s.qmp", setting->out, run->name);
    remove(run->log);
    remove(socket);
    write_plan(run, run->plan, setting->drop);
    run->job = (struct job){
        .command = cell->pace == PACE_FREE ? free_command(run, setting, socket, run->plan)
                                           : watch_command(run, setting, socket, run->plan),
        .log = text_format("%s/%s.log", setting->out, run->name),
        .limit_s = LIMIT_S,
    };
    run->command_line = qemu_command_line(run->job.command);
    free(socket);
}

/* ---- after ---- */

/* Of the events that were delivered, at once, before the next one was sent, and that passed this stage where it can be
 * seen; the handler's can be reached after 0 instructions. NULL: none did. */
static json_t *stage_results(const struct reading *reading, enum stage stage)
{
    uint64_t *values = array_new(reading->count + 1, sizeof(*values));
    json_t *results = NULL;
    size_t count = 0;

    for (size_t i = 0; i < reading->count; i++) {
        const struct injection *injection = &reading->injections[i];

        if (injection->deliveries == 1 && (injection->stage[stage] || stage == STAGE_HANDLER))
            values[count++] = injection->stage[stage];
    }
    if (count)
        results = figure_json(values, count);
    free(values);
    return results;
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one;
    uint64_t b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

/* How many different instructions the events fell into. */
static size_t places(const struct reading *reading)
{
    uint64_t *addresses = array_new(reading->count + 1, sizeof(*addresses));
    size_t different = 0;

    for (size_t i = 0; i < reading->count; i++)
        addresses[i] = reading->injections[i].address;
    qsort(addresses, reading->count, sizeof(*addresses), compare);
    for (size_t i = 0; i < reading->count; i++)
        different += !i || addresses[i] != addresses[i - 1];
    free(addresses);
    return different;
}

/* Where events follow each other closely, or wait, an injection and a delivery do not belong together. */
static void add_reading(json_t *results, const struct run *run, const struct reading *reading)
{
    json_t *stages;

    json_object_set_new(results, "places", json_integer((json_int_t)places(reading)));
    if (run->cell->pace == PACE_CLOSE)
        return;
    stages = json_object();
    for (enum stage i = 0; i < STAGES; i++) {
        json_t *stage = i == STAGE_EVENT && run->cell->device == SCRIPT_BOTH ? NULL : stage_results(reading, i);

        if (stage)
            json_object_set_new(stages, stage_names[i], stage);
    }
    json_object_set_new(results, "stages", stages);
}

/* Why QEMU or the guest did not do what it was started for, as a fresh string, or NULL. */
static char *failure_of(const struct run *run)
{
    int status = run->job.status;
    int expected = run->cell->pace == PACE_FREE || is_duet(run->cell) ? 0 : QEMU_PASSED;

    if (run->job.timed_out)
        return text_format("%s: no end within %d s; see %s", run->name, LIMIT_S, run->job.log);
    if (WIFSIGNALED(status))
        return text_format("%s: QEMU was killed by signal %d (%s)", run->name, WTERMSIG(status),
                           strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != expected)
        return text_format("%s: QEMU ended with status %d, not %d; see %s", run->name, WEXITSTATUS(status), expected,
                           run->job.log);
    return NULL;
}

static json_t *results_of(const struct run *run)
{
    const struct cell *cell = run->cell;
    struct seen seen = seen_of(run->com2);
    struct verdict verdict = cell->pace == PACE_FREE ? verdict_summed(&run->script, &seen)
                                                     : verdict_of(&run->script, &seen);
    json_t *results = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:s}", "name", run->name,
                                "system", cell->system, "style", cell->style, "device", device_names[cell->device],
                                "pace", pace_names[cell->pace], "time_base", cell->pace == PACE_FREE ? "tcg" : "icount",
                                "injected", (json_int_t)verdict.injected, "delivered", (json_int_t)verdict.delivered,
                                "lost", (json_int_t)verdict.lost, "unsent", (json_int_t)verdict.unsent, "right",
                                !verdict.lost && !verdict.unsent && verdict.text_right, "command", run->command_line);

    if (!is_duet(cell))
        json_object_set_new(results, "shipped", json_boolean(cell->shipped));
    if (verdict.first[0])
        json_object_set_new(results, "first", json_string(verdict.first));
    seen_free(&seen);
    return results;
}

json_t *run_results(const struct run *run, char **failure)
{
    struct reading reading = {0};
    json_t *results = NULL;

    *failure = failure_of(run);
    if (*failure)
        return NULL;
    if (run->cell->pace != PACE_FREE) {
        reading = reading_of(run->log);
        if ((long)reading.count != run->sent)
            *failure = text_format("%s: %s has %zu of %ld injections: is the disk full?", run->name, run->log,
                                   reading.count, run->sent);
    }
    if (!*failure) {
        results = results_of(run);
        if (run->cell->pace != PACE_FREE)
            add_reading(results, run, &reading);
    }
    reading_free(&reading);
    return results;
}
