/* See i8042.h. */
#include "drivers/i8042.h"

#include "drivers/port_io.h"
#include "lib/clock.h"
#include "lib/mouse_packet.h"

enum controller_command {
    READ_CONFIG = 0x20,
    WRITE_CONFIG = 0x60,
    CLOSE_MOUSE_PORT = 0xa7,
    OPEN_MOUSE_PORT = 0xa8,
    TEST_MOUSE_PORT = 0xa9,
    TEST_CONTROLLER = 0xaa,
    TEST_KEYBOARD_PORT = 0xab,
    CLOSE_KEYBOARD_PORT = 0xad,
    OPEN_KEYBOARD_PORT = 0xae,
    WRITE_MOUSE = 0xd4, /* the next byte written to I8042_DATA goes to the mouse */
};

#define CONTROLLER_PASSED 0x55
#define PORT_PASSED       0x00
#define ABSENT            0xff /* what a port that nothing answers reads */

/* The configuration byte. */
#define CONFIG_KEYBOARD_IRQ    0x01
#define CONFIG_MOUSE_IRQ       0x02
#define CONFIG_KEYBOARD_CLOSED 0x10
#define CONFIG_MOUSE_CLOSED    0x20
#define CONFIG_TRANSLATE       0x40 /* the keyboard's set 2 into set 1 */

enum device_command {
    IDENTIFY = 0xf2,
    SET_SAMPLE_RATE = 0xf3,
    ENABLE = 0xf4,
    SET_DEFAULTS = 0xf6,
    RESET = 0xff,
};

#define ANSWER_PASSED 0xaa
#define ANSWER_ACK    0xfa
#define ANSWER_FAILED 0xfc
#define ANSWER_RESEND 0xfe

#define TRIES 3

#define MS_NS              UINT64_C(1000000)
#define CONTROLLER_WAIT_NS (10 * MS_NS)
#define ANSWER_WAIT_NS     (30 * MS_NS)  /* devices have 20 to 25 ms by their specifications */
#define SELF_TEST_WAIT_NS  (500 * MS_NS) /* of the controller, and of each device */
#define WRITE_WAIT_NS      UINT64_C(100000)

/* More than a controller and two devices can have in store. */
#define FLUSH_LIMIT 64

enum device { KEYBOARD, MOUSE };

struct bring_up {
    struct i8042_info info;
    uint8_t config;
    bool mouse_port; /* also: I8042_STATUS_AUX means what it says */
};

static void note_problem(struct bring_up *bring_up, const char *problem)
{
    if (!bring_up->info.problem)
        bring_up->info.problem = problem;
}

/* Looks at the clock only if the hardware is not ready, and at the hardware once more after the last look at the clock.
 */
static bool wait_status(uint8_t mask, uint8_t wanted, uint64_t deadline_ns)
{
    bool expired = false;

    while ((port_in8(I8042_STATUS) & mask) != wanted) {
        if (expired)
            return false;
        expired = clock_now_ns() >= deadline_ns;
    }
    return true;
}

static bool write_port(uint16_t port, uint8_t byte, uint64_t deadline_ns)
{
    if (!wait_status(I8042_STATUS_INPUT_FULL, 0, deadline_ns))
        return false;
    port_out8(port, byte);
    return true;
}

static bool command(enum controller_command command)
{
    return write_port(I8042_COMMAND, (uint8_t)command, clock_now_ns() + CONTROLLER_WAIT_NS);
}

/* A command that the controller itself answers. Both ports are closed: the answer is the only byte. */
static bool query(enum controller_command command, uint8_t *answer, uint64_t wait_ns)
{
    uint64_t deadline_ns = clock_now_ns() + wait_ns;

    if (!write_port(I8042_COMMAND, (uint8_t)command, deadline_ns) ||
        !wait_status(I8042_STATUS_OUTPUT_FULL, I8042_STATUS_OUTPUT_FULL, deadline_ns))
        return false;
    *answer = port_in8(I8042_DATA);
    return true;
}

static bool write_config(uint8_t config)
{
    return command(WRITE_CONFIG) && write_port(I8042_DATA, config, clock_now_ns() + CONTROLLER_WAIT_NS);
}

