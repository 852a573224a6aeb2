/* What boot promised: clock, controllers, memory, and the vectors nobody asked for. */
#include "kernel/suites/registers.h"
#include "kernel/suites/support.h"
#include "kernel/x86_64/clock.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/interrupt.h"
#include "kernel/x86_64/irq_line.h"
#include "kernel/x86_64/mmu.h"
#include "kernel/x86_64/pic.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    LINE_PIT = 0,
    PIT_COMMAND = 0x43,
    PIT_LATCH_0 = 0x00,
    PIT_CHANNEL_0 = 0x40,
    PIT_HZ = 1193182,
    PIT_SLOWEST_HZ = 19,
    OCW3_READ_IRR = 0x0a,
    OCW3_READ_ISR = 0x0b,
    APIC_ISR = 0x100,
    APIC_ISR_TIMER = APIC_ISR + 0x10 * (APIC_TIMER_VECTOR / 32),
    IDE_SECONDARY_DRIVE = 0x176,
    IDE_SECONDARY_COMMAND = 0x177, /* and its status */
    IDE_SECONDARY_CONTROL = 0x376,
    IDE_INTERRUPTS_OFF = 1 << 1,
    FRAMES_TRIED = 6000,
    FRAMES_SEEN = 1 << 20, /* 4 GiB */
};

extern char image_start[], image_end[];

static uint8_t in_service(uint16_t pic)
{
    outb(pic, OCW3_READ_ISR);
    return inb(pic);
}

static void ignore(unsigned vector)
{
    (void)vector;
}

static uint64_t pit_interrupts_in(uint64_t ns)
{
    uint64_t end = clock_now_ns() + 1000 * MS;
    uint64_t before = interrupt_count(PIC_VECTOR + LINE_PIT);

    while (interrupt_count(PIC_VECTOR + LINE_PIT) == before && clock_now_ns() < end) /* from one interrupt on */
        ;
    end = clock_now_ns() + ns;
    before = interrupt_count(PIC_VECTOR + LINE_PIT);
    while (clock_now_ns() < end)
        ;
    return interrupt_count(PIC_VECTOR + LINE_PIT) - before;
}

/* Through the I/O APIC, line 0 comes by the input that the firmware's override names, and as line 0's vector all the
 * same. A machine that shares its host's CPU loses interrupts whenever it is stalled, so there only
 * too many are wrong. */
TEST(pit_interrupts, "boot.pit_interrupts_at_its_rate")
{
    bool exact = clock_is_exact();
    uint64_t flags = irq_save();
    uint64_t ticks;

    interrupt_set(PIC_VECTOR + LINE_PIT, ignore);
    pit_start(1000);
    irq_line_unmask(LINE_PIT);
    irq_restore(flags);
    ticks = pit_interrupts_in(100 * MS);
    flags = irq_save();
    irq_line_mask(LINE_PIT);
    pit_start(0);
    irq_restore(flags);
    if (ticks < (exact ? 99 : 1) || ticks > (exact ? 101 : 130))
        suite_fail(__FILE__, __LINE__, "%lu interrupts at 1000 Hz in 100 ms", (unsigned long)ticks);
}

struct instant {
    uint64_t ns;
    uint32_t pit; /* counts down */
};

/* Both clocks at one instant: read again until nothing has come between. Intel 8254 data sheet, "Counter latch
 * command".
 */
static struct instant instant_now(void)
{
    for (;;) {
        uint64_t flags = irq_save();
        struct instant now = {.ns = clock_now_ns()};
        uint64_t after_ns;

        outb(PIT_COMMAND, PIT_LATCH_0);
        after_ns = clock_now_ns();
        now.pit = inb(PIT_CHANNEL_0);
        now.pit |= (uint32_t)inb(PIT_CHANNEL_0) << 8;
        irq_restore(flags);
        if (after_ns - now.ns < 50 * US)
            return now;
    }
}

/* Two clocks of one machine, of which only the PIT's rate is known. A stall may outlast the PIT's period, after which
 * it counts anew, so one good stretch of many is enough: a wrong calibration has none. */
