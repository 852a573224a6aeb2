/*
 * The log against a naive list of everything ever written, with writers interrupted at every instruction by one and by
 * two others, laps included, and from several threads at once. What must hold throughout: written = read + lost.
 */
#include "lib/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "machine.h"
#include "support.h"

enum { CAPACITY = 4, CAPACITY_MAX = 64 };

static struct log_slot slots[CAPACITY_MAX];
static struct log messages;

static void start(uint32_t capacity)
{
    memset(slots, 0, sizeof(slots));
    messages = (struct log){.slots = slots, .capacity = capacity};
}

static bool note(const char *text)
{
    return log_write(&messages, LOG_INFO, "thread", NULL, "%s", text);
}

/* ---- one writer, one reader -------------------------------------------------------------------------------------- */

static struct log_line line;
static uint64_t lost;

static void must_read(struct log_cursor *cursor, const char *text, uint64_t lost_before)
{
    cr_assert_eq(log_read(&messages, cursor, &line, &lost), LOG_READ);
    cr_assert_str_eq(line.text, text);
    cr_assert_eq(lost, lost_before);
}

static void must_find(struct log_cursor *cursor, enum log_status status, uint64_t lost_before)
{
    cr_assert_eq(log_read(&messages, cursor, &line, &lost), status);
    cr_assert_eq(lost, lost_before);
}

Test(log, is_empty_when_zeroed)
{
    struct log_cursor cursor = {0};

    start(CAPACITY);
    cr_assert_eq(log_count(&messages), 0);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, keeps_what_was_said_when_by_whom)
{
    struct log_cursor cursor = {0};

    start(CAPACITY);
    support_clock_ns = 1234567891;
    cr_assert(log_write(&messages, LOG_WARNING, "boot", "keyboard", "%s is %d", "this", 5));
    support_clock_ns = 7;
    cr_assert(log_write(&messages, LOG_DEBUG, NULL, NULL, "that"));
    must_read(&cursor, "this is 5", 0);
    cr_assert_eq(line.time_ns, 1234567891);
    cr_assert_eq(line.level, LOG_WARNING);
    cr_assert_str_eq(line.thread, "boot");
    cr_assert_str_eq(line.task, "keyboard");
    must_read(&cursor, "that", 0);
    cr_assert_eq(line.time_ns, 7);
    cr_assert_eq(line.level, LOG_DEBUG);
    cr_assert_str_eq(line.thread, "");
    cr_assert_str_eq(line.task, "");
    must_find(&cursor, LOG_EMPTY, 0);
    cr_assert_eq(cursor.next, 2);
}

Test(log, shortens_long_names)
{
    struct log_cursor cursor = {0};

    start(CAPACITY);
    log_write(&messages, LOG_INFO, "thirteen-long", "fourteen--long", "x");
    must_read(&cursor, "x", 0);
    cr_assert_str_eq(line.thread, "thirteen-long");
    cr_assert_str_eq(line.task, "fourteen--lon");
}

Test(log, cuts_long_text_and_marks_it)
{
    char text[LOG_TEXT_BYTES + 20];
    struct log_cursor cursor = {0};

    for (size_t length = LOG_TEXT_BYTES - 3; length < sizeof(text); length++) {
        start(CAPACITY);
        cursor = (struct log_cursor){0};
        for (size_t i = 0; i < length; i++)
            text[i] = (char)('a' + i % 26);
        text[length] = '\0';
        note(text);
        cr_assert_eq(log_read(&messages, &cursor, &line, &lost), LOG_READ);
        if (length < LOG_TEXT_BYTES) {
            cr_assert_str_eq(line.text, text);
            continue;
        }
        cr_assert_eq(strlen(line.text), LOG_TEXT_BYTES - 1);
        cr_assert_eq(memcmp(line.text, text, LOG_TEXT_BYTES - 4), 0);
        cr_assert_str_eq(line.text + LOG_TEXT_BYTES - 4, "...");
    }
}

