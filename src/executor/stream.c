/* See stream.h. */
#include "executor/stream.h"

static enum poll next_poll(struct future *future, struct waker *waker)
{
    struct next *self = container_of(future, struct next, future);

    return self->stream->poll_next(self->stream, waker, &self->item);
}

static void next_drop(struct future *future)
{
    stream_drop(container_of(future, struct next, future)->stream);
}

struct next next(struct stream *stream)
{
    return (struct next){.future = {next_poll, next_drop}, .stream = stream};
}

static enum poll map_poll_next(struct stream *stream, struct waker *waker, void **item)
{
    struct stream_map *self = container_of(stream, struct stream_map, stream);

    if (self->source->poll_next(self->source, waker, item) == POLL_PENDING)
        return POLL_PENDING;
    if (*item) {
        *item = self->map(*item, self->context);
        ASSERT(*item);
    }
    return POLL_READY;
}

static void map_drop(struct stream *stream)
{
    stream_drop(container_of(stream, struct stream_map, stream)->source);
}

struct stream_map stream_map(struct stream *source, void *(*map)(void *item, void *context), void *context)
{
    return (struct stream_map){{map_poll_next, map_drop}, source, map, context};
}

/* What it leaves out costs no turn of the task: a source that is always ready and never fits keeps it polling. */
static enum poll filter_poll_next(struct stream *stream, struct waker *waker, void **item)
{
    struct stream_filter *self = container_of(stream, struct stream_filter, stream);

    do
        if (self->source->poll_next(self->source, waker, item) == POLL_PENDING)
            return POLL_PENDING;
    while (*item && !self->keep(*item, self->context));
    return POLL_READY;
}

static void filter_drop(struct stream *stream)
{
    stream_drop(container_of(stream, struct stream_filter, stream)->source);
}

struct stream_filter stream_filter(struct stream *source, bool (*keep)(const void *item, void *context), void *context)
{
    return (struct stream_filter){{filter_poll_next, filter_drop}, source, keep, context};
}
