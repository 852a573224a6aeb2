/* Each word is a name, and what stands behind its colons. */
#include "lib/workload.h"

#include "lib/mem.h"

enum { PART_BYTES = 16, TASK_NS_MAX = 100000000 };

bool workload_number(const char *text, unsigned maximum, unsigned *number)
{
    unsigned value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > maximum)
            return false;
    }
    if (value == 0)
        return false;
    *number = value;
    return true;
}

/* Copies what stands before the next colon, or the end, and returns what is behind it: NULL if nothing is, or if it is
 * too long to be anything known, and then the part is empty. */
static const char *take_part(const char *text, char part[PART_BYTES])
{
    size_t length = 0;

    while (text[length] && text[length] != ':')
        length++;
    if (length >= PART_BYTES) {
        part[0] = '\0';
        return NULL;
    }
    memcpy(part, text, length);
    part[length] = '\0';
    return text[length] ? text + length + 1 : NULL;
}

static bool parse_duration(char *text, uint64_t *duration_ns)
{
    size_t length = string_length(text);
    uint64_t unit_ns;
    unsigned count;

    if (length < 3 || text[length - 1] != 's')
        return false;
    unit_ns = text[length - 2] == 'u' ? 1000 : text[length - 2] == 'm' ? 1000000 : 0;
    text[length - 2] = '\0';
    if (!unit_ns || !workload_number(text, TASK_NS_MAX / 1000, &count))
        return false;
    *duration_ns = count * unit_ns;
    return *duration_ns <= TASK_NS_MAX;
}

static bool parse_priority(const char *text, enum load_priority *priority)
{
    if (string_equal(text, "lower"))
        *priority = LOAD_LOWER;
    else if (string_equal(text, "higher"))
        *priority = LOAD_HIGHER;
    else
        return string_equal(text, "equal");
    return true;
}

static bool parse_counted(struct load *load, const char *text)
{
    char part[PART_BYTES];
    const char *rest = take_part(text, part);

    if (load->kind == LOAD_READY)
        return workload_number(part, 1000, &load->count) && !rest;
    if (load->kind == LOAD_THREADS)
        return workload_number(part, 16, &load->count) && (!rest || parse_priority(rest, &load->priority));
    load->yields = rest != NULL;
    return parse_duration(part, &load->duration_ns) && (!rest || string_equal(rest, "yield"));
}

bool load_parse(const char *text, struct load *load)
{
    static const struct {
        const char *name;
        enum load_kind kind;
        bool counted;
    } kinds[] = {{"idle", LOAD_IDLE, false},  {"threads", LOAD_THREADS, true},   {"tasks", LOAD_TASKS, true},
                 {"ready", LOAD_READY, true}, {"print", LOAD_PRINT, false},      {"alloc", LOAD_ALLOC, false},
                 {"both", LOAD_BOTH, false},  {"irqstorm", LOAD_IRQSTORM, false}};
    char name[PART_BYTES];
    const char *rest = take_part(text, name);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct load parsed = {.kind = kinds[i].kind};

        if (!string_equal(name, kinds[i].name) || kinds[i].counted != (rest != NULL))
            continue;
        if (rest && !parse_counted(&parsed, rest))
            return false;
        *load = parsed;
        return true;
    }
    return false;
}

bool arrival_parse(const char *text, struct arrival *arrival)
{
    struct arrival parsed = {.kind = ARRIVAL_JITTER};
    bool valid = true;

    if (string_starts(text, "burst:")) {
        parsed.kind = ARRIVAL_BURST;
        valid = workload_number(text + 6, 16, &parsed.bytes) && parsed.bytes > 1;
    } else if (string_equal(text, "periodic")) {
        parsed.kind = ARRIVAL_PERIODIC;
    } else if (string_equal(text, "back-to-back")) {
        parsed.kind = ARRIVAL_BACK;
    } else {
        valid = string_equal(text, "jitter");
    }
    if (valid)
        *arrival = parsed;
    return valid;
}
