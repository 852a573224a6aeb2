/* One pass over the format: a conversion is parsed into a struct, then laid out as prefix, zeros, body and padding. */
#include "lib/format.h"

#include <limits.h>

#include "lib/mem.h"

enum length { LENGTH_INT, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE };

struct sink {
    void (*put)(void *context, char c);
    void *context;
};

struct conversion {
    bool left, zero, plus;
    bool has_precision;
    unsigned width;
    unsigned precision;
    enum length length;
};

/* Its own struct because va_list may be an array type, which a function parameter would turn into a pointer. */
struct arguments {
    va_list list;
};

static void repeat(const struct sink *sink, char c, size_t count)
{
    while (count--)
        sink->put(sink->context, c);
}

static void put_bytes(const struct sink *sink, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sink->put(sink->context, text[i]);
}

static void put_padded(const struct sink *sink, const struct conversion *c, const char *text, size_t length)
{
    size_t padding = c->width > length ? c->width - length : 0;

    if (!c->left)
        repeat(sink, ' ', padding);
    put_bytes(sink, text, length);
    if (c->left)
        repeat(sink, ' ', padding);
}

/* Writes the digits so that they end at `end`; none for 0. Returns where they begin. */
static char *digits_before(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (; value; value /= base)
        *--end = digits[value % base];
    return end;
}

static void put_number(const struct sink *sink, const struct conversion *c, const char *prefix, const char *digits,
                       size_t length)
{
    size_t minimum = c->has_precision ? c->precision : 1;
    size_t zeros = minimum > length ? minimum - length : 0;
    size_t prefix_length = string_length(prefix);
    size_t whole = prefix_length + zeros + length;
    size_t padding = c->width > whole ? c->width - whole : 0;

    if (c->zero && !c->left && !c->has_precision) {
        zeros += padding;
        padding = 0;
    }
    if (!c->left)
        repeat(sink, ' ', padding);
    put_bytes(sink, prefix, prefix_length);
    repeat(sink, '0', zeros);
    put_bytes(sink, digits, length);
    if (c->left)
        repeat(sink, ' ', padding);
}

static int64_t next_signed(struct arguments *arguments, enum length length)
{
    switch (length) {
    case LENGTH_CHAR:
        return (signed char)va_arg(arguments->list, int);
    case LENGTH_SHORT:
        return (short)va_arg(arguments->list, int);
    case LENGTH_LONG:
    case LENGTH_LONG_LONG:
    case LENGTH_SIZE:
        return va_arg(arguments->list, int64_t);
    case LENGTH_INT:
    default:
        return va_arg(arguments->list, int);
    }
}

static uint64_t next_unsigned(struct arguments *arguments, enum length length)
{
    switch (length) {
    case LENGTH_CHAR:
        return (unsigned char)va_arg(arguments->list, unsigned);
    case LENGTH_SHORT:
        return (unsigned short)va_arg(arguments->list, unsigned);
    case LENGTH_LONG:
    case LENGTH_LONG_LONG:
    case LENGTH_SIZE:
        return va_arg(arguments->list, uint64_t);
    case LENGTH_INT:
    default:
        return va_arg(arguments->list, unsigned);
    }
}

static void put_signed(const struct sink *sink, const struct conversion *c, int64_t value)
{
    char digits[20];
    char *end = digits + sizeof(digits);
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    char *start = digits_before(end, magnitude, 10, false);
    const char *sign = c->plus ? "+" : "";

    put_number(sink, c, value < 0 ? "-" : sign, start, (size_t)(end - start));
}

static void put_unsigned(const struct sink *sink, const struct conversion *c, const char *prefix, uint64_t value,
                         unsigned base, bool upper)
{
    char digits[20];
    char *end = digits + sizeof(digits);
    char *start = digits_before(end, value, base, upper);

    put_number(sink, c, prefix, start, (size_t)(end - start));
}

static void put_string(const struct sink *sink, const struct conversion *c, const char *text)
{
    size_t limit = c->has_precision ? c->precision : SIZE_MAX;
    size_t length = 0;

    if (!text)
        text = "(null)";
    while (length < limit && text[length])
        length++;
    put_padded(sink, c, text, length);
}

