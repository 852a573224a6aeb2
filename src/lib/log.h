/*
 * A log: a ring of fixed-size records that any context may write, whatever it interrupted, even another writer at any
 * instruction. No lock, no interrupts off, no allocation, no waiting; text is formatted straight into its slot.
 *
 * Records are numbered from 0 on, and record n belongs in slot n modulo the capacity. A writer claims the head's slot
 * by a compare-and-swap of the slot's state and then moves the head; who finds the slot claimed already for the head's
 * number moves the head for its owner, so a writer stopped anywhere holds nobody up. A full ring overwrites its oldest
 * record, unless that one is still being written: then the newcomer drops its own message and counts it. So
 *
 *      messages written = records read + lost (overwritten unread, or dropped)
 *
 * holds exactly for every reader. Reading takes nothing out of the ring: a reader is a cursor, and each has its own.
 *
 * Stamps never go backwards from a record to the next: each is taken between finding the head and claiming it.
 */
#ifndef DUET_LIB_LOG_H
#define DUET_LIB_LOG_H

#include <stdarg.h>
#include <stdatomic.h>

#include "lib/base.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum { LOG_NAME_BYTES = 14, LOG_TEXT_BYTES = 79 };

/* What a record says. Every text ends in a NUL, even while it is being written. */
struct log_line {
    uint64_t time_ns;
    uint32_t dropped; /* messages, since ever, when this one was claimed: places them among the records */
    uint8_t level;    /* enum log_level */
    char thread[LOG_NAME_BYTES];
    char task[LOG_NAME_BYTES];
    char text[LOG_TEXT_BYTES];
};

struct log_slot {
    _Atomic uint64_t state; /* (number + 1) * 4 + enum log_phase; 0: never used */
    struct log_line line;   /* its writer's alone until it is complete */
};
_Static_assert(sizeof(struct log_slot) == 128, "a record is two cache lines");

struct log {
    struct log_slot *slots;
    uint32_t capacity;        /* a power of two, at least 2. Set once */
    _Atomic uint32_t dropped; /* messages, since ever */
    _Atomic uint64_t head;    /* the number to claim next, unless it is claimed already */
};

/* For an array of slots, zero-initialised. */
#define LOG_INIT(array)                                  \
    {                                                    \
        .slots = (array), .capacity = ARRAY_SIZE(array), \
    }

/* ---- writing: any context ---------------------------------------------------------------------------------------- */

/*
 * Adds a record. The names are copied, and shortened to fit; NULL is none. Text longer than a slot ends in "...". A run
 * of control characters, newlines among them, becomes one blank inside the text and nothing at its ends: a record is
 * one line. False if the message was dropped.
 */
bool log_write(struct log *log, enum log_level level, const char *thread, const char *task, const char *format, ...)
    printf_like(5, 6);
bool log_write_va(struct log *log, enum log_level level, const char *thread, const char *task, const char *format,
                  va_list arguments) printf_like(5, 0);

/* The same in steps, for text that comes in pieces: log_begin(), unless it is false log_put() for each character, and
 * log_end(). A record begun blocks the ring a lap later until it is ended. */
struct log_writer {
    struct log_slot *slot;
    uint64_t number;
    uint8_t length;
    bool blank; /* control characters came: a blank, should another character follow */
    bool cut;
};
bool log_begin(struct log *log, struct log_writer *writer, enum log_level level, const char *thread,
               const char *task) must_check;
void log_put(void *writer, char c);
void log_end(struct log_writer *writer);

/* ---- reading: any context, each cursor in one at a time ---------------------------------------------------------- */

struct log_cursor {
    uint64_t next;    /* number of the record to read next */
    uint32_t dropped; /* messages accounted for */
};

enum log_status {
    LOG_READ,
    LOG_EMPTY,
    LOG_UNFINISHED, /* the next record is being written */
};

/*
 * Copies the next record out and moves on; its number is then cursor->next - 1. *lost says, in any case, how many
 * messages were lost since the last call, before this record. LOG_UNFINISHED leaves the cursor where it is and copies
 * what there is of the record so far: a reader that cannot wait for the rest, as its writer may never go on, moves on
 * by itself. A zero-initialised cursor begins with record 0.
 */
enum log_status log_read(struct log *log, struct log_cursor *cursor, struct log_line *line, uint64_t *lost) must_check;

/* A cursor at the last `count` records, or as many as there are. It knows of nothing lost before. */
struct log_cursor log_last(struct log *log, uint32_t count);

/* Records begun since ever. */
uint64_t log_count(struct log *log);

/* "[    1.234567] warning thread/task: text", with no newline. As format_text(). */
size_t log_line_format(char *buffer, size_t size, const struct log_line *line);

/* The level's name, as lines show it. */
const char *log_level_name(enum log_level level);

#endif
