/* What each system call does, by the table. */
#include "kernel/syscall.h"

#include "kernel/console.h"
#include "kernel/input.h"
#include "kernel/kmalloc.h"
#include "kernel/process.h"
#include "kernel/shell.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/power.h"
#include "kernel/x86_64/user_copy.h"
#include "lib/clock.h"
#include "lib/tar.h"

#define MSR_EFER   0xc0000080
#define MSR_STAR   0xc0000081
#define MSR_LSTAR  0xc0000082
#define MSR_SFMASK 0xc0000084

#define EFER_SCE 1

/* TF IF DF IOPL NT RF AC */
#define FLAGS_CLEARED (0x100 | 0x200 | 0x400 | 0x3000 | 0x4000 | 0x10000 | 0x40000)

enum { PRINT_BYTES = 256 };

/* What a program gives as a pointer: a number, until user_copy.h has looked at it. */
#define USER(type) uint64_t

#define SYSCALL_ERROR(name, value, text) ERROR_##name = (value),
#define SYSCALL0(...)
#define SYSCALL1(...)
#define SYSCALL2(...)
#define SYSCALL3(...)
#define SYSCALL4(...)
enum syscall_error {
#include "lib/syscalls.def"
};
#undef SYSCALL_ERROR
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#define SYSCALL_ERROR(...)

#define SYSCALL0(number, name, text)                         static int64_t syscall_##name(void);
#define SYSCALL1(number, name, t1, a1, text)                 static int64_t syscall_##name(t1 a1);
#define SYSCALL2(number, name, t1, a1, t2, a2, text)         static int64_t syscall_##name(t1 a1, t2 a2);
#define SYSCALL3(number, name, t1, a1, t2, a2, t3, a3, text) static int64_t syscall_##name(t1 a1, t2 a2, t3 a3);
#define SYSCALL4(number, name, t1, a1, t2, a2, t3, a3, t4, a4, text) \
    static int64_t syscall_##name(t1 a1, t2 a2, t3 a3, t4 a4);
#include "lib/syscalls.def"
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4

/* Called by syscall.S, with the arguments where each function wants its own. */
extern const uintptr_t syscall_table[];
extern const uint64_t syscall_count;

#define SYSCALL0(number, name, ...) [number] = (uintptr_t)syscall_##name,
#define SYSCALL1                    SYSCALL0
#define SYSCALL2                    SYSCALL0
#define SYSCALL3                    SYSCALL0
#define SYSCALL4                    SYSCALL0
const uintptr_t syscall_table[] = {
#include "lib/syscalls.def"
};
const uint64_t syscall_count = ARRAY_SIZE(syscall_table);

static int64_t error(enum syscall_error number)
{
    return -(int64_t)number;
}

/* Of the statuses that its functions give. */
static int64_t error_of(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return 0;
    case STATUS_NOT_FOUND:
        return error(ERROR_NOT_FOUND);
    case STATUS_NO_MEMORY:
        return error(ERROR_NO_MEMORY);
    case STATUS_AGAIN:
        return error(ERROR_LIMIT);
    case STATUS_EXISTS:
        return error(ERROR_EXISTS);
    case STATUS_CLOSED:
        return error(ERROR_CLOSED);
    case STATUS_TIMEOUT:
    case STATUS_IO:
        return error(ERROR_FAILED);
    case STATUS_INVALID:
    case STATUS_LARGE:
        break;
    }
    return error(ERROR_INVALID);
}

static int64_t syscall_exit(int64_t status)
{
    process_end(PROCESS_EXITED, status);
}

/* A piece at a time; a zero byte, which would end the text, is shown as a question mark. */
static int64_t syscall_write(uint64_t text, uint64_t size)
{
    char piece[PRINT_BYTES + 1];

    for (uint64_t done = 0; done < size && !thread_cancelled();) {
        size_t part = size - done < PRINT_BYTES ? size - done : PRINT_BYTES;

        if (user_copy_in(piece, text + done, part) != STATUS_OK)
            return error(ERROR_INVALID);
        piece[part] = '\0';
        for (size_t i = 0; i < part; i++)
            if (!piece[i])
                piece[i] = '?';
        console_print("%s", piece);
        done += part;
    }
    return (int64_t)size;
}

static int64_t syscall_yield(void)
{
    thread_yield();
    return 0;
}

/* There always is one, as a wait without is not ended by a cancel. */
static uint64_t deadline_in(uint64_t ns)
{
    uint64_t now_ns = clock_now_ns();

    return ns < TIMER_NEVER - 1 - now_ns ? now_ns + ns : TIMER_NEVER - 1;
}

/* But of one that looks for a cancel itself. A timer far away is not free: it makes each that comes before it take the
 * way through the wheel. */