Test(log, makes_one_line_of_several)
{
    static const char *const pairs[][2] = {
        {"end\n", "end"},
        {"end\r\n", "end"},
        {"\n\nbegin", "begin"},
        {"one\ntwo\n\nthree\n", "one two three"},
        {"tab\tand\x7f!", "tab and !"},
        {"\x1b[31mred", "[31mred"},
        {"\n", ""},
        {"", ""},
        {"a b  c ", "a b  c "},
        {"\xe9t\xe9", "\xe9t\xe9"},
    };
    struct log_cursor cursor = {0};

    start(CAPACITY);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        note(pairs[i][0]);
        must_read(&cursor, pairs[i][1], 0);
    }
}

Test(log, does_not_call_cut_what_only_a_newline_is_cut_from)
{
    char text[LOG_TEXT_BYTES + 1];
    struct log_cursor cursor = {0};

    start(CAPACITY);
    memset(text, 'x', sizeof(text));
    strcpy(text + LOG_TEXT_BYTES - 1, "\n");
    note(text);
    text[LOG_TEXT_BYTES - 1] = '\0';
    must_read(&cursor, text, 0);
}

Test(log, overwrites_the_oldest_and_counts_them_for_each_reader)
{
    struct log_cursor early = {0}, late = {0};
    char text[8];

    start(CAPACITY);
    note("0");
    must_read(&early, "0", 0);
    for (unsigned i = 1; i < 10; i++) {
        snprintf(text, sizeof(text), "%u", i);
        cr_assert(note(text));
    }
    must_read(&early, "6", 5);
    must_read(&early, "7", 0);
    must_read(&early, "8", 0);
    must_read(&early, "9", 0);
    must_find(&early, LOG_EMPTY, 0);
    must_read(&late, "6", 6);
}

Test(log, drops_what_would_overwrite_an_unfinished_record_and_says_where)
{
    struct log_cursor cursor = {0};
    struct log_writer writer;

    start(CAPACITY);
    note("0");
    cr_assert(log_begin(&messages, &writer, LOG_INFO, "slow", NULL));
    note("2");
    note("3");
    note("4"); /* overwrites 0 */
    cr_assert_not(note("dropped"));
    cr_assert_not(note("dropped"));
    must_find(&cursor, LOG_UNFINISHED, 1);
    cr_assert_eq(cursor.next, 1);
    log_put(&writer, '1');
    log_end(&writer);
    note("5"); /* overwrites 1 */
    must_read(&cursor, "2", 1);
    must_read(&cursor, "3", 0);
    must_read(&cursor, "4", 0);
    must_read(&cursor, "5", 2);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, counts_drops_when_nothing_follows_them)
{
    struct log_cursor cursor = {0};
    struct log_writer writer;

    start(2);
    cr_assert(log_begin(&messages, &writer, LOG_INFO, NULL, NULL));
    note("1");
    cr_assert_not(note("dropped"));
    must_find(&cursor, LOG_UNFINISHED, 0);
    log_end(&writer);
    must_read(&cursor, "", 0);
    must_read(&cursor, "1", 0);
    must_find(&cursor, LOG_EMPTY, 1);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, shows_an_unfinished_record_as_far_as_it_is_and_lets_a_reader_pass_it)
{
    struct log_cursor cursor = {0};
    struct log_writer writer;

    start(CAPACITY);
    for (unsigned i = 0; i < CAPACITY; i++)
        note("an old and longer text");
    cursor = log_last(&messages, 0);
    cr_assert(log_begin(&messages, &writer, LOG_ERROR, "slow", "task"));
    note("after");
    must_find(&cursor, LOG_UNFINISHED, 0);
    cr_assert_str_eq(line.text, "");
    cr_assert_str_eq(line.thread, "slow");
    log_put(&writer, 'a');
    log_put(&writer, 'b');
    must_find(&cursor, LOG_UNFINISHED, 0);
    cr_assert_str_eq(line.text, "ab");
    cr_assert_eq(line.level, LOG_ERROR);
    cursor.next++;
    must_read(&cursor, "after", 0);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, gives_the_last_ones_whatever_others_have_read)
{
    struct log_cursor cursor;
    char text[8];

    start(CAPACITY);
    cursor = log_last(&messages, 3);
    must_find(&cursor, LOG_EMPTY, 0);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "%u", i);
        note(text);
        cursor = log_last(&messages, 2);
        if (i)
            cr_assert_eq(cursor.next, i - 1);
        cr_assert_eq(log_read(&messages, &cursor, &line, &lost), LOG_READ);
    }
    cursor = log_last(&messages, 100);
    must_read(&cursor, "6", 0);
    cursor = log_last(&messages, 1);
    must_read(&cursor, "9", 0);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, knows_nothing_of_drops_before_the_last_ones)
{
    struct log_cursor cursor;
    struct log_writer writer;

    start(2);
    cr_assert(log_begin(&messages, &writer, LOG_INFO, NULL, NULL));
    note("1");
    note("dropped");
    log_end(&writer);
    note("2");
    cursor = log_last(&messages, 1);
    must_read(&cursor, "2", 0);
    must_find(&cursor, LOG_EMPTY, 0);
}