/* False if it never empties: then what is there is not a controller. */
static bool flush(void)
{
    for (unsigned i = 0; i < FLUSH_LIMIT; i++) {
        if (!(port_in8(I8042_STATUS) & I8042_STATUS_OUTPUT_FULL))
            return true;
        port_in8(I8042_DATA);
    }
    return false;
}

static bool device_write(enum device device, uint8_t byte, uint64_t deadline_ns)
{
    if (device == MOUSE && !write_port(I8042_COMMAND, WRITE_MOUSE, deadline_ns))
        return false;
    return write_port(I8042_DATA, byte, deadline_ns);
}

/* The next byte of this device; the other's, if any is still on its way, are dropped. */
static bool device_read(const struct bring_up *bring_up, enum device device, uint8_t *byte, uint64_t deadline_ns)
{
    while (wait_status(I8042_STATUS_OUTPUT_FULL, I8042_STATUS_OUTPUT_FULL, deadline_ns)) {
        bool aux = bring_up->mouse_port && (port_in8(I8042_STATUS) & I8042_STATUS_AUX);

        *byte = port_in8(I8042_DATA);
        if (aux == (device == MOUSE))
            return true;
        if (clock_now_ns() >= deadline_ns)
            return false;
    }
    return false;
}

/* The device's next byte that is one of two; whatever else comes was on its way before the command. */
static bool device_answer(const struct bring_up *bring_up, enum device device, uint8_t good, uint8_t bad,
                          uint8_t *answer, uint64_t deadline_ns)
{
    do {
        if (!device_read(bring_up, device, answer, deadline_ns))
            return false;
        if (*answer == good || *answer == bad)
            return true;
    } while (clock_now_ns() < deadline_ns);
    return false;
}

static bool device_command(const struct bring_up *bring_up, enum device device, uint8_t byte)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        uint64_t deadline_ns = clock_now_ns() + ANSWER_WAIT_NS;
        uint8_t answer;

        if (!device_write(device, byte, deadline_ns) ||
            !device_answer(bring_up, device, ANSWER_ACK, ANSWER_RESEND, &answer, deadline_ns))
            return false;
        if (answer == ANSWER_ACK)
            return true;
    }
    return false;
}

static bool device_passed(const struct bring_up *bring_up, enum device device)
{
    uint64_t deadline_ns = clock_now_ns() + SELF_TEST_WAIT_NS;
    uint8_t answer;

    return device_answer(bring_up, device, ANSWER_PASSED, ANSWER_FAILED, &answer, deadline_ns) &&
           answer == ANSWER_PASSED;
}

/* Each start_ function returns NULL, or why the device is not to be used. */
static const char *start_keyboard(const struct bring_up *bring_up)
{
    if (!device_command(bring_up, KEYBOARD, RESET))
        return "no PS/2 keyboard answers";
    if (!device_passed(bring_up, KEYBOARD))
        return "the PS/2 keyboard failed its self test";
    if (!device_command(bring_up, KEYBOARD, ENABLE))
        return "the PS/2 keyboard does not start scanning";
    return NULL;
}

static bool set_sample_rate(const struct bring_up *bring_up, uint8_t rate_hz)
{
    return device_command(bring_up, MOUSE, SET_SAMPLE_RATE) && device_command(bring_up, MOUSE, rate_hz);
}

static bool identify_mouse(const struct bring_up *bring_up, uint8_t *id)
{
    return device_command(bring_up, MOUSE, IDENTIFY) &&
           device_read(bring_up, MOUSE, id, clock_now_ns() + ANSWER_WAIT_NS);
}

/* Three sample rates in a row ask a mouse that knows them for longer packets; its id then tells whether it does. */
static bool knock(const struct bring_up *bring_up, uint8_t second_rate_hz, uint8_t *id)
{
    return set_sample_rate(bring_up, 200) && set_sample_rate(bring_up, second_rate_hz) &&
           set_sample_rate(bring_up, 80) && identify_mouse(bring_up, id);
}

