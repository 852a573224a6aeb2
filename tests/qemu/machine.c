/* QEMU's process and its streams. What the streams mean is in qmp.c and gdb.c. */
#include "machine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "qmp.h"

#define REFERENCE_MACHINE "tools/reference-machine"
#define ARGUMENTS_MAX     96
#define ARGUMENT_BYTES    4096
/* A serial line's pipe: what a guest may say while the test looks elsewhere without being held up. */
#define PIPE_BYTES     (1024 * 1024)
#define TAIL_BYTES     3000
#define COUNTS_MS      3000
#define COUNTS_POLL_MS 10

long long machine_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void must(bool condition, const char *what)
{
    if (!condition)
        cr_assert_fail("%s: %s", what, strerror(errno));
}

/* ---- the command line ---- */

/* An argument vector whose strings it owns. */
struct arguments {
    char *argv[ARGUMENTS_MAX + 1];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments, const char *format, ...)
{
    char text[ARGUMENT_BYTES];
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    must(length >= 0 && (size_t)length < sizeof(text) && arguments->count < ARGUMENTS_MAX, "QEMU's arguments");
    arguments->argv[arguments->count++] = strdup(text);
}

/* Whitespace-separated. */
static void add_words(struct arguments *arguments, const char *words)
{
    char line[1024];
    char *rest = line;
    char *word;

    must(snprintf(line, sizeof(line), "%s", words) < (int)sizeof(line), "QEMU's arguments");
    while ((word = strsep(&rest, " \t\n")))
        if (*word)
            add(arguments, "%s", word);
}

/* A line that begins with # is a comment. */
static void add_file(struct arguments *arguments, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024];

    must(file, path);
    while (fgets(line, sizeof(line), file))
        if (line[0] != '#')
            add_words(arguments, line);
    fclose(file);
}

/* QEMU takes one -seed only: in place of the reference machine's. */
static void add_seed(struct arguments *arguments, unsigned seed)
{
    for (size_t i = 0; i + 1 < arguments->count; i++) {
        if (strcmp(arguments->argv[i], "-seed") == 0) {
            free(arguments->argv[i + 1]);
            must(asprintf(&arguments->argv[i + 1], "%u", seed) > 0, "QEMU's arguments");
            return;
        }
    }
    add(arguments, "-seed");
    add(arguments, "%u", seed);
}

static void add_hardware(struct arguments *arguments, const struct machine_options *options)
{
    add(arguments, "qemu-system-x86_64");
    if (options->reference)
        add_file(arguments, REFERENCE_MACHINE);
    else
        add_words(arguments, "-nodefaults -accel tcg -machine pc -cpu max -m 64");
    if (options->icount_shift) {
        add(arguments, "-icount");
        add(arguments, "shift=%u", options->icount_shift); /* beside what it says of sleep */
    }
    /* Of several -machine, -cpu, -m and -smp what the last says counts. */
    if (options->machine) {
        add(arguments, "-machine");
        add(arguments, "%s", options->machine);
    }
    if (options->cpu) {
        add(arguments, "-cpu");
        add(arguments, "%s", options->cpu);
    }
    if (options->memory_mib) {
        add(arguments, "-m");
        add(arguments, "%u", options->memory_mib);
    }
    if (options->cpus) {
        add(arguments, "-smp");
        add(arguments, "%u", options->cpus);
    }
    if (options->sparse) {
        add_words(arguments, "-machine memory-backend=sparse -object");
        add(arguments, "memory-backend-ram,id=sparse,size=%uM,reserve=off", options->memory_mib);
    }
    if (options->seed)
        add_seed(arguments, options->seed);
    /* Of several -vga the last counts. */
    add(arguments, "-vga");
    add(arguments, options->vga ? "std" : "none");
    add(arguments, "-display");
    add(arguments, "none");
    add(arguments, "-no-reboot");
    if (!options->stays) {
        add(arguments, "-device");
        add(arguments, "isa-debug-exit,iobase=0xf4,iosize=4");
    }
}

/* QEMU's option syntax doubles a comma that is not a separator. */
static void add_fw_cfg(struct arguments *arguments, const char *cmdline)
{
    char escaped[ARGUMENT_BYTES / 2];
    size_t length = 0;

    for (; *cmdline; cmdline++) {
        must(length + 3 < sizeof(escaped), "the kernel's command line");
        escaped[length++] = *cmdline;
        if (*cmdline == ',')
            escaped[length++] = ',';
    }
    escaped[length] = 0;
    add(arguments, "-fw_cfg");
    add(arguments, "name=opt/duet/cmdline,string=%s", escaped);
}