Test(log, shows_a_line_in_columns)
{
    struct log_line shown = {
        .time_ns = 1234567891, .level = LOG_WARNING, .thread = "boot", .task = "t", .text = "text"};
    char text[160];

    cr_assert_eq(log_line_format(text, sizeof(text), &shown), strlen("[    1.234567] warning boot/t: text"));
    cr_assert_str_eq(text, "[    1.234567] warning boot/t: text");
    shown = (struct log_line){.time_ns = 99999000000999, .level = LOG_INFO, .thread = "a", .text = "b"};
    log_line_format(text, sizeof(text), &shown);
    cr_assert_str_eq(text, "[99999.000000] info    a: b");
    cr_assert_str_eq(log_level_name(LOG_ERROR), "error");
    cr_assert_str_eq(log_level_name(LOG_DEBUG), "debug");
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { MODEL_MAX = 60000, WRITERS = 5 };

/* Everything ever written, in order; nothing is ever overwritten here. */
static struct {
    struct model_record {
        uint32_t id;      /* what its text says */
        uint32_t dropped; /* before it */
        bool finished;
    } records[MODEL_MAX];
    uint64_t count;
    uint32_t dropped;
} model;

static bool model_refuses(void)
{
    return model.count >= messages.capacity && !model.records[model.count - messages.capacity].finished;
}

struct model_cursor {
    uint64_t next;
    uint32_t dropped;
};

static enum log_status model_read(struct model_cursor *cursor, uint32_t *id, uint64_t *model_lost)
{
    uint64_t oldest = model.count > messages.capacity ? model.count - messages.capacity : 0;
    uint32_t dropped = model.dropped;
    enum log_status status = LOG_EMPTY;

    *model_lost = 0;
    if (cursor->next < oldest) {
        *model_lost = oldest - cursor->next;
        cursor->next = oldest;
    }
    if (cursor->next < model.count) {
        if (!model.records[cursor->next].finished)
            return LOG_UNFINISHED;
        *id = model.records[cursor->next].id;
        dropped = model.records[cursor->next++].dropped;
        status = LOG_READ;
    }
    *model_lost += dropped - cursor->dropped;
    cursor->dropped = dropped;
    return status;
}

static void put_text(struct log_writer *writer, const char *text)
{
    for (; *text; text++)
        log_put(writer, *text);
}

/* A writer is suspended in the middle of its record as often as not, and others go on. */
Test(log, does_what_a_list_would_with_writers_suspended_in_their_records)
{
    struct log_writer writers[WRITERS];
    bool writing[WRITERS] = {false};
    struct log_cursor cursor = {0};
    struct model_cursor model_cursor = {0};
    uint64_t seed = 5, attempts = 0, read = 0, lost_all = 0;

    for (uint32_t capacity = 2; capacity <= CAPACITY_MAX; capacity *= 2) {
        start(capacity);
        memset(&model, 0, sizeof(model));
        memset(writing, 0, sizeof(writing));
        cursor = (struct log_cursor){0};
        model_cursor = (struct model_cursor){0};
        attempts = read = lost_all = 0;
        for (unsigned round = 0; round < 50000 || cursor.next < model.count; round++) {
            uint64_t random = support_random(&seed) >> 20;
            unsigned i = random % WRITERS;
            bool finish = round >= 50000 || random >> 8 & 1;
            char text[16];

            if (random >> 10 & 3 || round >= 50000) { /* write more than is read */
                snprintf(text, sizeof(text), "%lu", attempts);
                if (writing[i] && finish) {
                    log_end(&writers[i]);
                    model.records[writers[i].number].finished = true;
                    writing[i] = false;
                } else if (!writing[i] && round < 50000) {
                    bool refused = model_refuses();

                    attempts++;
                    writing[i] = log_begin(&messages, &writers[i], LOG_INFO, NULL, NULL);
                    cr_assert_eq(writing[i], !refused);
                    if (refused) {
                        model.dropped++;
                    } else {
                        cr_assert_eq(writers[i].number, model.count);
                        model.records[model.count++] = (struct model_record){(uint32_t)attempts - 1, model.dropped,
                                                                             false};
                        put_text(&writers[i], text);
                    }
                }
            }
            if (!(random >> 12 & 3)) {
                uint64_t model_lost;
                uint32_t id = 0;
                enum log_status status = model_read(&model_cursor, &id, &model_lost);

                cr_assert_eq(log_read(&messages, &cursor, &line, &lost), status);
                cr_assert_eq(lost, model_lost);
                cr_assert_eq(cursor.next, model_cursor.next);
                if (status == LOG_READ) {
                    snprintf(text, sizeof(text), "%u", id);
                    cr_assert_str_eq(line.text, text);
                }
                read += status == LOG_READ;
                lost_all += lost;
            }
        }
        cr_assert_eq(log_read(&messages, &cursor, &line, &lost), LOG_EMPTY);
        lost_all += lost;
        cr_assert_eq(read + lost_all, attempts);
        cr_assert_gt(read, 1000);
        cr_assert_geq(lost_all, capacity < 32 ? 1000 : 0);
        cr_assert_geq(model.dropped, capacity == 2 ? 100 : 0);
    }
}

/* ---- interrupted at every instruction ---------------------------------------------------------------------------- */

/*
 * Messages carry their number, twice, so that half of one and half of another is noticed. The clock moves with each
 * reading: equal stamps, and stamps out of order, are noticed too.
 */
static atomic_uint written; /* attempts */
static unsigned seen[64];
static unsigned read_in_all, lost_in_all;
static uint64_t last_ns;
static struct log_cursor reader;

static void write_next(void)
{
    unsigned id = atomic_fetch_add(&written, 1);

    log_write(&messages, LOG_INFO, "w", NULL, "%u %u", id, id);
}

static void begin_interrupted(uint32_t capacity)
{
    start(capacity);
    memset(seen, 0, sizeof(seen));
    atomic_store(&written, 0);
    read_in_all = lost_in_all = 0;
    last_ns = 0;
    support_clock_ns = 1;
    support_clock_step_ns = 1;
    reader = (struct log_cursor){0};
}

static enum log_status read_next(void)
{
    unsigned first, second;
    enum log_status status = log_read(&messages, &reader, &line, &lost);

    cr_assert_leq(lost, written, "%s", machine_place());
    lost_in_all += (unsigned)lost;
    if (status == LOG_UNFINISHED)
        cr_assert(line.time_ns == 0 || line.time_ns > last_ns, "shows the record before, %s", machine_place());
    if (status != LOG_READ)
        return status;
    cr_assert_eq(sscanf(line.text, "%u %u", &first, &second), 2, "'%s', %s", line.text, machine_place());
    cr_assert(first == second && first < written, "'%s', %s", line.text, machine_place());
    cr_assert_eq(seen[first]++, 0, "%u read twice, %s", first, machine_place());
    cr_assert_str_eq(line.thread, "w");
    cr_assert_gt(line.time_ns, last_ns, "stamps go backwards, %s", machine_place());
    last_ns = line.time_ns;
    read_in_all++;
    return LOG_READ;
}

static void check_the_rest(void)
{
    while (read_next() == LOG_READ)
        ;
    cr_assert_eq(read_next(), LOG_EMPTY, "%s", machine_place());
    cr_assert_eq(read_in_all + lost_in_all, written, "%u read, %u lost of %u, %s", read_in_all, lost_in_all, written,
                 machine_place());
    cr_assert_eq(log_count(&messages) + messages.dropped, written, "%s", machine_place());
}

static unsigned handler_writes;
static uint32_t explored_capacity;

static void write_some(void)
{
    for (unsigned i = 0; i < handler_writes; i++)
        write_next();
}

static void write_and_read(void)
{
    write_some();
    while (read_next() == LOG_READ)
        ;
}

static void two_writes(void)
{
    begin_interrupted(explored_capacity);
    for (unsigned i = 0; i < explored_capacity; i++)
        write_next();
    machine_window_open();
    write_next();
    write_next();
    machine_window_close();
    check_the_rest();
    cr_assert_geq(read_in_all, explored_capacity - 1);
}

/* 1: between the records; 2 and more: laps, over the writer too. */
Test(log, loses_nothing_uncounted_to_a_writer_at_any_instruction_of_a_writer, .timeout = 120)
{
    for (explored_capacity = 2; explored_capacity <= 4; explored_capacity *= 2) {
        for (handler_writes = 1; handler_writes <= 5; handler_writes += 2)
            cr_assert_gt(machine_explore(two_writes, write_some), 300);
    }
}

Test(log, keeps_a_reader_right_at_any_instruction_of_a_writer, .timeout = 120)
{
    explored_capacity = 4;
    for (handler_writes = 0; handler_writes <= 4; handler_writes += 2)
        cr_assert_gt(machine_explore(two_writes, write_and_read), 300);
}

static void four_reads(void)
{
    struct {
        struct log_line line;
        uint64_t lost;
        enum log_status status;
    } got[4];

    begin_interrupted(explored_capacity);
    for (unsigned i = 0; i < explored_capacity; i++)
        write_next();
    machine_window_open();
    for (unsigned i = 0; i < ARRAY_SIZE(got); i++)
        got[i].status = log_read(&messages, &reader, &got[i].line, &got[i].lost);
    machine_window_close();
    for (unsigned i = 0; i < ARRAY_SIZE(got); i++) {
        unsigned first, second;

        cr_assert_leq(got[i].lost, written, "%s", machine_place());
        lost_in_all += (unsigned)got[i].lost;
        if (got[i].status != LOG_READ)
            continue;
        read_in_all++;
        cr_assert_eq(sscanf(got[i].line.text, "%u %u", &first, &second), 2, "'%s'", got[i].line.text);
        cr_assert(first == second && seen[first]++ == 0, "'%s', %s", got[i].line.text, machine_place());
        cr_assert_gt(got[i].line.time_ns, last_ns, "%s", machine_place());
        last_ns = got[i].line.time_ns;
    }
    check_the_rest();
}

Test(log, gives_a_reader_no_half_record_when_written_at_any_instruction_of_reading, .timeout = 120)
{
    for (explored_capacity = 2; explored_capacity <= 4; explored_capacity *= 2)
        for (handler_writes = 1; handler_writes <= 9; handler_writes += 4)
            cr_assert_gt(machine_explore(four_reads, write_some), 100);
}

/*
 * Three writers: the second interrupts the first and is itself interrupted by the third. machine_explore() chooses the
 * first one's instruction; it has nothing to trap meanwhile, so the trap is borrowed for the second's. The second's
 * instructions are recorded beforehand, on each way through the code: undisturbed, helping the head on, and dropping.
 */
enum { TRAP_FLAG = 0x100, INT3 = 0xcc, PAGE_BYTES = 4096, NESTED_PLACES_MAX = 4096 };

static struct {
    struct {
        uintptr_t ip;
        unsigned passes; /* of this instruction, before */
    } places[NESTED_PLACES_MAX];
    unsigned count;
    unsigned recorded_from; /* the places of this way begin here */

    unsigned place;
    unsigned passes;     /* to be let by */
    uint8_t *breakpoint; /* NULL: none */
    uint8_t covered;
    unsigned fired;
} nested;

extern const char __executable_start[], etext[];

/* As write_next(), and without the long way through the formatter. */
static void write_short(void)
{
    unsigned id = atomic_fetch_add(&written, 1);
    struct log_writer writer;

    if (!log_begin(&messages, &writer, LOG_INFO, "w", NULL))
        return;
    for (unsigned i = 0; i < 3; i++)
        log_put(&writer, i == 1 ? ' ' : (char)('0' + id));
    log_end(&writer);
}

static void write_some_short(void)
{
    for (unsigned i = 0; i < handler_writes; i++)
        write_short();
}

static void trap(bool on)
{
    if (on)
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                         :
                         : "i"(TRAP_FLAG)
                         : "cc", "memory");
    else
        __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq %0, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                         :
                         : "i"(~TRAP_FLAG)
                         : "cc", "memory");
}

