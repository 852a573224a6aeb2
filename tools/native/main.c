/*
 * duet-native: measures Duet's executor and its peers on this host.
 *
 *      duet-native --check                             every peer does what it says; a liar is found out
 *      duet-native --out FOLDER [--quick]              measures, prints the table, writes results.json and report.md
 *      duet-native --time|--count UNIT PEER            one measurement; --count under callgrind
 *
 * Each measurement is a process of its own. Nanoseconds come from rounds in which the peers take turns, one process at
 * a time; instructions from callgrind, several at once.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "report.h"
#include "results.h"

enum { ROUNDS = 15, ROUNDS_QUICK = 5, ROUNDS_SLOW = 3, SLOW_S = 2, COMMAND_BYTES = 2048, ROUNDS_MOST = 64 };

static const char *program;
static const char *out;

static const struct unit *unit_find(const char *id)
{
    for (size_t i = 0; i < UNITS; i++)
        if (strcmp(units[i].id, id) == 0)
            return &units[i];
    native_die("no unit is called %s", id);
}

/* ---- --check ---- */

/* True if the check passes, in a process of its own; it says nothing of a liar. */
static bool check_passes(const struct unit *unit, const struct peer *peer, bool silent)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        native_die("fork failed");
    if (child == 0) {
        if (silent && !freopen("/dev/null", "w", stderr))
            _exit(2);
        measure_check(unit, peer);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child)
        native_die("waitpid failed");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int check(void)
{
    unsigned passed = 0, failed = 0;

    for (size_t u = 0; u < UNITS; u++)
        for (size_t p = 0; peers[p]; p++) {
            bool liar = strcmp(peers[p]->id, "liar") == 0;

            if (units[u].tasks > 10000 || unit_why_not(&units[u], peers[p]))
                continue;
            if (check_passes(&units[u], peers[p], liar) != liar) {
                passed++;
                continue;
            }
            failed++;
            fprintf(stderr, "%s of %s: %s\n", units[u].id, peers[p]->id, liar ? "the lie passed" : "failed");
        }
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- nanoseconds ---- */

static int double_order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* One process, its figures a phase into `ns`. */
static void time_once(const struct unit *unit, const struct peer *peer, double ns[PHASES])
{
    char command[COMMAND_BYTES];
    unsigned long long total, count;
    size_t phase;
    FILE *pipe;

    snprintf(command, sizeof(command), "%s --time %s %s", program, unit->id, peer->id);
    pipe = popen(command, "r");
    if (!pipe)
        native_die("cannot run %s", command);
    while (fscanf(pipe, "%zu %llu %llu", &phase, &total, &count) == 3)
        ns[phase] = (double)total / (double)count;
    if (pclose(pipe))
        native_die("failed: %s", command);
}

static struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), double_order);
    return (struct spread){.rounds = (unsigned)count,
                           .median = values[count / 2],
                           .least = values[0],
                           .low = values[count / 4],
                           .high = values[count - 1 - count / 4]};
}

/* A round is each peer once; the next round begins with the next peer. One that takes seconds has a few rounds only. */
static void time_unit(size_t unit, unsigned rounds, size_t peer_count)
{
    static double values[PEERS_MOST][PHASES][ROUNDS_MOST];
    unsigned done[PEERS_MOST] = {0};
    bool slow[PEERS_MOST] = {false};

    for (unsigned round = 0; round < rounds; round++)
        for (size_t turn = 0; turn < peer_count; turn++) {
            size_t peer = (turn + round) % peer_count;
            double ns[PHASES] = {0};
            time_t began = time(NULL);

            if (figure_why_not(&units[unit], peers[peer]) || (slow[peer] && done[peer] >= ROUNDS_SLOW))
                continue;
            time_once(&units[unit], peers[peer], ns);
            slow[peer] |= time(NULL) - began > SLOW_S;
            for (size_t phase = 0; phase < PHASES; phase++)
                values[peer][phase][done[peer]] = ns[phase];
            done[peer]++;
        }
    for (size_t peer = 0; peer < peer_count; peer++)
        for (size_t phase = 0; phase < PHASES; phase++)
            if (done[peer])
                results[unit][peer][phase].ns = spread_of(values[peer][phase], done[peer]);
}

/* ---- instructions ---- */

static bool counted(const struct unit *unit, const struct peer *peer)
{
    return unit->counted && !peer->threads && !figure_why_not(unit, peer);
}

static void count_start(const struct unit *unit, const struct peer *peer)
{
    char command[COMMAND_BYTES];
    char prefix[COMMAND_BYTES / 8];

    snprintf(prefix, sizeof(prefix), "%s/callgrind/%s-%s", out, unit->id, peer->id);
    snprintf(command, sizeof(command),
             "rm -f %s.out* && exec valgrind --quiet --tool=callgrind --collect-atstart=no --callgrind-out-file=%s.out "
             "%s --count %s %s >%s.txt 2>%s.log",
             prefix, prefix, program, unit->id, peer->id, prefix, prefix);
    if (execl("/bin/sh", "sh", "-c", command, (char *)NULL))
        native_die("cannot run a shell");
}

