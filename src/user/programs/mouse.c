/* The mouse's driver as a process, over the same decoder as the task and the thread: beside drivers/mouse_thread.c.
 * Ends with 0 once the kernel wants the port back. */
#include "drivers/mouse.h"

#include "user/driver.h"

enum { SOURCE = 1 };

/* What sets up a mouse that was plugged in. */
static enum status send(uint8_t byte)
{
    return duet_port_write(SOURCE, byte) == 0 ? STATUS_OK : STATUS_IO;
}

static struct ps2_port port = {.send = send};
static struct event_queue queue;
static struct mouse mouse;

int main(uint64_t unused)
{
    struct ps2_byte bytes[DRIVER_BYTES];
    int64_t count, claimed = duet_claim(SOURCE);

    (void)unused;
    if (claimed < 0)
        return 1;
    mouse_init(&mouse, &port, &queue, (uint8_t)claimed);
    while ((count = duet_port_read(SOURCE, bytes, DRIVER_BYTES, driver_patience_ns())) >= 0) {
        for (int64_t i = 0; i < count; i++)
            mouse_receive(&mouse, bytes[i], DRIVER_USER);
        if (count == 0)
            driver_look_round(&port);
        driver_publish(&queue);
    }
    return count == -DUET_ERROR_CLOSED ? 0 : 1;
}
