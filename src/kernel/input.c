/* From the interrupt lines to the drivers. */
#include "kernel/input.h"

#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/pic.h"
#include "thread/arch.h"

enum { WAITING_MAX = 64 }; /* bytes: more than both devices keep */

struct input input;

/* One device's driver, in whichever style it runs. */
static struct driver {
    enum style style;
    struct thread thread;
    struct task task;
    union {
        struct keyboard_task keyboard;
        struct mouse_task mouse;
    } future;
} drivers[DEVICE_ALL];

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

runs_once void input_init(void)
{
    enum status status = i8042_start(&input.info);

    say_what_is_there(status);
    keyboard_init(&input.keyboard, &input.ports[DEVICE_KEYBOARD], &input.events);
    mouse_init(&input.mouse, &input.ports[DEVICE_MOUSE], &input.events, input.info.mouse_id);
    interrupt_set(PIC_VECTOR + I8042_KEYBOARD_IRQ, i8042_interrupt);
    interrupt_set(PIC_VECTOR + I8042_MOUSE_IRQ, i8042_interrupt);
    if (input.info.keyboard)
        input.ports[DEVICE_KEYBOARD].send = i8042_write_keyboard;
    input_let_in();
}

static enum status start_thread(enum device device, struct driver *driver, unsigned priority)
{
    if (device == DEVICE_KEYBOARD)
        return thread_start(&driver->thread, "keyboard", priority, keyboard_thread, &input.keyboard);
    return thread_start(&driver->thread, "mouse", priority, mouse_thread, &input.mouse);
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

enum status input_driver_start(enum device device, enum style style, unsigned priority,
                               struct executor_thread *executor)
{
    struct driver *driver = &drivers[device];

    driver->style = style;
    ps2_open(&input.ports[device]);
    if (style == STYLE_THREAD)
        return start_thread(device, driver, priority);
    start_task(device, driver, &executor->executor);
    return STATUS_OK;
}

void input_driver_stop(enum device device)
{
    struct driver *driver = &drivers[device];

    ps2_close(&input.ports[device]);
    if (driver->style == STYLE_ASYNC)
        while (completion_register(&driver->task.done, &thread_current()->waker))
            thread_park();
    else
        (void)thread_join(&driver->thread);
}

const char *style_name(enum style style)
{
    return style == STYLE_ASYNC ? "async" : "thread";
}
