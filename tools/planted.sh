#!/bin/sh
# planted.sh [TEXT]: proves that the sweep notices what only an interrupt at the wrong instruction brings to light.
# Each bug is the tree with a line or two changed; the kernel is built with the objects of build/kernel-gcc-O2 and boots
# the one scenario of the sweep that must notice, mode=test test=sweep.NAME; or, where that is `soak`, a minute of the
# soak, which must. TEXT tries only bugs whose line has it.
# Exit status 1 if one was not noticed, or could not be planted.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
wanted=${1:-}
kernel=build/kernel-gcc-O2/duet.elf
limit=20 # seconds, of a scenario that takes less than one
jobs=$(nproc)
tab=$(printf '\t')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# plant SCENARIO FILE SED-SCRIPT TEXT
plant() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4"
}

planted() {
    sched=src/thread/sched.c
    life=src/thread/thread.c
    entry=src/kernel/x86_64/entry.S
    executor=src/executor/executor.c
    channel=src/executor/channel.c
    # shellcheck disable=SC2016
    {
        plant park $sched 's/if (current->token) {$/if (current->token \&\& current->stack == NULL) {/' \
            'a park that does not look for a wake that came before'
        plant executor_park $sched 's/if (current->token) {$/if (current->token \&\& current->stack == NULL) {/' \
            'the same, of an executor'
        plant executor_park src/kernel/executor_thread.c \
            's/^\( *\)thread_park_between_polls();$/\1thread->token = false;\n&/' \
            'an executor that parks without looking again'
        plant idle src/kernel/x86_64/arch.S 's/^    sti$/    sti\n    nop/' 'an instruction between sti and hlt'
        plant idle $life '/^        irq_save();$/d' 'the idle thread looks round with interrupts on'
        plant wake src/kernel/x86_64/interrupt.c \
            '/^    interrupt_end(vector);$/d;/^    if (sched_preempt_due(cpu)) {$/,/^    }$/s/^    }$/&\n    interrupt_end(vector);/' \
            'an interrupt is ended after the switch'
        plant registers $entry '/macro interrupt_enter/,/endm/{/push %rax/{N;s/\(.*\)\n\(.*\)/\2\n\1/}}' \
            'an interrupt pushes rcx before rax'
        plant registers $entry '/^interrupt_return:/,/iretq/{/pop %r11/{N;s/\(.*\)\n\(.*\)/\2\n\1/}}' \
            'an interrupt pops r10 before r11'
        plant yield src/thread/switch.S '/^context_switch:/,/mov/{/push %rbx/{N;s/\(.*\)\n\(.*\)/\2\n\1/}}' \
            'a switch pushes r12 before rbx'
        plant executor_batch $executor \
            '/bool executor_poll_batch/,/^}/{/read first/d;s/^        task = next;$/        task = task->next;/}' \
            'the next of a batch is read after the poll'
        plant executor_batch $executor \
            's/^    return future_poll(task->future, &task->waker);$/    enum poll result = future_poll(task->future, \&task->waker);\n    atomic_fetch_and(\&task->state, ~(uint32_t)TASK_QUEUED);\n    return result;/' \
            'a task may be queued again only after its poll'
        plant executor_cancel $executor 's/(TASK_ENDED | TASK_CANCELLED))/(TASK_ENDED))/' \
            'a cancelled task is polled on'
        plant executor_cancel $executor '/^void task_cancel/,/^}/s/ | TASK_QUEUED) & TASK_QUEUED/) \& TASK_QUEUED/' \
            'a cancel puts a task into the inbox that does not say so'
        plant executor_join src/executor/task_join.c 's/^        (void)atomic_compare_exchange_strong.*$/        (void)waker;/' \
            'a join that is dropped leaves its waker behind'
        plant executor_wake src/executor/executor.h 's/^    while (!atomic_compare_exchange_weak(&executor->inbox, &first, task));$/    while (false);\n    atomic_store(\&executor->inbox, task);/' \
            'the inbox is written without comparing'
        plant yield $sched \
            '/^void thread_yield/,/^}/s/irq_save_now()/{IRQ_ENABLED, clock_now_ns()}/' 'a yield with interrupts on'
        plant preempt_disabled src/thread/sched.h 's/return unlikely(cpu->need_resched);/return false;/' \
            'a switch that was put off is forgotten'
        plant interrupt_exit src/kernel/x86_64/interrupt.c 's/if (sched_preempt_due(cpu)) {/if (vector == 256) {/' \
            'no preemption at the end of an interrupt'
        plant cancel $sched 's/timer_queue_remove(&cpu_this()->timers, timer);/(void)timer;/' \
            'a timer cancelled stays in the queue'
        plant due $sched '/^void sched_timer_start/,/^}/{s/= irq_save()/= IRQ_ENABLED/}' \
            'a timer is queued with interrupts on'
        plant thread_cancel $life '/^void thread_cancel/,/^}/{s/= irq_save()/= IRQ_ENABLED/}' \
            'a thread is cancelled with interrupts on'
        plant thread_cancel $life '/^void thread_cancel/,/^}/s/^        end_wait/        if (thread->stack == NULL)\n    &/' \
            'a thread that waits is woken by its cancel, and waits on'
        plant woken_sleep $sched '/^    timer_queue_remove(&cpu->timers, &current->deadline);$/d' \
            'who is woken from its sleep leaves its timer behind'
        plant life $life '/^static inline void \*joined/,/^}/s/flags = irq_save();/flags = IRQ_ENABLED;/' \
            'stacks are given back with interrupts on'
        plant mutex src/thread/mutex.c 's/set_owner(mutex, owner, true);/set_owner(mutex, owner, false);/' \
            'the owner of a mutex is not told that somebody waits'
        plant mutex src/thread/mutex.c '/^static inline void hand_over/,/^}/{/inherit(cpu, cpu->current);/d}' \
            'an unlock keeps the priority that was lent'
        plant inheritance src/thread/mutex.c '/^static inline void wait_for_owner/,/^}/{/inherit(cpu, owner);/d}' \
            'who waits for a mutex lends no priority'
        plant mutex_timeout src/thread/mutex.c '/^static seldom void lock_expired/,/^}/{/inherit(cpu, owner);/d}' \
            'a lock that timed out does not take back its priority'
        plant semaphore_take src/thread/semaphore.c \
            '/void take_slowly(/,/^}/s/if (take_unit(semaphore))/if (cpu->current == NULL)/' \
            'a take that does not look again with interrupts off'
        plant semaphore_in_time src/thread/waiting.h \
            's/^    if (timer_queued(&thread->deadline)) {$/    if (thread->stack == NULL) {/' \
            'who gets a unit in time leaves its timer behind'
        plant semaphore_hand_over src/thread/semaphore.c \
            '/^static inline void mark_awaited/,/^}/s/atomic_store_explicit.*/(void)semaphore;/' \
            'who waits for a unit leaves no mark'
        plant event_wait src/thread/event.c '/void wait_slowly(/,/^}/s/if (pass(event))/if (cpu->current == NULL)/' \
            'a wait that does not look again with interrupts off'
        plant message_send src/thread/message_queue.c '/^void message_queue_send(/,/^}/s/irq_save()/IRQ_ENABLED/' \
            'a message is sent with interrupts on'
        plant message_send src/thread/message_queue.c \
            's/if (unlikely(!list_empty(&queue->senders.threads)))/if (queue->capacity == 0)/' \
            'who makes room in a queue lets nobody send'
        plant condvar_wait src/thread/condvar.c \
            '/^static void wait_for_signal/,/^}/s/mutex_release(cpu, mutex);/irq_restore(IRQ_ENABLED);\n    mutex_unlock(mutex);\n    (void)irq_save();/' \
            'the mutex is unlocked before the wait begins'
        plant condvar_in_time src/thread/condvar.c 's/^    if (timer_queued(&thread->deadline)) {$/    if (thread->stack == NULL) {/' \
            'who is signalled in time leaves its timer behind'
        plant rwlock_timeout src/thread/rwlock.c \
            '/^static void give_up/,/^}/s/lend(&rwlock->readers, thread);/(void)thread;/' \
            'readers behind a writer that gave up wait on'
        plant rwlock_write src/thread/rwlock.c '/^static void set_holder/,/^}/s/bool contended = .*/bool contended = false;/' \
            'who holds an rwlock is not told that somebody waits'
        plant condition src/thread/wait_queue.c \
            's/^    while (!condition(argument)) {/    for (;;) {\n        irq_restore(moment.flags);\n        bool held = condition(argument);\n        (void)irq_save();\n        if (held)\n            break;/' \
            'the condition is asked with interrupts on'
        plant soak src/kernel/process.c \
            '/^static void kill_other/,/^}/s/^    thread_cancel(.*/&\n    static unsigned kills;\n    struct physical frame;\n    if (++kills == 100 \&\& frame_alloc(\&frame) == STATUS_OK)\n        kills++;/;s/#include "lib.elf.h"/#include "kernel\/x86_64\/physical.h"\n&/' \
            'the hundredth kill takes a frame with it'
        plant soak src/drivers/ps2_port.h '/^static inline void ps2_receive/,/^}/s/^        port->dropped++;$//' \
            'a byte without room is not counted'
        plant soak src/drivers/mouse.c 's/^    if (unlikely(silence))$/    if (silence \&\& mouse->queue == NULL)/' \
            'the announcement of a mouse is taken for half a packet'
        plant soak $sched 's/if (current->token) {$/if (current->token \&\& current->stack == NULL) {/' \
            'a wake that comes before the park is lost, somewhere'
        gap='critical_leave(flags);\n    flags = critical_enter();'
        plant async_receive $channel \
            "/^static enum poll receive_poll/,/^}/s/^    if (self->status == STATUS_AGAIN)\$/    $gap\n&/" \
            'a receive looks, and waits, in two critical sections'
        plant async_send $channel "/^static enum poll send_poll/,/^}/s/^    if (self->status == STATUS_AGAIN)\$/    $gap\n&/" \
            'a send looks, and waits, in two critical sections'
        plant async_to_task src/executor/channel.h \
            '/channel_send_try(/,/^}/s/uint64_t flags = critical_enter();/uint64_t flags = 0x200;/' \
            'a message is put into a channel with interrupts on'
        plant async_close $channel 's/^    if (channel->closed || !waiters_empty(&channel->receivers)) {/    if (!waiters_empty(\&channel->receivers)) {/' \
            'a message is sent after the channel was closed'
        plant async_cancel $channel 's/^        offer_message(self->channel);/        self->channel->messages++;/' \
            'a message promised to a dropped receive goes to nobody'
        plant async_cancel_send $channel 's/^        offer_room(self->channel);/        self->channel->room++;/' \
            'room promised to a dropped send goes to nobody'
        plant async_timeout src/bridge/block_on.c '/^            future_drop(future);$/d' 'a wait that timed out stays in its queue'
        plant async_oneshot src/executor/oneshot.c "s/^    self->status = status_now(oneshot);/&\n    $gap/" \
            'a oneshot is asked, and waited for, in two critical sections'
        plant async_oneshot_cancel src/executor/oneshot.c \
            '/^static void receive_drop/,/^}/s/(void)waiter_leave(&self->waiter);/self->waiter.state = WAITER_OUT;/' \
            'a dropped receive stays where it waited'
        plant async_watch src/executor/watch.c "s/^    bool changed = .*/&\n\n    $gap/" \
            'a watch is asked, and waited for, in two critical sections'
        plant async_broadcast src/executor/broadcast.c "s/^    self->status = take.*/&\n    $gap/" \
            'a broadcast is asked, and waited for, in two critical sections'
        plant async_semaphore src/executor/async_semaphore.c 's/^        self->semaphore->units += self->units;/        (void)0;/' \
            'units granted to a dropped take are lost'
        plant async_semaphore_many src/executor/async_semaphore.c 's/ || !waiters_empty(&semaphore->waiters))/)/' \
            'who tries overtakes those to whom units are being given'
        plant async_mutex src/executor/async_mutex.c 's/^    else$/    else if (mutex_is_never_free(self))/;s/^static enum poll guard_poll/static bool mutex_is_never_free(struct async_mutex_guard *guard)\n{\n    return guard->locked;\n}\n\n&/' \
            'a guard that is dropped while it waits is not taken back'
        plant async_event src/executor/async_event.c 's/ == WAITER_GRANTED && self->event->automatic;/ == WAITER_GRANTED \&\& !self->event->automatic;/' \
            'a signal that a dropped wait was let through by is lost'
    }
}

