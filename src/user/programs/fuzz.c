/*
 * Random system calls. What would succeed is made by the table of calls, then some of its arguments are replaced by
 * what lies at borders or is random; some calls are random altogether. The other registers, rsp and the flags are
 * always.
 *
 * Argument: FUZZ_SESSION, from bit 8 on how many calls, from bit 32 on the seed. A session does not end itself: what
 * would end it, or wait for ever, is done by the processes and threads that it starts, and those are killed in the end.
 * It prints how many calls of each number succeeded, and ends with a bit for each number that did; or with less than 0:
 * a call was let through that had a pointer where nothing can be, or left a register other than it must.
 */
#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "user/duet.h"

enum {
    FUZZ_SESSION = 0xa5,
    ARGUMENTS = 4,
    CALLS_MAX = 64,
    CHILDREN = 8,
    LEAF_CALLS = 40,
    WORKER_CALLS = 6,
    NAME_BYTES = 16,
    EVENTS_AT = 1024, /* in the arena */
    EVENTS = 16,
    LINE_BYTES = 1024,
    SHORT_NS = 100000,
    MAP_FLAGS = 3,
    THREADS_MAX = 17,      /* main among them, and one that was forgotten and is not yet counted so */
    FLAGS_KEPT = 0x244cd5, /* ID AC NT OF DF SF ZF AF PF CF */
};

#define PAGE       UINT64_C(4096)
#define ARENA      UINT64_C(0x20000000) /* two pages to write to, none, one to read, none */
#define ARENA_READ (ARENA + 3 * PAGE)
#define ARENA_END  (ARENA + 5 * PAGE)
#define MAPS       UINT64_C(0x30000000) /* where calls map and unmap */
#define MAPS_PAGES 64
#define IMAGE      UINT64_C(0x400000)
#define IMAGE_END  UINT64_C(0x500000)
#define SPACE_LOW  UINT64_C(0x10000)
#define STACKS     UINT64_C(0x00007fffffe00000)
#define STACKS_END UINT64_C(0x00007ffffffe0000)
#define SPACE_END  UINT64_C(0x00007ffffffff000)
#define WAITABLE   (UINT64_C(1) << 40) /* no process or thread comes to this number */

#define SYSCALL_ERROR(...)
#define SYSCALL0(number, name, text)                                 CALL_##name = (number),
#define SYSCALL1(number, name, t1, a1, text)                         CALL_##name = (number),
#define SYSCALL2(number, name, t1, a1, t2, a2, text)                 CALL_##name = (number),
#define SYSCALL3(number, name, t1, a1, t2, a2, t3, a3, text)         CALL_##name = (number),
#define SYSCALL4(number, name, t1, a1, t2, a2, t3, a3, t4, a4, text) CALL_##name = (number),
enum call {
#include "lib/syscalls.def"
    CALLS
};
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4

struct shape {
    const char *name;
    const char *arguments[ARGUMENTS];
    const char *types[ARGUMENTS];
};

