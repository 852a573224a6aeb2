/*
 * Process 1: makes a Linux usable, finds the two input devices, and has the figures taken that the command line asks
 * for. COM2 is for the host, one JSON object a line; the machine ends through isa-debug-exit.
 */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_PORT = 0xf4, EXIT_PASSED = 0x10, EXIT_FAILED = 0x11, DEVICE_TRIES = 1000 };

static int host = -1;

void tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vdprintf(host, format, arguments);
    va_end(arguments);
}

static _Noreturn void end(uint8_t verdict)
{
    if (host >= 0)
        tcdrain(host);
    port_out8(EXIT_PORT, verdict);
    for (;;)
        pause();
}

_Noreturn void fail(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    dprintf(host >= 0 ? host : STDERR_FILENO, "{\"event\":\"failed\",\"why\":\"%s\"}\n", text);
    end(EXIT_FAILED);
}

_Noreturn void fail_errno(const char *what)
{
    fail("%s: %s", what, strerror(errno));
}

unsigned word_number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void mount_at(const char *type, const char *path)
{
    mkdir(path, 0755);
    if (mount(type, path, type, 0, NULL) != 0 && errno != EBUSY)
        fail_errno(path);
}

static void load_module(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST))
        fail_errno(path);
    close(file);
}

/* COM2 without the line discipline's changes. */
static void open_host(void)
{
    struct termios plain;

    host = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (host < 0 || tcgetattr(host, &plain) != 0)
        fail_errno("/dev/ttyS1");
    cfmakeraw(&plain);
    cfsetspeed(&plain, B115200);
    tcsetattr(host, TCSANOW, &plain);
}

/* Whether the node is the device: a keyboard has the key A, a mouse moves. */
static bool is_device(const char *path, const char *name, struct device *device)
{
    unsigned char bits[KEY_MAX / 8 + 1] = {0};
    bool mouse = !strcmp(name, "mouse");
    unsigned wanted = mouse ? REL_X : KEY_A;
    int node = open(path, O_RDONLY | O_CLOEXEC);
    bool found;

    if (node < 0)
        return false;
    found = ioctl(node, EVIOCGBIT(mouse ? EV_REL : EV_KEY, sizeof(bits)), bits) > 0 &&
            bits[wanted / 8] & 1 << wanted % 8;
    if (found) {
        device->name = name;
        snprintf(device->path, sizeof(device->path), "%s", path);
        ioctl(node, EVIOCGNAME(sizeof(device->driver)), device->driver);
    }
    close(node);
    return found;
}

static bool look_for(const char *name, struct device *device)
{
    char path[64];

    for (unsigned i = 0; i < 16; i++) {
        snprintf(path, sizeof(path), "/dev/input/event%u", i);
        if (is_device(path, name, device))
            return true;
    }
    return false;
}

/* The drivers look for their devices in threads of their own. */
static void find(const char *name, struct device *device)
{
    for (unsigned i = 0; i < DEVICE_TRIES; i++) {
        if (look_for(name, device))
            return;
        usleep(10000);
    }
    fail("no %s appeared in /dev/input", name);
}

static void tell_system(const struct device *devices)
{
    struct utsname system;
    char clock[32] = "";
    int file = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);

    if (file >= 0 && read(file, clock, sizeof(clock) - 1) > 0)
        clock[strcspn(clock, "\n")] = '\0';
    uname(&system);
    tell("{\"event\":\"system\",\"release\":\"%s\",\"build\":\"%s\",\"clocksource\":\"%s\",\"keyboard\":\"%s\","
         "\"mouse\":\"%s\",\"boot\":%llu}\n",
         system.release, system.version, clock, devices[0].driver, devices[1].driver, (unsigned long long)rdtsc());
}

static void set_up(void)
{
    mount_at("devtmpfs", "/dev");
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    if (iopl(3) != 0)
        fail_errno("iopl");
    open_host();
    load_module("/evdev.ko");
    load_module("/psmouse.ko");
}

int main(void)
{
    struct device devices[2];
    unsigned count = word_number("count", 1000);

    set_up();
    find("key", &devices[0]);
    find("mouse", &devices[1]);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        fail_errno("mlockall");
    tell_system(devices);
    if (getenv("watch")) {
        watch_input(devices);
    } else {
        measure_threads(count);
        measure_input(&devices[0], count);
        measure_input(&devices[1], count);
    }
    tell("{\"event\":\"end\"}\n");
    end(EXIT_PASSED);
}
