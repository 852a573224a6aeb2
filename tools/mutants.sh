#!/bin/sh
# mutants.sh [EVERY]: proves that the in-kernel tests notice broken entry and switch code.
# Each mutant is the tree with one line removed, changed or swapped with the next. It is built with the objects of
# build/kernel-gcc-O2 and boots `mode=test`: all tests, then some of those that end in a panic. A failed test, a panic
# where none is due, a reset or a hang kills it.
# EVERY=n tries only every n-th mutant. Exit status 1 if one survived, or could not be tried.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
every=${1:-1}
kernel=build/kernel-gcc-O2/duet.elf
jobs=$(nproc)
tab=$(printf '\t')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# drop FILE FROM TO: a mutant for each instruction between two lines, without it.
drop() {
    awk -v file="$1" -v from="$2" -v to="$3" '
        index($0, from) == 1 { inside = 1; next }
        index($0, to) { inside = 0 }
        inside && /^ +(push|pop|mov|cld|add|call|iretq|ret|jmp|pushfq|sti|cli|hlt|IRQ_SITE)/ {
            text = $0
            sub(/^ +/, "", text)
            printf "%s\t%dd\t%s:%d without `%s`\n", file, NR, file, NR, text
        }' "$1"
}

# swap FILE FROM TO: a mutant for each two pops in a row, the other way round.
swap() {
    awk -v file="$1" -v from="$2" -v to="$3" '
        index($0, from) == 1 { inside = 1; pop = ""; next }
        index($0, to) { inside = 0 }
        inside {
            text = $0
            sub(/^ +/, "", text)
            if (pop && text ~ /^pop/)
                printf "%s\t%d{h;d};%dG\t%s:%d `%s` after `%s`\n", file, NR - 1, NR, file, NR - 1, pop, text
            pop = text ~ /^pop/ ? text : ""
        }' "$1"
}

# change FILE SED-SCRIPT TEXT
change() {
    printf '%s\t%s\t%s: %s\n' "$1" "$2" "$1" "$3"
}

