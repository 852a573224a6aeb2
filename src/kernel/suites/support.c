/* Helpers of the suites. */
#include "kernel/suites/support.h"

#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/stacks.h"
#include "thread/arch.h"

enum {
    COMMAND_WRITE_KEYBOARD_OUTPUT = 0xd2,
    COMMAND_WRITE_MOUSE_OUTPUT = 0xd3,
    MOUSE_FIRST = 0x08,
    MSR_APIC_BASE = 0x1b,
    SILENCE_NS = 1000 * MS,
    SPINS_MAX = 10000000,
};

bool clock_is_exact(void)
{
    uint64_t first = 0;

    for (unsigned i = 0; i < 64; i++) {
        uint64_t flags = irq_save();
        uint64_t before = rdtsc();
        uint64_t ticks = rdtsc() - before;

        irq_restore(flags);
        if (i == 0)
            first = ticks;
        if (ticks != first)
            return false;
    }
    return true;
}

void start(struct thread *thread, const char *name, unsigned priority, thread_entry *entry, void *argument)
{
    if (thread_start(thread, name, priority, entry, argument) != STATUS_OK)
        panic("no stack for a test's thread");
}

void sleep_for(uint64_t ns)
{
    thread_sleep_until(clock_now_ns() + ns);
}

void spin_for(uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;

    while (clock_now_ns() < end)
        ;
}

uint64_t quantum_set(uint64_t ns)
{
    uint64_t flags = irq_save();
    uint64_t old = cpu_this()->quantum_ns;

    cpu_this()->quantum_ns = ns;
    thread_set_quantum(thread_current(), ns);
    irq_restore(flags);
    return old;
}

void heap_tidy(void)
{
    preempt_disable();
    heap_trim(kmalloc_heap());
    preempt_enable();
    (void)stacks_trim();
}

struct memory_mark memory_mark(void)
{
    heap_tidy();
    return (struct memory_mark){frames_free(), heap_live(kmalloc_heap()), kmalloc_taken()};
}

void memory_check(const struct memory_mark *mark)
{
    struct memory_mark now = memory_mark();

    CHECK_EQUAL(now.live, mark->live);
    CHECK_EQUAL(now.taken, mark->taken);
    CHECK_EQUAL(now.frames, mark->frames);
}

uint64_t start_process(const char *name, uint64_t argument)
{
    uint64_t pid;

    if (process_spawn(name, argument, PROCESS_KERNEL, &pid) != STATUS_OK)
        panic("no process for a test");
    return pid;
}

void expect_end(uint64_t pid, enum process_end end, int64_t status)
{
    enum process_end got_end = PROCESS_RUNS;
    int64_t got = 0;

    if (process_wait(PROCESS_KERNEL, pid, &got_end, &got) != STATUS_OK)
        suite_fail(__FILE__, __LINE__, "there is no process %lu", (unsigned long)pid);
    else if (got_end != end || got != status)
        suite_fail(__FILE__, __LINE__, "process %lu ended by %d with %ld, not by %d with %ld", (unsigned long)pid,
                   (int)got_end, (long)got, (int)end, (long)status);
}

void hoard_frames(struct hoard *hoard)
{
    struct physical frame;

    *hoard = (struct hoard){0};
    while (frame_alloc(&frame) == STATUS_OK) {
        *(uint64_t *)mmu_direct(frame) = hoard->first;
        hoard->first = frame.address;
        hoard->count++;
    }
}

void hoard_give(struct hoard *hoard, size_t count)
{
    for (; hoard->count && count; hoard->count--, count--) {
        struct physical frame = {hoard->first};

        hoard->first = *(uint64_t *)mmu_direct(frame);
        frame_free(frame);
    }
}

struct executor_thread *executor_at(unsigned priority)
{
    static struct executor_thread executors[2];
    static bool started[2];
    bool high = priority == THREAD_PRIORITY_HIGH;

    if (!started[high] &&
        executor_thread_start(&executors[high], high ? "suite-high" : "suite-normal", priority) != STATUS_OK)
        panic("no stack for a test's executor");
    started[high] = true;
    return &executors[high];
}

void task_wait(struct task *task)
{
    while (completion_register(&task->done, &thread_current()->waker))
        thread_park();
}

