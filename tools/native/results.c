#include "results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct figure results[UNITS][PEERS_MOST][PHASES];

struct facts facts;
struct row rows[ROWS_MOST];
size_t row_count;

static const char *const meanings[][2] = {
    {"wake_poll", "a parked task is woken from outside any task, and resumed"},
    {"self_wake", "a task wakes itself and is resumed"},
    {"pingpong", "a round trip between two tasks: two wakes, two resumes"},
    {"spawn", "a task is created, runs and ends; its memory is static or pooled"},
    {"round_robin_10", "a wake and a resume, 10 tasks taking turns"},
    {"round_robin_10k", "the same with 10,000 tasks"},
    {"round_robin_1M", "the same with 1,000,000 tasks"},
    {"channel", "an item through a bounded channel of 64, from one task to another on one thread"},
    {"timer_10k",
     "one timer inserted, one cancelled and one expired, added; 10,000 are live, their deadlines uniform over 1 s"},
    {"timer_1M", "the same with 1,000,000 live"},
    {"cross_thread", "another host thread wakes the task and sees that it ran; both spin, each on its own CPU"},
};

/* ---- facts ---- */

/* The first line that a command prints. */
static void first_line(char text[TEXT_BYTES], const char *command)
{
    FILE *pipe = popen(command, "r");

    if (!pipe || !fgets(text, TEXT_BYTES, pipe))
        strcpy(text, "unknown");
    if (pipe)
        pclose(pipe);
    text[strcspn(text, "\n")] = '\0';
}

void results_begin(unsigned rounds, bool quick)
{
    facts.rounds = rounds;
    facts.quick = quick;
    first_line(facts.date, "date -u +%Y-%m-%d");
    first_line(facts.commit, "printf '%s%s' \"$(git rev-parse --short=12 HEAD)\" "
                             "\"$(git diff --quiet HEAD -- src tools Makefile || echo ' with changes')\"");
    first_line(facts.cpu, "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo");
    first_line(facts.cpus, "nproc");
    first_line(facts.kernel, "uname -sr");
    first_line(facts.gcc, "gcc --version");
    first_line(facts.valgrind, "valgrind --version");
    first_line(facts.load_before, "cut -d' ' -f1-3 /proc/loadavg");
}

void results_timed(void)
{
    first_line(facts.load_after, "cut -d' ' -f1-3 /proc/loadavg");
}

/* ---- rows ---- */

const char *figure_why_not(const struct unit *unit, const struct peer *peer)
{
    const char *why_not = unit_why_not(unit, peer);

    if (!why_not && facts.quick && unit->tasks > 10000)
        return "not in a quick run";
    if (!why_not && facts.quick && unit->tasks == 10000 && peer == &peer_pth)
        return "it takes a minute: not in a quick run";
    return why_not;
}

static void row_add(size_t unit, const char *infix, size_t phase, size_t phases)
{
    struct row *row = &rows[row_count++];
    const char *tail = strchr(units[unit].id, '_');

    *row = (struct row){.unit = unit, .phase = phase, .phases = phases};
    if (infix)
        snprintf(row->id, sizeof(row->id), "timer_%s%s", infix, tail);
    else
        snprintf(row->id, sizeof(row->id), "%s", units[unit].id);
}

void results_rows(void)
{
    for (size_t unit = 0; unit < UNITS; unit++) {
        if (facts.quick && units[unit].tasks > 10000)
            continue;
        row_add(unit, NULL, 0, units[unit].timers ? PHASES : 1);
        for (size_t phase = 0; units[unit].timers && phase < PHASES; phase++)
            row_add(unit, phase_names[phase], phase, 1);
    }
}

struct figure row_figure(const struct row *row, size_t peer)
{
    struct figure sum = {0};

    for (size_t i = 0; i < row->phases; i++) {
        const struct figure *figure = &results[row->unit][peer][row->phase + i];

        sum.instructions += figure->instructions;
        sum.ns.rounds = figure->ns.rounds;
        sum.ns.median += figure->ns.median;
        sum.ns.least += figure->ns.least;
        sum.ns.low += figure->ns.low;
        sum.ns.high += figure->ns.high;
    }
    return sum;
}