static void record_place(int signal, siginfo_t *information, void *context)
{
    uintptr_t ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    unsigned passes = 0;

    (void)signal;
    (void)information;
    if (ip < (uintptr_t)__executable_start || ip >= (uintptr_t)etext)
        return;
    for (unsigned i = nested.recorded_from; i < nested.count; i++)
        passes += nested.places[i].ip == ip;
    cr_assert_lt(nested.count, NESTED_PLACES_MAX);
    nested.places[nested.count].ip = ip;
    nested.places[nested.count++].passes = passes;
}

/* Drops the places of this way that an earlier one has too. */
static void forget_known_places(void)
{
    unsigned from = nested.recorded_from, end = nested.count;

    nested.count = from;
    for (unsigned i = from; i < end; i++) {
        bool known = false;

        for (unsigned k = 0; k < from && !known; k++)
            known = nested.places[k].ip == nested.places[i].ip && nested.places[k].passes == nested.places[i].passes;
        if (!known)
            nested.places[nested.count++] = nested.places[i];
    }
}

static void record_way(void)
{
    struct sigaction mine = {.sa_sigaction = record_place, .sa_flags = SA_SIGINFO}, theirs;

    nested.recorded_from = nested.count;
    sigaction(SIGTRAP, &mine, &theirs);
    trap(true);
    write_short();
    trap(false);
    sigaction(SIGTRAP, &theirs, NULL);
    forget_known_places();
}