static void add_boot(struct arguments *arguments, const struct machine_options *options)
{
    const char *cmdline = options->cmdline ? options->cmdline : "";

    if (options->kernel) {
        add(arguments, "-kernel");
        add(arguments, "%s", options->kernel);
        add(arguments, "-append");
        add(arguments, "%s", cmdline);
        if (options->module) {
            add(arguments, "-initrd");
            add(arguments, "%s", options->module);
        }
        return;
    }
    /* snapshot: an IDE disk refuses a read-only file, and nobody may change the image. */
    add(arguments, "-drive");
    add(arguments, "file=%s,format=raw,if=ide,%s", options->iso,
        options->disk ? "media=disk,snapshot=on" : "media=cdrom,readonly=on");
    if (*cmdline)
        add_fw_cfg(arguments, cmdline);
}

static void add_streams(struct arguments *arguments, const struct machine_options *options, const int *fd)
{
    static const char *const serial[] = {"com1", "com2"};

    for (int i = MACHINE_COM1; i <= MACHINE_COM2; i++) {
        add(arguments, "-chardev");
        if (i == MACHINE_COM1 && options->typed)
            add(arguments, "socket,id=%s,fd=%d", serial[i], fd[i]);
        else
            add(arguments, "file,id=%s,path=/dev/fd/%d", serial[i], fd[i]);
        add(arguments, "-serial");
        add(arguments, "chardev:%s", serial[i]);
    }
    add(arguments, "-chardev");
    add(arguments, "socket,id=qmp,fd=%d", fd[MACHINE_QMP]);
    add(arguments, "-mon");
    add(arguments, "chardev=qmp,mode=control");
    if (options->gdb) {
        add(arguments, "-chardev");
        add(arguments, "socket,id=gdb,fd=%d", fd[MACHINE_GDB]);
        add(arguments, "-gdb");
        add(arguments, "chardev:gdb");
    }
    add(arguments, "-S"); /* until QMP is up: a machine that ends at once would end before it */
}

/* A file of its own in the folder that COVERAGE_RUNS names. */
static void add_counts(struct arguments *arguments, struct machine *machine)
{
    static unsigned number;
    const char *folder = getenv("COVERAGE_RUNS");

    if (!folder)
        return;
    must(asprintf(&machine->counts, "%s/%d-%u", folder, getpid(), number++) > 0, "the counts' file");
    add(arguments, "-debugcon");
    add(arguments, "file:%s", machine->counts);
}

/* ---- the process ---- */

static void open_streams(struct machine *machine, const struct machine_options *options, int *theirs)
{
    for (int i = 0; i < MACHINE_STREAMS; i++) {
        int pair[2];

        if (i <= MACHINE_COM2 && !(i == MACHINE_COM1 && options->typed))
            must(pipe2(pair, O_CLOEXEC) == 0 && fcntl(pair[0], F_SETPIPE_SZ, PIPE_BYTES) > 0, "pipe");
        else
            must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
        must(fcntl(pair[0], F_SETFL, O_NONBLOCK | fcntl(pair[0], F_GETFL)) == 0, "fcntl");
        machine->stream[i] = pair[0];
        theirs[i] = pair[1];
    }
    machine->screen = memfd_create("screen", MFD_CLOEXEC);
    must(machine->screen >= 0, "memfd_create");
}

static _Noreturn void become_qemu(struct machine *machine, const int *theirs, char **argv, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (int i = 0; i < MACHINE_STREAMS; i++)
        fcntl(theirs[i], F_SETFD, 0);
    fcntl(machine->screen, F_SETFD, 0);
    /* What QEMU itself says belongs in the story that COM1 tells. */
    dup2(theirs[MACHINE_COM1], STDOUT_FILENO);
    dup2(theirs[MACHINE_COM1], STDERR_FILENO);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

struct machine *machine_start(const struct machine_options *options)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    struct arguments arguments = {.count = 0};
    int theirs[MACHINE_STREAMS];
    pid_t parent = getpid();

    signal(SIGPIPE, SIG_IGN);
    snprintf(machine->title, sizeof(machine->title), "%s '%s' on %s", options->kernel ? options->kernel : options->iso,
             options->cmdline ? options->cmdline : "", options->reference ? "the reference machine" : "a machine");
    open_streams(machine, options, theirs);
    add_hardware(&arguments, options);
    add_boot(&arguments, options);
    add_streams(&arguments, options, theirs);
    add_counts(&arguments, machine);

    machine->pid = fork();
    must(machine->pid >= 0, "fork");
    if (machine->pid == 0)
        become_qemu(machine, theirs, arguments.argv, parent);
    for (int i = 0; i < MACHINE_STREAMS; i++)
        close(theirs[i]);
    for (size_t i = 0; i < arguments.count; i++)
        free(arguments.argv[i]);
    qmp_greet(machine);
    if (!options->gdb)
        qmp_continue(machine);
    return machine;
}