/* A decimal number, or '*' for the next argument; saturates at INT_MAX, where C stops saying what happens. */
static int parse_number(const char **format, struct arguments *arguments)
{
    int value = 0;

    if (**format == '*') {
        ++*format;
        return va_arg(arguments->list, int);
    }
    for (; **format >= '0' && **format <= '9'; ++*format) {
        int digit = **format - '0';

        value = value > (INT_MAX - digit) / 10 ? INT_MAX : value * 10 + digit;
    }
    return value;
}

static const char *parse_flags(const char *format, struct conversion *c)
{
    for (;; format++) {
        if (*format == '-')
            c->left = true;
        else if (*format == '0')
            c->zero = true;
        else if (*format == '+')
            c->plus = true;
        else
            return format;
    }
}

static const char *parse_width(const char *format, struct conversion *c, struct arguments *arguments)
{
    int width = parse_number(&format, arguments);
    int precision;

    c->left |= width < 0;
    c->width = width < 0 ? -(unsigned)width : (unsigned)width;
    if (*format != '.')
        return format;
    format++;
    precision = parse_number(&format, arguments);
    c->has_precision = precision >= 0; /* a negative one counts as absent */
    c->precision = c->has_precision ? (unsigned)precision : 0;
    return format;
}

static const char *parse_length(const char *format, struct conversion *c)
{
    bool twice = format[0] && format[0] == format[1];

    switch (*format) {
    case 'h':
        c->length = twice ? LENGTH_CHAR : LENGTH_SHORT;
        break;
    case 'l':
        c->length = twice ? LENGTH_LONG_LONG : LENGTH_LONG;
        break;
    case 'z':
        c->length = LENGTH_SIZE;
        return format + 1;
    default:
        return format;
    }
    return format + (twice ? 2 : 1);
}

/* False if it does not know the conversion. */
static bool convert(const struct sink *sink, const struct conversion *c, char kind, struct arguments *arguments)
{
    struct conversion pointer = {.left = c->left, .width = c->width};
    char character;

    switch (kind) {
    case 'd':
    case 'i':
        put_signed(sink, c, next_signed(arguments, c->length));
        return true;
    case 'u':
        put_unsigned(sink, c, "", next_unsigned(arguments, c->length), 10, false);
        return true;
    case 'x':
    case 'X':
        put_unsigned(sink, c, "", next_unsigned(arguments, c->length), 16, kind == 'X');
        return true;
    case 'p':
        put_unsigned(sink, &pointer, "0x", (uintptr_t)va_arg(arguments->list, void *), 16, false);
        return true;
    case 's':
        put_string(sink, c, va_arg(arguments->list, const char *));
        return true;
    case 'c':
        character = (char)va_arg(arguments->list, int);
        put_padded(sink, c, &character, 1);
        return true;
    case '%':
        sink->put(sink->context, '%');
        return true;
    default:
        return false;
    }
}

void format_sink_va(void (*put)(void *context, char c), void *context, const char *format, va_list list)
{
    const struct sink sink = {put, context};
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*format) {
        const char *start = format++;
        struct conversion c = {0};

        if (*start != '%') {
            put(context, *start);
            continue;
        }
        format = parse_flags(format, &c);
        format = parse_width(format, &c, &arguments);
        format = parse_length(format, &c);
        if (!convert(&sink, &c, *format, &arguments))
            put_bytes(&sink, start, (size_t)(format - start) + (*format ? 1 : 0));
        if (*format)
            format++;
    }
    va_end(arguments.list);
}

struct buffer {
    char *text;
    size_t size;
    size_t length;
};

static void buffer_put(void *context, char c)
{
    struct buffer *buffer = context;

    if (buffer->length < buffer->size)
        buffer->text[buffer->length] = c;
    buffer->length++;
}

size_t format_text_va(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct buffer target = {buffer, size, 0};

    format_sink_va(buffer_put, &target, format, arguments);
    if (size)
        buffer[target.length < size ? target.length : size - 1] = '\0';
    return target.length;
}

size_t format_text(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_va(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