TEST(clock_agrees_with_pit, "boot.clock_agrees_with_pit")
{
    uint64_t period = PIT_HZ / PIT_SLOWEST_HZ;
    uint64_t clock_ns = 0;
    uint64_t pit_ns = 0;
    bool agrees = false;

    pit_start(PIT_SLOWEST_HZ);
    for (unsigned i = 0; i < 100 && !agrees; i++) {
        struct instant begin = instant_now();
        struct instant end;

        spin_for(20 * MS);
        end = instant_now();
        clock_ns = end.ns - begin.ns;
        pit_ns = (begin.pit + period - end.pit) % period * 1000000000 / PIT_HZ;
        agrees = clock_ns * 98 <= pit_ns * 100 && clock_ns * 102 >= pit_ns * 100;
    }
    pit_start(0);
    if (!agrees)
        suite_fail(__FILE__, __LINE__, "%lu ns by the clock, %lu by the PIT", (unsigned long)clock_ns,
                   (unsigned long)pit_ns);
}

TEST(clock_is_monotonic, "boot.clock_is_monotonic")
{
    uint64_t last = clock_now_ns();
    unsigned backwards = 0;

    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now = clock_now_ns();

        backwards += now < last;
        last = now;
    }
    CHECK_EQUAL(backwards, 0);
}

TEST(only_drivers_lines_are_open, "boot.only_drivers_lines_open")
{
    bool apic = irq_line_controller() == IRQ_APIC;
    unsigned open = apic ? 0 : 1u << PIC_CASCADE;
    uint64_t flags;

    if (input.info.keyboard)
        open |= 1u << I8042_KEYBOARD_IRQ;
    if (input.info.mouse)
        open |= 1u << I8042_MOUSE_IRQ;
    flags = irq_save();
    CHECK_EQUAL(irq_line_masked(), (uint16_t)~open);
    irq_restore(flags);
    if (apic)
        CHECK_EQUAL(pic_masked(), 0xffff);
}

TEST(breakpoint_keeps_registers, "boot.breakpoint_keeps_registers")
{
    struct registers registers;

    registers_init(&registers, 1, FLAGS_ALL & ~FLAG_DIRECTION);
    registers_across_breakpoint(&registers);
    registers_check(&registers);
    registers_init(&registers, 2, FLAG_DIRECTION);
    registers_across_breakpoint(&registers);
    registers_check(&registers);
    CHECK_EQUAL(registers.rounds, 1);
}

/* Nothing in service: the controller never sent it, so ending it would end another's. */
TEST_NEEDS(spurious_7, "boot.spurious_7", "irq=pic")
{
    uint64_t spurious = interrupt_spurious();
    uint64_t taken = interrupt_count(0x27);

    raise_27();
    CHECK_EQUAL(interrupt_spurious(), spurious + 1);
    CHECK_EQUAL(interrupt_count(0x27), taken);
}

static struct {
    void (*raise)(void);
    uint8_t master_before, master_after, slave_before, slave_after;
    unsigned calls;
} nested;

static void raise_in_service(unsigned vector)
{
    (void)vector;
    if (nested.calls++)
        return;
    nested.master_before = in_service(PIC_MASTER);
    nested.slave_before = in_service(PIC_SLAVE);
    nested.raise();
    nested.master_after = in_service(PIC_MASTER);
    nested.slave_after = in_service(PIC_SLAVE);
}

static void raise_inside_pit(void (*raise)(void))
{
    uint64_t flags = irq_save();

    nested.raise = raise;
    nested.calls = 0;
    interrupt_set(PIC_VECTOR + LINE_PIT, raise_in_service);
    pit_start(1000);
    irq_line_unmask(LINE_PIT);
    irq_restore(flags);
    sleep_until_holds(*(volatile unsigned *)&nested.calls > 0);
    flags = irq_save();
    irq_line_mask(LINE_PIT);
    pit_start(0);
    interrupt_set(PIC_VECTOR + LINE_PIT, ignore);
    irq_restore(flags);
    CHECK(nested.calls > 0);
}

TEST_NEEDS(spurious_7_nested, "boot.spurious_7_in_service", "irq=pic")
{
    uint64_t spurious = interrupt_spurious();

    raise_inside_pit(raise_27);
    CHECK_EQUAL(nested.master_before, 1u << LINE_PIT);
    CHECK_EQUAL(nested.master_after, 1u << LINE_PIT);
    CHECK_EQUAL(interrupt_spurious(), spurious + 1);
    CHECK_EQUAL(in_service(PIC_MASTER), 0);
}

/*
 * A real one: the mouse's line rises, and is masked before the CPU asks what it was. The cascade stays requested, being
 * edge triggered, and the slave has nothing to answer but its lowest line. The master's bit is real, and must be ended.
 */