# try KERNEL SCENARIO COM1: what came of it.
try() {
    : >"$3"
    seconds=$limit
    words="mode=test test=sweep.$2"
    shift_of=0
    [ "$2" != soak ] || { seconds=$((limit * 6)); words='mode=soak minutes=1'; shift_of=7; }
    # shellcheck disable=SC2046 # the file is words
    timeout "$seconds" qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) -icount "shift=$shift_of" -display none \
        -no-reboot -monitor none -serial "file:$3" -serial null -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -kernel "$1" -initrd "$(dirname "$1")/programs.tar" -append "$words" >/dev/null 2>&1
    status=$?
    panic=$(sed -n 's/^PANIC: //p' "$3" | head -n 1 | tr -cd '[:print:]' | cut -c -100)
    failed=$(sed -n 's/^    src[^ ]*: //p;s/^soak: FAILED: //p' "$3" | head -n 1 | cut -c -100)
    case $status:$panic:$failed in
    33:*) echo 'NOT NOTICED' ;;
    35::?*) echo "noticed: $failed" ;;
    35:?*) echo "noticed by a panic: $panic" ;;
    124:*) echo 'noticed by a hang' ;;
    0:*) echo 'noticed by a reset' ;;
    *) echo "BROKEN: ended with $status" ;;
    esac
}

