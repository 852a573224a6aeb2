/* What both mouse drivers do with a byte. */
#include "drivers/mouse.h"

void mouse_init(struct mouse *mouse, struct ps2_port *port, struct event_queue *queue, uint8_t device_id)
{
    *mouse = (struct mouse){.port = port, .queue = queue};
    mouse_decoder_init(&mouse->decoder, device_id);
}

static void publish_motion(struct mouse *mouse, const struct mouse_packet *packet, struct input_event event)
{
    event.type = INPUT_REL;
    event.dx = packet->dx;
    event.dy = packet->dy;
    event.wheel = packet->wheel;
    event_publish(mouse->queue, &event);
}

static void publish_buttons(struct mouse *mouse, const struct mouse_packet *packet, struct input_event event)
{
    event.type = INPUT_BUTTON;
    for (unsigned bit = 0; packet->changed >> bit; bit++) {
        if (!(packet->changed >> bit & 1))
            continue;
        event.code = mouse_button_code(bit);
        event.value = packet->buttons >> bit & 1;
        event_publish(mouse->queue, &event);
    }
}

void mouse_receive(struct mouse *mouse, const struct ps2_byte *byte, enum driver_style style)
{
    struct input_event event = {.stamp = byte->stamp, .style = (uint8_t)style};
    struct mouse_packet packet;

    probe_hit(&mouse->port->resumed);
    if (!mouse_feed(&mouse->decoder, byte->data, &packet))
        return;
    if (packet.dx || packet.dy || packet.wheel)
        publish_motion(mouse, &packet, event);
    publish_buttons(mouse, &packet, event);
}