TEST_NEEDS(spurious_15, "boot.spurious_15", "irq=pic")
{
    uint64_t spurious = interrupt_spurious();
    uint64_t mouse = interrupt_count(PIC_VECTOR + I8042_MOUSE_IRQ);
    uint64_t flags;

    input_forget();
    flags = irq_save();
    inject(DEVICE_MOUSE, 0);
    pic_mask(I8042_MOUSE_IRQ);
    irq_restore(flags);
    spin_for(10 * US);
    CHECK_EQUAL(interrupt_spurious(), spurious + 1);
    CHECK_EQUAL(interrupt_count(PIC_VECTOR + I8042_MOUSE_IRQ), mouse);
    CHECK_EQUAL(in_service(PIC_MASTER), 0);
    flags = irq_save();
    pic_unmask(I8042_MOUSE_IRQ);
    irq_restore(flags);
    spin_for(10 * US);
    CHECK_EQUAL(interrupt_count(PIC_VECTOR + I8042_MOUSE_IRQ), mouse + 1);
    CHECK_EQUAL(ring_count(&input.ports[DEVICE_MOUSE].ring), 1);
    input_forget();
}

static void raise_in_mouse_interrupt(struct waker *waker)
{
    (void)waker;
    raise_in_service(PIC_VECTOR + I8042_MOUSE_IRQ);
}

/* Raised while the mouse's interrupt is in service, which then ends. */
static void raise_inside_mouse(void (*raise)(void))
{
    static struct waker waker = {raise_in_mouse_interrupt};

    nested.raise = raise;
    nested.calls = 0;
    waker_slot_register(&input.ports[DEVICE_MOUSE].reader, &waker);
    inject(DEVICE_MOUSE, 0);
    spin_for(10 * US);
    CHECK_EQUAL(nested.calls, 1);
    CHECK_EQUAL(nested.slave_before, 1u << (I8042_MOUSE_IRQ - 8));
    CHECK_EQUAL(in_service(PIC_SLAVE), 0);
    CHECK_EQUAL(in_service(PIC_MASTER), 0);
    input_forget();
}

TEST_NEEDS(spurious_15_nested, "boot.spurious_15_in_service", "irq=pic")
{
    uint64_t spurious = interrupt_spurious();

    raise_inside_mouse(raise_2f);
    CHECK_EQUAL(nested.slave_after, 1u << (I8042_MOUSE_IRQ - 8));
    CHECK_EQUAL(interrupt_spurious(), spurious + 1);
}

/* Who handled the vector before. */
static interrupt_handler *set_handler(unsigned vector, interrupt_handler *handler)
{
    uint64_t flags = irq_save();
    interrupt_handler *before = interrupt_set(vector, handler);

    irq_restore(flags);
    return before;
}

/* An interrupt of another line ends while the mouse's is in service: what the slave has in service then. */
static uint8_t slave_after(void (*raise)(void), unsigned vector)
{
    interrupt_handler *handler = set_handler(vector, ignore);

    raise_inside_mouse(raise);
    (void)set_handler(vector, handler);
    return nested.slave_after;
}

TEST_NEEDS(ends_where_it_came_from, "boot.ends_where_it_came_from", "irq=pic")
{
    CHECK_EQUAL(slave_after(raise_23, PIC_VECTOR + 3), 1u << (I8042_MOUSE_IRQ - 8));
    CHECK_EQUAL(slave_after(raise_28, PIC_VECTOR + 8), 0);
}

static unsigned fifteenth;

static void take_fifteenth(unsigned vector)
{
    (void)vector;
    fifteenth++;
    (void)inb(IDE_SECONDARY_COMMAND); /* its status, by which the drive takes back its request */
}

/*
 * A real one of the line: an IDE drive refuses the command 0, NOP, with an interrupt, and QEMU's does where there is no
 * drive (its hw/ide/core.c, ide_exec_cmd()). Where there is no such controller nothing comes, nor anything spurious.
 */
TEST_NEEDS(line_15, "boot.line_15_may_be_real", "irq=pic")
{
    bool there = inb(IDE_SECONDARY_COMMAND) != 0xff;
    uint64_t spurious = interrupt_spurious();
    uint64_t flags = irq_save();
    interrupt_handler *handler = interrupt_set(PIC_VECTOR + 15, take_fifteenth);

    fifteenth = 0;
    outb(PIC_SLAVE, OCW3_READ_IRR); /* what was asked for last is not what is asked for now */
    pic_unmask(15);
    outb(IDE_SECONDARY_CONTROL, 0);
    outb(IDE_SECONDARY_DRIVE, 0); /* the first */
    outb(IDE_SECONDARY_COMMAND, 0);
    irq_restore(flags);
    spin_for(10 * US);
    flags = irq_save();
    pic_mask(15);
    outb(IDE_SECONDARY_CONTROL, IDE_INTERRUPTS_OFF);
    (void)interrupt_set(PIC_VECTOR + 15, handler);
    irq_restore(flags);
    CHECK_EQUAL(interrupt_spurious(), spurious);
    CHECK_EQUAL(fifteenth, there);
    CHECK_EQUAL(in_service(PIC_SLAVE), 0);
    CHECK_EQUAL(in_service(PIC_MASTER), 0);
}

