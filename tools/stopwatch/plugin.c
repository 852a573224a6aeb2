/*
 * A stopwatch for any kernel, unmodified: it sends input from outside at chosen instructions, and says when the kernel
 * took it. A plugin of QEMU's translator, so it sees each instruction before it is executed.
 *
 *   -plugin plugin.so,qmp=PATH,plan=FILE,start=MARKER,event=MARKER[,consumer=MARKER]
 *
 * Nothing is counted until `start` is executed. Then QEMU is told to translate instruction by instruction, so that each
 * is a place to interrupt, and the plan runs. A line of it is a pace, a number, and a QMP command:
 *
 *   at N COMMAND     N instructions after the line before it
 *   halt N COMMAND   at the Nth halt after the line before it; an instruction that waits is not counted again
 *   both N COMMAND   whichever comes first: N instructions, or a halt
 *
 * The command is sent within the callback, which waits for the answer: for the guest no time passes, and the next
 * instruction that can be interrupted is. After the last line QEMU is told to quit, at its place.
 *
 * A marker is `out:PORT`, the instruction that writes to that fixed port; `pc:ADDRESS`; or `ret:FROM-TO`, a near return
 * within these addresses. The log, of which `number` counts the plan's lines and `count` the instructions executed
 * since `start`, the one named not included:
 *
 *   stopwatch inject NUMBER COUNT ADDRESS    a command is sent within the instruction at this address, which is the one
 *                                    before COUNT: if nothing keeps the interrupt away, COUNT is the handler's first
 *   stopwatch flow COUNT             after an injection, up to the first `in`: this instruction does not follow the
 *                                    one before it. With -d int QEMU says which of them is an interrupt's
 *   stopwatch in COUNT               an `in`; with -trace pckbd_kbd_read_data QEMU says which of them read port 0x60
 *   stopwatch event COUNT, stopwatch consumer COUNT
 *   stopwatch end COUNT
 */
#include "qemu_plugin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };
enum kind { KIND_START, KIND_EVENT, KIND_CONSUMER, MARKERS, KIND_IN = MARKERS, KIND_HALT, KIND_PLAIN };
enum pace { PACE_AT, PACE_HALT, PACE_BOTH, PACE_OVER };

/* Instructions that are looked for, by address range, and by bytes or only by one of them. */
struct marker {
    uint64_t from, to;
    unsigned char bytes[2];
    size_t size; /* of bytes; 0: any instruction */
    bool set;
};

static const char *const marker_names[MARKERS] = {"start", "event", "consumer"};

static struct {
    struct marker markers[MARKERS];
    const char *path; /* of QMP's socket, which QEMU listens at */
    int qmp;          /* connected to it */
    FILE *plan;
    bool running;     /* the start was executed */
    bool awaited;     /* an injection's interrupt */
    uint64_t count;   /* instructions executed since then */
    uint64_t follows; /* the address after the last one */
    enum pace pace;
    uint64_t distance; /* of the next line: instructions or halts */
    uint64_t base;     /* the count at the last one */
    uint64_t halts;    /* since the last one */
    unsigned number;
    char command[LINE_MAX_BYTES];
} watch = {.pace = PACE_OVER};

/* What is known of an instruction when it is executed. Never freed: QEMU does not say when a block is. */
struct place {
    uint64_t address;
    uint8_t size;
    uint8_t kind;
};