void inject(enum device device, uint8_t byte)
{
    uint64_t flags = irq_save();

    outb(I8042_COMMAND, device == DEVICE_MOUSE ? COMMAND_WRITE_MOUSE_OUTPUT : COMMAND_WRITE_KEYBOARD_OUTPUT);
    outb(I8042_DATA, byte);
    irq_restore(flags);
}

bool inject_and_wait(enum device device, uint8_t byte)
{
    const volatile uint32_t *received = &input.ports[device].received;
    uint32_t before = *received;

    inject(device, byte);
    for (unsigned spins = 0; spins < SPINS_MAX && *received == before; spins++)
        pause();
    return *received == before + 1;
}

bool controller_queues(void)
{
    uint32_t before = input.ports[DEVICE_KEYBOARD].received;
    uint64_t flags = irq_save();

    inject(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, 0));
    inject(DEVICE_KEYBOARD, stream_byte(DEVICE_KEYBOARD, 1));
    irq_restore(flags);
    spin_for(200 * US);
    return input.ports[DEVICE_KEYBOARD].received - before == 2;
}

/* Letters and digits: set 1 and Linux give them the same codes, and none of them starts a command to the keyboard. */
static uint8_t stream_key(uint32_t n)
{
    static const uint8_t keys[] = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                                   30, 31, 32, 33, 34, 35, 36, 37, 38, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53};

    return keys[n % ARRAY_SIZE(keys)];
}

/* Seven bits, with a hole where bit 3 is. */
static uint8_t without_bit_3(uint32_t n)
{
    return (uint8_t)((n & 7) | (n & 0x78) << 1);
}

static uint8_t stream_dx(uint32_t n)
{
    return without_bit_3(1 + n % 127);
}

static uint8_t stream_dy(uint32_t n)
{
    return without_bit_3(n / 127 % 128);
}

uint8_t stream_byte(enum device device, uint32_t n)
{
    uint32_t size = input.mouse.decoder.size;

    if (device == DEVICE_KEYBOARD)
        return (uint8_t)(stream_key(n / 2) | (n & 1) << 7);
    switch (n % size) {
    case 0:
        return MOUSE_FIRST;
    case 1:
        return stream_dx(n / size);
    case 2:
        return stream_dy(n / size);
    default:
        return 0;
    }
}

uint32_t stream_events(enum device device, uint32_t bytes)
{
    return device == DEVICE_KEYBOARD ? bytes : bytes / input.mouse.decoder.size;
}

bool stream_matches(enum device device, uint32_t n, const struct input_event *event)
{
    if (device == DEVICE_KEYBOARD)
        return event->type == INPUT_KEY && event->code == stream_key(n / 2) && event->value == !(n & 1);
    return event->type == INPUT_REL && event->dx == stream_dx(n) && event->dy == -stream_dy(n) && event->wheel == 0;
}

enum device event_device(const struct input_event *event)
{
    return event->type == INPUT_KEY ? DEVICE_KEYBOARD : DEVICE_MOUSE;
}

static bool injector_read(const struct injector *injector)
{
    for (enum device device = 0; device < DEVICE_ALL; device++)
        if (input.ports[device].received - injector->received_before[device] != injector->sent[device])
            return false;
    return true;
}

/* The device that is furthest behind. */
static enum device injector_next(const struct injector *injector)
{
    uint64_t keyboard = (uint64_t)injector->sent[DEVICE_KEYBOARD] * injector->bytes[DEVICE_MOUSE];
    uint64_t mouse = (uint64_t)injector->sent[DEVICE_MOUSE] * injector->bytes[DEVICE_KEYBOARD];

    if (injector->sent[DEVICE_MOUSE] == injector->bytes[DEVICE_MOUSE])
        return DEVICE_KEYBOARD;
    return keyboard <= mouse && injector->sent[DEVICE_KEYBOARD] < injector->bytes[DEVICE_KEYBOARD] ? DEVICE_KEYBOARD
                                                                                                   : DEVICE_MOUSE;
}

