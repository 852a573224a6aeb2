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

/* How long the next wait for bytes may be: until the port's alarm. What to do where none came. */
uint64_t driver_patience_ns(void);
void driver_look_round(struct ps2_port *port);

#endif