/* The instructions of the n-th dump. */
static double dump_total(const char *prefix, unsigned n)
{
    char path[COMMAND_BYTES];
    char line[COMMAND_BYTES];
    unsigned long long total;
    FILE *file;

    snprintf(path, sizeof(path), "%s.out.%u", prefix, n);
    file = fopen(path, "r");
    if (!file)
        native_die("callgrind left no %s", path);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "totals: %llu", &total) == 1) {
            fclose(file);
            return (double)total;
        }
    native_die("%s has no totals", path);
}

/* Of an operation b, from a + b*n at two n; of timers each phase's sum. */
static void count_read(size_t unit, size_t peer)
{
    char prefix[COMMAND_BYTES / 8];
    char path[COMMAND_BYTES];
    unsigned long long count;
    size_t phase;
    double sum[PHASES] = {0}, operations[PHASES] = {0}, first = 0, first_count = 0;
    unsigned n = 0;
    FILE *file;

    snprintf(prefix, sizeof(prefix), "%s/callgrind/%s-%s", out, units[unit].id, peers[peer]->id);
    snprintf(path, sizeof(path), "%s.txt", prefix);
    file = fopen(path, "r");
    while (file && fscanf(file, "%zu %llu", &phase, &count) == 2) {
        double total = dump_total(prefix, ++n);

        if (n == 1 && !units[unit].timers) {
            first = total;
            first_count = (double)count;
            continue;
        }
        sum[phase] += total - first;
        operations[phase] += (double)count - first_count;
    }
    if (file)
        fclose(file);
    for (phase = 0; phase < PHASES; phase++)
        results[unit][peer][phase].instructions = operations[phase] > 0 ? sum[phase] / operations[phase] : 0;
    if (results[unit][peer][0].instructions <= 0)
        native_die("callgrind counted nothing: %s.log says why", prefix);
}

static void wait_one(unsigned *running)
{
    int status;

    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
        native_die("a measurement under callgrind failed; the logs are in %s/callgrind", out);
    (*running)--;
}

static void count_all(unsigned jobs, size_t peer_count)
{
    unsigned running = 0;

    for (size_t unit = UNITS; unit-- > 0;) /* roughly the longest first */
        for (size_t peer = 0; peer < peer_count; peer++) {
            pid_t child;

            if (!counted(&units[unit], peers[peer]))
                continue;
            if (running == jobs)
                wait_one(&running);
            child = fork();
            if (child < 0)
                native_die("fork failed");
            if (child == 0)
                count_start(&units[unit], peers[peer]);
            running++;
        }
    while (running)
        wait_one(&running);
    for (size_t unit = 0; unit < UNITS; unit++)
        for (size_t peer = 0; peer < peer_count; peer++)
            if (counted(&units[unit], peers[peer]))
                count_read(unit, peer);
}

/* A loop of a hundred instructions must count as a hundred, to one in the whole run. */
static void calibrate(size_t peer_count)
{
    for (size_t peer = 0; peer < peer_count; peer++)
        if (strcmp(peers[peer]->id, "calibration") == 0 && fabs(results[0][peer][0].instructions - 100) > 0.001)
            native_die("a loop of 100 instructions counted as %g", results[0][peer][0].instructions);
}

static int measure_all(bool quick)
{
    unsigned rounds = quick ? ROUNDS_QUICK : ROUNDS;
    size_t peer_count = 0;
    char command[COMMAND_BYTES], path[COMMAND_BYTES];

    while (peers[peer_count] && strcmp(peers[peer_count]->id, "liar") != 0)
        peer_count++;
    snprintf(command, sizeof(command), "mkdir -p %s/callgrind", out);
    if (system(command))
        native_die("cannot make %s", out);
    results_begin(rounds, quick);
    for (size_t unit = 0; unit < UNITS; unit++) {
        if (figure_why_not(&units[unit], peers[0]))
            continue;
        fprintf(stderr, "  TIME   %s\n", units[unit].id);
        time_unit(unit, rounds, peer_count);
    }
    results_timed();
    fprintf(stderr, "  COUNT  under callgrind\n");
    count_all((unsigned)sysconf(_SC_NPROCESSORS_ONLN), peer_count);
    calibrate(peer_count);
    results_rows();
    snprintf(path, sizeof(path), "%s/results.json", out);
    results_json(path);
    snprintf(path, sizeof(path), "%s/report.md", out);
    report_write(path);
    report_print();
    printf("%s/results.json has every figure, %s the spreads and the reasons of dashes.\n", out, path);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    bool quick = false;

    program = argv[0];
    if (argc == 2 && strcmp(argv[1], "--check") == 0)
        return check();
    if (argc == 4 && strcmp(argv[1], "--time") == 0) {
        measure_time(unit_find(argv[2]), peer_find(argv[3]));
        fflush(stdout);
        _exit(0); /* the tasks are left as they are */
    }
    if (argc == 4 && strcmp(argv[1], "--count") == 0) {
        measure_count(unit_find(argv[2]), peer_find(argv[3]));
        fflush(stdout);
        _exit(0);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            out = argv[++i];
        else
            native_die("%s is not known", argv[i]);
    }
    if (!out)
        native_die("--out FOLDER is needed");
    return measure_all(quick);
}
