/*
 * What the compilers call when a kernel built with SAN=ubsan does what C leaves undefined: each call is a panic.
 *
 * gcc 12 and clang 14 call the same functions with the same data (LLVM's compiler-rt, ubsan_handlers.h, is their
 * contract). As the kernel is built with -fno-sanitize-recover, the calls are those named _abort, which never return.
 * This file is itself built without checks, and only into such a kernel.
 */
#include "lib/base.h"
#include "lib/format.h"

struct location {
    const char *file;
    uint32_t line, column;
};

enum { TYPE_INTEGER = 0 };

struct type {
    uint16_t kind;
    uint16_t integer; /* bit 0: signed; from bit 1: the binary logarithm of its bits */
    char name[];      /* in quotes */
};

/* An integer up to the size of a register, or where a larger one is. */
typedef uintptr_t ubsan_value;

struct value_text {
    char text[40];
};

__extension__ typedef unsigned __int128 uint128;

#define PANIC(location, format, ...)                                                                                 \
    panic_at((location)->file ? (location)->file : "nowhere", (int)(location)->line, "undefined, %s:%u:%u: " format, \
             (location)->file ? (location)->file : "nowhere", (location)->line, (location)->column, __VA_ARGS__)

/* Functions whose names the compilers know; none is called from C. */
#define HANDLER(name, ...)                             \
    _Noreturn void __ubsan_handle_##name(__VA_ARGS__); \
    _Noreturn void __ubsan_handle_##name(__VA_ARGS__)

static unsigned type_bits(const struct type *type)
{
    return 1U << (type->integer >> 1);
}

static bool type_is_signed(const struct type *type)
{
    return type->integer & 1;
}

static bool is_negative(const struct type *type, ubsan_value value)
{
    return type_is_signed(type) && type_bits(type) <= 64 && value >> (type_bits(type) - 1) & 1;
}

/* Narrow values come in a whole register: what is above their bits means nothing. */
static struct value_text value_text(const struct type *type, ubsan_value value)
{
    struct value_text text = {"?"};
    unsigned unused = type_bits(type) < 64 ? 64 - type_bits(type) : 0;

    if (type->kind != TYPE_INTEGER) {
        return text;
    } else if (type_bits(type) > 64) {
        uint128 wide = *(const uint128 *)value;

        format_text(text.text, sizeof(text.text), "0x%016lx%016lx", (unsigned long)(wide >> 64), (unsigned long)wide);
    } else if (type_is_signed(type)) {
        format_text(text.text, sizeof(text.text), "%ld", (long)(value << unused) >> unused);
    } else {
        format_text(text.text, sizeof(text.text), "%lu", (unsigned long)(value << unused) >> unused);
    }
    return text;
}

struct overflow {
    struct location location;
    const struct type *type;
};

static _Noreturn void arithmetic(const struct overflow *data, ubsan_value left, const char *operator, ubsan_value right)
{
    PANIC(&data->location, "%s %s %s overflows %s", value_text(data->type, left).text, operator,
          value_text(data->type, right).text, data->type->name);
}

HANDLER(add_overflow_abort, const struct overflow *data, ubsan_value left, ubsan_value right)
{
    arithmetic(data, left, "+", right);
}

HANDLER(sub_overflow_abort, const struct overflow *data, ubsan_value left, ubsan_value right)
{
    arithmetic(data, left, "-", right);
}

HANDLER(mul_overflow_abort, const struct overflow *data, ubsan_value left, ubsan_value right)
{
    arithmetic(data, left, "*", right);
}

HANDLER(negate_overflow_abort, const struct overflow *data, ubsan_value value)
{
    PANIC(&data->location, "-(%s) overflows %s", value_text(data->type, value).text, data->type->name);
}

/* By 0, or the one quotient that does not fit: the least by -1. */
HANDLER(divrem_overflow_abort, const struct overflow *data, ubsan_value left, ubsan_value right)
{
    if (is_negative(data->type, right))
        arithmetic(data, left, "/", right);
    PANIC(&data->location, "%s / 0 in %s", value_text(data->type, left).text, data->type->name);
}

