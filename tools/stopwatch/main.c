/*
 * duet-external: input from outside, through the devices that QEMU emulates, into kernels as they are.
 *
 *   duet-external --machine FILE --duet ELF --programs TAR --kernels FOLDER --plugin FILE --out FOLDER [--quick]
 *                 [--only NAME] [--drop N]
 *   duet-external --table external.json
 *
 * Each cell is a boot. Of each the stopwatch says when the kernel's handler began, when it read the device's port and
 * when the event was delivered, and its observer which events came: each must, once, in its order. --only takes the
 * cells whose names contain NAME; --drop leaves out one event of each, so the check must find it and the exit status
 * be 1. --feed is this program's own, for the cells that are fed at the host's pace.
 *
 * A cell that is as sent is kept: a run that was cut short goes on with those that are missing, and once none is, all
 * that are asked for are measured anew. The results are of all that are kept.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../bench/util.h"
#include "../linux/boot.h"
#include "cell.h"
#include "feed.h"
#include "kept.h"
#include "table.h"

enum { EVENTS = 4000, EVENTS_QUICK = 200, PARALLEL = 2, CELLS_MAX = 64 };

struct cells {
    struct cell cell[CELLS_MAX];
    struct run run[CELLS_MAX];
    json_t *result[CELLS_MAX]; /* kept or new, or NULL */
    char *key[CELLS_MAX];
    size_t count;
    struct job job[CELLS_MAX]; /* what is to be run now, and of which run */
    size_t of[CELLS_MAX];
    size_t jobs, done;
    time_t began;
    bool failed;
    struct setting setting;
    const char *only;
    char *version;
    bool quick;
};

static void add(struct cells *cells, struct cell cell)
{
    if (cells->count == CELLS_MAX)
        die("too many cells");
    cells->cell[cells->count++] = cell;
}

static void add_duet(struct cells *cells)
{
    static const char *const styles[] = {"thread", "async", "user"};

    for (enum pace pace = PACE_IDLE; pace <= PACE_FREE; pace++) {
        for (enum script_device device = SCRIPT_KEYBOARD; device <= SCRIPT_BOTH; device++) {
            if (device != SCRIPT_BOTH && pace == PACE_FREE)
                continue;
            for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
                add(cells, (struct cell){"duet", styles[i], false, device, pace});
        }
    }
}

/* The observer reads one device. */
static void add_linux(struct cells *cells)
{
    static const char *const kernels[] = {"stock", "rt"};

    for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
        for (enum pace pace = PACE_IDLE; pace <= PACE_BUSY; pace++) {
            add(cells, (struct cell){kernels[i], "fifo", false, SCRIPT_KEYBOARD, pace});
            add(cells, (struct cell){kernels[i], "fifo", true, SCRIPT_KEYBOARD, pace});
            add(cells, (struct cell){kernels[i], "normal", false, SCRIPT_KEYBOARD, pace});
            add(cells, (struct cell){kernels[i], "normal", true, SCRIPT_KEYBOARD, pace});
            add(cells, (struct cell){kernels[i], "fifo", false, SCRIPT_MOUSE, pace});
            add(cells, (struct cell){kernels[i], "normal", false, SCRIPT_MOUSE, pace});
        }
    }
}

static bool is_asked_for(const struct cells *cells, size_t index)
{
    return !cells->only || strstr(cells->run[index].name, cells->only);
}

static void make_runs(struct cells *cells)
{
    size_t asked = 0;

    for (size_t i = 0; i < cells->count; i++) {
        run_make(&cells->run[i], &cells->cell[i], &cells->setting);
        if (!is_asked_for(cells, i) && access(cells->run[i].image, R_OK) != 0)
            continue; /* a kernel that was never fetched has nothing to keep */
        cells->key[i] = kept_key(&cells->run[i], &cells->setting, cells->version);
        cells->result[i] = kept_load(&cells->run[i], cells->key[i]);
        asked += is_asked_for(cells, i);
    }
    if (!asked)
        die("no cell's name contains '%s'", cells->only);
}

/* Those that are asked for and missing, or all if none is. */
static void choose(struct cells *cells)
{
    size_t kept = 0;
    size_t asked = 0;

    for (size_t i = 0; i < cells->count; i++) {
        asked += is_asked_for(cells, i);
        kept += is_asked_for(cells, i) && cells->result[i];
    }
    for (size_t i = 0; i < cells->count; i++) {
        if (!is_asked_for(cells, i) || (cells->result[i] && kept < asked))
            continue;
        cells->of[cells->jobs] = i;
        cells->job[cells->jobs++] = cells->run[i].job;
    }
    if (kept && kept < asked)
        printf("%zu of %zu cells are kept from before\n", kept, asked);
}

static void tell(const struct cells *cells, const char *name)
{
    long spent = (long)(time(NULL) - cells->began);

    printf("  %zu/%zu %s, %ld:%02ld\n", cells->done, cells->jobs, name, spent / 60, spent % 60);
    fflush(stdout);
}

