/* Threads that wait for each other in every way until they are cancelled, timers by the thousand, a log that is written
 * to from everywhere, and processes that are killed wherever they are. */
#include "kernel/kmalloc.h"
#include "kernel/process.h"
#include "kernel/programs.h"
#include "kernel/soak.h"
#include "kernel/suites/support.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "thread/arch.h"
#include "thread/condvar.h"
#include "thread/event.h"
#include "thread/message_queue.h"
#include "thread/rwlock.h"
#include "thread/semaphore.h"

enum {
    LIVES = 24,
    TURNS_MAX = 60,
    MESSAGES = 8,
    BLOCK_MAX = 3000,
    TIMERS = 2048,
    TIMERS_AT_ONCE = 64,
    LINES = 64,
    PROCESSES = 8,
    PRIORITY_REAPER = 17,
    PATIENCE_NS = 3 * MS,
};

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static struct shared {
    struct semaphore semaphore;
    struct event event;
    struct mutex mutex;
    struct condvar condvar;
    struct rwlock rwlock;
    struct message_queue queue;
    uint64_t messages[MESSAGES];
    const struct thread *owner;      /* of the mutex */
    uint64_t written, written_again; /* under the rwlock: alike */
    _Atomic uint64_t sum_sent, sum_received;
} shared;

static void lives_begin(void)
{
    shared = (struct shared){.owner = NULL};
    semaphore_init(&shared.semaphore, 0);
    event_init(&shared.event, true);
    mutex_init(&shared.mutex);
    condvar_init(&shared.condvar);
    rwlock_init(&shared.rwlock);
    message_queue_init(&shared.queue, shared.messages, sizeof(shared.messages[0]), MESSAGES);
}

static uint64_t soon(uint64_t *row)
{
    return clock_now_ns() + soak_below(row, PATIENCE_NS);
}

static void count_wait(enum status status)
{
    soak_count(status == STATUS_OK ? SOAK_WAITS_ENDED : SOAK_WAITS_TIMED_OUT);
}

static void use_mutex(uint64_t *row)
{
    if (mutex_lock_until(&shared.mutex, soon(row)) != STATUS_OK)
        return;
    if (shared.owner)
        soak_fail("mutex", "%s has what %s has", thread_current()->name, shared.owner->name);
    shared.owner = thread_current();
    if (soak_below(row, 3) == 0)
        thread_yield();
    shared.owner = NULL;
    if (soak_below(row, 3) == 0) {
        count_wait(condvar_wait_until(&shared.condvar, &shared.mutex, soon(row)));
        if (shared.owner)
            soak_fail("condvar", "%s comes back to what %s has", thread_current()->name, shared.owner->name);
    }
    mutex_unlock(&shared.mutex);
}

static void use_rwlock(uint64_t *row)
{
    if (soak_below(row, 3)) {
        if (rwlock_read_lock_until(&shared.rwlock, soon(row)) != STATUS_OK)
            return;
        if (shared.written != shared.written_again)
            soak_fail("rwlock", "a reader is let in to a writer");
        thread_yield();
        rwlock_read_unlock(&shared.rwlock);
        return;
    }
    if (rwlock_write_lock_until(&shared.rwlock, soon(row)) != STATUS_OK)
        return;
    shared.written++;
    thread_yield();
    shared.written_again++;
    rwlock_write_unlock(&shared.rwlock);
}

static void use_queue(uint64_t *row)
{
    uint64_t message = soak_random(row);

    if (soak_below(row, 2)) {
        if (message_queue_send_until(&shared.queue, &message, soon(row)) == STATUS_OK) {
            soak_count(SOAK_MESSAGES_SENT);
            atomic_fetch_add(&shared.sum_sent, message);
        }
    } else if (message_queue_receive_until(&shared.queue, &message, soon(row)) == STATUS_OK) {
        soak_count(SOAK_MESSAGES_RECEIVED);
        atomic_fetch_add(&shared.sum_received, message);
    }
}

static void use_units(uint64_t *row)
{
    if (soak_below(row, 2)) {
        soak_count(SOAK_UNITS_GIVEN);
        semaphore_give(&shared.semaphore);
    } else if (semaphore_take_until(&shared.semaphore, soon(row)) == STATUS_OK) {
        soak_count(SOAK_UNITS_TAKEN);
    }
}

