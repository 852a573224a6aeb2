#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../bench/util.h"

enum {
    READY_TRIES = 600,
    READY_MS = 100,
    QUIET_MS = 1000,
    ANSWER_MS = 5000,
    UNANSWERED = 3, /* packets of four bytes in QEMU's 16: what is lost then is the guest's loss */
};

static void pause_for(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static FILE *connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (end < 0 || connect(end, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("cannot connect to %s", path);
    return fdopen(end, "r");
}

/* Reads until the answer to a command, or the end. */
static void answer(FILE *qmp)
{
    char line[4096];

    while (fgets(line, sizeof(line), qmp)) {
        if (strstr(line, "\"error\""))
            die("QMP: %s", line);
        if (strstr(line, "\"return\""))
            return;
    }
}

static void run(FILE *qmp, const char *command)
{
    dprintf(fileno(qmp), "%s\n", command);
    answer(qmp);
}

static void await_ready(const char *com2)
{
    for (int i = 0; i < READY_TRIES; i++, pause_for(READY_MS)) {
        char *text = file_read(com2);
        bool ready = text && strstr(text, "\"ready\"");

        free(text);
        if (ready)
            return;
    }
    die("%s never said that it is ready", com2);
}

static void await_quiet(const char *com2)
{
    struct stat before;
    struct stat after = {0};

    do {
        before = after;
        pause_for(QUIET_MS);
        if (stat(com2, &after) != 0)
            die("%s has gone", com2);
    } while (after.st_size != before.st_size);
}

/* Until no more than UNANSWERED commands are without the line that each makes on COM2, or none of them will have one.
 */
static void await_answers(FILE *com2, size_t *unanswered, int pause_ms)
{
    for (int waited = 0; waited < ANSWER_MS; waited += pause_ms) {
        clearerr(com2);
        for (int c = getc(com2); c != EOF; c = getc(com2))
            *unanswered -= c == '\n' && *unanswered;
        pause_for(pause_ms);
        if (*unanswered < UNANSWERED)
            return;
    }
    *unanswered = 0;
}

static void send_plan(FILE *qmp, const char *plan, int pause_ms, const char *com2)
{
    char *text = file_read(plan);
    FILE *answers = fopen(com2, "re");
    size_t unanswered = 0;
    char *state;

    if (!text || !answers || fseek(answers, 0, SEEK_END) != 0)
        die("cannot read %s", text ? com2 : plan);
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        const char *command = strchr(line, '{');

        if (strstr(command, "\"quit\"")) {
            await_quiet(com2);
            unanswered = 0;
        }
        run(qmp, command);
        unanswered++;
        await_answers(answers, &unanswered, pause_ms);
    }
    fclose(answers);
    free(text);
}

int feed(int pause_ms, const char *plan, const char *socket, const char *com2, char *const *command)
{
    pid_t qemu = fork();
    int status;
    FILE *qmp;

    if (qemu == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(command[0], command);
        _exit(127);
    }
    await_ready(com2);
    qmp = connect_to(socket);
    run(qmp, "{\"execute\":\"qmp_capabilities\"}");
    send_plan(qmp, plan, pause_ms, com2);
    if (qemu < 0 || waitpid(qemu, &status, 0) != qemu)
        die("QEMU could not be started");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
