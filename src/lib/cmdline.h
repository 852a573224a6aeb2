/*
 * Parses a command line of blank-separated key=value words against a table of options.
 *
 * A later word overrides an earlier one. There is no quoting: GRUB passes quotes and backslashes on, and a word that
 * contains one is refused rather than misread. Every word has a '=', with one exception: the first may be the path of
 * the kernel, which some loaders put there; it is recognised by its '/'.
 */
#ifndef DUET_LIB_CMDLINE_H
#define DUET_LIB_CMDLINE_H

#include "lib/base.h"

#define CMDLINE_TEXT_SIZE 32

enum option_kind {
    OPTION_CHOICE,   /* one of a list of words */
    OPTION_NUMBER,   /* decimal digits */
    OPTION_DURATION, /* decimal digits and a unit, ns, us, ms or s; 0 needs no unit */
    OPTION_TEXT,
};

struct option {
    const char *key;
    enum option_kind kind;
    const char *const *choices; /* CHOICE: NULL-terminated */
    uint64_t minimum, maximum;  /* NUMBER, and DURATION in ns: both included */
    const char *valid;          /* how an error names the valid values, but for a CHOICE: "a number from 1 to 9" */
    bool (*check)(const char *value); /* TEXT: whether the value is valid; NULL, all are */
};

struct option_value {
    unsigned choice; /* index into choices */
    uint64_t number; /* NUMBER, and DURATION in ns */
    char text[CMDLINE_TEXT_SIZE];
    bool set; /* the line named this option */
};

/*
 * values[i] belongs to options[i]. The caller fills in the defaults; only what the line names is overwritten. A NULL
 * line is empty.
 * Errors: STATUS_INVALID; `error` then holds one line, cut to error_size, that names the word and what would be valid
 * in its place, and every value is untouched. Context: any.
 */
must_check enum status cmdline_parse(const char *line, const struct option *options, size_t count,
                                     struct option_value *values, char *error, size_t error_size);

#endif
