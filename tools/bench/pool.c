#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

static time_t now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void redirect(const char *path, int flags, int descriptor)
{
    int file = open(path, flags, 0666);

    if (file < 0 || dup2(file, descriptor) < 0) {
        dprintf(STDERR_FILENO, "duet-bench: cannot open %s: %s\n", path, strerror(errno));
        _exit(127);
    }
    close(file);
}

static _Noreturn void become(const struct job *job, pid_t parent, const sigset_t *mask)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it ended before the line above */
        _exit(127);
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(job->log, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(job->command[0], job->command);
    fprintf(stderr, "cannot run %s: %s\n", job->command[0], strerror(errno));
    fflush(stderr);
    _exit(127);
}

static void start(struct job *job, const sigset_t *mask)
{
    pid_t parent = getpid();

    job->deadline_s = now_s() + job->limit_s;
    job->pid = fork();
    if (job->pid < 0)
        die("cannot start another process: %s", strerror(errno));
    if (job->pid == 0)
        become(job, parent, mask);
}

/* True if the job was running and has just ended. */
static bool reap(struct job *job, bool wait)
{
    if (job->pid == 0)
        return false;
    if (!wait && now_s() >= job->deadline_s) {
        job->timed_out = true;
        kill(job->pid, SIGKILL);
        wait = true;
    }
    if (waitpid(job->pid, &job->status, wait ? 0 : WNOHANG) == 0)
        return false;
    job->pid = 0;
    return true;
}

static void kill_all(const struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->jobs[i].pid != 0)
            kill(pool->jobs[i].pid, SIGKILL);
    }
    for (size_t i = 0; i < pool->count; i++)
        reap(&pool->jobs[i], true);
}

/* Waits for something to happen; 0 unless it is a signal that asks us to stop. */
static int wait_signal(const sigset_t *signals)
{
    struct timespec second = {.tv_sec = 1}; /* how late a time limit may be noticed */
    int number = sigtimedwait(signals, NULL, &second);

    return number > 0 && number != SIGCHLD ? number : 0;
}

static int run(const struct pool *pool, const sigset_t *signals, const sigset_t *mask)
{
    size_t next = 0;
    size_t running = 0;
    bool starting = true;

    for (;;) {
        int interrupted;

        for (; starting && next < pool->count && running < pool->parallel; next++, running++)
            start(&pool->jobs[next], mask);
        if (running == 0)
            return 0;
        interrupted = wait_signal(signals);
        if (interrupted) {
            kill_all(pool);
            return interrupted;
        }
        for (size_t i = 0; i < next; i++) {
            if (reap(&pool->jobs[i], false)) {
                running--;
                starting = pool->ended(pool->context, i) && starting;
            }
        }
    }
}

int pool_run(const struct pool *pool)
{
    sigset_t signals;
    sigset_t mask;
    int interrupted;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, &mask);
    interrupted = run(pool, &signals, &mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return interrupted;
}