struct shift {
    struct location location;
    const struct type *left, *right;
};

HANDLER(shift_out_of_bounds_abort, const struct shift *data, ubsan_value left, ubsan_value right)
{
    PANIC(&data->location, "%s shifted by %s in %s", value_text(data->left, left).text,
          value_text(data->right, right).text, data->left->name);
}

struct bounds {
    struct location location;
    const struct type *array, *index;
};

HANDLER(out_of_bounds_abort, const struct bounds *data, ubsan_value index)
{
    PANIC(&data->location, "index %s of %s", value_text(data->index, index).text, data->array->name);
}

struct mismatch {
    struct location location;
    const struct type *type;
    uint8_t alignment; /* binary logarithm */
    uint8_t access;
};

HANDLER(type_mismatch_v1_abort, const struct mismatch *data, uintptr_t pointer)
{
    static const char *const accesses[] = {"load of", "store to", "reference to", "member of"};
    const char *access = data->access < ARRAY_SIZE(accesses) ? accesses[data->access] : "use of";

    if (!pointer)
        PANIC(&data->location, "%s %s at NULL", access, data->type->name);
    if (pointer & (((uintptr_t)1 << data->alignment) - 1))
        PANIC(&data->location, "%s %s at %p, not aligned to %lu", access, data->type->name, (void *)pointer,
              1UL << data->alignment);
    PANIC(&data->location, "%s %s at %p, larger than the object there", access, data->type->name, (void *)pointer);
}

struct at {
    struct location location;
};

HANDLER(pointer_overflow_abort, const struct at *data, uintptr_t base, uintptr_t result)
{
    PANIC(&data->location, "pointer %p moved to %p", (void *)base, (void *)result);
}

struct typed {
    struct location location;
    const struct type *type;
};

HANDLER(load_invalid_value_abort, const struct typed *data, ubsan_value value)
{
    PANIC(&data->location, "%s is no value of %s", value_text(data->type, value).text, data->type->name);
}

HANDLER(vla_bound_not_positive_abort, const struct typed *data, ubsan_value bound)
{
    PANIC(&data->location, "array of %s elements", value_text(data->type, bound).text);
}

HANDLER(builtin_unreachable, const struct at *data)
{
    PANIC(&data->location, "%s reached", "what is unreachable was");
}

/* Only from C++, whose functions may not end without their value; C's callers may ignore it. */
HANDLER(missing_return, const struct at *data)
{
    PANIC(&data->location, "%s", "a function ended without its value");
}

struct nonnull_argument {
    struct location location, attribute;
    int number; /* from 1 */
};

HANDLER(nonnull_arg_abort, const struct nonnull_argument *data)
{
    PANIC(&data->location, "argument %d is NULL and may not be", data->number);
}

/* The place of the return is no part of the data, as one function's returns share them. */
HANDLER(nonnull_return_v1_abort, const struct at *attribute, const struct location *location)
{
    (void)attribute;
    PANIC(location, "%s", "returned NULL and may not");
}

struct builtin {
    struct location location;
    uint8_t function;
};

HANDLER(invalid_builtin_abort, const struct builtin *data)
{
    PANIC(&data->location, "__builtin_%s(0)", data->function == 0 ? "ctz" : "clz");
}

/* clang alone. */
struct alignment_assumption {
    struct location location, attribute;
    const struct type *type;
};

HANDLER(alignment_assumption_abort, const struct alignment_assumption *data, uintptr_t pointer, uintptr_t alignment,
        uintptr_t offset)
{
    PANIC(&data->location, "%p assumed %lu over a multiple of %lu in %s", (void *)pointer, (unsigned long)offset,
          (unsigned long)alignment, data->type->name);
}

/* clang alone. */
struct conversion {
    struct location location;
    const struct type *from, *to;
    uint8_t change;
};

HANDLER(implicit_conversion_abort, const struct conversion *data, ubsan_value from, ubsan_value to)
{
    PANIC(&data->location, "%s of %s became %s of %s", value_text(data->from, from).text, data->from->name,
          value_text(data->to, to).text, data->to->name);
}
