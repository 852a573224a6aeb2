/* QEMU fed at the host's pace, from outside. */
#ifndef DUET_STOPWATCH_FEED_H
#define DUET_STOPWATCH_FEED_H

/*
 * Starts the command, waits until its guest is ready by its COM2, and sends the plan's commands, each pause_ms after
 * the answer to the one before, or later, so that QEMU's own queue does not overflow; tells QEMU to quit once COM2
 * has nothing more to say. Returns this program's status.
 */
int feed(int pause_ms, const char *plan, const char *socket, const char *com2, char *const *command);

#endif