/* A mouse that falls silent between the knocks is in an unknown packet format: it is not used. */
static bool negotiate_packets(const struct bring_up *bring_up, uint8_t *id)
{
    if (!knock(bring_up, 100, id))
        return false;
    return *id != MOUSE_ID_WHEEL || knock(bring_up, 200, id);
}

static const char *start_mouse(const struct bring_up *bring_up, uint8_t *id)
{
    uint64_t deadline_ns;

    if (!device_command(bring_up, MOUSE, RESET))
        return "no PS/2 mouse answers";
    if (!device_passed(bring_up, MOUSE))
        return "the PS/2 mouse failed its self test";
    deadline_ns = clock_now_ns() + ANSWER_WAIT_NS;
    if (!device_read(bring_up, MOUSE, id, deadline_ns) || *id != MOUSE_ID_STANDARD)
        return "what is on the PS/2 mouse port is not a mouse";
    if (!device_command(bring_up, MOUSE, SET_DEFAULTS) || !negotiate_packets(bring_up, id) ||
        !set_sample_rate(bring_up, 100) || !device_command(bring_up, MOUSE, ENABLE))
        return "the PS/2 mouse stopped answering";
    return NULL;
}

/* Silences both devices and the controller's interrupts, so that what is read next was asked for. */
static enum status quiet_controller(struct bring_up *bring_up)
{
    if (port_in8(I8042_STATUS) == ABSENT) {
        note_problem(bring_up, "no PS/2 controller");
        return STATUS_NOT_FOUND;
    }
    if (!command(CLOSE_KEYBOARD_PORT) || !command(CLOSE_MOUSE_PORT)) {
        note_problem(bring_up, "the PS/2 controller takes no commands");
        return STATUS_TIMEOUT;
    }
    if (!flush()) {
        note_problem(bring_up, "the PS/2 controller's output never ends");
        return STATUS_IO;
    }
    if (!query(READ_CONFIG, &bring_up->config, CONTROLLER_WAIT_NS)) {
        note_problem(bring_up, "the PS/2 controller does not answer");
        return STATUS_TIMEOUT;
    }
    /* A controller without a mouse port does not know the command that should have set this bit. */
    bring_up->mouse_port = bring_up->config & CONFIG_MOUSE_CLOSED;
    bring_up->config &= (uint8_t) ~(CONFIG_KEYBOARD_IRQ | CONFIG_MOUSE_IRQ);
    bring_up->config |= CONFIG_KEYBOARD_CLOSED | CONFIG_TRANSLATE;
    return write_config(bring_up->config) ? STATUS_OK : STATUS_TIMEOUT;
}

/* The ports may be open meanwhile, so other bytes than the two answers are passed over; the last of them is the answer
 * of a controller that has one of its own for a failure. */
static bool query_test(uint8_t *answer)
{
    uint64_t deadline_ns = clock_now_ns() + SELF_TEST_WAIT_NS;
    bool answered = false;

    if (!write_port(I8042_COMMAND, TEST_CONTROLLER, deadline_ns))
        return false;
    while (wait_status(I8042_STATUS_OUTPUT_FULL, I8042_STATUS_OUTPUT_FULL, deadline_ns)) {
        *answer = port_in8(I8042_DATA);
        answered = true;
        if (*answer == CONTROLLER_PASSED || *answer == ANSWER_FAILED || clock_now_ns() >= deadline_ns)
            break;
    }
    return answered;
}

/* Some controllers fail and yet work, so a failure is only noted; some forget their configuration in the test. */
static enum status test_controller(struct bring_up *bring_up)
{
    uint8_t answer = 0;

    for (unsigned tries = 0; tries < TRIES && answer != CONTROLLER_PASSED; tries++) {
        if (!query_test(&answer)) {
            note_problem(bring_up, "the PS/2 controller does not finish its self test");
            return STATUS_TIMEOUT;
        }
    }
    if (answer != CONTROLLER_PASSED)
        note_problem(bring_up, "the PS/2 controller failed its self test");
    if (!write_config(bring_up->config))
        return STATUS_TIMEOUT;
    return flush() ? STATUS_OK : STATUS_IO; /* of what came in through a port that was forgotten to be closed */
}

