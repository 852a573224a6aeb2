/* A 16550. */
#include "kernel/x86_64/serial.h"

#include "kernel/x86_64/cpu.h"

enum {
    UART_DATA = 0, /* divisor, low byte, while LINE_CONTROL_DIVISOR is set */
    UART_INTERRUPTS = 1,
    UART_FIFO = 2,
    UART_LINE_CONTROL = 3,
    UART_MODEM_CONTROL = 4,
    UART_LINE_STATUS = 5,
    UART_SCRATCH = 7,

    LINE_CONTROL_8N1 = 0x03,
    LINE_CONTROL_DIVISOR = 0x80,
    FIFO_ON_AND_CLEARED = 0x07,
    MODEM_DTR_RTS = 0x03,
    MODEM_OUT2 = 0x08, /* on a PC: lets the interrupt out */
    INTERRUPT_RECEIVED = 0x01,
    LINE_STATUS_RECEIVED = 0x01,
    LINE_STATUS_EMPTY = 0x20,
    DIVISOR_115200 = 1,
    WAIT_MAX = 100000, /* reads; a character takes under 100 us, a read about 1 us */
};

static const uint16_t bases[SERIAL_PORTS] = {0x3f8, 0x2f8};
static bool present[SERIAL_PORTS];

void serial_init(enum serial_port port)
{
    uint16_t base = bases[port];

    outb(base + UART_SCRATCH, 0x5a);
    if (inb(base + UART_SCRATCH) != 0x5a)
        return;
    present[port] = true;
    outb(base + UART_INTERRUPTS, 0);
    outb(base + UART_LINE_CONTROL, LINE_CONTROL_DIVISOR);
    outb(base + UART_DATA, DIVISOR_115200);
    outb(base + UART_INTERRUPTS, 0);
    outb(base + UART_LINE_CONTROL, LINE_CONTROL_8N1);
    outb(base + UART_FIFO, FIFO_ON_AND_CLEARED);
    outb(base + UART_MODEM_CONTROL, MODEM_DTR_RTS);
}

void serial_put(enum serial_port port, char c)
{
    uint16_t base = bases[port];

    if (!present[port])
        return;
    for (unsigned i = 0; i < WAIT_MAX && !(inb(base + UART_LINE_STATUS) & LINE_STATUS_EMPTY); i++)
        ;
    outb(base + UART_DATA, (uint8_t)c);
}

bool serial_receive(enum serial_port port)
{
    if (!present[port])
        return false;
    outb(bases[port] + UART_MODEM_CONTROL, MODEM_DTR_RTS | MODEM_OUT2);
    outb(bases[port] + UART_INTERRUPTS, INTERRUPT_RECEIVED);
    return true;
}

bool serial_try_get(enum serial_port port, uint8_t *byte)
{
    if (!present[port] || !(inb(bases[port] + UART_LINE_STATUS) & LINE_STATUS_RECEIVED))
        return false;
    *byte = inb(bases[port] + UART_DATA);
    return true;
}
