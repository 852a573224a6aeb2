/* See i8042_model.h. Constants are spelled out again here, so that a wrong one in the driver does not go unnoticed. */
#include "i8042_model.h"

#include "drivers/port_io.h"
#include "support.h"

#define CONFIG_IRQ(device)    (0x01 << (device))
#define CONFIG_CLOSED(device) (0x10 << (device))

#define ACCESS_LIMIT 20000000 /* far beyond any bounded wait */

struct i8042_model i8042_model;

static struct i8042_model *const m = &i8042_model;

void i8042_model_init(void)
{
    *m = (struct i8042_model){
        .config = 0x47,
        .input_ns = 2000,
        .answer_ns = 20000,
        .device =
            {
                {.self_test = 0xaa, .answer_ns = 100000, .self_test_ns = 300000000, .reports = true},
                {.self_test = 0xaa, .answer_ns = 100000, .self_test_ns = 400000000, .max_id = 4},
            },
    };
    support_clock_step_ns = 1000;
    support_trace_clear();
}

static void device_queue(struct i8042_model_device *device, uint8_t byte, uint64_t delay_ns)
{
    unsigned slot = device->tail % I8042_MODEL_QUEUE;

    if (device->silent_after && device->sent >= device->silent_after)
        return;
    device->sent++;
    device->tail++;
    cr_assert_leq(device->tail - device->head, I8042_MODEL_QUEUE, "the model's queue is too short");
    device->queue[slot].byte = byte;
    device->queue[slot].ready_ns = support_clock_ns + delay_ns;
}

void i8042_model_send(unsigned device, uint8_t byte)
{
    device_queue(&m->device[device], byte, 0);
}

static void device_chatter(struct i8042_model_device *device)
{
    if (!device->chatter_ns || !device->reports || support_clock_ns < device->chattered_ns + device->chatter_ns)
        return;
    device->chattered_ns = support_clock_ns;
    if (device->tail - device->head < I8042_MODEL_QUEUE - 16)
        device_queue(device, device->chatter_byte, 0);
}

static void fill_output(uint8_t byte, bool aux)
{
    m->output_full = true;
    m->output_aux = aux;
    m->output = byte;
    if (m->config & CONFIG_IRQ(aux))
        m->edges[aux]++;
}

/* What became ready in the meantime moves into the output buffer, one byte at a time, the controller's own first. */
static void let_time_pass(void)
{
    device_chatter(&m->device[MODEL_KEYBOARD]);
    device_chatter(&m->device[MODEL_MOUSE]);
    if (m->output_full)
        return;
    if (m->leftover) {
        m->leftover--;
        fill_output(0x5a, m->leftover_from_mouse);
        return;
    }
    if (m->answering && support_clock_ns >= m->answer_ready_ns) {
        m->answering = false;
        fill_output(m->answer, false);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct i8042_model_device *device = &m->device[i];
        unsigned slot = device->head % I8042_MODEL_QUEUE;

        if (m->config & CONFIG_CLOSED(i) || device->head == device->tail ||
            support_clock_ns < device->queue[slot].ready_ns)
            continue;
        device->head++;
        fill_output(device->queue[slot].byte, i == MODEL_MOUSE);
        return;
    }
}

static bool stuck(void)
{
    if (!m->busy_after || m->writes < m->busy_after)
        return false;
    if (!m->busy_until_ns)
        m->busy_until_ns = m->busy_ns ? support_clock_ns + m->busy_ns : UINT64_MAX;
    return support_clock_ns < m->busy_until_ns;
}

static bool input_full(void)
{
    return m->busy || stuck() || support_clock_ns < m->input_until_ns;
}

uint8_t port_in8(uint16_t port)
{
    cr_assert_lt(m->accesses++, ACCESS_LIMIT, "the driver waits for ever");
    if (m->absent)
        return 0xff;
    let_time_pass();
    if (port == 0x64)
        return (uint8_t)((m->output_full || m->endless_output ? 0x01 : 0) | (input_full() ? 0x02 : 0) | 0x04 |
                         (m->output_full && m->output_aux ? 0x20 : 0));
    cr_assert_eq(port, 0x60);
    cr_assert(m->output_full || m->endless_output, "read an empty output buffer");
    m->output_full = false;
    return m->output;
}

/* The controller's answers overtake what the devices have not sent yet, but not what is in the buffer already. */
static void answer(uint8_t byte)
{
    if (m->mute || (m->mute_after && m->answers >= m->mute_after))
        return;
    m->answers++;
    m->answering = true;
    m->answer = byte;
    m->answer_ready_ns = support_clock_ns + m->answer_ns;
}

