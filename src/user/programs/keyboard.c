/* The keyboard's driver as a process, over the same decoder as the task and the thread: beside
 * drivers/keyboard_thread.c. Ends with 0 once the kernel wants the port back. */
#include "drivers/keyboard.h"

#include "user/driver.h"

enum { SOURCE = 0 };

/* The lights. */
static enum status send(uint8_t byte)
{
    return duet_port_write(SOURCE, byte) == 0 ? STATUS_OK : STATUS_IO;
}

static struct ps2_port port = {.send = send};
static struct event_queue queue;
static struct keyboard keyboard;

int main(uint64_t unused)
{
    struct ps2_byte bytes[DRIVER_BYTES];
    int64_t count, claimed = duet_claim(SOURCE);

    (void)unused;
    if (claimed < 0)
        return 1;
    keyboard_init(&keyboard, &port, &queue);
    while ((count = duet_port_read(SOURCE, bytes, DRIVER_BYTES, UINT64_MAX)) >= 0) {
        for (int64_t i = 0; i < count; i++)
            keyboard_receive(&keyboard, bytes[i], DRIVER_USER);
        driver_publish(&queue);
    }
    return count == -DUET_ERROR_CLOSED ? 0 : 1;
}
