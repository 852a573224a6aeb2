/* From the interrupt lines to the drivers. */
#include "kernel/input.h"

#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/pic.h"
#include "kernel/x86_64/serial.h"
#include "kernel/x86_64/stacks.h"
#include "thread/arch.h"

enum {
    WAITING_MAX = 64,      /* bytes: more than both devices keep */
    CLAIM_STEP_NS = 20000, /* until a process is looked at again that has not claimed its port yet; then twice that, and
                            * so on: on a slow CPU looking would be all that an urgent thread lets happen */
    CLAIM_STEP_NS_MAX = 1000000,
};
#define READER_NONE   0
#define READER_KERNEL UINT64_MAX

struct input input;

/* One device's driver, in whichever style it runs. */
static struct driver {
    enum style style;
    struct thread thread;
    struct task task;
    uint64_t pid;
    bool wanted; /* its end would be news */
    union {
        struct keyboard_task keyboard;
        struct mouse_task mouse;
    } future;
    union {
        struct keyboard_isr keyboard;
        struct mouse_isr mouse;
    } isr;
} drivers[DEVICE_ALL];

/* Who reads what: READER_*, or a process. */
static uint64_t readers[INPUT_SOURCES];
static atomic_bool being_read[INPUT_SOURCES]; /* by a thread of a process */

/*
 * IRQ 1 and IRQ 12. The line says little about whose byte it is, as both share one output buffer: the status read just
 * before the byte does. One byte an interrupt; the controller raises the line again for the next.
 */
static void i8042_interrupt(unsigned vector)
{
    uint64_t stamp = clock_ticks();
    uint8_t status = inb(I8042_STATUS);

    (void)vector;
    if (unlikely(!(status & I8042_STATUS_OUTPUT_FULL))) {
        input.empty++;
        return;
    }
    if (status & I8042_STATUS_AUX)
        ps2_receive(&input.ports[DEVICE_MOUSE], inb(I8042_DATA), stamp);
    else
        ps2_receive(&input.ports[DEVICE_KEYBOARD], inb(I8042_DATA), stamp);
}

runs_once static void say_what_is_there(enum status status)
{
    const struct i8042_info *info = &input.info;

    if (status != STATUS_OK)
        log_warning("no i8042 controller: %s", info->problem ? info->problem : "none found");
    else
        console_print("input: i8042, %s, %s\n", info->keyboard ? "keyboard" : "no keyboard",
                      !info->mouse                          ? "no mouse"
                      : info->mouse_id == MOUSE_ID_EXPLORER ? "5-button wheel mouse"
                      : info->mouse_id == MOUSE_ID_WHEEL    ? "wheel mouse"
                                                            : "mouse");
    if (status == STATUS_OK && info->problem)
        log_warning("i8042: %s", info->problem);
}

/* A byte that came before its line was open may have interrupted nobody, and then none behind it ever will. */
static void receive_waiting(void)
{
    uint64_t flags = irq_save();

    for (unsigned i = 0; i < WAITING_MAX && (inb(I8042_STATUS) & I8042_STATUS_OUTPUT_FULL); i++)
        i8042_interrupt(PIC_VECTOR + I8042_KEYBOARD_IRQ);
    irq_restore(flags);
}

runs_once void input_let_in(void)
{
    uint64_t flags = irq_save();

    if (input.info.keyboard)
        irq_line_unmask(I8042_KEYBOARD_IRQ);
    if (input.info.mouse)
        irq_line_unmask(I8042_MOUSE_IRQ);
    irq_restore(flags); /* what the controller kept comes now */
    if (input.info.keyboard || input.info.mouse)
        receive_waiting();
}

/* One byte to the mouse is two writes, between which nothing may come. */
static enum status send_keyboard(uint8_t byte)
{
    uint64_t flags = irq_save();
    enum status status = i8042_write_keyboard(byte);

    irq_restore(flags);
    return status;
}

static enum status send_mouse(uint8_t byte)
{
    uint64_t flags = irq_save();
    enum status status = i8042_write_mouse(byte);

    irq_restore(flags);
    return status;
}

