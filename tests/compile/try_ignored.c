/* Nobody looks whether it was sent.
 * gcc: warn_unused_result
 * clang: warn_unused_result
 */
#include "executor/channel.h"

void interrupt(struct channel *channel);

void interrupt(struct channel *channel)
{
    uint32_t number = 1;

    channel_send_try(channel, &number);
}