# worker N: tries every bug whose number is N modulo the jobs, in a tree of its own.
worker() {
    tree=$work/tree$1
    mkdir -p "$tree/build" "$tree/tools"
    cp -a Makefile src "$tree"
    cp -a tools/reference-machine tools/symbols "$tree/tools"
    cp -a build/kernel-gcc-O2 build/duet-symbols "$tree/build"
    awk -v n="$1" -v jobs="$jobs" 'NR % jobs == n' "$work/planted" |
    while IFS=$tab read -r scenario file script text; do
        cp "$tree/$file" "$work/original$1"
        sed "$script" "$work/original$1" >"$tree/$file"
        if cmp -s "$tree/$file" "$work/original$1"; then
            result='BROKEN: changes nothing'
        elif ! make -s -C "$tree" CC=gcc OPT=2 kernel >"$work/log$1" 2>&1; then
            result="BROKEN: does not build: $(grep -m 1 -i error "$work/log$1")"
        else
            result=$(try "$tree/$kernel" "$scenario" "$work/com$1" </dev/null)
        fi
        cp "$work/original$1" "$tree/$file"
        touch "$tree/$file"
        printf '%-22s %-55s %s\n' "$scenario" "$text" "$result" | tee -a "$work/results$1"
    done
}

make -s CC=gcc OPT=2 kernel || exit 1
planted | grep -F -e "$wanted" >"$work/planted"
cut -f 1 "$work/planted" | sort -u | while read -r scenario; do
    result=$(try "$kernel" "$scenario" "$work/com")
    [ "$result" = 'NOT NOTICED' ] || { echo "planted.sh: $scenario fails with nothing planted, $result"; exit 1; }
done || exit 1
job=0
while [ "$job" -lt "$jobs" ]; do
    worker "$job" &
    job=$((job + 1))
done
wait
total=$(wc -l <"$work/planted")
noticed=$(cat "$work"/results* | grep -c ' noticed')
echo "$noticed of $total planted bugs noticed"
[ "$total" -gt 0 ] && [ "$noticed" -eq "$total" ]
