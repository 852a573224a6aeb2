#include "anchors.h"

#include <stddef.h>
#include <string.h>

#include "util.h"

const char *const anchor_kernels[ANCHOR_PEERS] = {"LK*", "NuttX*", "Linux*", NULL};
const char *const anchor_executors[ANCHOR_PEERS] = {"embassy*", "blog_os*", "tokio*", "C++20*"};

const char *const anchor_thread_metric[ANCHOR_PEERS] = {"Zephyr* per 10 s", "Zephyr* each", NULL, NULL};

struct anchor {
    const char *id;
    const char *peers[ANCHOR_PEERS];
};

/*
 * Linux appears beside the key and mouse figures only where they end in the consumer: its read() has no earlier point
 * to compare with. The heap's figures are ranges over the sizes.
 */
static const struct anchor anchors[] = {
    {"thread.yield", {"171 / 130", "234 / 227", "1,758", "-"}},
    {"thread.yield_1000", {"constant", "+6 a thread", "-", "-"}},
    {"thread.sem_oneway", {"315 / 213", "485 / 388", "4,440", "-"}},
    {"thread.event_oneway", {"279 / 196", "-", "5,093", "-"}},
    {"thread.mutex_pair", {"86 / 55", "72 / 49", "-", "-"}},
    {"thread.lifecycle", {"2,418 / 2,134", "7,045 / 6,290", "39,450", "-"}},
    {"irq.entry", {"84 / 65", "95 / 92", "-", "-"}},
    {"irq.null", {"135 / 130", "159 / 156", "-", "-"}},
    {"irq.thread", {"414 / 316", "371 / 314", "-", "-"}},
    {"irq.thread_handler", {"328 / 250", "275 / 221", "-", "-"}},
    {"irq.thread_idle", {"470 / 362", "275 / 221", "-", "-"}},
    {"timer.irq", {"375 / 355", "213 / 210", "-", "-"}},
    {"timer.thread", {"585 / 479", "347 / 293", "3,671", "-"}},
    {"heap.pair_16", {"280-513 / 214-414", "343-581", "-", "-"}},
    {"heap.pair_64", {"280-513 / 214-414", "343-581", "-", "-"}},
    {"heap.pair_256", {"280-513 / 214-414", "343-581", "-", "-"}},
    {"heap.pair_1024", {"280-513 / 214-414", "343-581", "-", "-"}},
    {"heap.pair_4096", {"280-513 / 214-414", "343-581", "-", "-"}},
    {"boot.ready", {"30.1 M / 19.0 M", "8.6 M", "1,573 M", "-"}},
    {"key.thread_byte", {"582 / 453", "-", "-", "-"}},
    {"key.thread_byte_idle", {"507 / 381", "-", "-", "-"}},
    {"key.thread_consumer", {"-", "-", "5,703 / 9,992", "-"}},
    {"key.task_consumer", {"-", "-", "5,703 / 9,992", "-"}},
    {"key.user", {"-", "-", "5,703 / 9,992", "-"}},
    {"mouse.thread_consumer", {"-", "-", "5,695 / 5,727", "-"}},
    {"mouse.task_consumer", {"-", "-", "5,695 / 5,727", "-"}},
    {"task.self_wake", {"65", "161", "257", "30"}},
    {"task.pingpong", {"205", "454", "650", "93"}},
    {"task.spawn", {"116", "900", "1,529", "203"}},
    {"task.round_robin_10k", {"68", "577", "283", "41"}},
    {"task.round_robin_1M", {"68", "807", "283", "41"}},
    {"task.channel", {"59", "113", "377", "53"}},
    {"task.timer_10k", {"O(n)", "-", "963", "-"}},
    {"task.timer_1M", {"O(n)", "-", "963", "-"}},
    {"task.bytes", {"112", "213", "139", "96"}},
    {"tm.interrupt", {"54,071,403 / 32,905,099", "185 / 304", NULL, NULL}},
    {"tm.interrupt_preemption", {"never preempted", "-", NULL, NULL}},
};

enum anchor_group anchor_group(const char *id)
{
    static const char *const threads[] = {"thread.", "irq.",      "timer.",  "sleep.",
                                          "pi.",     "fairness.", "irqoff.", "preemptoff."};

    if (!strncmp(id, "task.", strlen("task.")))
        return ANCHOR_EXECUTORS;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        if (!strncmp(id, threads[i], strlen(threads[i])))
            return ANCHOR_THREADS;
    }
    return ANCHOR_KERNEL;
}

const char *const *anchor_find(const char *id)
{
    static const char *const none[ANCHOR_PEERS] = {"-", "-", "-", "-"};

    for (size_t i = 0; i < ARRAY_SIZE(anchors); i++) {
        if (!strcmp(anchors[i].id, id))
            return anchors[i].peers;
    }
    return none;
}
