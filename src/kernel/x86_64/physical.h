/*
 * Physical memory: lib/frames.h on the loader's map, locked. The image, the loader's structures and everything below
 * 1 MiB are never handed out.
 */
#ifndef DUET_KERNEL_PHYSICAL_H
#define DUET_KERNEL_PHYSICAL_H

#include "lib/boot_info.h"
#include "lib/frames.h"

/* A physical address, which cannot be dereferenced. */
struct physical {
    uint64_t address;
};

/* Reads the map, and begins with what boot.S maps: the first `mapped` bytes. Panics if that is nothing. Context: boot.
 */
void physical_init(const struct boot_info *info, uint64_t mapped);

/* Adds the rest, once all RAM can be accessed. Context: boot. */
void physical_add_rest(void);

/* Takes a zeroed frame. STATUS_NO_MEMORY if there is none. Context: any but NMI. */
enum status frame_alloc(struct physical *frame) must_check;

/* Takes `count` frames in a row, at a multiple of `align` frames, not zeroed. Errors as frames_take_run().
 * Context: any but NMI. */
enum status frame_alloc_run(uint32_t count, uint32_t align, struct physical *first) must_check;

/* Gives back what either gave, whole. Context: any but NMI. */
void frame_free(struct physical first);

/* Frames of the taken run that begins here, 0 if none does; and its owner's tag. Context: any but NMI. */
uint32_t frame_run_length(struct physical first);
uint16_t frame_tag(struct physical first);
void frame_set_tag(struct physical first, uint16_t tag);

/* Frames that can still be taken, and all that is to say of them. Context: any but NMI. */
size_t frames_free(void);
struct frames_report physical_report(void);

/* Usable bytes of the map that are more than can be managed, and left out. Context: any. */
uint64_t physical_left_out(void);

#endif