static bool ended(void *context, size_t index)
{
    struct cells *cells = context;
    size_t i = cells->of[index];
    char *failure;

    cells->run[i].job = cells->job[index];
    json_decref(cells->result[i]);
    cells->result[i] = run_results(&cells->run[i], &failure);
    if (failure) {
        fprintf(stderr, "duet-external: %s\n", failure);
        free(failure);
        cells->failed = true;
        return false;
    }
    if (json_is_true(json_object_get(cells->result[i], "right")))
        kept_save(&cells->run[i], cells->key[i], cells->result[i]);
    cells->done++;
    tell(cells, cells->run[i].name);
    return true;
}

static void run_all(struct cells *cells)
{
    int interrupted = pool_run(&(struct pool){cells->job, cells->jobs, PARALLEL, ended, cells});

    if (interrupted || cells->failed)
        die("%s; %zu of %zu cells are done, those as sent are kept, and the same command goes on",
            interrupted ? "interrupted" : "a cell failed", cells->done, cells->jobs);
}

static json_t *all_results(struct cells *cells)
{
    json_t *results = json_pack("{s:s, s:b, s:[]}", "qemu", cells->version, "quick", cells->quick, "cells");

    for (size_t i = 0; i < cells->count; i++)
        if (cells->result[i])
            json_array_append(json_object_get(results, "cells"), cells->result[i]);
    return results;
}

/* Says which cells are not right; returns how many. */
static size_t wrong(const json_t *results)
{
    size_t count = 0;
    size_t i;
    json_t *cell;

    json_array_foreach(json_object_get(results, "cells"), i, cell)
    {
        const char *first = json_string_value(json_object_get(cell, "first"));

        if (json_is_true(json_object_get(cell, "right")))
            continue;
        printf("%s: %lld lost, %lld not sent there; %s\n", json_string_value(json_object_get(cell, "name")),
               json_integer_value(json_object_get(cell, "lost")), json_integer_value(json_object_get(cell, "unsent")),
               first ? first : "the text typed is another");
        count++;
    }
    return count;
}

static int run(struct cells *cells)
{
    char *path = text_format("%s.json", cells->setting.out);
    json_t *results;
    size_t bad;

    cells->setting.events = cells->quick ? EVENTS_QUICK : EVENTS;
    cells->version = qemu_version();
    cells->began = time(NULL);
    folder_make(cells->setting.out);
    add_duet(cells);
    add_linux(cells);
    make_runs(cells);
    choose(cells);
    run_all(cells);
    results = all_results(cells);
    json_write(results, path);
    table_external(stdout, results);
    bad = wrong(results);
    printf("%zu cells, %zu not as sent; all figures are in %s\n", json_array_size(json_object_get(results, "cells")),
           bad, path);
    json_decref(results);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int print_table(const char *path)
{
    json_t *results = json_load_file(path, 0, NULL);

    if (!results)
        die("%s is not JSON", path);
    table_external(stdout, results);
    json_decref(results);
    return EXIT_SUCCESS;
}

static bool take(struct cells *cells, int option)
{
    struct setting *setting = &cells->setting;

    switch (option) {
    case 'm':
        setting->machine = optarg;
        return true;
    case 'd':
        setting->duet = optarg;
        return true;
    case 'g':
        setting->programs = optarg;
        return true;
    case 'k':
        setting->kernels = optarg;
        return true;
    case 'p':
        setting->plugin = optarg;
        return true;
    case 'o':
        setting->out = optarg;
        return true;
    case 'n':
        cells->only = optarg;
        return true;
    case 'l':
        setting->drop = strtol(optarg, NULL, 10);
        return true;
    case 'q':
        cells->quick = true;
        return true;
    default:
        return false;
    }
}

int main(int count, char **arguments)
{
    static const struct option known[] = {{"machine", required_argument, NULL, 'm'},
                                          {"duet", required_argument, NULL, 'd'},
                                          {"programs", required_argument, NULL, 'g'},
                                          {"kernels", required_argument, NULL, 'k'},
                                          {"plugin", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"only", required_argument, NULL, 'n'},
                                          {"drop", required_argument, NULL, 'l'},
                                          {"quick", no_argument, NULL, 'q'},
                                          {"table", required_argument, NULL, 't'},
                                          {0}};
    static struct cells cells = {.setting = {"tools/reference-machine", "build/kernel-gcc-O2/duet.elf",
                                             "build/kernel-gcc-O2/programs.tar", "build/linux",
                                             "build/bench/stopwatch.so", "build/bench/external", NULL, 0, -1}};
    int option;

    cells.setting.self = arguments[0];
    if (count > 6 && !strcmp(arguments[1], "--feed"))
        return feed(atoi(arguments[2]), arguments[3], arguments[4], arguments[5], arguments + 6);
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        if (option == 't')
            return print_table(optarg);
        if (!take(&cells, option))
            return EXIT_FAILURE;
    }
    return run(&cells);
}