static _Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void give_up(const char *format, ...)
{
    va_list arguments;

    fputs("stopwatch: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(EXIT_FAILURE);
}

static void say(const char *format, ...)
{
    char line[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    qemu_plugin_outs(line);
}

/* ---- QMP ---- */

/* Reads one line of QEMU's; what does not fit is left out. */
static void qmp_line(char *line, size_t size)
{
    size_t length = 0;
    char c = 0;

    while (c != '\n') {
        if (read(watch.qmp, &c, 1) != 1)
            give_up("QEMU closed QMP");
        if (length < size - 1)
            line[length++] = c;
    }
    line[length] = '\0';
}

static void qmp_send(const char *command)
{
    size_t size = strlen(command);

    if (write(watch.qmp, command, size) != (ssize_t)size || write(watch.qmp, "\n", 1) != 1)
        give_up("cannot write to QMP");
}

/* Sends a command and waits until it is done. Events that QEMU sends of its own are passed over. */
static void qmp_run(const char *command)
{
    char line[LINE_MAX_BYTES];

    qmp_send(command);
    do {
        qmp_line(line, sizeof(line));
        if (!strncmp(line, "{\"error\"", strlen("{\"error\"")))
            give_up("'%s' was answered by %s", command, line);
    } while (strncmp(line, "{\"return\"", strlen("{\"return\"")) != 0);
}

static void qmp_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(watch.path) >= sizeof(address.sun_path))
        give_up("the path of QMP's socket is too long");
    strcpy(address.sun_path, watch.path);
    watch.qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (watch.qmp < 0 || connect(watch.qmp, (struct sockaddr *)&address, sizeof(address)) != 0)
        give_up("cannot connect to %s", watch.path);
}

static void qmp_begin(void)
{
    char greeting[LINE_MAX_BYTES];

    qmp_connect();
    qmp_line(greeting, sizeof(greeting));
    qmp_run("{\"execute\":\"qmp_capabilities\"}");
    qmp_run("{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"singlestep on\"}}");
}

/* ---- the plan ---- */

static void plan_next(void)
{
    static const char *const paces[] = {"at", "halt", "both"};
    char line[LINE_MAX_BYTES];
    char pace[8];
    int command = 0;

    watch.base = watch.count;
    watch.halts = 0;
    watch.pace = PACE_OVER;
    if (!fgets(line, sizeof(line), watch.plan))
        return;
    if (sscanf(line, "%7s %" SCNu64 " %n", pace, &watch.distance, &command) != 2 || !command)
        give_up("the plan has no such line: %s", line);
    for (enum pace i = PACE_AT; i < PACE_OVER; i++)
        if (!strcmp(pace, paces[i]))
            watch.pace = i;
    if (watch.pace == PACE_OVER)
        give_up("the plan has no such pace: %s", pace);
    line[strcspn(line, "\n")] = '\0';
    strcpy(watch.command, line + command);
}

static bool plan_is_due(bool halts)
{
    bool reached = watch.count - watch.base >= watch.distance;

    switch (watch.pace) {
    case PACE_AT:
        return reached;
    case PACE_HALT:
        return halts && watch.halts >= watch.distance;
    case PACE_BOTH:
        return reached || (halts && watch.halts);
    case PACE_OVER:
        break;
    }
    return false;
}

/* A QEMU that quits waits for this CPU, and may not answer before. */
static void plan_end(void)
{
    say("stopwatch end %" PRIu64 "\n", watch.count);
    qmp_send(watch.command);
    watch.pace = PACE_OVER;
}

static void plan_send(uint64_t address)
{
    if (strstr(watch.command, "\"quit\"")) {
        plan_end();
        return;
    }
    say("stopwatch inject %u %" PRIu64 " %#" PRIx64 "\n", watch.number++, watch.count + 1, address);
    watch.awaited = true;
    qmp_run(watch.command);
    plan_next();
}

/* ---- what the guest executes ---- */

static void start(void)
{
    watch.running = true;
    qmp_begin();
    plan_next();
}

/* The start itself is executed again, if at all, after QEMU has translated it anew. */
static void on_start(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (!watch.running)
        start();
}

static void on_step(unsigned int cpu, void *data)
{
    const struct place *place = data;

    (void)cpu;
    if (watch.awaited && place->address != watch.follows)
        say("stopwatch flow %" PRIu64 "\n", watch.count);
    if (place->kind == KIND_IN) {
        say("stopwatch in %" PRIu64 "\n", watch.count);
        watch.awaited = false;
    } else if (place->kind == KIND_EVENT || place->kind == KIND_CONSUMER) {
        say("stopwatch %s %" PRIu64 "\n", marker_names[place->kind], watch.count);
    }
    watch.halts += place->kind == KIND_HALT;
    while (plan_is_due(place->kind == KIND_HALT))
        plan_send(place->address);
    watch.follows = place->address + place->size;
    watch.count++;
}

