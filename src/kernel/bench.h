/*
 * What the benchmarks share: stimulus, workloads, and figures as lines.
 *
 * Stimulus is a byte that the keyboard controller is told to hand out as if a device had sent it: commands 0xd2 (Write
 * Keyboard Output Buffer) and 0xd3 (Write Auxiliary Device Output Buffer) raise the real IRQ 1 and IRQ 12 (IBM PS/2
 * Technical Reference, keyboard controller). Latency is counted from just before the write of that byte.
 */
#ifndef DUET_KERNEL_BENCH_H
#define DUET_KERNEL_BENCH_H

#include "drivers/input.h"
#include "kernel/executor_thread.h"
#include "kernel/options.h"
#include "kernel/x86_64/irqoff.h"
#include "lib/json.h"
#include "lib/stats.h"

enum {
    BENCH_SCAN_CODE = 0x1e, /* A; pressed again and again it repeats */
    BENCH_MICRO_SAMPLES = 1000,
    BENCH_WARM_UP = 4,        /* first rounds, not counted: a thread's first switch is not like the others */
    BENCH_WAIT_NS = 20000000, /* longer than any timer left over from what came before */
};

/* The executors that drivers and loads run on: at normal and at high priority. Started once. */
extern struct executor_thread bench_executors[2]; /* by enum bench_priority */

/* The priority that `priority=` gives the driver, or its executor, and its consumer. */
unsigned bench_driver_priority(enum bench_priority priority);

/* What the ticks of all figures are: "icount", instructions; "tsc", cycles of a processor; "tcg", an emulator's host
 * time, which is noise. Context: thread. */
const char *bench_timebase(void);

/* Hands `byte` out as the device's, and leaves clock ticks from just before in *ticks, before: the interrupt comes at
 * the next instruction that has interrupts on. Context: any; the controller's output buffer is empty. */
void bench_inject(enum device device, uint8_t byte, uint64_t *ticks);

/* The same for keys, one after the other until BENCH_MICRO_SAMPLES are noted, from where the CPU is idle but for the
 * injection itself: the halt follows with interrupts still off. Context: thread. */
void bench_inject_from_idle(uint64_t *ticks);

/* Publishes an event that no driver does, for a consumer that is to end; bench_is_end() knows it. Context: thread. */
void bench_publish_end(void);
bool bench_is_end(const struct input_event *event);

/* Marsaglia's xorshift64: the next state, which is the random number too. Never 0 from a state that is not. */
static inline uint64_t bench_random(uint64_t state)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A few dozen instructions of arithmetic, as a CPU-bound thread does them. Returns the next state. Context: any. */
uint64_t bench_work(uint64_t state);

/* Computes for about that long if nothing interrupts: a fixed number of loops, measured once against the clock, so that
 * being preempted does not shorten the work. Context: any. */
void bench_compute(uint64_t duration_ns);
void bench_calibrate(void);

/* Writes a stage's or a delta's statistics as a JSON object. Sorts the samples. */
void bench_json_stats(struct json *json, const char *key, uint64_t *samples, size_t count);

/* What a single figure has noted so far. Inline, so that between two stamps the compiler does none of it. */
extern struct bench_noted {
    uint64_t samples[BENCH_MICRO_SAMPLES];
    uint32_t count; /* of samples offered; there is room for the first */
} bench_noted;

/* For a single figure: notes a sample, of which the first BENCH_MICRO_SAMPLES count; says how many came; reports all
 * that were noted, and forgets them; the same for one value. Sorts the samples. Context: thread. */
static inline void bench_sample(uint64_t sample)
{
    if (bench_noted.count < BENCH_MICRO_SAMPLES)
        bench_noted.samples[bench_noted.count] = sample;
    bench_noted.count++;
}
static inline size_t bench_samples(void)
{
    return bench_noted.count;
}
/* With irqoff=on, which makes them longer, names end in _irqoff. */
void bench_report(const char *name, const char *unit);
void bench_report_one(const char *name, uint64_t value, const char *unit);

/* The longest stretches of irqoff=on, kept apart by bench_report(): while it prints, and else. */
struct bench_stretches {
    struct irqoff_stretch interrupts, preemption;
};
extern struct bench_stretches bench_measured, bench_printed;

/* Adds those since the last call, whatever for. Context: thread. */
void bench_stretches_add(struct bench_stretches *to);

/* Starts a thread, or ends the machine as failed. Context: thread. */
void bench_start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument);

/* Says that there is no memory for what a benchmark needs, and ends the machine as failed. Context: thread. */
_Noreturn void bench_no_memory(const char *what);

/*
 * Runs the tests of Thread-Metric for `duration_ns` each, "all" or the one of that name, and reports them. False if
 * there is none, or at the first that breaks a rule; its threads are then left as they are. Context: thread.
 */
bool bench_thread_metric(uint64_t duration_ns, const char *name) must_check;

/* The three suites of our own, and parts of the second and of the third. The first ends at a cell that there is no
 * memory for, STATUS_NO_MEMORY, or that would never end, STATUS_INVALID, with nothing kept. Context: thread. */
enum status bench_matrix(const struct options *options) must_check;
void bench_micro(void);
void bench_memory(void);
void bench_timers(void);
void bench_async(void);
void bench_restless(void);
void bench_threads(const struct options *options);
void bench_interrupts(void);
void bench_user(void);
void bench_turns(const struct options *options);

#endif