static unsigned seventh;

static void count_seventh(unsigned vector)
{
    (void)vector;
    seventh++;
}

/* Every eighth vector is asked whether it is spurious: this one is not. */
TEST(seventh_taken, "boot.seventh_vectors_are_taken")
{
    interrupt_handler *handler = set_handler(SUITE_VECTOR_SEVENTH, count_seventh);
    uint64_t taken = interrupt_count(SUITE_VECTOR_SEVENTH), spurious = interrupt_spurious();

    seventh = 0;
    raise_47();
    raise_47();
    CHECK_EQUAL(seventh, 2);
    CHECK_EQUAL(interrupt_count(SUITE_VECTOR_SEVENTH), taken + 2);
    CHECK_EQUAL(interrupt_spurious(), spurious);
    (void)set_handler(SUITE_VECTOR_SEVENTH, handler);
}

static struct {
    struct waker waker;
    atomic_bool done;
    uint32_t before, after;
} apic;

static void raise_ff_in_timer(struct waker *waker)
{
    (void)waker;
    apic.before = apic_register(APIC_ISR_TIMER);
    raise_ff();
    apic.after = apic_register(APIC_ISR_TIMER);
    atomic_store(&apic.done, true);
}

TEST(spurious_apic, "boot.spurious_apic_in_service")
{
    struct timer timer = {0};
    uint64_t spurious = interrupt_spurious();

    (void)apic_register(APIC_ISR_TIMER); /* mapped here, not in the interrupt */
    apic.waker.wake = raise_ff_in_timer;
    atomic_store(&apic.done, false);
    sched_timer_start(&timer, clock_now_ns() + MS, &apic.waker);
    while (!atomic_load(&apic.done))
        ;
    CHECK_EQUAL(apic.before, 1u << APIC_TIMER_VECTOR % 32);
    CHECK_EQUAL(apic.after, 1u << APIC_TIMER_VECTOR % 32);
    CHECK_EQUAL(interrupt_spurious(), spurious + 1);
    CHECK_EQUAL(apic_register(APIC_ISR_TIMER), 0);
}

static struct {
    uint32_t before, after;
    uint8_t master, slave;
    unsigned calls;
} lines;

static uint32_t apic_in_service(unsigned vector)
{
    return apic_register(APIC_ISR + 0x10 * (vector / 32)) >> vector % 32 & 1;
}

static void look_at_controllers(unsigned vector)
{
    if (lines.calls++)
        return;
    lines.before = apic_in_service(vector);
    lines.master = in_service(PIC_MASTER);
    lines.slave = in_service(PIC_SLAVE);
    raise_27(); /* vector 0x27 is the 8259's excuse no more, and so ends what is in service */
    lines.after = apic_in_service(vector);
}

/* Both controllers would give line 0 this vector: in service at one of them, and at that one it ends. */
TEST_NEEDS(apic_in_use, "boot.irq_apic_in_service", "irq=apic")
{
    uint64_t spurious = interrupt_spurious();
    uint64_t taken = interrupt_count(0x27);
    uint64_t flags = irq_save();

    (void)apic_register(APIC_ISR); /* mapped here, not in the interrupt */
    lines.calls = 0;
    interrupt_set(PIC_VECTOR + LINE_PIT, look_at_controllers);
    pit_start(1000);
    irq_line_unmask(LINE_PIT);
    irq_restore(flags);
    sleep_until_holds(*(volatile unsigned *)&lines.calls > 1); /* one that is not ended holds up the next */
    flags = irq_save();
    irq_line_mask(LINE_PIT);
    pit_start(0);
    interrupt_set(PIC_VECTOR + LINE_PIT, ignore);
    irq_restore(flags);
    CHECK(lines.calls > 1);
    CHECK_EQUAL(lines.before, 1);
    CHECK_EQUAL(lines.after, 0);
    CHECK_EQUAL(lines.master | lines.slave, 0);
    CHECK_EQUAL(interrupt_count(0x27), taken + 1);
    CHECK_EQUAL(interrupt_spurious(), spurious);
    CHECK_EQUAL(apic_in_service(PIC_VECTOR + LINE_PIT), 0);
}