static void use_block(uint64_t *row)
{
    size_t size = 1 + soak_below(row, BLOCK_MAX);
    uint8_t mark = (uint8_t)soak_random(row), *block = kmalloc(size);

    if (!block)
        return;
    memset(block, mark, size);
    sleep_for(soak_below(row, MS));
    for (size_t i = 0; i < size; i++)
        if (block[i] != mark) {
            soak_fail("heap", "byte %zu of a block of %zu is another's", i, size);
            break;
        }
    kfree(block);
}

static void use_event(uint64_t *row)
{
    if (soak_below(row, 2))
        event_signal(&shared.event);
    else
        count_wait(event_wait_until(&shared.event, soon(row)));
}

static void *live(uint64_t row)
{
    static void (*const uses[])(uint64_t * row) = {use_mutex, use_rwlock, use_queue, use_units, use_block, use_event};

    for (uint64_t turns = soak_below(&row, TURNS_MAX); turns; turns--) {
        thread_cancel_point();
        uses[soak_below(&row, ARRAY_SIZE(uses))](&row);
        if (soak_below(&row, 8) == 0)
            condvar_broadcast(&shared.condvar);
        if (soak_below(&row, 8) == 0)
            thread_park_until(soon(&row));
        if (soak_below(&row, 16) == 0)
            spin_for(soak_below(&row, MS));
    }
    return NULL;
}

static struct life {
    struct thread thread;
    bool lives, detached;
    atomic_bool released;
} lives[LIVES];

static void release(struct thread *thread)
{
    struct life *life = container_of(thread, struct life, thread);

    soak_count(SOAK_THREADS_RELEASED);
    atomic_store(&life->released, true);
}

static void life_begin(struct life *life, uint64_t *row)
{
    struct thread_options options = {.stack_bytes = (size_t)THREAD_STACK_BYTES >> 1 << soak_below(row, 4),
                                     .detached = soak_below(row, 4) == 0,
                                     .release = release};

    *life = (struct life){.lives = true, .detached = options.detached};
    if (!options.detached)
        options.release = NULL;
    if (thread_start_options(&life->thread, "life", 16 + (unsigned)soak_below(row, 6), &options, live,
                             soak_random(row)) == STATUS_OK) {
        soak_count(SOAK_THREADS_STARTED);
    } else {
        soak_count(SOAK_THREADS_REFUSED);
        life->lives = false;
    }
}

/* A detached one is its own master until it is released; whether it is yet, only its release says. */
static void life_end(struct life *life, bool cancel)
{
    if (cancel && !life->detached) {
        soak_count(SOAK_THREADS_CANCELLED);
        thread_cancel(&life->thread);
    }
    if (life->detached) {
        if (!atomic_load(&life->released))
            return;
    } else {
        (void)thread_join(&life->thread);
        soak_count(SOAK_THREADS_JOINED);
    }
    life->lives = false;
}

static void *reap_lives(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        struct life *life = &lives[soak_below(&row, LIVES)];

        if (!life->lives)
            life_begin(life, &row);
        else
            life_end(life, soak_below(&row, 2));
        sleep_for(soak_below(&row, 4 * MS));
    }
    for (unsigned i = 0; i < LIVES; i++)
        for (unsigned ms = 0; ms < 10000 && lives[i].lives; ms++) {
            life_end(&lives[i], true);
            sleep_for(MS);
        }
    return NULL;
}

