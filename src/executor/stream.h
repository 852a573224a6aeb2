/*
 * A stream: a future that is ready again and again, each time with an item, until it has none left.
 *
 * Its items are pointers; whose they are, and for how long, says the stream. Where it was dropped or has ended it is
 * not polled again.
 */
#ifndef DUET_EXECUTOR_STREAM_H
#define DUET_EXECUTOR_STREAM_H

#include "executor/future.h"

struct stream {
    /* POLL_READY with an item, or with NULL: there are no more. */
    enum poll (*poll_next)(struct stream *self, struct waker *waker, void **item);
    void (*drop)(struct stream *self); /* as a future's */
};

/* Ready with the stream's next item. */
struct next {
    struct future future;
    struct stream *stream;
    void *item; /* NULL: the stream has ended */
};
struct next next(struct stream *stream);

/* What map() makes of each item of `source`. */
struct stream_map {
    struct stream stream;
    struct stream *source;
    void *(*map)(void *item, void *context); /* not NULL */
    void *context;
};
struct stream_map stream_map(struct stream *source, void *(*map)(void *item, void *context), void *context);

/* The items of `source` that keep() is true for. */
struct stream_filter {
    struct stream stream;
    struct stream *source;
    bool (*keep)(const void *item, void *context);
    void *context;
};
struct stream_filter stream_filter(struct stream *source, bool (*keep)(const void *item, void *context), void *context);

/* Ends a stream that has not ended; it is not polled again. */
static inline void stream_drop(struct stream *stream)
{
    if (stream->drop)
        stream->drop(stream);
}

#endif
