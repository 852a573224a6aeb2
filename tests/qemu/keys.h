/*
 * What the kernel should say of a key, computed from what was sent and from nothing of the kernel's: an independent
 * table of QEMU's key names, Linux's codes, and what a US keyboard types; and a model of shift and the locks.
 */
#ifndef DUET_TESTS_QEMU_KEYS_H
#define DUET_TESTS_QEMU_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_kind {
    KEY_KIND_OTHER,  /* types `plain`, or nothing */
    KEY_KIND_SIGN,   /* types `shifted` under shift */
    KEY_KIND_LETTER, /* the same, and Caps Lock turns shift round */
    KEY_KIND_KEYPAD, /* types `plain` while Num Lock is on */
    KEY_KIND_SHIFT,
    KEY_KIND_LOCK,
    KEY_KIND_PAUSE, /* sends its press and its release at once, and nothing when it goes up */
};

struct key {
    const char *qcode;
    unsigned code;
    const char *name;
    enum key_kind kind;
    char plain; /* 0: types nothing */
    char shifted;
    unsigned char press_bytes; /* what the keyboard queues, in set 1 */
    unsigned char release_bytes;
};

extern const struct key keys[];
extern const size_t keys_count;

/* The key of that QMP name, which must be in the table. */
const struct key *key_find(const char *qcode);

/* Zero-initialised: nothing held, all locks off, as the kernel starts. */
struct key_model {
    unsigned shifts; /* shift keys held */
    bool caps_lock;
    bool num_lock;
};

/* One line of a transcript is at most this long, with its 0. */
#define KEY_LINE_BYTES 160

/*
 * The lines that the echo mode says when the key goes down or up; held = it is down already, so going down repeats it.
 * Returns how many, 0 to 2.
 */
size_t key_expect(struct key_model *model, const struct key *key, bool down, bool held, const char *driver,
                  char lines[2][KEY_LINE_BYTES]);

/* A seeded generator, so that a failing run repeats; uniform in [0, bound) for small bounds. */
uint32_t seeded_random(uint64_t *state, uint32_t bound);

#endif