static void record_ways(void)
{
    struct log_writer writer;

    nested.count = 0;
    begin_interrupted(2);
    record_way();
    begin_interrupted(2);
    cr_assert(log_begin(&messages, &writer, LOG_INFO, "w", NULL));
    messages.head = 0; /* as if its owner had been interrupted just before moving it */
    record_way();
    cr_assert_eq(messages.head, 2);
    record_way();
    cr_assert_eq(messages.dropped, 1);
}

static void nested_breakpoint_set(void)
{
    nested.breakpoint = (uint8_t *)nested.places[nested.place].ip;
    nested.covered = *nested.breakpoint;
    *(volatile uint8_t *)nested.breakpoint = INT3;
}

static void nested_breakpoint_clear(void)
{
    *(volatile uint8_t *)nested.breakpoint = nested.covered;
    nested.breakpoint = NULL;
}

static void nested_trapped(int signal, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)signal;
    (void)information;
    if (!nested.breakpoint) { /* stepped over it */
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        nested_breakpoint_set();
        return;
    }
    nested_breakpoint_clear();
    registers[REG_RIP]--;
    if (nested.passes) {
        nested.passes--;
        registers[REG_EFL] |= TRAP_FLAG;
        return;
    }
    nested.fired++;
    write_some_short();
}