/* How long the file of counts is that is whole, by its last frame; 0 if it is not. */
static off_t counts_bytes(const struct machine *machine)
{
    static const char last[12] = {'G', 'C', 'O', 'V', 0, 0, 0, 0, 1};
    char found[sizeof(last)] = "";
    int file = open(machine->counts, O_RDONLY | O_CLOEXEC);
    off_t bytes = lseek(file, 0, SEEK_END);

    if (bytes < (off_t)sizeof(last) || pread(file, found, sizeof(found), bytes - (off_t)sizeof(last)) < 0 ||
        memcmp(found, last, sizeof(last)) != 0)
        bytes = 0;
    close(file);
    return bytes;
}

/* A kernel that does not end is made to: it sends its counts when it panics. One that is beyond that has none. */
static void counts_take(struct machine *machine)
{
    static const char commands[] = "{\"execute\":\"cont\"}\n{\"execute\":\"inject-nmi\"}\n";
    long long deadline_ms = machine_now_ms() + COUNTS_MS;
    off_t before = counts_bytes(machine);

    if (write(machine->stream[MACHINE_QMP], commands, sizeof(commands) - 1) < 0)
        return;
    while (counts_bytes(machine) <= before && machine_now_ms() < deadline_ms && machine_pump(machine, COUNTS_POLL_MS))
        continue;
}

void machine_stop(struct machine *machine)
{
    if (machine->pid && machine->counts)
        counts_take(machine);
    if (machine->pid) {
        kill(machine->pid, SIGKILL);
        waitpid(machine->pid, &machine->status, 0);
    }
    for (int i = 0; i < MACHINE_STREAMS; i++) {
        if (machine->stream[i] >= 0)
            close(machine->stream[i]);
        free(machine->text[i].bytes);
    }
    close(machine->screen);
    free(machine->com2_line);
    free(machine->counts);
    free(machine);
}

/* ---- the streams ---- */

static void text_append(struct text *text, const char *bytes, size_t count)
{
    if (text->length + count + 1 > text->capacity) {
        text->capacity = 2 * (text->length + count + 1);
        text->bytes = realloc(text->bytes, text->capacity);
        must(text->bytes, "realloc");
    }
    memcpy(text->bytes + text->length, bytes, count);
    text->length += count;
    text->bytes[text->length] = 0;
}