mutants() {
    switch=src/thread/switch.S
    entry=src/kernel/x86_64/entry.S
    drop $switch context_switch: '.size context_switch'
    drop $switch thread_trampoline: 'ud2'
    drop $entry '    .macro exception_stub' .endm
    drop $entry '    .macro interrupt_stub' .endm
    drop $entry exception_common: '.size exception_common'
    drop $entry '    .macro interrupt_enter' .endm
    drop $entry interrupt_common: '.size interrupt_common'
    swap $switch context_switch: '.size context_switch'
    swap $switch thread_trampoline: 'ud2'
    swap $entry exception_common: '.size exception_common'
    swap $entry interrupt_common: '.size interrupt_common'
    change src/kernel/x86_64/machine/interrupts.h 's/IRQ_SITE("cli", "irqoff_cli")/"nop"/' 'irq_save without cli'
    change src/kernel/x86_64/arch.S '/^ *sti$/d' 'cpu_wait without sti'
    change src/kernel/x86_64/arch.S '/^ *hlt$/d' 'cpu_wait without hlt'
    change src/kernel/x86_64/pic.h '/outb(PIC_MASTER, PIC_EOI)/d' 'pic_end without the EOI to the master'
    change src/kernel/x86_64/pic.h '/outb(PIC_SLAVE, PIC_EOI)/d' 'pic_end without the EOI to the slave'
    change src/kernel/x86_64/pic.c 's/inb(port) & 0x80/line/' 'line 7 and 15 never spurious'
    change src/kernel/x86_64/pic.c 's/if (line >= 8)$/if (line >= 16)/' 'spurious 15 without the EOI to the master'
    change src/kernel/x86_64/clock.c 's/apic_write(APIC_EOI, 0);/(void)apic;/' 'no EOI to the APIC'
    change src/kernel/x86_64/interrupt.c 's/vector == APIC_SPURIOUS_VECTOR/vector == 256/' 'APIC spurious vector ended'
    change src/kernel/x86_64/interrupt.c 's/if (sched_preempt_due(cpu))/if (vector == 256)/' \
        'no preemption at the end of an interrupt'
    change src/kernel/x86_64/interrupt.c 's/cpu->irq_depth++;/(void)cpu;/' 'an interrupt is not counted as one'
    change src/kernel/x86_64/interrupt.c 's/gate_set(vector, ist);/gate_set(vector, ist \& 0);/' 'double faults without their own stack'
    change src/kernel/input.c 's/if (status & I8042_STATUS_AUX)/if (false)/' 'all bytes are the keyboard'"'"'s'
    change src/drivers/ps2_port.h '/waker_slot_wake(&port->reader);/{x;s/^/x/;/^x$/{x;d};x}' 'ps2_receive wakes nobody'
    change src/thread/sched.c 's/now >= cpu->current->slice_end_ns)$/now == 0)/' 'a turn never ends'
    change src/thread/switching.h 's/now >= current->slice_end_ns)/now == 0)/' 'a turn over begins again at once'
    change src/thread/switching.h 's/unlikely(now >= current->slice_end_ns) && slice_contended/now != 0 \&\& slice_contended/' 'whoever is preempted loses its turn'
    change src/kernel/x86_64/machine/switch.h 's/IRQ_SITE(popfq, irqoff_popfq);/add $8, %rsp;/' 'interrupts stay as they were at the switch'
    change src/thread/switching.h '/cpu->ready_mask &= ~(UINT64_C(1) << priority);/d' 'an empty ring is thought to be ready'
    change src/thread/sched.c 's/cpu->ready\[current->priority\] = next;/(void)next;/' 'a yield keeps its place'
    change src/thread/sched.c 's/thread->token = true;/(void)thread;/' 'a wake before the park is lost'
    change src/thread/switching.h '/previous->run_ns +=/d' 'run time is not counted'
    change src/thread/semaphore.c 's/&semaphore->units, 1,/\&semaphore->units, 0,/' 'a unit is lost when all have timed out'
    change src/thread/event.c '/atomic_store_explicit(&event->state, EVENT_AWAITED/d' 'a signal does not see who waits'
    change src/thread/event.c 's/if (!event->automatic) {/if (!event->automatic \&\& !first) {/' 'a manual event lets one through'
    change src/thread/message_queue.c 's/place == queue->end ? queue->storage : place;/place;/' 'messages beyond the end of the storage'
    change src/thread/message_queue.c 's/push(queue, sender->sends);/queue->count++;/' 'what a sender that waited sends is lost'
    change src/thread/message_queue.c 's/\(receiver->receives, message\), .*);/\1, 1);/' \
        'a receiver that waits gets one byte'
    change src/thread/mutex.c 's/^    inherit(cpu, owner);$/(void)cpu;/' 'a mutex lends nothing'
    change src/thread/condvar.c 's/mutex_grant(cpu, condvar->mutex, thread);/(void)condvar, make_ready(cpu, thread);/' \
        'who is signalled does not get the mutex'
    change src/thread/condvar.c '/limit->expired = true;/d' 'a wait that timed out says it was signalled'
    change src/thread/rwlock.c 's/readers == 1 && anybody_waits/readers >= 1 \&\& anybody_waits/' \
        'a writer is let in beside readers'
    change src/thread/rwlock.c '/^    mutex_inherit(cpu, mutex_owner(side));$/d' 'an rwlock lends nothing'
    change src/thread/wait_queue.c '0,/while (!condition/s/while (!condition/if (!condition/' \
        'a condition is asked once'
    change src/executor/executor.c 's/atomic_fetch_sub(&task->state, TASK_QUEUED) - TASK/atomic_load(\&task->state) - TASK/' \
        'a task polled once is queued for ever'
    change src/executor/executor.c 's/if (!(atomic_fetch_or(&task->state, TASK_QUEUED) & TASK_QUEUED))$/atomic_fetch_or(\&task->state, TASK_QUEUED);/' \
        'wakes do not coalesce'
    change src/kernel/executor_thread.c 's/may_not_park = true/may_not_park = false/' 'a poll may park'
}

# boot KERNEL LIMIT COM1 TEST: the machine's exit status, 124 after LIMIT seconds.
boot() {
    # shellcheck disable=SC2046 # the file is words
    timeout "$2" qemu-system-x86_64 $(grep -v '^#' tools/reference-machine) -display none -no-reboot -monitor none \
        -serial "file:$3" -serial null -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -kernel "$1" -initrd build/kernel-gcc-O2/programs.tar -append "mode=test test=$4" >/dev/null 2>&1
}