static uint64_t deadline_if_any(uint64_t ns)
{
    return ns == UINT64_MAX ? TIMER_NEVER : deadline_in(ns);
}

static int64_t syscall_sleep(uint64_t ns)
{
    thread_sleep_until(deadline_in(ns));
    return 0;
}

static int64_t syscall_clock(void)
{
    return (int64_t)clock_now_ns();
}

static int64_t syscall_getpid(void)
{
    return (int64_t)process_current();
}

static int64_t syscall_spawn(uint64_t name, uint64_t name_size, uint64_t argument)
{
    char copy[TAR_NAME_BYTES];
    enum status status;
    uint64_t pid;

    if (name_size >= sizeof(copy) || user_copy_in(copy, name, name_size) != STATUS_OK)
        return error(ERROR_INVALID);
    copy[name_size] = '\0';
    status = process_spawn(copy, argument, process_current(), &pid);
    return status == STATUS_OK ? (int64_t)pid : error_of(status);
}

/* The place for the status is tried first: what is waited for is forgotten. */
static int64_t wait_until(uint64_t pid, uint64_t status, uint64_t deadline_ns)
{
    int64_t ended_with = 0;
    enum process_end end;
    enum status waited;

    if (user_copy_out(status, &ended_with, sizeof(ended_with)) != STATUS_OK)
        return error(ERROR_INVALID);
    waited = process_wait_until(process_current(), pid, deadline_ns, &end, &ended_with);
    if (waited == STATUS_AGAIN)
        return error(ERROR_BUSY);
    if (waited != STATUS_OK)
        return error_of(waited);
    return user_copy_out(status, &ended_with, sizeof(ended_with)) == STATUS_OK ? (int64_t)end : error(ERROR_INVALID);
}

static int64_t syscall_wait(uint64_t pid, uint64_t status)
{
    return wait_until(pid, status, TIMER_NEVER - 1);
}

static int64_t syscall_wait_for(uint64_t pid, uint64_t status, uint64_t timeout_ns)
{
    return wait_until(pid, status, deadline_in(timeout_ns));
}

static int64_t syscall_kill(uint64_t pid)
{
    return error_of(process_kill(process_current(), pid));
}

static int64_t syscall_map(uint64_t address, uint64_t size, uint64_t flags)
{
    enum { FLAG_WRITE = 1, FLAG_EXECUTE = 2 };

    if (flags & ~(uint64_t)(FLAG_WRITE | FLAG_EXECUTE))
        return error(ERROR_INVALID);
    return error_of(
        process_map(address, size, (flags & FLAG_WRITE ? PAGE_WRITE : 0) | (flags & FLAG_EXECUTE ? PAGE_EXECUTE : 0)));
}

static int64_t syscall_unmap(uint64_t address, uint64_t size)
{
    return error_of(process_unmap(address, size));
}

static int64_t syscall_thread(uint64_t entry, uint64_t first, uint64_t second)
{
    uint64_t number;
    enum status status = process_thread_start(entry, first, second, &number);

    return status == STATUS_OK ? (int64_t)number : error_of(status);
}

static int64_t syscall_thread_exit(int64_t status)
{
    process_thread_end(status);
}

/* As syscall_wait(). */
static int64_t syscall_thread_wait(uint64_t thread, uint64_t status)
{
    int64_t ended_with = 0;
    enum status waited;

    if (user_copy_out(status, &ended_with, sizeof(ended_with)) != STATUS_OK)
        return error(ERROR_INVALID);
    waited = process_thread_wait(thread, &ended_with);
    if (waited == STATUS_OK)
        waited = user_copy_out(status, &ended_with, sizeof(ended_with));
    return error_of(waited);
}

static int64_t syscall_claim(uint64_t source)
{
    if (source >= INPUT_SOURCES)
        return error(ERROR_INVALID);
    if (!input_claim(source, process_current()))
        return error(ERROR_BUSY);
    return source == DEVICE_MOUSE ? input.mouse.decoder.device_id : 0;
}

/* As many as are there in one go, so a burst costs one call. */
static int64_t syscall_port_read(uint64_t source, uint64_t bytes, uint64_t count_max, uint64_t timeout_ns)
{
    struct ps2_byte taken[PS2_RING_BYTES];
    enum status status;
    size_t count;

    if (source >= DEVICE_ALL || count_max == 0 || !input_claimed_by(source, process_current()))
        return error(ERROR_INVALID);
    if (!input_read_begin(source))
        return error(ERROR_BUSY);
    status = input_port_read((enum device)source, taken, count_max < PS2_RING_BYTES ? count_max : PS2_RING_BYTES,
                             deadline_if_any(timeout_ns), &count);
    input_read_end(source);
    if (status != STATUS_OK)
        return error_of(status);
    if (count && user_copy_out(bytes, taken, count * sizeof(*taken)) != STATUS_OK)
        return error(ERROR_INVALID);
    return (int64_t)count;
}