static void lives_check(void)
{
    uint64_t rest = 0, message, count = 0;

    while (message_queue_receive_try(&shared.queue, &message)) {
        count++;
        rest += message;
    }
    soak_add(SOAK_MESSAGES_RECEIVED, count);
    soak_balance("thread", "started", atomic_load(&soak.counts[SOAK_THREADS_STARTED]), "joined and released",
                 atomic_load(&soak.counts[SOAK_THREADS_JOINED]) + atomic_load(&soak.counts[SOAK_THREADS_RELEASED]));
    soak_balance("message queue", "sent", atomic_load(&soak.counts[SOAK_MESSAGES_SENT]), "received",
                 atomic_load(&soak.counts[SOAK_MESSAGES_RECEIVED]));
    soak_balance("message queue", "what was sent", atomic_load(&shared.sum_sent), "what was received",
                 atomic_load(&shared.sum_received) + rest);
    soak_add(SOAK_UNITS_TAKEN, semaphore_units(&shared.semaphore));
    soak_balance("semaphore", "given", atomic_load(&soak.counts[SOAK_UNITS_GIVEN]), "taken",
                 atomic_load(&soak.counts[SOAK_UNITS_TAKEN]));
    if (mutex_owner(&shared.mutex) || rwlock_writer(&shared.rwlock) || rwlock_readers(&shared.rwlock))
        soak_fail("lock", "one is held, and nobody is left");
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static struct log_slot log_slots[LINES];
static struct log log = LOG_INIT(log_slots);
static struct log_cursor log_cursor;

static void write_line(uint64_t number)
{
    soak_count(SOAK_LINES_WRITTEN);
    (void)log_write(&log, LOG_INFO, "soak", NULL, "%lu", (unsigned long)number);
}

static void read_lines(uint64_t count)
{
    struct log_line line;
    uint64_t lost = 0;

    while (count--) {
        enum log_status status = log_read(&log, &log_cursor, &line, &lost);

        soak_add(SOAK_LINES_LOST, lost);
        if (status != LOG_READ)
            return;
        soak_count(SOAK_LINES_READ);
    }
}

static void *reap_lines(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        for (uint64_t lines = soak_below(&row, 8); lines; lines--)
            write_line(lines);
        read_lines(soak_below(&row, 2 * LINES));
        sleep_for(soak_below(&row, 200 * MS));
    }
    return NULL;
}

static void lines_check(void)
{
    read_lines(UINT64_MAX);
    soak_balance("log", "written", atomic_load(&soak.counts[SOAK_LINES_WRITTEN]), "read and lost",
                 atomic_load(&soak.counts[SOAK_LINES_READ]) + atomic_load(&soak.counts[SOAK_LINES_LOST]));
}

