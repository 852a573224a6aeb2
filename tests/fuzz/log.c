/* The log with writers that stop half way and readers that fall behind, against the list of all messages ever. */
#include "lib/log.h"

#include "fuzz.h"
#include "support.h"

enum { CAPACITY_MAX = 8, MESSAGES_MAX = 300, WRITERS = 4, CURSORS = 3, TEXT_MAX = 120 };

struct message {
    enum { BEGUN, COMPLETE } phase;
    uint64_t time_ns;
    uint32_t dropped; /* before it */
    enum log_level level;
    char thread[LOG_NAME_BYTES], task[LOG_NAME_BYTES];
    char text[TEXT_MAX]; /* as it came */
    size_t length;
};

static struct log_slot slots[CAPACITY_MAX];
static struct log subject;
static struct message messages[MESSAGES_MAX];
static uint64_t message_count;
static uint32_t dropped;

static struct {
    bool busy;
    struct log_writer writer;
    uint64_t number;
} writers[WRITERS];

static struct {
    struct log_cursor cursor;
    uint64_t read, lost, known; /* messages up to its beginning */
} readers[CURSORS];

/* ---- the reference ---- */

/* A message is dropped if its slot's last one is still being written. */
static bool expected_to_fit(void)
{
    return message_count < subject.capacity || messages[message_count - subject.capacity].phase == COMPLETE;
}

static void expected_text(const struct message *message, char to[LOG_TEXT_BYTES])
{
    char text[TEXT_MAX * 2];
    size_t length = 0;
    bool blank = false;

    for (size_t i = 0; i < message->length; i++) {
        uint8_t c = (uint8_t)message->text[i];

        if (c < ' ' || c == 0x7f) {
            blank = length > 0;
            continue;
        }
        if (blank)
            text[length++] = ' ';
        blank = false;
        text[length++] = (char)c;
    }
    text[length] = '\0';
    if (length >= LOG_TEXT_BYTES && message->phase == COMPLETE)
        strcpy(text + LOG_TEXT_BYTES - 4, "...");
    text[LOG_TEXT_BYTES - 1] = '\0';
    strcpy(to, text);
}

static void check_line(const struct message *message, const struct log_line *line)
{
    char text[LOG_TEXT_BYTES];

    expected_text(message, text);
    CHECK(line->time_ns == message->time_ns && line->dropped == message->dropped && line->level == message->level);
    CHECK(strcmp(line->thread, message->thread) == 0 && strcmp(line->task, message->task) == 0);
    CHECK(strcmp(line->text, text) == 0);
}

/* ---- operations ---- */

static void begin(unsigned w)
{
    static const char *const names[] = {NULL, "", "main", "a name of more than 14 bytes"};
    const char *thread = names[fuzz_below(4)], *task = names[fuzz_below(4)];
    enum log_level level = (enum log_level)fuzz_below(4);
    bool fits = expected_to_fit();

    support_clock_ns += fuzz_number() >> 8;
    CHECK(log_begin(&subject, &writers[w].writer, level, thread, task) == fits);
    if (!fits) {
        dropped++;
        return;
    }
    writers[w].busy = true;
    writers[w].number = message_count;
    messages[message_count] = (struct message){.time_ns = support_clock_ns, .dropped = dropped, .level = level};
    snprintf(messages[message_count].thread, LOG_NAME_BYTES, "%s", thread ? thread : "");
    snprintf(messages[message_count].task, LOG_NAME_BYTES, "%s", task ? task : "");
    message_count++;
    CHECK(log_count(&subject) == message_count);
}

static void put(unsigned w)
{
    struct message *message = &messages[writers[w].number];
    char text[16];
    size_t size = fuzz_bytes(text, fuzz_below(sizeof(text)));

    for (size_t i = 0; i < size && message->length < TEXT_MAX; i++) {
        message->text[message->length++] = text[i];
        log_put(&writers[w].writer, text[i]);
    }
}

static void end(unsigned w)
{
    log_end(&writers[w].writer);
    writers[w].busy = false;
    messages[writers[w].number].phase = COMPLETE;
}

/* At once, by a format. */
static void write_whole(void)
{
    bool fits = expected_to_fit();
    char text[LOG_TEXT_BYTES + 20] = "";
    struct message *message = &messages[message_count];

    fuzz_bytes(text, fuzz_below(sizeof(text) - 1));
    CHECK(log_write(&subject, LOG_INFO, "t", NULL, "%s", text) == fits);
    if (!fits) {
        dropped++;
        return;
    }
    *message = (struct message){.phase = COMPLETE, .time_ns = support_clock_ns, .dropped = dropped, .level = LOG_INFO};
    strcpy(message->thread, "t");
    strcpy(message->text, text);
    message->length = strlen(text);
    message_count++;
}

static void read(unsigned r)
{
    uint64_t next = readers[r].cursor.next, lost;
    uint64_t oldest = message_count > subject.capacity ? message_count - subject.capacity : 0;
    struct log_line line;
    enum log_status status = log_read(&subject, &readers[r].cursor, &line, &lost);
    char formatted[200];

    if (next < oldest)
        next = oldest;
    readers[r].lost += lost;
    if (next == message_count) {
        CHECK(status == LOG_EMPTY && readers[r].cursor.next == next);
        CHECK(readers[r].known + readers[r].read + readers[r].lost == message_count + dropped);
        return;
    }
    check_line(&messages[next], &line);
    if (messages[next].phase == COMPLETE) {
        readers[r].read++;
        CHECK(status == LOG_READ && readers[r].cursor.next == next + 1);
        CHECK(log_line_format(formatted, sizeof(formatted), &line) == strlen(formatted));
        CHECK(strstr(formatted, log_level_name(messages[next].level)) && strstr(formatted, line.text));
    } else {
        CHECK(status == LOG_UNFINISHED && readers[r].cursor.next == next);
        if (fuzz_below(2)) { /* does not wait for the rest */
            readers[r].cursor.next++;
            readers[r].read++;
        }
    }
}

static void join_late(unsigned r)
{
    uint32_t count = (uint32_t)fuzz_below(CAPACITY_MAX + 4);
    uint64_t most = count < subject.capacity ? count : subject.capacity;

    readers[r].cursor = log_last(&subject, count);
    CHECK(readers[r].cursor.next == (message_count > most ? message_count - most : 0));
    readers[r].known = readers[r].cursor.next + dropped;
    readers[r].read = readers[r].lost = 0;
}

static void operate(void)
{
    unsigned w = (unsigned)fuzz_below(WRITERS);

    switch (fuzz_below(8)) {
    case 0:
    case 1:
        write_whole();
        break;
    case 2:
        join_late(w % CURSORS);
        break;
    case 3:
    case 4:
        read(w % CURSORS);
        break;
    default:
        if (!writers[w].busy)
            begin(w);
        else if (fuzz_below(2))
            put(w);
        else
            end(w);
        break;
    }
}

void fuzz_one(void)
{
    memset(slots, 0, sizeof(slots));
    memset(writers, 0, sizeof(writers));
    memset(readers, 0, sizeof(readers));
    message_count = dropped = 0;
    subject = (struct log){.slots = slots, .capacity = UINT32_C(2) << fuzz_below(3)};
    while (fuzz_more() && message_count + 1 < MESSAGES_MAX)
        operate();
}
