/*
 * What the command line chose.
 */
#ifndef DUET_KERNEL_OPTIONS_H
#define DUET_KERNEL_OPTIONS_H

#include "kernel/kmalloc.h"
#include "kernel/x86_64/irq_line.h"
#include "lib/base.h"
#include "lib/cmdline.h"
#include "lib/log.h"
#include "lib/workload.h"

enum mode { MODE_DEMO, MODE_ECHO, MODE_BENCH, MODE_TEST, MODE_SHELL, MODE_SOAK };
/* The last two are bounds: the driver that is in the interrupt handler, and the one that waits for nothing. */
enum style { STYLE_ASYNC, STYLE_THREAD, STYLE_USER, STYLE_ISR, STYLE_POLL, STYLE_ALL };
enum device { DEVICE_KEYBOARD, DEVICE_MOUSE, DEVICE_ALL };
enum bench_priority { PRIORITY_EQUAL, PRIORITY_HIGH, PRIORITY_ALL };
enum suite { SUITE_MATRIX, SUITE_MICRO, SUITE_THREADS, SUITE_THREAD_METRIC, SUITE_ALL };

struct options {
    enum mode mode;
    enum style keyboard, mouse; /* not STYLE_ALL */
    enum style driver;
    enum device device;
    struct load load;
    char load_text[CMDLINE_TEXT_SIZE];
    struct arrival arrival;
    char arrival_text[CMDLINE_TEXT_SIZE];
    enum style handicapped;  /* STYLE_ALL: none */
    uint32_t handicap_ticks; /* what that style's drivers lose on each byte */
    enum bench_priority priority;
    enum suite suite;
    uint64_t events;
    uint64_t period_ns; /* 0: what the cell needs */
    uint64_t quantum_ns;
    uint64_t span_ns; /* of virtual time in which CPU-bound threads share the CPU */
    uint64_t seed;
    uint64_t minutes; /* of virtual time that the soak lasts */
    bool series;      /* cells send each event's moment and latency, too */
    bool trace;       /* cells record what happens, with what insight does, and send it */
    bool irqoff;      /* the longest stretches without interrupts, or preemption, are looked for */
    bool inheritance; /* who waits for a mutex lends its owner its priority */
    bool insight;     /* wakes are timed, and interrupts apart from threads */
    uint64_t tm_ns;   /* what each test of Thread-Metric lasts */
    char test[CMDLINE_TEXT_SIZE];
    enum irq_controller irq;
    enum log_level log;
    enum heap_choice heap;
    bool int80;       /* processes' system calls come by the classic gate too */
    bool preempt;     /* off: threads run to completion */
    bool kpreempt;    /* off: the kernel, of which every thread is, is preempted only at its edges */
    unsigned tick_hz; /* timer interrupts that come whatever is due, a second; 0: none */
};

/*
 * Reads the loader's line and then, where QEMU offers one, the fw_cfg item opt/duet/cmdline, whose words override.
 * On an error prints the one line that names the word and the valid ones; the machine then ends as failed if the mode
 * chosen is not interactive or is itself the word at fault, and goes on with the defaults otherwise. Context: boot.
 */
void options_read(const char *line, struct options *options);

#endif