runs_once void input_init(void)
{
    enum status status = i8042_start(&input.info);

    say_what_is_there(status);
    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], &input.events);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], &input.events, input.info.mouse_id);
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, i8042_interrupt);
    interrupt_set(PIC_VECTOR + I8042_MOUSE_IRQ, i8042_interrupt);
    if (input.info.keyboard)
        input.ports[DEVICE_KEYBOARD].send = send_keyboard;
    if (input.info.mouse)
        input.ports[DEVICE_MOUSE].send = send_mouse;
    input_let_in();
}

static enum status start_thread(enum device device, struct driver *driver, unsigned priority)
{
    bool polls = driver->style == STYLE_POLL;

    if (device == DEVICE_KEYBOARD)
        return thread_start(&driver->thread, "keyboard", priority, polls ? keyboard_poller : keyboard_thread,
                            &input.keyboard);
    return thread_start(&driver->thread, "mouse", priority, polls ? mouse_poller : mouse_thread, &input.mouse);
}

static void start_isr(enum device device, struct driver *driver)
{
    if (device == DEVICE_KEYBOARD)
        keyboard_isr_start(&driver->isr.keyboard, &input.keyboard);
    else
        mouse_isr_start(&driver->isr.mouse, &input.mouse);
}

static void start_task(enum device device, struct driver *driver, struct executor *executor)
{
    if (device == DEVICE_KEYBOARD) {
        driver->future.keyboard = keyboard_task(&input.keyboard);
        executor_spawn(executor, &driver->task, "keyboard", &driver->future.keyboard.async.future);
    } else {
        driver->future.mouse = mouse_task(&input.mouse);
        executor_spawn(executor, &driver->task, "mouse", &driver->future.mouse.async.future);
    }
}

/* What was meant for another reader. */
static void forget_passed(void)
{
    struct input_event event;

    while (event_try_read(&input.passed, &event))
        ;
}

bool input_claim(uint64_t source, uint64_t pid)
{
    uint64_t flags = irq_save();
    bool free = readers[source] == READER_NONE;

    if (free)
        readers[source] = pid;
    irq_restore(flags);
    if (free && source == INPUT_PASSED)
        forget_passed();
    if (free && source < DEVICE_ALL)
        ps2_open(&input.ports[source]); /* the last driver's end had closed it */
    return free;
}

bool input_claimed_by(uint64_t source, uint64_t pid)
{
    return readers[source] == pid;
}

void input_take_events(void)
{
    readers[INPUT_EVENTS] = READER_KERNEL;
}

static struct waker_slot *reader_slot(unsigned source)
{
    return source == INPUT_EVENTS   ? &input.events.reader
           : source == INPUT_PASSED ? &input.passed.reader
                                    : &input.ports[source].reader;
}

void input_release(uint64_t pid)
{
    for (unsigned source = 0; source < INPUT_SOURCES; source++) {
        if (readers[source] != pid)
            continue;
        waker_slot_clear(reader_slot(source));
        readers[source] = READER_NONE;
        if (source < DEVICE_ALL && drivers[source].wanted && drivers[source].pid == pid)
            console_print("input: the %s's driver, process %lu, has ended: nobody reads it\n",
                          source == DEVICE_KEYBOARD ? "keyboard" : "mouse", (unsigned long)pid);
    }
}

enum status input_pass(const struct input_event *event)
{
    if (readers[INPUT_PASSED] == READER_NONE)
        return STATUS_NOT_FOUND;
    event_publish(&input.passed, *event);
    return STATUS_OK;
}

void input_child_ended(uint64_t parent)
{
    if (parent != READER_NONE && parent != READER_KERNEL && input_claimed_by(INPUT_EVENTS, parent))
        event_publish(&input.events, (struct input_event){.stamp = clock_ticks(), .type = INPUT_ENDED});
}

/* ---- the serial line --------------------------------------------------------------------------------------------- */

enum { SERIAL_RING_BYTES = 256 };

static struct {
    struct thread thread;
    struct waker_slot reader;
    struct ring ring;
    uint8_t bytes[SERIAL_RING_BYTES];
    uint32_t lost; /* found the ring full. Interrupt routine only */
} serial;

