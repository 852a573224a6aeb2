/* See heap_model.h. */
#include "heap_model.h"

#include <string.h>

#include "support.h"

enum { PIECES = 256, PATTERN = HEAP_MODEL_BYTES + 4096 };

struct piece {
    unsigned char *at; /* NULL: not allocated */
    size_t size;       /* as asked for */
    size_t usable;
    size_t pattern; /* contents: the bytes from here in the pattern */
};

struct model {
    struct heap_model_subject subject;
    struct heap *heap;
    uint64_t seed;
    struct piece pieces[PIECES];
    unsigned failures;
    unsigned char pattern[PATTERN];
    uint16_t owner[HEAP_MODEL_BYTES / HEAP_ALIGN]; /* shadow map: 1 + the piece there, 0 if none */
};

static struct model model;

static unsigned model_below(unsigned limit)
{
    return (unsigned)(support_random(&model.seed) % limit);
}

static size_t model_size(void)
{
    switch (model_below(64)) {
    case 0:
        return 0;
    case 1:
        return model_below(100 * 1024);
    case 2:
        return SIZE_MAX - model_below(4096);
    case 3:
    case 4:
    case 5:
        return model_below(5000);
    case 6:
        return (size_t)16 << model_below(9);
    default:
        return model_below(300);
    }
}

static void model_check(const struct piece *piece, size_t size)
{
    cr_assert(!memcmp(piece->at, model.pattern + piece->pattern, size), "%zu bytes at %p changed", size, piece->at);
}

/* The shadow map says that the whole piece is `from`'s, and then that it is `to`'s. */
static void model_shadow(const struct piece *piece, unsigned from, unsigned to)
{
    size_t first = (size_t)(piece->at - model.subject.memory) / HEAP_ALIGN;
    size_t last = (size_t)(piece->at - model.subject.memory + piece->usable + !piece->usable - 1) / HEAP_ALIGN;

    cr_assert(piece->at >= model.subject.memory && last < ARRAY_SIZE(model.owner), "%zu bytes at %p", piece->usable,
              piece->at);
    for (size_t i = first; i <= last; i++) {
        if (model.owner[i] != from)
            cr_assert_fail("%zu bytes at %p overlap %u", piece->usable, piece->at, model.owner[i]);
        model.owner[i] = (uint16_t)to;
    }
}

static void model_take(struct piece *piece, void *at, size_t size, size_t align)
{
    cr_assert((uintptr_t)at % align == 0 && (uintptr_t)at % HEAP_ALIGN == 0, "%p not at %zu", at, align);
    piece->at = at;
    piece->size = size;
    piece->usable = heap_usable(model.heap, at);
    piece->pattern = model_below(4096);
    cr_assert_geq(piece->usable, size);
    model_shadow(piece, 0, 1 + (unsigned)(piece - model.pieces));
    memcpy(at, model.pattern + piece->pattern, piece->usable);
}

static void model_free(struct piece *piece)
{
    if (!piece->at)
        return;
    cr_assert_eq(heap_usable(model.heap, piece->at), piece->usable);
    model_check(piece, piece->usable);
    model_shadow(piece, 1 + (unsigned)(piece - model.pieces), 0);
    heap_free(model.heap, piece->at);
    piece->at = NULL;
}

/* Out of memory: makes room, by all blocks if the heap needs that. */
static void model_failed(size_t size)
{
    unsigned count = model.subject.reuses ? PIECES / 8 : PIECES;
    unsigned first = model_below(PIECES);

    if (size > model.subject.bytes)
        return;
    model.failures++;
    for (unsigned i = 0; i < count; i++)
        model_free(&model.pieces[(first + i) % PIECES]);
}

static void model_alloc(struct piece *piece)
{
    size_t size = model_size(), align = HEAP_ALIGN;
    unsigned kind = model_below(4);
    unsigned char *at;

    if (kind == 0)
        align = (size_t)1 << model_below(13);
    at = kind == 0   ? heap_alloc_aligned(model.heap, size, align)
         : kind == 1 ? heap_alloc_zeroed(model.heap, size / 8, 8)
                     : heap_alloc(model.heap, size);
    if (!at) {
        model_failed(size);
        return;
    }
    if (kind == 1) {
        size = size / 8 * 8;
        cr_assert(!size || (!at[0] && !memcmp(at, at + 1, size - 1)), "not zero");
    }
    model_take(piece, at, size, align);
}

static void model_resize(struct piece *piece)
{
    size_t size = model_size();
    size_t common = size < piece->size ? size : piece->size;
    struct piece before = *piece;
    unsigned char *at;

    model_check(piece, piece->usable);
    at = heap_resize(model.heap, piece->at, size);
    if (!at) {
        model_check(piece, piece->usable);
        model_failed(size);
        return;
    }
    piece->at = at;
    model_check(piece, common);
    model_shadow(&before, 1 + (unsigned)(piece - model.pieces), 0);
    model_take(piece, at, size, HEAP_ALIGN);
}

void heap_model_step(unsigned fullness)
{
    struct piece *piece = &model.pieces[model_below(fullness)];

    if (!piece->at)
        model_alloc(piece);
    else if (model_below(4) == 0)
        model_resize(piece);
    else
        model_free(piece);
}

void heap_model_begin(const struct heap_model_subject *subject, uint64_t seed)
{
    memset(model.pieces, 0, sizeof(model.pieces));
    memset(model.owner, 0, sizeof(model.owner));
    model.subject = *subject;
    model.heap = subject->heap;
    model.seed = seed;
    model.failures = 0;
    for (size_t i = 0; i < PATTERN && !model.pattern[1]; i++)
        model.pattern[i] = (unsigned char)(i * 2654435761u >> 11);
}

unsigned heap_model_end(void)
{
    for (unsigned i = 0; i < PIECES; i++)
        model_free(&model.pieces[i]);
    cr_assert_eq(heap_live(model.heap), 0);
    return model.failures;
}
