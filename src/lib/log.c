/* Claiming, filling in and reading the slots of lib/log.h. */
#include "lib/log.h"

#include "lib/clock.h"
#include "lib/format.h"
#include "lib/mem.h"

/* How far a slot's record is. A later record's states are greater than all of an earlier one's. */
enum log_phase {
    PHASE_COMPLETE,
    PHASE_CLAIMED, /* what the slot holds is still of the record before */
    PHASE_BEGUN,   /* its text grows */
    PHASES = 4,
};

static uint64_t state_of(uint64_t number, enum log_phase phase)
{
    return (number + 1) * PHASES + phase;
}

static enum log_phase phase_of(uint64_t state)
{
    return state % PHASES;
}

static struct log_slot *slot_of(const struct log *log, uint64_t number)
{
    return &log->slots[number & (log->capacity - 1)];
}

/*
 * Each turn of the loop that does not return was lost to someone who claimed the head meanwhile. A state is never
 * repeated, so the compare-and-swap fails if anything at all happened to the slot since it was read.
 */
static bool claim(struct log *log, struct log_writer *writer, uint64_t *time_ns)
{
    for (;;) {
        uint64_t number = atomic_load(&log->head);
        struct log_slot *slot = slot_of(log, number);
        uint64_t state = atomic_load(&slot->state);

        if (state < state_of(number, PHASE_COMPLETE)) {
            if (phase_of(state) != PHASE_COMPLETE) {
                atomic_fetch_add(&log->dropped, 1);
                return false;
            }
            *time_ns = clock_now_ns();
            if (!atomic_compare_exchange_strong(&slot->state, &state, state_of(number, PHASE_CLAIMED)))
                continue;
            *writer = (struct log_writer){.slot = slot, .number = number};
            atomic_compare_exchange_strong(&log->head, &number, number + 1); /* else someone did it for us */
            return true;
        }
        atomic_compare_exchange_strong(&log->head, &number, number + 1); /* for its owner; fails if `number` is old */
    }
}

static void copy_name(char to[LOG_NAME_BYTES], const char *from)
{
    memset(to, 0, LOG_NAME_BYTES);
    for (size_t i = 0; from && i < LOG_NAME_BYTES - 1 && from[i]; i++)
        to[i] = from[i];
}

bool log_begin(struct log *log, struct log_writer *writer, enum log_level level, const char *thread, const char *task)
{
    struct log_line *line;
    uint64_t time_ns;

    if (!claim(log, writer, &time_ns))
        return false;
    atomic_thread_fence(
        memory_order_release); /* a reader that copies what follows sees the claim: pairs with log_read */
    line = &writer->slot->line;
    line->time_ns = time_ns;
    line->dropped = atomic_load(&log->dropped);
    line->level = (uint8_t)level;
    copy_name(line->thread, thread);
    copy_name(line->task, task);
    memset(line->text, 0, LOG_TEXT_BYTES);
    atomic_store_explicit(&writer->slot->state, state_of(writer->number, PHASE_BEGUN), memory_order_release);
    return true;
}

static void append(struct log_writer *writer, char c)
{
    if (writer->length == LOG_TEXT_BYTES - 1)
        writer->cut = true;
    else
        writer->slot->line.text[writer->length++] = c;
}

void log_put(void *context, char c)
{
    struct log_writer *writer = context;

    if ((unsigned char)c < ' ' || c == '\x7f') {
        writer->blank = true;
        return;
    }
    if (writer->blank && writer->length)
        append(writer, ' ');
    writer->blank = false;
    append(writer, c);
}

void log_end(struct log_writer *writer)
{
    static const char mark[] = "...";

    if (writer->cut)
        memcpy(&writer->slot->line.text[LOG_TEXT_BYTES - sizeof(mark)], mark, sizeof(mark));
    atomic_store_explicit(&writer->slot->state, state_of(writer->number, PHASE_COMPLETE),
                          memory_order_release); /* pairs with log_read */
}

bool log_write_va(struct log *log, enum log_level level, const char *thread, const char *task, const char *format,
                  va_list arguments)
{
    struct log_writer writer;

    if (!log_begin(log, &writer, level, thread, task))
        return false;
    format_sink_va(log_put, &writer, format, arguments);
    log_end(&writer);
    return true;
}

bool log_write(struct log *log, enum log_level level, const char *thread, const char *task, const char *format, ...)
{
    va_list arguments;
    bool written;

    va_start(arguments, format);
    written = log_write_va(log, level, thread, task, format, arguments);
    va_end(arguments);
    return written;
}

/* Accounts for the drops up to a count of them, which may be older than what was accounted for already. */
static uint64_t take_dropped(struct log_cursor *cursor, uint32_t dropped)
{
    int32_t more = (int32_t)(dropped - cursor->dropped);

    if (more <= 0)
        return 0;
    cursor->dropped = dropped;
    return (uint64_t)more;
}

/* The cursor's slot holds a later record already: moves on to the oldest one that the ring may still hold. The head may
 * not have been moved beyond that later record yet. Returns how many were passed over. */
static uint64_t skip_overwritten(struct log *log, struct log_cursor *cursor, uint64_t later)
{
    uint64_t head = atomic_load(&log->head);
    uint64_t oldest = (head > later ? head : later + 1) - log->capacity;
    uint64_t skipped = oldest - cursor->next;

    cursor->next = oldest;
    return skipped;
}

enum log_status log_read(struct log *log, struct log_cursor *cursor, struct log_line *line, uint64_t *lost)
{
    *lost = 0;
    for (;;) {
        struct log_slot *slot = slot_of(log, cursor->next);
        uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire); /* pairs with log_end, log_begin */

        if (state < state_of(cursor->next, PHASE_COMPLETE)) {
            *lost += take_dropped(cursor, atomic_load(&log->dropped));
            return LOG_EMPTY;
        }
        if (state >= state_of(cursor->next + 1, PHASE_COMPLETE)) {
            *lost += skip_overwritten(log, cursor, state / PHASES - 1);
            continue;
        }
        if (phase_of(state) == PHASE_CLAIMED)
            *line = (struct log_line){0};
        else
            *line = slot->line;
        atomic_thread_fence(memory_order_acquire); /* pairs with log_begin */
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) != state)
            continue; /* what was copied may be of two records */
        if (phase_of(state) != PHASE_COMPLETE)
            return LOG_UNFINISHED;
        *lost += take_dropped(cursor, line->dropped);
        cursor->next++;
        return LOG_READ;
    }
}

struct log_cursor log_last(struct log *log, uint32_t count)
{
    uint32_t dropped = atomic_load(&log->dropped);
    uint64_t head = atomic_load(&log->head);

    if (count > log->capacity)
        count = log->capacity;
    return (struct log_cursor){.next = head > count ? head - count : 0, .dropped = dropped};
}

uint64_t log_count(struct log *log)
{
    return atomic_load(&log->head);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    return names[level];
}

size_t log_line_format(char *buffer, size_t size, const struct log_line *line)
{
    uint64_t us = line->time_ns / 1000;

    return format_text(buffer, size, "[%5lu.%06lu] %-7s %s%s%s: %s", (unsigned long)(us / 1000000),
                       (unsigned long)(us % 1000000), log_level_name((enum log_level)line->level), line->thread,
                       *line->task ? "/" : "", line->task, line->text);
}