/* The second writer. Where the first was stopped may make it go another way than through this place. */
static void write_interrupted(void)
{
    struct sigaction mine = {.sa_sigaction = nested_trapped, .sa_flags = SA_SIGINFO}, theirs;

    nested.passes = nested.places[nested.place].passes;
    sigaction(SIGTRAP, &mine, &theirs);
    nested_breakpoint_set();
    write_short();
    trap(false); /* the last step was over the place */
    if (nested.breakpoint)
        nested_breakpoint_clear();
    sigaction(SIGTRAP, &theirs, NULL);
}

static void one_write(void)
{
    begin_interrupted(explored_capacity);
    write_short();
    machine_window_open();
    write_short();
    machine_window_close();
    check_the_rest();
}

static void code_make_writable(void)
{
    uintptr_t lowest = UINTPTR_MAX, highest = 0;

    for (unsigned i = 0; i < nested.count; i++) {
        lowest = nested.places[i].ip < lowest ? nested.places[i].ip : lowest;
        highest = nested.places[i].ip > highest ? nested.places[i].ip : highest;
    }
    lowest &= ~(uintptr_t)(PAGE_BYTES - 1);
    cr_assert_eq(mprotect((void *)lowest, highest + 1 - lowest, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
}

/* At every instruction of the first flow, and at one in `stride` of the second's. */
static void two_nested(void (*first)(void), unsigned from, unsigned stride)
{
    unsigned tried = 0;

    nested.fired = 0;
    for (nested.place = from; nested.place < nested.count; nested.place += stride) {
        machine_start(SCHED_QUANTUM_NS);
        tried += machine_explore(first, write_interrupted);
    }
    cr_assert_gt(nested.fired, tried / 3, "%u of %u", nested.fired, tried);
}

Test(log, loses_nothing_uncounted_to_two_nested_writers, .timeout = 300)
{
    record_ways();
    code_make_writable();
    explored_capacity = 2;
    handler_writes = 1;
    two_nested(one_write, 0, 16);
    handler_writes = 3;
    two_nested(one_write, 3, 16);
    explored_capacity = 4;
    two_nested(one_write, 6, 16);
}

Test(log, keeps_a_reader_right_whatever_two_nested_writers_do, .timeout = 300)
{
    record_ways();
    code_make_writable();
    explored_capacity = 2;
    handler_writes = 3;
    two_nested(four_reads, 1, 16);
}

/* ---- threads at once --------------------------------------------------------------------------------------------- */

enum { THREADS = 3, MESSAGES = 20000 };

static void *write_many(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < MESSAGES; i++)
        log_write(&messages, LOG_INFO, NULL, NULL, "%u %u %u", self, i, self ^ i);
    return NULL;
}

Test(log, loses_nothing_uncounted_between_threads_of_several_cpus, .timeout = 60)
{
    pthread_t threads[THREADS];
    unsigned next[THREADS] = {0};
    uint64_t read = 0, lost_all = 0;
    enum log_status status;
    bool ended = false, last;

    start(16);
    reader = (struct log_cursor){0};
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_many, (void *)(uintptr_t)i), 0);
    do {
        unsigned self, i, check;

        last = ended;
        status = log_read(&messages, &reader, &line, &lost);
        lost_all += lost;
        if (status == LOG_READ) {
            read++;
            cr_assert_eq(sscanf(line.text, "%u %u %u", &self, &i, &check), 3, "'%s'", line.text);
            cr_assert(self < THREADS && check == (self ^ i), "'%s'", line.text);
            cr_assert_geq(i, next[self], "of thread %u, %u came late", self, i);
            next[self] = i + 1;
        } else if (!ended && read + lost_all > THREADS * MESSAGES / 2) {
            for (i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
            ended = true;
        }
    } while (status == LOG_READ || !last);
    cr_assert_eq(status, LOG_EMPTY);
    cr_assert_eq(read + lost_all, THREADS * MESSAGES);
}
