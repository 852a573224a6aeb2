/* What both mouse drivers do with a byte. */
#include "drivers/mouse.h"

void mouse_init(struct mouse *mouse, struct ps2_port *port, struct event_queue *queue, uint8_t device_id)
{
    *mouse = (struct mouse){.port = port, .queue = queue};
    mouse_decoder_init(&mouse->decoder, device_id);
}

static inline void make_motion(struct input_event *event, const struct mouse_packet *packet, uint64_t stamp,
                               enum driver_style style)
{
    *event = (struct input_event){.stamp = stamp,
                                  .type = INPUT_REL,
                                  .style = (uint8_t)style,
                                  .dx = packet->dx,
                                  .dy = packet->dy,
                                  .wheel = packet->wheel};
}

static void publish_buttons(struct mouse *mouse, struct mouse_packet packet, uint64_t stamp, enum driver_style style)
{
    for (unsigned bit = 0; packet.changed >> bit; bit++) {
        if (!(packet.changed >> bit & 1))
            continue;
        event_publish(mouse->queue, (struct input_event){.stamp = stamp,
                                                         .type = INPUT_BUTTON,
                                                         .style = (uint8_t)style,
                                                         .value = packet.buttons >> bit & 1,
                                                         .code = mouse_button_code(bit)});
    }
}

void mouse_receive_any(struct mouse *mouse, struct ps2_byte byte, enum driver_style style)
{
    struct mouse_packet packet;
    struct input_event event;

    if (!mouse_feed(&mouse->decoder, byte.data, &packet))
        return;
    if (packet.dx || packet.dy || packet.wheel) {
        make_motion(&event, &packet, byte.stamp, style);
        event_publish(mouse->queue, event);
    }
    if (packet.changed)
        publish_buttons(mouse, packet, byte.stamp, style);
}

/* Most packets are motion alone. */
void mouse_receive(struct mouse *mouse, struct ps2_byte byte, enum driver_style style)
{
    struct mouse_packet packet;
    struct event_queue *queue;
    struct event_place place;

    if (!mouse_motion(&mouse->decoder, byte.data, &packet)) {
        mouse_receive_any(mouse, byte, style);
        return;
    }
    queue = mouse->queue;
    place = event_publish_begin(queue);
    if (unlikely(!place.event))
        return;
    make_motion(place.event, &packet, byte.stamp, style);
    event_publish_end(queue, place);
}
