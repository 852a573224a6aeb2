/*
 * duet-linux: boots Debian's kernels on the reference machine, each twice, and writes what their process 1 measured.
 *
 *   duet-linux --machine FILE --kernels FOLDER --out FOLDER [--quick]
 *   duet-linux --table linux.json          the tables of docs/linux.md, from results
 *
 * The second boot must say what the first one said, to the byte.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/pool.h"
#include "../bench/qemu.h"
#include "../bench/util.h"
#include "boot.h"
#include "table.h"

enum { COUNT = 1000, COUNT_QUICK = 50, BOOTS = 2, KERNELS = 2, JOBS = KERNELS * BOOTS, LIMIT_S = 1100, PARALLEL = 2 };

static const char *const kernels[KERNELS] = {"stock", "rt"};

struct options {
    const char *machine, *kernels, *out;
    bool quick;
};

struct boots {
    struct job jobs[JOBS];
    char *com2[JOBS];
};

static bool ended(void *context, size_t index)
{
    (void)context;
    printf("  %-6s boot %zu done\n", kernels[index % KERNELS], index / KERNELS + 1);
    fflush(stdout);
    return true;
}

static void boots_run(struct boots *boots, const struct options *options)
{
    struct qemu_machine machine = linux_machine(options->machine);
    char *words = text_format("count=%d", options->quick ? COUNT_QUICK : COUNT);
    struct pool pool = {boots->jobs, options->quick ? KERNELS : JOBS, PARALLEL, ended, NULL};

    for (size_t i = 0; i < pool.count; i++) {
        char *name = text_format("%s/linux-%s-%zu", options->out, kernels[i % KERNELS], i / KERNELS + 1);

        boots->com2[i] = text_format("%s.com2", name);
        boots->jobs[i] = (struct job){
            .command = linux_command(&machine, options->kernels, kernels[i % KERNELS], words, name),
            .log = text_format("%s.log", name),
            .limit_s = LIMIT_S,
        };
        free(name);
    }
    if (pool_run(&pool))
        die("interrupted");
    for (size_t i = 0; i < pool.count; i++)
        linux_check(&boots->jobs[i], boots->com2[i]);
}

/* Both boots' lines are the same, or it says which differ first. */
static void boots_compare(const struct boots *boots, size_t kernel)
{
    char *one = file_read(boots->com2[kernel]);
    char *other = file_read(boots->com2[kernel + KERNELS]);
    size_t same = 0;

    while (one[same] && one[same] == other[same])
        same++;
    if (one[same] || other[same])
        die("two boots of %s differ: '%.120s' and '%.120s'", kernels[kernel], one + same, other + same);
    free(one);
    free(other);
}

static json_t *kernel_results(const struct boots *boots, const struct options *options, size_t kernel)
{
    json_t *results = linux_package(options->kernels, kernels[kernel]);
    char *line = qemu_command_line(boots->jobs[kernel].command);
    json_t *system = lines_of(boots->com2[kernel], "system");

    json_object_set_new(results, "kernel", json_string(kernels[kernel]));
    json_object_set_new(results, "command", json_string(line));
    if (json_array_size(system) == 1)
        json_object_update(results, json_array_get(system, 0));
    json_decref(system);
    json_object_set_new(results, "micro", lines_of(boots->com2[kernel], "micro"));
    free(line);
    return results;
}

static void run(const struct options *options)
{
    static struct boots boots;
    char *version = qemu_version();
    char *path = text_format("%s/linux.json", options->out);
    json_t *results = json_pack("{s:s, s:s, s:b, s:i, s:[]}", "time_base", "icount", "qemu", version, "quick",
                                options->quick, "memory_mib", LINUX_MEMORY_MIB, "kernels");

    folder_make(options->out);
    boots_run(&boots, options);
    for (size_t i = 0; i < KERNELS; i++) {
        if (!options->quick)
            boots_compare(&boots, i);
        json_array_append_new(json_object_get(results, "kernels"), kernel_results(&boots, options, i));
    }
    json_write(results, path);
    table_linux(stdout, results);
    printf("%sin %s\n", options->quick ? "" : "Each kernel was booted twice, with the same digits. All figures are ",
           path);
    json_decref(results);
    free(path);
    free(version);
}

static void print_table(const char *path)
{
    json_t *results = json_load_file(path, 0, NULL);

    if (!results)
        die("%s is not JSON", path);
    table_linux(stdout, results);
    json_decref(results);
}

int main(int count, char **arguments)
{
    static const struct option known[] = {
        {"machine", required_argument, NULL, 'm'}, {"kernels", required_argument, NULL, 'k'},
        {"out", required_argument, NULL, 'o'},     {"quick", no_argument, NULL, 'q'},
        {"table", required_argument, NULL, 't'},   {0}};
    struct options options = {"tools/reference-machine", "build/linux", "build/bench", false};
    int option;

    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        if (option == 'm')
            options.machine = optarg;
        else if (option == 'k')
            options.kernels = optarg;
        else if (option == 'o')
            options.out = optarg;
        else if (option == 'q')
            options.quick = true;
        else if (option == 't')
            return print_table(optarg), EXIT_SUCCESS;
        else
            return EXIT_FAILURE;
    }
    run(&options);
    return EXIT_SUCCESS;
}