#define SYSCALL0(number, name, text)                         [number] = {#name, {0}, {0}},
#define SYSCALL1(number, name, t1, a1, text)                 [number] = {#name, {#a1}, {#t1}},
#define SYSCALL2(number, name, t1, a1, t2, a2, text)         [number] = {#name, {#a1, #a2}, {#t1, #t2}},
#define SYSCALL3(number, name, t1, a1, t2, a2, t3, a3, text) [number] = {#name, {#a1, #a2, #a3}, {#t1, #t2, #t3}},
#define SYSCALL4(number, name, t1, a1, t2, a2, t3, a3, t4, a4, text) \
    [number] = {#name, {#a1, #a2, #a3, #a4}, {#t1, #t2, #t3, #t4}},
static const struct shape shapes[] = {
#include "lib/syscalls.def"
};

_Static_assert(sizeof(shapes) / sizeof(shapes[0]) == CALLS && CALLS < CALLS_MAX - 1, "numbers without gaps");

/* As fuzz.S has them. */
struct fuzz_registers {
    uint64_t rax, rbx, rdx, rsi, rbp, r8, r9, r10, r12, r13, r14, r15, rdi, unused, rsp, flags;
};

void fuzz_call(struct fuzz_registers *registers);

struct request {
    uint64_t number;
    uint64_t arguments[ARGUMENTS];
};

/* Who makes the calls, and so what must not be among them. */
enum maker { MAIN, WORKER, LEAF };

enum kind { WORD, POINTER, SIZE, TIME, ID, ADDRESS, BYTE, SOURCE, SMALL };

static struct {
    uint64_t made, succeeded;
} counts[CALLS_MAX];

static struct child {
    uint64_t pid;
    int ends; /* by itself, or it was killed */
} children[CHILDREN];
static unsigned child_count;
static uint64_t own_pid, last_thread = 1;
static uint64_t threads_begun, threads_forgotten;

static const char names[][NAME_BYTES] = {"fuzz", "quick", "hello", "attack", "keyboard", "mouse", "none"};
enum { NAME_FUZZ, NAME_QUICK, NAMES = sizeof(names) / sizeof(names[0]) };
static const uint8_t keyboard_bytes[] = {0xee, 0xf2, 0xf4}; /* that change nothing: echo, who are you, go on */

static int worker(uint64_t seed);

/* xorshift64*. */
static uint64_t next(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t below(uint64_t *random, uint64_t limit)
{
    return (next(random) >> 20) % limit;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static enum kind kind_of(const struct shape *shape, unsigned i)
{
    static const struct {
        const char *name;
        enum kind kind;
    } kinds[] = {{"size", SIZE},       {"count", SIZE}, {"name_size", SIZE}, {"ns", TIME},
                 {"timeout_ns", TIME}, {"pid", ID},     {"thread", ID},      {"address", ADDRESS},
                 {"entry", ADDRESS},   {"byte", BYTE},  {"source", SOURCE},  {"flags", SMALL}};

    if (shape->types[i][0] == 'U') /* USER(type) */
        return POINTER;
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        if (same(shape->arguments[i], kinds[k].name))
            return kinds[k].kind;
    return WORD;
}

static uint64_t some_pointer(uint64_t *random)
{
    static const uint64_t places[] = {0,
                                      1,
                                      SPACE_LOW - 1,
                                      SPACE_LOW,
                                      ARENA - 1,
                                      ARENA_END,
                                      SPACE_END - 1,
                                      SPACE_END,
                                      UINT64_C(0x00007fffffffffff),
                                      UINT64_C(0x0000800000000000),
                                      UINT64_C(0xffff7fffffffffff),
                                      UINT64_C(0xffff800000000000),
                                      UINT64_C(0xffff800000100000),
                                      UINT64_C(0xffffc00000000000),
                                      UINT64_C(0xffffffff80100000),
                                      UINT64_C(0xffffffff80110000),
                                      UINT64_MAX - 7,
                                      UINT64_MAX};

    switch (below(random, 8)) {
    case 0:
        return ARENA + below(random, 2 * PAGE);
    case 1:
        return ARENA + 2 * PAGE - below(random, 40); /* into the hole */
    case 2:
        return ARENA + 3 * PAGE - below(random, 40); /* in it, into what can be read */
    case 3:
        return ARENA_READ + below(random, PAGE);
    case 4:
        return IMAGE + below(random, PAGE); /* its code */
    case 5:
        return SPACE_END - below(random, 64);
    case 6:
        return next(random);
    default:
        return places[below(random, sizeof(places) / sizeof(places[0]))] + below(random, 2) * below(random, 32);
    }
}

static uint64_t some_size(uint64_t *random)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     2,
                                     3,
                                     4,
                                     5,
                                     6,
                                     7,
                                     8,
                                     15,
                                     16,
                                     17,
                                     31,
                                     32,
                                     33,
                                     99,
                                     100,
                                     101,
                                     127,
                                     128,
                                     129,
                                     255,
                                     256,
                                     257,
                                     4095,
                                     4096,
                                     4097,
                                     8192,
                                     UINT32_MAX,
                                     INT64_MAX,
                                     UINT64_MAX,
                                     UINT64_C(1) << 32,
                                     UINT64_C(1) << 59,
                                     UINT64_C(1) << 60,
                                     UINT64_C(1) << 63};

    return sizes[below(random, sizeof(sizes) / sizeof(sizes[0]))];
}

static uint64_t some_id(uint64_t *random)
{
    switch (below(random, 4)) {
    case 0:
        return own_pid + below(random, 4) - 1;
    case 1:
        return below(random, 20);
    case 2:
        return child_count ? children[below(random, child_count)].pid : 0;
    default:
        return next(random);
    }
}

static uint64_t some_address(uint64_t *random)
{
    switch (below(random, 4)) {
    case 0:
        return some_pointer(random) & ~(PAGE - 1);
    case 1:
        return some_pointer(random);
    default:
        return MAPS + below(random, MAPS_PAGES) * PAGE;
    }
}

static uint64_t some(enum kind kind, uint64_t *random)
{
    switch (kind) {
    case POINTER:
        return some_pointer(random);
    case SIZE:
        return some_size(random);
    case TIME:
        return below(random, 3) ? below(random, SHORT_NS) : next(random) >> below(random, 64);
    case ID:
        return some_id(random);
    case ADDRESS:
        return some_address(random);
    case BYTE:
        return below(random, 2) ? keyboard_bytes[below(random, sizeof(keyboard_bytes))] : next(random);
    case SOURCE:
        return below(random, 5);
    case SMALL:
        return next(random) >> below(random, 64);
    case WORD:
        break;
    }
    return below(random, 2) ? next(random) : some_size(random);
}

static void events_prepare(uint64_t *random)
{
    struct input_event *events = (struct input_event *)(ARENA + EVENTS_AT);

    for (unsigned i = 0; i < EVENTS; i++)
        events[i].type = (uint8_t)(below(random, 50) ? below(random, 3) : next(random));
}

/* It must have ended, or be about to: nobody else would go on while main waits. */
static uint64_t child_that_ends(uint64_t *random)
{
    struct child *child;

    if (!child_count)
        return 0;
    child = &children[below(random, child_count)];
    if (!child->ends)
        child->ends = duet_kill(child->pid) == 0;
    return child->pid;
}

static void fill_spawn(struct request *request, uint64_t *random)
{
    unsigned name = (unsigned)(below(random, 2) ? below(random, NAMES) : below(random, 2));

    for (unsigned i = 0; i < sizeof(names); i++)
        ((volatile char *)ARENA)[i] = names[i / NAME_BYTES][i % NAME_BYTES];
    request->arguments[0] = ARENA + name * NAME_BYTES;
    for (request->arguments[1] = 0; names[name][request->arguments[1]];)
        request->arguments[1]++;
    request->arguments[2] = next(random);
}

/* What should succeed, or could. */
static void fill(struct request *request, enum maker maker, uint64_t *random)
{
    const struct shape *shape = &shapes[request->number];
    uint64_t *arguments = request->arguments;

    for (unsigned i = 0; i < ARGUMENTS && shape->types[i]; i++) {
        enum kind kind = kind_of(shape, i);

        arguments[i] = kind == POINTER ? ARENA + EVENTS_AT : kind == SIZE ? 1 + below(random, 16) : some(kind, random);
    }
    switch (request->number) {
    case CALL_spawn:
        fill_spawn(request, random);
        break;
    case CALL_wait:
    case CALL_kill:
        if (maker == MAIN)
            arguments[0] = child_that_ends(random);
        break;
    case CALL_map:
        arguments[0] = MAPS + below(random, MAPS_PAGES) * PAGE;
        arguments[1] = (1 + below(random, 4)) * PAGE;
        arguments[2] = below(random, 3);
        break;
    case CALL_unmap:
        arguments[0] = MAPS;
        arguments[1] = (1 + below(random, MAPS_PAGES)) * PAGE;
        break;
    case CALL_thread:
        arguments[0] = (uint64_t)_thread;
        arguments[1] = next(random);
        arguments[2] = (uint64_t)worker;
        break;
    case CALL_thread_wait:
        arguments[0] = last_thread - below(random, 4);
        break;
    case CALL_claim:
        arguments[0] = below(random, 3);
        break;
    case CALL_port_read:
    case CALL_port_write:
        arguments[0] = 0;
        break;
    case CALL_publish:
        events_prepare(random);
        break;
    default:
        break;
    }
}

static struct request some_request(enum maker maker, uint64_t *random)
{
    struct request request = {.number = below(random, CALLS)};
    unsigned spoiled = (unsigned)below(random, 8);

    if (spoiled == 0) { /* at random altogether */
        request.number = below(random, 2) ? below(random, CALLS + 2) : next(random) >> below(random, 64);
        for (unsigned i = 0; i < ARGUMENTS; i++)
            request.arguments[i] = next(random) >> below(random, 64);
        return request;
    }
    fill(&request, maker, random);
    for (; spoiled > 5; spoiled--) {
        unsigned i = (unsigned)below(random, ARGUMENTS);

        if (shapes[request.number].types[i])
            request.arguments[i] = some(kind_of(&shapes[request.number], i), random);
    }
    if (below(random, 64) == 0)
        request.number |= UINT64_C(1) << (32 + below(random, 32)); /* the whole register counts */
    return request;
}

static int overlaps(uint64_t address, uint64_t size, uint64_t begin, uint64_t end)
{
    return address < end && size > 0 && (address >= begin || size > begin - address);
}

static int is_keyboard_byte(uint64_t byte)
{
    for (unsigned i = 0; i < sizeof(keyboard_bytes); i++)
        if (byte == keyboard_bytes[i])
            return 1;
    return byte > UINT8_MAX;
}

/* Where it would be written: what the session counts, or its stacks. */
static int points_at_session(const struct request *request)
{
    for (unsigned i = 0; i < ARGUMENTS && shapes[request->number].types[i]; i++) {
        uint64_t argument = request->arguments[i];

        if (kind_of(&shapes[request->number], i) == POINTER &&
            ((argument >= IMAGE + PAGE && argument < IMAGE_END) || (argument >= STACKS && argument < STACKS_END)))
            return 1;
    }
    return 0;
}

static int waits_for_ever(const struct request *request)
{
    for (unsigned i = 0; i < ARGUMENTS && shapes[request->number].types[i]; i++)
        if (kind_of(&shapes[request->number], i) == TIME && request->arguments[i] > SHORT_NS)
            return 1;
    if (request->number == CALL_wait)
        for (unsigned i = 0; i < child_count; i++)
            if (children[i].pid == request->arguments[0] && !children[i].ends)
                return 1;
    return 0;
}

/* What would end the session, or the part of it that all depends on. */
static int ends_session(const struct request *request)
{
    const uint64_t *arguments = request->arguments;

    switch (request->number) {
    case CALL_exit:
        return 1;
    case CALL_kill:
        return arguments[0] == own_pid;
    case CALL_map:
    case CALL_unmap:
        return overlaps(arguments[0], arguments[1], IMAGE, IMAGE_END) ||
               overlaps(arguments[0], arguments[1], ARENA, ARENA_END) ||
               overlaps(arguments[0], arguments[1], STACKS, SPACE_END);
    case CALL_thread:
        return arguments[0] >= SPACE_LOW && arguments[0] < SPACE_END &&
               (arguments[0] != (uint64_t)_thread || arguments[2] != (uint64_t)worker);
    default:
        return 0;
    }
}

/* A process's tree has two levels, or it would have none too many; and nobody changes what the keyboard does. */
static int is_harmful(const struct request *request, enum maker maker)
{
    const uint64_t *arguments = request->arguments;

    if (request->number >= CALLS)
        return 0;
    if (request->number == CALL_port_write && !is_keyboard_byte(arguments[1]))
        return 1;
    if (request->number == CALL_spawn)
        return maker != MAIN || (uint8_t)arguments[2] == FUZZ_SESSION;
    if (maker == LEAF)
        return 0;
    if (maker == WORKER && (request->number == CALL_wait || request->number == CALL_thread_wait))
        return arguments[0] < WAITABLE;
    if (maker == MAIN && request->number == CALL_thread_exit)
        return 1;
    return ends_session(request) || waits_for_ever(request) || points_at_session(request);
}

/* ---- what must be ------------------------------------------------------------------------------------------------ */

/* Nothing but less than all bytes at such a pointer may succeed; and what only waited in vain has not looked. */
static int is_let_through(const struct request *request, int64_t result)
{
    const struct shape *shape = &shapes[request->number];
    int wild = 0, empty = 0, timed = 0;

    for (unsigned i = 0; i < ARGUMENTS && shape->types[i]; i++) {
        enum kind kind = kind_of(shape, i);
        uint64_t argument = request->arguments[i];

        wild |= kind == POINTER && (argument < SPACE_LOW || argument >= SPACE_END);
        empty |= kind == SIZE && argument == 0;
        timed |= kind == TIME;
    }
    return wild && !empty && (timed ? result > 0 : result >= 0);
}

static void complain(const char *what, const struct request *request, int64_t result)
{
    print(what);
    print_number(": call ", request->number);
    for (unsigned i = 0; i < ARGUMENTS; i++)
        print_number("    ", request->arguments[i]);
    print_number("    result ", (uint64_t)result);
    (void)duet_exit(-1 - (int64_t)(request->number % CALLS_MAX));
}

static void check_registers(const struct fuzz_registers *set, const struct fuzz_registers *got,
                            const struct request *request)
{
    uint64_t lost = (got->rbx ^ set->rbx) | (got->rbp ^ set->rbp) | (got->rsp ^ set->rsp) | (got->r12 ^ set->r12) |
                    (got->r13 ^ set->r13) | (got->r14 ^ set->r14) | (got->r15 ^ set->r15) |
                    ((got->flags ^ set->flags) & FLAGS_KEPT);

    if (lost)
        complain("fuzz: a register was lost", request, (int64_t)lost);
    lost = got->rdi | got->rsi | got->rdx | got->r8 | got->r9 | got->r10;
    if (lost)
        complain("fuzz: a register tells of the kernel", request, (int64_t)lost);
}

static int64_t call(const struct request *request, uint64_t *random)
{
    const uint64_t *arguments = request->arguments;
    struct fuzz_registers set = {request->number, next(random),
                                 arguments[2],    arguments[1],
                                 next(random),    next(random),
                                 next(random),    arguments[3],
                                 next(random),    next(random),
                                 next(random),    next(random),
                                 arguments[0],    0,
                                 next(random),    next(random) & FLAGS_KEPT};
    struct fuzz_registers got = set;

    fuzz_call(&got);
    check_registers(&set, &got, request);
    return (int64_t)got.rax;
}

static void count(const struct request *request, int64_t result)
{
    uint64_t number = request->number < CALLS ? request->number : CALLS;

    (void)__atomic_fetch_add(&counts[number].made, 1, __ATOMIC_RELAXED);
    if (result >= 0)
        (void)__atomic_fetch_add(&counts[number].succeeded, 1, __ATOMIC_RELAXED);
    if (result > 0 && number == CALL_thread &&
        __atomic_add_fetch(&threads_begun, 1, __ATOMIC_RELAXED) > threads_forgotten + THREADS_MAX)
        complain("fuzz: more threads than may be", request, result);
    if (result == 0 && number == CALL_map && request->arguments[2] > MAP_FLAGS)
        complain("fuzz: let through", request, result);
    if (number == CALLS ? result != -DUET_ERROR_NO_CALL : is_let_through(request, result))
        complain("fuzz: let through", request, result);
}

/* ---- who calls --------------------------------------------------------------------------------------------------- */

static int worker(uint64_t seed)
{
    uint64_t random = seed | 1;

    for (unsigned calls = 1 + (unsigned)below(&random, WORKER_CALLS); calls; calls--) {
        struct request request = some_request(WORKER, &random);
        const uint64_t *arguments = request.arguments;

        if (!is_harmful(&request, WORKER))
            count(&request, system_call(arguments[0], arguments[1], arguments[2], arguments[3], request.number));
    }
    return 0;
}

/* Whatever it does to itself. */
static void leaf(uint64_t seed)
{
    uint64_t random = seed | 1;

    for (unsigned calls = 0; calls < LEAF_CALLS; calls++) {
        struct request request = some_request(LEAF, &random);

        if (!is_harmful(&request, LEAF))
            count(&request, call(&request, &random));
    }
}

static int play(uint64_t argument)
{
    switch (argument & 3) {
    case 0:
        leaf(argument);
        return 0;
    case 1:
        return (int)duet_sleep(UINT64_MAX);
    case 2:
        ((void (*)(void))SPACE_LOW)();
        return 0;
    default:
        return (int)argument;
    }
}

static void child_forget(unsigned i)
{
    children[i] = children[--child_count];
}

static void child_end(unsigned i)
{
    int64_t status;

    (void)duet_kill(children[i].pid);
    (void)duet_wait(children[i].pid, &status);
    child_forget(i);
}

static void child_begun(const struct request *request, int64_t pid)
{
    uint64_t name = (request->arguments[0] - ARENA) / NAME_BYTES;

    if (child_count == CHILDREN)
        child_end(0);
    children[child_count++] = (struct child){(uint64_t)pid, name == NAME_QUICK};
}

/* By the call of another number, as it does not return. */
static void count_end(enum call number)
{
    counts[number].made++;
    counts[number].succeeded++;
}

static void follow(const struct request *request, int64_t result)
{
    if (result < 0)
        return;
    switch (request->number) {
    case CALL_spawn:
        child_begun(request, result);
        break;
    case CALL_kill:
        for (unsigned i = 0; i < child_count; i++)
            children[i].ends |= children[i].pid == request->arguments[0];
        break;
    case CALL_wait:
        for (unsigned i = 0; i < child_count; i++)
            if (children[i].pid == request->arguments[0])
                child_forget(i);
        if (result == 0)
            count_end(CALL_exit);
        break;
    case CALL_thread:
        last_thread = (uint64_t)result;
        break;
    case CALL_thread_wait:
        threads_forgotten++;
        count_end(CALL_thread_exit);
        break;
    default:
        break;
    }
}

static unsigned append(char *line, unsigned length, const char *text)
{
    while (*text && length < LINE_BYTES - 1)
        line[length++] = *text++;
    return length;
}

static unsigned append_number(char *line, unsigned length, uint64_t number)
{
    char digits[21] = {0};
    unsigned at = sizeof(digits) - 1;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return append(line, length, digits + at);
}

static void say(uint64_t seed)
{
    static char line[LINE_BYTES];
    unsigned length = append_number(line, append(line, 0, "\nfuzz: seed "), seed);

    length = append(line, length, ", succeeded of tried:");
    for (unsigned i = 0; i < CALLS; i++) {
        length = append(line, append(line, length, " "), shapes[i].name);
        length = append_number(line, append(line, length, " "), counts[i].succeeded);
        length = append_number(line, append(line, length, "/"), counts[i].made);
    }
    length = append_number(line, append(line, length, "; unknown "), counts[CALLS].made);
    (void)duet_write(line, append(line, length, "\n"));
}

static int64_t session(uint64_t calls, uint64_t seed)
{
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    int64_t found = 0;

    for (uint64_t done = 0; done < calls;) {
        struct request request = some_request(MAIN, &random);
        int64_t result;

        if (is_harmful(&request, MAIN))
            continue;
        result = call(&request, &random);
        count(&request, result);
        follow(&request, result);
        done++;
    }
    while (child_count)
        child_end(0);
    say(seed);
    for (unsigned i = 0; i < CALLS; i++)
        found |= (int64_t)(counts[i].succeeded > 0) << i;
    return found;
}

int main(uint64_t argument)
{
    own_pid = (uint64_t)duet_getpid();
    if (duet_map(ARENA, 2 * PAGE, 1) != 0 || duet_map(ARENA_READ, PAGE, 0) != 0)
        return -1;
    if ((uint8_t)argument != FUZZ_SESSION)
        return play(argument);
    (void)duet_exit(session((argument & UINT32_MAX) >> 8, argument >> 32));
    return -1;
}