static void stream_read(struct machine *machine, int stream)
{
    char bytes[4096];
    ssize_t count = read(machine->stream[stream], bytes, sizeof(bytes));

    if (count > 0) {
        text_append(&machine->text[stream], bytes, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(machine->stream[stream]);
        machine->stream[stream] = -1;
    }
}

bool machine_pump(struct machine *machine, int timeout_ms)
{
    struct pollfd polled[MACHINE_STREAMS];
    bool open = false;

    for (int i = 0; i < MACHINE_STREAMS; i++) {
        polled[i] = (struct pollfd){.fd = machine->stream[i], .events = POLLIN};
        open = open || machine->stream[i] >= 0;
    }
    if (!open)
        return false;
    if (poll(polled, MACHINE_STREAMS, timeout_ms < 0 ? 0 : timeout_ms) > 0)
        for (int i = 0; i < MACHINE_STREAMS; i++)
            if (polled[i].revents)
                stream_read(machine, i);
    return true;
}

/* Pumps once. Returns false at the deadline, or when QEMU has nothing more to say. */
static bool pump_until(struct machine *machine, long long deadline_ms)
{
    long long left_ms = deadline_ms - machine_now_ms();

    return left_ms > 0 && machine_pump(machine, (int)left_ms);
}

static const char *text_tail(const struct text *text)
{
    if (!text->bytes)
        return "";
    return text->length > TAIL_BYTES ? text->bytes + text->length - TAIL_BYTES : text->bytes;
}

_Noreturn void machine_fail(struct machine *machine, const char *format, ...)
{
    char message[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(message, sizeof(message), format, values);
    va_end(values);
    /* What it was about to say often tells why. */
    for (long long end_ms = machine_now_ms() + 200; pump_until(machine, end_ms);)
        continue;
    if (machine->pid && machine->counts)
        counts_take(machine);
    cr_assert_fail("%s\n---- %s\n---- COM1\n%s\n---- COM2\n%s\n----", message, machine->title,
                   text_tail(&machine->text[MACHINE_COM1]), text_tail(&machine->text[MACHINE_COM2]));
    abort();
}

const char *machine_com2_try_line(struct machine *machine, int timeout_ms)
{
    const struct text *text = &machine->text[MACHINE_COM2];
    long long deadline_ms = machine_now_ms() + timeout_ms;

    do {
        char *line = text->bytes + machine->com2_read;
        char *end = text->bytes ? memchr(line, '\n', text->length - machine->com2_read) : NULL;

        if (end) {
            machine->com2_read += (size_t)(end - line) + 1;
            free(machine->com2_line);
            machine->com2_line = strndup(line, (size_t)(end - line));
            machine->com2_line[strcspn(machine->com2_line, "\r")] = 0;
            return machine->com2_line;
        }
    } while (pump_until(machine, deadline_ms));
    return NULL;
}

const char *machine_com2_line(struct machine *machine, int timeout_ms)
{
    const char *line = machine_com2_try_line(machine, timeout_ms);

    if (!line)
        machine_fail(machine,
                     machine->stream[MACHINE_COM2] < 0 ? "QEMU ended, %d ms were left for a line on COM2"
                                                       : "no line on COM2 within %d ms",
                     timeout_ms);
    return line;
}

json_t *machine_com2_object(struct machine *machine, int timeout_ms)
{
    const char *line = machine_com2_line(machine, timeout_ms);
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(object))
        machine_fail(machine, "not a JSON object: '%s': %s", line, error.text);
    return object;
}

json_t *machine_com2_event(struct machine *machine, const char *event, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;

    for (;;) {
        long long left_ms = deadline_ms - machine_now_ms();
        json_t *object = machine_com2_object(machine, left_ms > 0 ? (int)left_ms : 0);
        const char *name = json_string_value(json_object_get(object, "event"));

        if (name && strcmp(name, event) == 0)
            return object;
        json_decref(object);
    }
}

bool machine_com1_contains(struct machine *machine, const char *text, int timeout_ms)
{
    const struct text *com1 = &machine->text[MACHINE_COM1];
    long long deadline_ms = machine_now_ms() + timeout_ms;

    do {
        if (com1->bytes && strcasestr(com1->bytes, text))
            return true;
    } while (pump_until(machine, deadline_ms));
    return false;
}

bool machine_com1_next(struct machine *machine, size_t *from, const char *text, int timeout_ms)
{
    const struct text *com1 = &machine->text[MACHINE_COM1];
    long long deadline_ms = machine_now_ms() + timeout_ms;

    do {
        const char *at = com1->bytes ? strstr(com1->bytes + *from, text) : NULL;

        if (at) {
            *from = (size_t)(at - com1->bytes) + strlen(text);
            return true;
        }
    } while (pump_until(machine, deadline_ms));
    return false;
}

void machine_com1_send(struct machine *machine, const char *text)
{
    must(write(machine->stream[MACHINE_COM1], text, strlen(text)) == (ssize_t)strlen(text), "typing");
}

int machine_wait_exit(struct machine *machine, int timeout_ms)
{
    long long deadline_ms = machine_now_ms() + timeout_ms;

    while (pump_until(machine, deadline_ms))
        continue;
    /* The streams end with the process, a moment before it can be waited for. */
    while (machine->pid && waitpid(machine->pid, &machine->status, WNOHANG) == 0) {
        if (machine_now_ms() >= deadline_ms)
            return EXIT_NONE;
        poll(NULL, 0, 1);
    }
    machine->pid = 0;
    return WIFEXITED(machine->status) ? WEXITSTATUS(machine->status) : EXIT_NONE;
}