static int64_t syscall_port_write(uint64_t source, uint64_t byte)
{
    if (source >= DEVICE_ALL || byte > UINT8_MAX || !input_claimed_by(source, process_current()) ||
        !input.ports[source].send)
        return error(ERROR_INVALID);
    return error_of(input.ports[source].send((uint8_t)byte));
}

enum { EVENTS_MAX = 16 };

/* As they are: whoever published them is not the process. */
static int64_t pass_on(uint64_t events, uint64_t count)
{
    struct input_event copy[EVENTS_MAX];
    enum status status = STATUS_OK;

    if (count > EVENTS_MAX || user_copy_in(copy, events, count * sizeof(*copy)) != STATUS_OK)
        return error(ERROR_INVALID);
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++)
        status = input_pass(&copy[i]);
    return error_of(status);
}

/* Who published it is not for the process to say. */
static int64_t syscall_publish(uint64_t events, uint64_t count)
{
    struct input_event copy[EVENTS_MAX];
    uint64_t pid = process_current();

    if (!input_claimed_by(DEVICE_KEYBOARD, pid) && !input_claimed_by(DEVICE_MOUSE, pid))
        return input_claimed_by(INPUT_EVENTS, pid) ? pass_on(events, count) : error(ERROR_INVALID);
    if (count > EVENTS_MAX || user_copy_in(copy, events, count * sizeof(*copy)) != STATUS_OK)
        return error(ERROR_INVALID);
    for (uint64_t i = 0; i < count; i++)
        if (copy[i].type > INPUT_REL)
            return error(ERROR_INVALID);
    for (uint64_t i = 0; i < count; i++) {
        copy[i].style = DRIVER_USER;
        event_publish(&input.events, copy[i]);
    }
    return 0;
}

static int64_t syscall_event_read(uint64_t event, uint64_t timeout_ns)
{
    uint64_t source = INPUT_EVENTS;
    struct input_event taken;
    enum status status;
    bool there;

    if (!input_claimed_by(source, process_current()))
        source = INPUT_PASSED;
    if (!input_claimed_by(source, process_current()))
        return error(ERROR_INVALID);
    if (!input_read_begin(source))
        return error(ERROR_BUSY);
    status = input_event_read(source, &taken, deadline_if_any(timeout_ns), &there);
    input_read_end(source);
    if (status != STATUS_OK || !there)
        return error_of(status);
    return user_copy_out(event, &taken, sizeof(taken)) == STATUS_OK ? 1 : error(ERROR_INVALID);
}

/* As much as there is room for: in the kernel first, since tasks and threads are read with preemption off. */
static int64_t syscall_report(uint64_t kind, uint64_t text, uint64_t size)
{
    enum { REPORT_BYTES_MAX = 65536 };
    size_t room = size < REPORT_BYTES_MAX ? size : REPORT_BYTES_MAX;
    enum status status;
    size_t length;
    char *copy;

    if (!shell_is(process_current()))
        return error(ERROR_DENIED);
    if (kind >= REPORTS || size == 0)
        return error(ERROR_INVALID);
    copy = kmalloc(room);
    if (!copy)
        return error(ERROR_NO_MEMORY);
    length = report_text((enum report)kind, copy, room);
    status = user_copy_out(text, copy, length < room ? length : room);
    kfree(copy);
    return status == STATUS_OK ? (int64_t)length : error(ERROR_INVALID);
}

static int64_t syscall_bench(uint64_t suite)
{
    if (!shell_is(process_current()))
        return error(ERROR_DENIED);
    return error_of(shell_bench(suite));
}

static int64_t syscall_power(uint64_t way)
{
    if (!shell_is(process_current()))
        return error(ERROR_DENIED);
    if (way == POWER_AGAIN)
        power_again();
    if (way == POWER_OFF)
        power_off();
    return error(ERROR_INVALID);
}

int64_t syscall_unknown(void);

int64_t syscall_unknown(void)
{
    return error(ERROR_NO_CALL);
}

void syscall_entry(void);
void syscall_gate(void);
void syscall_entry_at_edges(void);
void syscall_gate_at_edges(void);

void syscall_init(bool gate)
{
    bool edges = cpu_this()->preemption == PREEMPTION_AT_POINTS;

    if (gate)
        interrupt_open_gate(edges ? syscall_gate_at_edges : syscall_gate);
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_KERNEL_CODE << 32 | (uint64_t)(SELECTOR_USER_DATA - 8) << 48);
    wrmsr(MSR_LSTAR, (uint64_t)(edges ? syscall_entry_at_edges : syscall_entry));
    wrmsr(MSR_SFMASK, FLAGS_CLEARED);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}