static void self_test(void)
{
    if (m->forgets_config)
        m->config = 0x03;
    if (m->mute_self_test)
        return;
    answer(m->self_test_failures ? 0xfc : 0x55);
    if (m->self_test_failures)
        m->self_test_failures--;
}

static void controller_command(uint8_t command)
{
    bool mouse_port = !m->no_mouse_port;

    m->pending = 0;
    if (command != 0x60 && command != 0xd4)
        support_trace("%02x", command);
    switch (command) {
    case 0x20:
        answer(m->config);
        break;
    case 0x60:
        m->pending = command;
        break;
    case 0xd4:
        cr_assert(mouse_port);
        m->pending = command;
        break;
    case 0xa7:
        m->config |= mouse_port ? 0x20 : 0;
        break;
    case 0xa8:
        if (!m->mouse_port_opens_not)
            m->config &= (uint8_t)~0x20;
        break;
    case 0xa9:
        cr_assert(mouse_port);
        answer(m->port_test[MODEL_MOUSE]);
        break;
    case 0xaa:
        self_test();
        break;
    case 0xab:
        answer(m->port_test[MODEL_KEYBOARD]);
        break;
    case 0xad:
        m->config |= 0x10;
        break;
    case 0xae:
        m->config &= (uint8_t)~0x10;
        break;
    default:
        cr_assert_fail("unknown controller command %02x", command);
    }
}

static void set_rate(struct i8042_model_device *device, uint8_t rate)
{
    device->rate = rate;
    device->rates[0] = device->rates[1];
    device->rates[1] = device->rates[2];
    device->rates[2] = rate;
    if (device->max_id >= 3 && device->rates[0] == 200 && device->rates[1] == 100 && rate == 80)
        device->id = 3;
    if (device->max_id == 4 && device->id == 3 && device->rates[0] == 200 && device->rates[1] == 200 && rate == 80)
        device->id = 4;
}

static void device_reset(struct i8042_model_device *device, bool mouse)
{
    device->id = 0;
    device->rate = 100;
    device->reports = !mouse;
    device->chattered_ns = support_clock_ns + device->self_test_ns; /* no key is looked at before */
    device->head = device->tail;
    device_queue(device, 0xfa, device->answer_ns);
    device_queue(device, device->self_test, device->self_test_ns);
    if (mouse && device->self_test == 0xaa)
        device_queue(device, device->reset_id, device->self_test_ns);
}

static void device_obey(struct i8042_model_device *device, bool mouse, uint8_t byte)
{
    if (byte == 0xff) {
        device_reset(device, mouse);
        return;
    }
    device_queue(device, 0xfa, device->answer_ns);
    switch (byte) {
    case 0xf2:
        device_queue(device, device->id, device->answer_ns);
        break;
    case 0xed:
    case 0xf3:
        device->argument_of = byte;
        break;
    case 0xf4:
        device->reports = true;
        break;
    case 0xf6:
        device->rate = 100;
        break;
    default:
        cr_assert_fail("unknown device command %02x", byte);
    }
}

static void device_take(unsigned which, uint8_t byte)
{
    struct i8042_model_device *device = &m->device[which];
    bool mouse = which == MODEL_MOUSE;

    support_trace("%c:%02x", mouse ? 'm' : 'k', byte);
    cr_assert(m->brought_up || !(m->config & 0x03), "talks to a device with interrupts on");
    cr_assert_eq(m->config & CONFIG_CLOSED(which), 0, "talks to a device whose port is closed");
    device->taken++;
    if (device->absent)
        return;
    if (device->resends) {
        device->resends--;
        device_queue(device, 0xfe, device->answer_ns);
    } else if (device->argument_of) {
        if (device->argument_of == 0xf3)
            set_rate(device, byte);
        device->argument_of = 0;
        device_queue(device, 0xfa, device->answer_ns);
    } else {
        device_obey(device, mouse, byte);
    }
}

void port_out8(uint16_t port, uint8_t value)
{
    if (m->absent)
        return;
    cr_assert(!input_full(), "wrote %02x into a full input buffer", value);
    m->writes++;
    m->input_until_ns = support_clock_ns + m->input_ns;
    if (port == 0x64) {
        controller_command(value);
        return;
    }
    cr_assert_eq(port, 0x60);
    if (m->pending == 0x60) {
        support_trace("60=%02x", value);
        m->config = value;
    } else {
        device_take(m->pending == 0xd4 ? MODEL_MOUSE : MODEL_KEYBOARD, value);
    }
    m->pending = 0;
}