static void injector_wake(struct waker *waker)
{
    struct injector *self = container_of(waker, struct injector, waker);
    enum device device = injector_next(self);

    if (!injector_read(self)) {
        self->held++;
    } else if (self->sent[device] == self->bytes[device]) {
        atomic_store(&self->done, true);
        return;
    } else {
        inject(device, stream_byte(device, self->sent[device]++));
    }
    sched_timer_start(&self->timer, clock_now_ns() + self->period_ns, waker);
}

void injector_start(struct injector *injector, uint64_t period_ns, uint32_t keyboard_bytes, uint32_t mouse_bytes)
{
    *injector = (struct injector){.waker = {injector_wake},
                                  .period_ns = period_ns,
                                  .bytes = {[DEVICE_KEYBOARD] = keyboard_bytes, [DEVICE_MOUSE] = mouse_bytes},
                                  .received_before = {[DEVICE_KEYBOARD] = input.ports[DEVICE_KEYBOARD].received,
                                                      [DEVICE_MOUSE] = input.ports[DEVICE_MOUSE].received}};
    sched_timer_start(&injector->timer, clock_now_ns() + period_ns, &injector->waker);
}

void injector_wait(struct injector *injector)
{
    while (!atomic_load(&injector->done))
        sleep_for(injector->period_ns);
}

void input_forget(void)
{
    struct ps2_byte byte;
    struct input_event event;

    for (enum device device = 0; device < DEVICE_ALL; device++) {
        ps2_open(&input.ports[device]);
        while (ps2_try_read(&input.ports[device], &byte))
            ;
    }
    while (event_try_read(&input.events, &event))
        ;
    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], &input.events);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], &input.events, input.info.mouse_id);
}

void drivers_start(enum style style, unsigned priority)
{
    struct executor_thread *executor = style == STYLE_ASYNC ? executor_at(priority) : NULL;

    input_forget();
    for (enum device device = 0; device < DEVICE_ALL; device++)
        if (input_driver_start(device, style, priority, executor) != STATUS_OK)
            panic("no stack for a test's driver");
}

void drivers_stop(void)
{
    for (enum device device = 0; device < DEVICE_ALL; device++)
        input_driver_stop(device);
}

void check_events(const uint32_t first[DEVICE_ALL], const uint32_t count[DEVICE_ALL], enum style style)
{
    uint32_t seen[DEVICE_ALL] = {0};
    struct input_event event;

    while (seen[DEVICE_KEYBOARD] < count[DEVICE_KEYBOARD] || seen[DEVICE_MOUSE] < count[DEVICE_MOUSE]) {
        enum device device;

        if (!event_read_until(&input.events, &event, clock_now_ns() + SILENCE_NS))
            break;
        device = event_device(&event);
        if (!stream_matches(device, first[device] + seen[device], &event)) {
            suite_fail(__FILE__, __LINE__, "event %u of device %u: code %u value %d dx %d dy %d", seen[device],
                       (unsigned)device, event.code, event.value, event.dx, event.dy);
            return;
        }
        CHECK(event.style == (enum driver_style)style);
        seen[device]++;
    }
    CHECK_EQUAL(seen[DEVICE_KEYBOARD], count[DEVICE_KEYBOARD]);
    CHECK_EQUAL(seen[DEVICE_MOUSE], count[DEVICE_MOUSE]);
}

static volatile uint32_t *apic_registers(void)
{
    static volatile uint32_t *registers;

    if (!registers)
        registers = mmu_map_device(rdmsr(MSR_APIC_BASE) & ~UINT64_C(0xfff), PAGE_BYTES);
    return registers;
}

volatile uint32_t *apic_register_at(unsigned offset)
{
    return &apic_registers()[offset / 4];
}

uint32_t apic_register(unsigned offset)
{
    return *apic_register_at(offset);
}

void apic_register_set(unsigned offset, uint32_t value)
{
    *apic_register_at(offset) = value;
}

static volatile unsigned depth_wanted = 1000000;

/* A call of itself that no compiler can see the end of. */
unsigned deepen(unsigned depth)
{
    volatile unsigned char frame[200] = {0};

    frame[depth % sizeof(frame)] = (unsigned char)depth;
    if (depth == depth_wanted)
        return frame[0];
    return deepen(depth + 1) + frame[depth % sizeof(frame)];
}