double row_ratio(const struct row *row, size_t peer, bool ns)
{
    struct figure own = row_figure(row, 0), theirs = row_figure(row, peer);

    return ns ? theirs.ns.median / own.ns.median : theirs.instructions / own.instructions;
}

const char *row_meaning(const struct row *row)
{
    static char text[TEXT_BYTES];

    if (units[row->unit].timers && row->phases == 1) {
        snprintf(text, sizeof(text), "of that, one timer's %s", phase_names[row->phase]);
        return text;
    }
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (strcmp(meanings[i][0], units[row->unit].id) == 0)
            return meanings[i][1];
    native_die("%s has no meaning", units[row->unit].id);
}

double cross_thread_floor_ns(void)
{
    size_t flag = 0;

    while (peers[flag] != &peer_flag)
        flag++;
    return results[UNITS - 1][flag][0].ns.median;
}

/* ---- results.json ---- */

static void json_figure(FILE *json, const struct row *row, size_t peer)
{
    struct figure figure = row_figure(row, peer);

    fprintf(json, "{\"instructions\":");
    if (figure.instructions > 0)
        fprintf(json, "%.2f,\"instructions_to_duet\":%.3f", figure.instructions, row_ratio(row, peer, false));
    else
        fprintf(json, "null");
    fprintf(json,
            ",\"ns\":{\"rounds\":%u,\"median\":%.2f,\"min\":%.2f,\"q1\":%.2f,\"q3\":%.2f,\"iqr\":%.2f},\"ns_to_duet\":%"
            ".3f}",
            figure.ns.rounds, figure.ns.median, figure.ns.least, figure.ns.low, figure.ns.high,
            figure.ns.high - figure.ns.low, row_ratio(row, peer, true));
}

static void json_facts(FILE *json)
{
    fprintf(json, "{\"date\":\"%s\",\"commit\":\"%s\",\"cpu\":\"%s\",\"cpus\":%s,\"kernel\":\"%s\",\"gcc\":\"%s\",",
            facts.date, facts.commit, facts.cpu, facts.cpus, facts.kernel, facts.gcc);
    fprintf(json, "\"valgrind\":\"%s\",\"load_before\":\"%s\",\"load_after\":\"%s\",\"rounds\":%u,", facts.valgrind,
            facts.load_before, facts.load_after, facts.rounds);
    fprintf(
        json,
        "\"units\":{\"instructions\":\"an operation, user space, callgrind: what n more operations added, over n\",");
    fprintf(json, "\"ns\":\"an operation, a clock round the loop, over the rounds; this host, not reproducible\",");
    fprintf(json,
            "\"task_bytes\":\"bytes of a parked task with 32 bytes of state, its stack included\"},\n\"peers\":[");
}

static void json_peers(FILE *json)
{
    for (size_t peer = 0; peer < COLUMNS; peer++)
        fprintf(json, "%s\n{\"id\":\"%s\",\"title\":\"%s\",\"version\":\"%s\",\"task_bytes\":%zu}", peer ? "," : "",
                peers[peer]->id, peers[peer]->title, peers[peer]->version(), peers[peer]->task_bytes());
}

static void json_rows(FILE *json)
{
    for (size_t i = 0; i < row_count; i++) {
        fprintf(json, "%s\n{\"id\":\"%s\",\"what\":\"%s\",\"peers\":{", i ? "," : "", rows[i].id,
                row_meaning(&rows[i]));
        for (size_t peer = 0; peer < COLUMNS; peer++) {
            const char *why_not = figure_why_not(&units[rows[i].unit], peers[peer]);

            fprintf(json, "%s\n \"%s\":", peer ? "," : "", peers[peer]->id);
            if (why_not)
                fprintf(json, "{\"why_not\":\"%s\"}", why_not);
            else
                json_figure(json, &rows[i], peer);
        }
        fprintf(json, "}}");
    }
}

void results_json(const char *path)
{
    FILE *json = fopen(path, "w");

    if (!json)
        native_die("cannot write %s", path);
    json_facts(json);
    json_peers(json);
    fprintf(json, "],\n\"operations\":[");
    json_rows(json);
    fprintf(json, "],\n\"floor\":{\"cross_thread_flag_ns\":%.2f}}\n", cross_thread_floor_ns());
    if (fclose(json))
        native_die("cannot write %s", path);
}