/* With the mouse's port open its motion may come first. */
static bool read_config_among_motion(const struct bring_up *bring_up, uint8_t *config)
{
    return command(READ_CONFIG) && device_read(bring_up, KEYBOARD, config, clock_now_ns() + CONTROLLER_WAIT_NS);
}

/* There is a mouse port if opening it shows in the configuration. */
static bool find_mouse_port(const struct bring_up *bring_up)
{
    uint8_t config = CONFIG_MOUSE_CLOSED;
    bool answered, closed;

    if (!bring_up->mouse_port)
        return false;
    answered = command(OPEN_MOUSE_PORT) && read_config_among_motion(bring_up, &config);
    closed = command(CLOSE_MOUSE_PORT) && flush();
    return answered && closed && !(config & CONFIG_MOUSE_CLOSED);
}

static bool port_passed(enum controller_command test)
{
    uint8_t answer;

    return query(test, &answer, CONTROLLER_WAIT_NS) && answer == PORT_PASSED;
}

/* Only one port is open at a time: the other device keeps its bytes. */
static const char *start_device(const struct bring_up *bring_up, enum device device, uint8_t *mouse_id)
{
    bool mouse = device == MOUSE;
    const char *problem;

    if (!port_passed(mouse ? TEST_MOUSE_PORT : TEST_KEYBOARD_PORT))
        return mouse ? "the PS/2 mouse port failed its test" : "the PS/2 keyboard port failed its test";
    if (!command(mouse ? OPEN_MOUSE_PORT : OPEN_KEYBOARD_PORT))
        return "a PS/2 port does not open";
    problem = mouse ? start_mouse(bring_up, mouse_id) : start_keyboard(bring_up);
    if (!command(mouse ? CLOSE_MOUSE_PORT : CLOSE_KEYBOARD_PORT) || !flush())
        return "a PS/2 port does not close";
    return problem;
}

static void start_devices(struct bring_up *bring_up)
{
    const char *problem = start_device(bring_up, KEYBOARD, NULL);

    bring_up->info.keyboard = !problem;
    note_problem(bring_up, problem);
    if (bring_up->mouse_port)
        problem = start_device(bring_up, MOUSE, &bring_up->info.mouse_id);
    else
        problem = "no PS/2 mouse port";
    bring_up->info.mouse = !problem;
    note_problem(bring_up, problem);
}

/*
 * Both ports are closed and drained. One write opens them and turns on their interrupts: otherwise a byte could arrive
 * between the two, raise no interrupt, and block all that follow. A port without a device stays closed for the same
 * reason.
 */
static enum status open_ports(struct bring_up *bring_up)
{
    uint8_t config = bring_up->config;

    if (bring_up->info.keyboard)
        config = (uint8_t)((config & ~CONFIG_KEYBOARD_CLOSED) | CONFIG_KEYBOARD_IRQ);
    if (bring_up->info.mouse)
        config = (uint8_t)((config & ~CONFIG_MOUSE_CLOSED) | CONFIG_MOUSE_IRQ);
    return write_config(config) ? STATUS_OK : STATUS_TIMEOUT;
}

enum status i8042_start(struct i8042_info *info)
{
    struct bring_up bring_up = {0};
    enum status status = quiet_controller(&bring_up);

    if (status == STATUS_OK)
        status = test_controller(&bring_up);
    if (status == STATUS_OK) {
        bring_up.mouse_port = find_mouse_port(&bring_up);
        start_devices(&bring_up);
        status = open_ports(&bring_up);
    }
    bring_up.info.controller = status == STATUS_OK;
    if (status != STATUS_OK) {
        bring_up.info.keyboard = false;
        bring_up.info.mouse = false;
        note_problem(&bring_up, "the PS/2 controller stopped answering");
    }
    *info = bring_up.info;
    return status;
}

enum status i8042_write_keyboard(uint8_t byte)
{
    return device_write(KEYBOARD, byte, clock_now_ns() + WRITE_WAIT_NS) ? STATUS_OK : STATUS_TIMEOUT;
}

enum status i8042_write_mouse(uint8_t byte)
{
    return device_write(MOUSE, byte, clock_now_ns() + WRITE_WAIT_NS) ? STATUS_OK : STATUS_TIMEOUT;
}