void soak_life_interrupt(uint64_t *row)
{
    if (soak_below(row, 4) == 0) {
        soak_count(SOAK_UNITS_GIVEN);
        semaphore_give(&shared.semaphore);
    }
    for (uint64_t lines = soak_below(row, 3); lines; lines--)
        write_line(lines);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static struct alarm {
    struct timer timer;
    struct waker waker;
    uint64_t deadline_ns;
    bool set;
} alarms[TIMERS];

static void ring(struct waker *waker)
{
    struct alarm *alarm = container_of(waker, struct alarm, waker);

    soak_count(SOAK_TIMERS_EXPIRED);
    if (!alarm->set)
        soak_fail("timer", "one that is not set rings");
    if (clock_now_ns() < alarm->deadline_ns)
        soak_fail("timer", "one rings %lu ns early", (unsigned long)(alarm->deadline_ns - clock_now_ns()));
    alarm->set = false;
}

static void alarm_turn(struct alarm *alarm, uint64_t *row, bool begin)
{
    uint64_t flags = irq_save();

    if (!alarm->set && begin) {
        *alarm = (struct alarm){.waker = {ring}, .set = true};
        alarm->deadline_ns = clock_now_ns() + (soak_below(row, 8) ? soak_below(row, 2000 * MS) : soak_below(row, US));
        soak_count(SOAK_TIMERS_STARTED);
        sched_timer_start(&alarm->timer, alarm->deadline_ns, &alarm->waker);
    } else if (alarm->set && !(begin && soak_below(row, 4))) {
        soak_count(SOAK_TIMERS_CANCELLED);
        sched_timer_cancel(&alarm->timer);
        alarm->set = false;
    }
    irq_restore(flags);
}

static void *reap_timers(uint64_t row)
{
    while (!atomic_load(&soak.over)) {
        for (unsigned i = 0; i < TIMERS_AT_ONCE; i++)
            alarm_turn(&alarms[soak_below(&row, TIMERS)], &row, true);
        sleep_for(soak_below(&row, 60 * MS));
    }
    for (unsigned i = 0; i < TIMERS; i++)
        alarm_turn(&alarms[i], &row, false);
    return NULL;
}

static void timers_check(void)
{
    soak_balance("timer", "started", atomic_load(&soak.counts[SOAK_TIMERS_STARTED]), "expired and cancelled",
                 atomic_load(&soak.counts[SOAK_TIMERS_EXPIRED]) + atomic_load(&soak.counts[SOAK_TIMERS_CANCELLED]));
    for (unsigned i = 0; i < TIMERS; i++)
        if (alarms[i].set || timer_queued(&alarms[i].timer)) {
            soak_fail("timer", "one is left");
            break;
        }
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

static const struct program {
    const char *name;
    uint64_t arguments; /* that many, from 0 on */
} programs[] = {{"spin", 4}, {"threads", 2}, {"quick", 2}, {"spin", 4}};

static uint64_t pids[PROCESSES];
static uint64_t first_pid, last_pid; /* of this minute; 0: none yet */

static void process_begin(uint64_t *pid, uint64_t *row)
{
    const struct program *program = &programs[soak_below(row, ARRAY_SIZE(programs))];

    if (process_spawn(program->name, soak_below(row, program->arguments), PROCESS_KERNEL, pid) != STATUS_OK) {
        soak_count(SOAK_PROCESSES_REFUSED);
        *pid = 0;
        return;
    }
    soak_count(SOAK_PROCESSES_STARTED);
    first_pid = first_pid ? first_pid : *pid;
    last_pid = *pid;
}

struct mutex soak_processes = MUTEX_INIT(soak_processes);

static bool is_mine(uint64_t pid)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        if (pids[i] == pid)
            return true;
    return input_claimed_by(DEVICE_KEYBOARD, pid) || input_claimed_by(DEVICE_MOUSE, pid);
}

/* Children of those that were killed are nobody's, and some compute for ever. Their numbers are near their parents'. */
static void orphans_end(void)
{
    mutex_lock(&soak_processes);
    for (uint64_t pid = first_pid; pid && pid <= last_pid + 2 * (uint64_t)PROCESSES; pid++)
        if (!is_mine(pid) && process_kill(PROCESS_KERNEL, pid) == STATUS_OK)
            soak_count(SOAK_ORPHANS_KILLED);
    mutex_unlock(&soak_processes);
}

static void process_finish(uint64_t *pid)
{
    enum process_end end;
    int64_t status;

    soak_count(SOAK_PROCESSES_KILLED);
    if (process_kill(PROCESS_KERNEL, *pid) != STATUS_OK)
        soak_fail("process", "%lu cannot be killed", (unsigned long)*pid);
    if (process_wait(PROCESS_KERNEL, *pid, &end, &status) != STATUS_OK)
        soak_fail("process", "%lu cannot be waited for", (unsigned long)*pid);
    else
        soak_count(SOAK_PROCESSES_ENDED);
    *pid = 0;
    orphans_end();
}

static void *reap_processes(uint64_t row)
{
    first_pid = 0;
    while (programs_exist() && !atomic_load(&soak.over)) {
        uint64_t *pid = &pids[soak_below(&row, PROCESSES)];

        if (*pid)
            process_finish(pid);
        else
            process_begin(pid, &row);
        sleep_for(soak_below(&row, 4) ? soak_below(&row, 100 * MS) : 0);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        if (pids[i])
            process_finish(&pids[i]);
    return NULL;
}

static void processes_check(void)
{
    soak_balance("process", "started", atomic_load(&soak.counts[SOAK_PROCESSES_STARTED]), "ended",
                 atomic_load(&soak.counts[SOAK_PROCESSES_ENDED]));
}

const struct soak_actor soak_life_actors[] = {
    {"threads", PRIORITY_REAPER, reap_lives, lives_begin, lives_check},
    {"lines", PRIORITY_REAPER, reap_lines, NULL, lines_check},
    {"timers", PRIORITY_REAPER, reap_timers, NULL, timers_check},
    {"processes", PRIORITY_REAPER, reap_processes, NULL, processes_check},
    {.name = NULL},
};