# try KERNEL LIMIT COM1: boots until a test fails.
try() {
    for test in all panic.null_write panic.double_fault panic.park_in_poll; do
        : >"$3"
        boot "$1" "$2" "$3" "$test"
        status=$?
        [ "$status" -eq 33 ] || break
    done
    verdict "$status" "$3"
}

# Whether nothing that exception() calls cares for the direction flag, as this compiler made it: then clearing it, which
# the ABI demands, can have no effect.
exceptions_use_no_strings() {
    for object in kernel/panic kernel/backtrace kernel/console kernel/x86_64/interrupt kernel/x86_64/serial \
        kernel/x86_64/mmu executor/async_trace lib/format lib/mem lib/symbols lib/terminal; do
        objdump -d "build/kernel-gcc-O2/src/$object.c.o" || return 1
    done >"$work/disassembly" &&
        ! grep -Eq '\<(rep|repz|repnz)\>|\<(movs|stos|lods|scas|cmps)[bwlq]? +.*%[de]s:' "$work/disassembly"
}

# verdict STATUS COM1
verdict() {
    last=$(sed -n 's/^\([a-z]*\.[a-z0-9_]*\)\.\.\..*/\1/p' "$2" | tail -n 1)
    failed=$(sed -n 's/^\([a-z]*\.[a-z0-9_]*\).*\[FAILED\].*/\1/p' "$2" | head -n 1)
    panic=$(sed -n 's/^PANIC: //p' "$2" | head -n 1 | tr -cd '[:print:]' | cut -c -60)
    case $1:$failed in
    33:) echo SURVIVED ;;
    124:) echo "killed by a hang in ${last:-boot}" ;;
    35:) echo "killed by a panic in ${last:-boot}: $panic" ;;
    *:) echo "killed by a reset in ${last:-boot}" ;;
    *) echo "killed by $failed" ;;
    esac
}

# worker N: tries every mutant whose number is N modulo the jobs, in a tree of its own.
worker() {
    tree=$work/tree$1
    mkdir -p "$tree/build" "$tree/tools"
    cp -a Makefile src "$tree"
    cp -a tools/reference-machine tools/symbols "$tree/tools"
    cp -a build/kernel-gcc-O2 build/duet-symbols "$tree/build"
    awk -v n="$1" -v jobs="$jobs" 'NR % jobs == n' "$work/mutants" |
    while IFS=$tab read -r number file script text; do
        cp "$tree/$file" "$work/original$1"
        sed "$script" "$work/original$1" >"$tree/$file"
        if cmp -s "$tree/$file" "$work/original$1"; then
            result='BROKEN: changes nothing'
        elif ! make -s -C "$tree" CC=gcc OPT=2 kernel >"$work/log$1" 2>&1; then
            result="BROKEN: does not build: $(grep -m 1 -i error "$work/log$1")"
        else
            result=$(try "$tree/$kernel" "$limit" "$work/com$1")
        fi
        case $result$text in
        SURVIVED*entry.S*cld*) exceptions_use_no_strings && result='equivalent: no string instruction follows' ;;
        esac
        cp "$work/original$1" "$tree/$file"
        touch "$tree/$file"
        printf '%03d %-88s %s\n' "$number" "$text" "$result" | tee -a "$work/results$1"
    done
}

make -s CC=gcc OPT=2 kernel || exit 1
start=$(date +%s)
result=$(try "$kernel" 300 "$work/com")
[ "$result" = SURVIVED ] || { echo "mutants.sh: the tests fail without a mutation, $result"; exit 1; }
limit=$((($(date +%s) - start) * 2 + 10))

mutants | awk -v every="$every" -v tab="$tab" 'NR % every == 0 { print NR tab $0 }' >"$work/mutants"
job=0
while [ "$job" -lt "$jobs" ]; do
    worker "$job" &
    job=$((job + 1))
done
wait
total=$(wc -l <"$work/mutants")
killed=$(cat "$work"/results* | grep -c ' killed by ')
equivalent=$(cat "$work"/results* | grep -c ' equivalent: ')
echo "$killed of $total mutants killed, $equivalent equivalent"
[ "$total" -gt 0 ] && [ $((killed + equivalent)) -eq "$total" ]