/* Whatever the 8259s are told, they reach nobody. */
TEST_NEEDS(pic_is_cut_off, "boot.irq_apic_cuts_off_pic", "irq=apic")
{
    uint64_t before = interrupt_count(PIC_VECTOR + LINE_PIT);
    uint64_t flags = irq_save();

    pit_start(1000);
    pic_unmask(LINE_PIT);
    irq_restore(flags);
    spin_for(10 * MS);
    flags = irq_save();
    pic_mask(LINE_PIT);
    pit_start(0);
    irq_restore(flags);
    CHECK_EQUAL(interrupt_count(PIC_VECTOR + LINE_PIT), before);
}

TEST(unexpected_vector, "boot.unexpected_vectors_count")
{
    uint64_t unexpected = interrupt_unexpected();
    uint64_t taken = interrupt_count(SUITE_VECTOR_UNUSED);

    raise_41();
    CHECK_EQUAL(interrupt_unexpected(), unexpected + 1);
    CHECK_EQUAL(interrupt_count(SUITE_VECTOR_UNUSED), taken + 1);
}

static void must_be_wrong(const char *words)
{
    const char *wrong = interrupt_check();

    if (!wrong || !string_equal(wrong, words))
        suite_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", wrong ? wrong : "nothing is wrong", words);
}

TEST(interrupts_as_meant, "boot.interrupts_as_meant")
{
    struct descriptor_table table, shorter;
    uint64_t flags, *gate;

    CHECK(interrupt_check() == NULL);
    flags = irq_save();
    must_be_wrong("interrupts are off");
    irq_restore(flags);

    sidt(&table);
    shorter = table;
    shorter.limit -= 16;
    lidt(&shorter);
    must_be_wrong("another IDT is loaded");
    lidt(&table);

    gate = (uint64_t *)(table.base + 16 * SUITE_VECTOR_UNUSED);
    *gate ^= 1; /* of the address */
    must_be_wrong("a gate of the IDT leads elsewhere");
    *gate ^= 1;
    gate = (uint64_t *)(table.base + 16 * VECTOR_NMI);
    *gate ^= UINT64_C(1) << 33; /* NMI's stack: of 2, 0 */
    must_be_wrong("a gate of the IDT leads elsewhere");
    *gate ^= UINT64_C(1) << 33;
    CHECK(interrupt_check() == NULL);
}

static struct physical frames[FRAMES_TRIED];
static uint64_t frame_seen[FRAMES_SEEN / 64];

static bool frame_is_new(uint64_t address)
{
    uint64_t number = address / PAGE_BYTES;
    uint64_t bit = UINT64_C(1) << number % 64;

    if (number >= FRAMES_SEEN || (frame_seen[number / 64] & bit))
        return false;
    frame_seen[number / 64] |= bit;
    return true;
}

static size_t take_frames(void)
{
    size_t count = 0;

    while (count < FRAMES_TRIED && frame_alloc(&frames[count]) == STATUS_OK)
        count++;
    return count;
}

static void free_frames(size_t count)
{
    for (size_t i = 0; i < count; i++)
        frame_free(frames[i]);
}

TEST(frames_are_unique, "boot.frames_are_unique")
{
    size_t before = frames_free();
    size_t count = take_frames();
    unsigned wrong = 0;

    memset(frame_seen, 0, sizeof(frame_seen));
    for (size_t i = 0; i < count; i++) {
        uint64_t at = frames[i].address;

        wrong += !frame_is_new(at);
        wrong += at % PAGE_BYTES != 0 || at < 1 << 20;
        wrong += at + PAGE_BYTES > (uint64_t)image_start && at < (uint64_t)image_end;
        memset(mmu_direct(frames[i]), 0xa5, 64);
    }
    CHECK(count > 1000);
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(frames_free(), before - count);
    free_frames(count);
    CHECK_EQUAL(frames_free(), before);
}

TEST(frames_are_zeroed, "boot.frames_are_zeroed")
{
    size_t count = take_frames();
    unsigned dirty = 0;

    for (size_t i = 0; i < count; i++) {
        const uint64_t *words = mmu_direct(frames[i]);

        for (size_t at = 0; at < PAGE_BYTES / 8; at += at < 8 ? 1 : 63)
            dirty += words[at] != 0;
    }
    CHECK(count > 1000);
    CHECK_EQUAL(dirty, 0);
    free_frames(count);
}