/* All that there is, or the line would make no further edge; it comes more slowly than it is taken. */
static void serial_interrupt(unsigned vector)
{
    uint32_t index;
    uint8_t byte;

    (void)vector;
    while (serial_try_get(SERIAL_COM1, &byte)) {
        if (ring_can_push(&serial.ring, SERIAL_RING_BYTES, &index)) {
            serial.bytes[index % SERIAL_RING_BYTES] = byte;
            ring_push(&serial.ring, index);
        } else {
            serial.lost++;
        }
    }
    waker_slot_wake(&serial.reader);
}

static bool serial_publish(void)
{
    uint32_t index;

    if (!ring_can_pop(&serial.ring, &index))
        return false;
    event_publish(&input.events, (struct input_event){.stamp = clock_ticks(),
                                                      .type = INPUT_TEXT,
                                                      .style = DRIVER_THREAD,
                                                      .text = (char)serial.bytes[index % SERIAL_RING_BYTES]});
    ring_pop(&serial.ring, index);
    return true;
}

_Noreturn static void *serial_main(void *unused)
{
    (void)unused;
    for (;;) {
        while (serial_publish())
            ;
        waker_slot_register(&serial.reader, &serial.thread.waker);
        if (ring_count(&serial.ring) == 0)
            thread_park();
    }
}

seldom enum status input_serial_start(unsigned priority)
{
    enum status status;
    uint64_t flags;

    if (!serial_receive(SERIAL_COM1))
        return STATUS_NOT_FOUND;
    status = thread_start(&serial.thread, "serial", priority, serial_main, NULL);
    if (status != STATUS_OK)
        return status;
    interrupt_set(PIC_VECTOR + SERIAL_COM1_IRQ, serial_interrupt);
    flags = irq_save();
    irq_line_unmask(SERIAL_COM1_IRQ);
    serial_interrupt(PIC_VECTOR + SERIAL_COM1_IRQ); /* what came before made its edge */
    irq_restore(flags);
    return STATUS_OK;
}

/* ---- the ports' readers ------------------------------------------------------------------------------------------ */

static size_t port_take(struct ps2_port *port, struct ps2_byte *bytes, size_t count_max)
{
    size_t count = 0;

    while (count < count_max && ps2_try_read(port, &bytes[count]))
        count++;
    return count;
}

enum status input_port_read(enum device device, struct ps2_byte *bytes, size_t count_max, uint64_t deadline_ns,
                            size_t *count)
{
    struct ps2_port *port = &input.ports[device];

    for (;;) {
        if (ps2_closed(port))
            return STATUS_CLOSED;
        *count = port_take(port, bytes, count_max);
        if (*count)
            break;
        waker_slot_register(&port->reader, &thread_current()->waker);
        if (ring_count(&port->ring) != 0 || atomic_load(&port->attention)) {
            waker_slot_clear(&port->reader); /* its thread may be gone before the next byte comes */
            continue;
        }
        if (thread_cancelled() || clock_now_ns() >= deadline_ns) {
            waker_slot_clear(&port->reader);
            return thread_cancelled() ? STATUS_CLOSED : STATUS_OK;
        }
        thread_park_until(deadline_ns);
    }
    probe_hit(&port->resumed);
    return STATUS_OK;
}

enum status input_event_read(uint64_t source, struct input_event *event, uint64_t deadline_ns, bool *there)
{
    struct event_queue *queue = source == INPUT_PASSED ? &input.passed : &input.events;

    while (!(*there = event_try_read(queue, event))) {
        waker_slot_register(&queue->reader, &thread_current()->waker);
        if (ring_count(&queue->ring) == 0) {
            if (thread_cancelled() || clock_now_ns() >= deadline_ns) {
                waker_slot_clear(&queue->reader);
                return thread_cancelled() ? STATUS_CLOSED : STATUS_OK;
            }
            thread_park_until(deadline_ns);
        }
        waker_slot_clear(&queue->reader);
    }
    return STATUS_OK;
}

bool input_read_begin(uint64_t source)
{
    return !atomic_exchange(&being_read[source], true);
}

void input_read_end(uint64_t source)
{
    atomic_store(&being_read[source], false);
}

