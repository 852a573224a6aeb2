/* The formatter against snprintf(): conversions put together from the input, each with an argument of its type. And any
 * text as a format, for what is unknown to it. */
#include "lib/format.h"

#include <limits.h>

#include "fuzz.h"

enum { TEXT_MAX = 700, STAR = 1000 };

struct conversion {
    char text[64];
    int stars[2]; /* arguments of '*' */
    unsigned star_count;
    char kind;
    unsigned length; /* of lengths[] */
};

static const char *const lengths[] = {"", "hh", "h", "l", "ll", "z"};

static int small_number(void)
{
    return (int)fuzz_below(160) - 40;
}

/* A width or a precision: digits, or '*' and an argument. */
static void add_number(struct conversion *c)
{
    int number = small_number();

    if (fuzz_below(3) == 0) {
        c->stars[c->star_count++] = number;
        strcat(c->text, "*");
    } else if (number > 0) {
        sprintf(c->text + strlen(c->text), "%d", number);
    }
}

/* Only what C defines: no zeros for %c and %s, no precision for %c. */
static void make(struct conversion *c)
{
    static const char kinds[] = "diuxXscdp";
    unsigned flags = (unsigned)fuzz_below(8);

    *c = (struct conversion){.text = "%", .kind = kinds[fuzz_below(sizeof(kinds) - 1)]};
    if (flags & 1)
        strcat(c->text, "-");
    if (flags & 2 && !strchr("scp", c->kind))
        strcat(c->text, "0");
    if (flags & 4 && strchr("di", c->kind))
        strcat(c->text, "+");
    if (fuzz_below(2))
        add_number(c);
    if (!strchr("cp", c->kind) && fuzz_below(2)) {
        strcat(c->text, ".");
        add_number(c);
    }
    if (!strchr("scp", c->kind)) {
        c->length = (unsigned)fuzz_below(ARRAY_SIZE(lengths));
        strcat(c->text, lengths[c->length]);
    }
    sprintf(c->text + strlen(c->text), "%c|", c->kind);
}

#define CALL(function, buffer, size, c, argument)                                        \
    ((c)->star_count == 0   ? function(buffer, size, (c)->text, argument)                \
     : (c)->star_count == 1 ? function(buffer, size, (c)->text, (c)->stars[0], argument) \
                            : function(buffer, size, (c)->text, (c)->stars[0], (c)->stars[1], argument))

/* Both, into buffers of that size: the same text, cut at the same place, and the same length. */
#define COMPARE(c, size, argument)                                           \
    do {                                                                     \
        char *actual = malloc(size), *expected = malloc(size);               \
        size_t length = (size_t)CALL(snprintf, expected, size, c, argument); \
                                                                             \
        CHECK(CALL(format_text, actual, size, c, argument) == length);       \
        CHECK(size == 0 || strcmp(actual, expected) == 0);                   \
        free(actual);                                                        \
        free(expected);                                                      \
    } while (0)

static void compare_number(const struct conversion *c, size_t size, uint64_t number)
{
    switch (c->length) {
    case 3:
        COMPARE(c, size, (long)number);
        break;
    case 4:
        COMPARE(c, size, (long long)number);
        break;
    case 5:
        COMPARE(c, size, (size_t)number);
        break;
    default:
        COMPARE(c, size, (int)number);
        break;
    }
}

static void compare(const struct conversion *c, size_t size)
{
    uint64_t number = fuzz_number();
    char text[40] = "";

    number = fuzz_below(2) ? -number : number;
    switch (c->kind) {
    case 's':
        fuzz_bytes(text, fuzz_below(sizeof(text) - 1));
        COMPARE(c, size, text);
        break;
    case 'c':
        if (number % 256)
            COMPARE(c, size, (int)(number & 0xff));
        break;
    case 'p':
        if (number) /* glibc has a word for NULL */
            COMPARE(c, size, (void *)(uintptr_t)number);
        break;
    default:
        compare_number(c, size, number);
        break;
    }
}

/* Any format, with arguments that do for every conversion; long runs of digits would only take long. */
static void survive(void)
{
    char format[64] = "", *buffer = malloc(TEXT_MAX);
    size_t length = fuzz_bytes(format, sizeof(format) - 1), digits = 0, written;

    for (size_t i = 0; i < length; i++) {
        digits = format[i] >= '0' && format[i] <= '9' ? digits + 1 : 0;
        if (digits > 3 || format[i] == '*')
            format[i] = 'd';
    }
    written = format_text(buffer, TEXT_MAX, format, format, format, format, format, format, format, format, format,
                          format, format, format, format, format, format, format, format, format, format, format,
                          format, format, format, format, format, format, format, format, format, format, format,
                          format, format);
    CHECK(strlen(buffer) == (written < TEXT_MAX ? written : TEXT_MAX - 1));
    CHECK(strchr(format, '%') || strcmp(buffer, format) == 0);
    free(buffer);
}

void fuzz_one(void)
{
    if (fuzz_byte() % 8 == 7) {
        survive();
        return;
    }
    while (fuzz_more()) {
        struct conversion c;

        make(&c);
        compare(&c, fuzz_below(2) ? TEXT_MAX : fuzz_below(64));
    }
}