/* ---- what QEMU translates ---- */

static bool is_marked(const struct marker *marker, const struct qemu_plugin_insn *instruction)
{
    uint64_t address = qemu_plugin_insn_vaddr(instruction);

    return marker->set && address >= marker->from && address < marker->to &&
           (!marker->size || (qemu_plugin_insn_size(instruction) == marker->size &&
                              !memcmp(qemu_plugin_insn_data(instruction), marker->bytes, marker->size)));
}

/* Intel SDM vol. 2: IN is e4, e5 (port in the instruction), ec, ed (in DX), HLT f4, MWAIT 0f 01 c9. */
static enum kind kind_of(const struct qemu_plugin_insn *instruction)
{
    const unsigned char *bytes = qemu_plugin_insn_data(instruction);
    size_t size = qemu_plugin_insn_size(instruction);

    for (enum kind kind = KIND_START; kind < MARKERS; kind++)
        if (is_marked(&watch.markers[kind], instruction))
            return kind;
    if ((size == 1 && (bytes[0] == 0xec || bytes[0] == 0xed)) || (size == 2 && (bytes[0] == 0xe4 || bytes[0] == 0xe5)))
        return KIND_IN;
    if ((size == 1 && bytes[0] == 0xf4) || (size == 3 && !memcmp(bytes, "\x0f\x01\xc9", 3)))
        return KIND_HALT;
    return KIND_PLAIN;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        enum kind kind = kind_of(instruction);
        struct place *place;

        if (!watch.running) {
            if (kind == KIND_START)
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_start, QEMU_PLUGIN_CB_NO_REGS, NULL);
            continue;
        }
        place = malloc(sizeof(*place));
        if (!place)
            give_up("out of memory");
        *place = (struct place){qemu_plugin_insn_vaddr(instruction), (uint8_t)qemu_plugin_insn_size(instruction),
                                (uint8_t)kind};
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_step, QEMU_PLUGIN_CB_NO_REGS, place);
    }
}

/* ---- arguments ---- */

static bool marker_parse(struct marker *marker, const char *text)
{
    unsigned port;

    *marker = (struct marker){.to = UINT64_MAX, .set = true};
    if (sscanf(text, "out:%x", &port) == 1) {
        marker->bytes[0] = 0xe6; /* OUT imm8, AL */
        marker->bytes[1] = (unsigned char)port;
        marker->size = 2;
        return true;
    }
    if (sscanf(text, "ret:%" SCNx64 "-%" SCNx64, &marker->from, &marker->to) == 2) {
        marker->bytes[0] = 0xc3;
        marker->size = 1;
        return true;
    }
    if (sscanf(text, "pc:%" SCNx64, &marker->from) == 1) {
        marker->to = marker->from + 1;
        return true;
    }
    return false;
}

static bool argument_take(const char *argument)
{
    if (!strncmp(argument, "qmp=", 4)) {
        watch.path = argument + 4;
        return true;
    }
    if (!strncmp(argument, "plan=", 5)) {
        watch.plan = fopen(argument + 5, "re");
        return watch.plan != NULL;
    }
    for (enum kind i = KIND_START; i < MARKERS; i++) {
        size_t length = strlen(marker_names[i]);

        if (!strncmp(argument, marker_names[i], length) && argument[length] == '=')
            return marker_parse(&watch.markers[i], argument + length + 1);
    }
    return false;
}

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++)
        if (!argument_take(arguments[i])) /* its text is QEMU's, and stays */
            give_up("cannot use the argument '%s'", arguments[i]);
    if (!watch.path || !watch.plan || !watch.markers[KIND_START].set)
        give_up("it takes qmp=, plan= and start=");
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