/* Comes back once it reads, or has ended. */
static enum status start_process(enum device device, struct driver *driver, unsigned priority)
{
    uint64_t step_ns = CLAIM_STEP_NS;
    enum status status;

    readers[device] = READER_NONE;
    driver->wanted = true;
    status = process_spawn_at(priority, device == DEVICE_KEYBOARD ? "keyboard" : "mouse", 0, PROCESS_KERNEL,
                              &driver->pid);
    while (status == STATUS_OK && !input_claimed_by(device, driver->pid)) {
        if (process_ended(driver->pid))
            status = STATUS_CLOSED;
        else
            thread_sleep_until(clock_now_ns() + step_ns);
        step_ns += step_ns < CLAIM_STEP_NS_MAX ? step_ns : 0;
    }
    if (status == STATUS_CLOSED)
        process_forget(driver->pid);
    return status;
}

seldom enum status input_driver_start(enum device device, enum style style, unsigned priority,
                                      struct executor_thread *executor)
{
    struct driver *driver = &drivers[device];

    driver->style = style;
    ps2_open(&input.ports[device]);
    if (style == STYLE_USER)
        return start_process(device, driver, priority);
    readers[device] = READER_KERNEL;
    if (style == STYLE_THREAD || style == STYLE_POLL)
        return start_thread(device, driver, priority);
    if (style == STYLE_ISR)
        start_isr(device, driver);
    else
        start_task(device, driver, &executor->executor);
    return STATUS_OK;
}

seldom void input_driver_stop(enum device device)
{
    struct driver *driver = &drivers[device];

    driver->wanted = false;
    ps2_close(&input.ports[device]);
    if (driver->style == STYLE_ASYNC)
        while (completion_register(&driver->task.done, &thread_current()->waker))
            thread_park();
    else if (driver->style == STYLE_THREAD || driver->style == STYLE_POLL)
        (void)thread_join(&driver->thread);
    else if (driver->style == STYLE_USER)
        process_forget(driver->pid);
    readers[device] = READER_NONE;
}

/* Stacks are zeroed when they are first mapped only, so what was used of one is the most of all who had it. */
seldom void input_driver_memory(enum device device, struct driver_memory *memory)
{
    static const size_t tasks[DEVICE_ALL] = {sizeof(struct keyboard_task), sizeof(struct mouse_task)};
    static const size_t isrs[DEVICE_ALL] = {sizeof(struct keyboard_isr), sizeof(struct mouse_isr)};
    const struct driver *driver = &drivers[device];

    const struct thread *thread = input_driver_thread(device);
    size_t pages = 0;

    *memory = (struct driver_memory){.frame = sizeof(struct thread)};
    if (driver->style == STYLE_ASYNC)
        memory->frame = tasks[device] + sizeof(struct task);
    else if (driver->style == STYLE_ISR)
        memory->frame = isrs[device];
    else if (driver->style == STYLE_USER && process_look(driver->pid, &thread, &pages))
        memory->frame += pages;
    if (thread) {
        memory->stack = thread->stack_bytes;
        memory->stack_used = stack_used(thread->stack, thread->stack_bytes);
    }
}

const struct thread *input_driver_thread(enum device device)
{
    const struct driver *driver = &drivers[device];
    const struct thread *thread = NULL;
    size_t bytes;

    if (driver->style == STYLE_THREAD || driver->style == STYLE_POLL)
        return &driver->thread;
    if (driver->style == STYLE_USER && process_look(driver->pid, &thread, &bytes))
        return thread;
    return NULL;
}

const char *const style_names[STYLE_ALL] = {"async", "thread", "user", "isr", "poll"};
_Static_assert((int)DRIVER_ASYNC == (int)STYLE_ASYNC && (int)DRIVER_THREAD == (int)STYLE_THREAD &&
                   (int)DRIVER_USER == (int)STYLE_USER && (int)DRIVER_ISR == (int)STYLE_ISR &&
                   (int)DRIVER_POLL == (int)STYLE_POLL,
               "an event says the style of its driver");

const char *style_name(enum style style)
{
    return style_names[style];
}
