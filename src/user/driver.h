/*
 * The drivers' sources as programs: what they decode goes to a queue of the program's own, and from there to the
 * kernel.
 */
#ifndef DUET_USER_DRIVER_H
#define DUET_USER_DRIVER_H

#include "drivers/input.h"
#include "drivers/ps2_port.h"
#include "user/duet.h"

enum { DRIVER_BYTES = 32 }; /* taken at once */

/* Publishes what is in the queue. */
void driver_publish(struct event_queue *queue);

#endif
