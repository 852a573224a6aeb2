/* What both mouse drivers do with a byte. */
#include "drivers/mouse.h"

#include "lib/clock.h"

/* Ticks of a clock of 1 to 6 GHz: 33 to 200 ms. The bytes of a packet follow each other within 5; between a mouse's
 * last byte and its successor's first there is a plug in somebody's hand, and a self test of 300 ms at least
 * (A. Chapweske, "The PS/2 Mouse Interface": Basic Assurance Test). */
#define SILENCE_TICKS UINT64_C(200000000)

void mouse_init(struct mouse *mouse, struct ps2_port *port, struct event_queue *queue, uint8_t device_id)
{
    *mouse = (struct mouse){.port = port, .queue = queue, .stamp = clock_ticks(), .late = {mouse_setup_late}};
    mouse_decoder_init(&mouse->decoder, device_id);
    port->late = &mouse->late;
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

/* Whoever held a button of the old mouse does not any more. */
static void plugged_in(struct mouse *mouse, uint64_t stamp, enum driver_style style)
{
    publish_buttons(mouse, (struct mouse_packet){.changed = mouse->decoder.buttons}, stamp, style);
    mouse->decoder.buttons = 0;
    mouse_setup_start(mouse);
}

static void publish_packet(struct mouse *mouse, struct mouse_packet packet, uint64_t stamp, enum driver_style style)
{
    struct input_event event;

    if (packet.dx || packet.dy || packet.wheel) {
        make_motion(&event, &packet, stamp, style);
        event_publish(mouse->queue, event);
    }
    if (packet.changed)
        publish_buttons(mouse, packet, stamp, style);
}

/* Half a packet before a long silence is nobody's any more, or the aa 00 of a new mouse would be lost in it. Where one
 * byte was missing, aa has made a packet of it before anybody could know, and 00 alone is left, which begins none. */
void mouse_receive_any(struct mouse *mouse, struct ps2_byte byte, enum driver_style style)
{
    struct mouse_decoder *decoder = &mouse->decoder;
    bool silence = byte.stamp - mouse->stamp > SILENCE_TICKS;
    uint32_t hotplugs = decoder->hotplugs;
    struct mouse_packet packet;

    if (unlikely(mouse->setup.step)) {
        mouse_setup_receive(mouse, byte.data);
        return;
    }
    if (unlikely(silence))
        mouse_decoder_abandon(decoder);
    if (unlikely(silence) && byte.data == 0) {
        decoder->hotplugs++;
    } else if (mouse_feed(decoder, byte.data, &packet)) {
        publish_packet(mouse, packet, byte.stamp, style);
        return;
    }
    mouse->stamp = byte.stamp;
    if (unlikely(decoder->hotplugs != hotplugs))
        plugged_in(mouse, byte.stamp, style);
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
