/* The line is parsed twice, first to validate and then to store, so that an error leaves every value alone. */
#include "lib/cmdline.h"

#include "lib/format.h"
#include "lib/mem.h"

#define ERROR_WORD_LIMIT 48 /* bytes of an offending word that an error repeats */

/* Bytes of the line: not NUL-terminated. */
struct slice {
    const char *start;
    size_t length;
};

/* Where an error is written, cut to its size. */
struct error {
    char *text;
    size_t size;
    size_t length;
};

static void say(struct error *error, const char *format, ...) printf_like(2, 3);

static void say(struct error *error, const char *format, ...)
{
    size_t room = error->size - error->length;
    size_t length;
    va_list arguments;

    va_start(arguments, format);
    length = format_text_va(room ? error->text + error->length : NULL, room, format, arguments);
    va_end(arguments);
    if (room)
        error->length += length < room ? length : room - 1;
}

/* Repeats a word from outside, in quotes: bounded, and with what would break the line replaced. */
static void say_quoted(struct error *error, struct slice word)
{
    size_t shown = word.length < ERROR_WORD_LIMIT ? word.length : ERROR_WORD_LIMIT;

    say(error, "\"");
    for (size_t i = 0; i < shown; i++)
        say(error, "%c", word.start[i] > ' ' && word.start[i] <= '~' ? word.start[i] : '?');
    say(error, "%s\"", shown < word.length ? "..." : "");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the next word off the line; false at its end. */
static bool next_word(const char **line, struct slice *word)
{
    const char *end;

    while (is_blank(**line))
        ++*line;
    end = *line;
    while (*end && !is_blank(*end))
        end++;
    *word = (struct slice){*line, (size_t)(end - *line)};
    *line = end;
    return word->length > 0;
}

static bool contains(struct slice word, char c)
{
    for (size_t i = 0; i < word.length; i++)
        if (word.start[i] == c)
            return true;
    return false;
}

static bool slice_is(struct slice slice, const char *text)
{
    return string_length(text) == slice.length && !memcmp(slice.start, text, slice.length);
}

/* The longest run of digits that `text` starts with becomes *number. False without digits or beyond 64 bits. */
static bool take_number(struct slice *text, uint64_t *number)
{
    size_t i = 0;

    *number = 0;
    for (; i < text->length && text->start[i] >= '0' && text->start[i] <= '9'; i++) {
        unsigned digit = (unsigned)(text->start[i] - '0');

        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    *text = (struct slice){text->start + i, text->length - i};
    return i > 0;
}

/* Multiplies by the unit that `text` is. */
static bool apply_unit(struct slice text, uint64_t *number)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

    if (!text.length)
        return *number == 0;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (!slice_is(text, units[i].name))
            continue;
        if (*number > UINT64_MAX / units[i].ns)
            return false;
        *number *= units[i].ns;
        return true;
    }
    return false;
}

static bool parse_choice(struct slice text, const struct option *option, struct option_value *value)
{
    for (unsigned i = 0; option->choices[i]; i++) {
        if (slice_is(text, option->choices[i])) {
            value->choice = i;
            return true;
        }
    }
    return false;
}

static bool parse_quantity(struct slice text, const struct option *option, struct option_value *value)
{
    uint64_t number;

    if (!take_number(&text, &number))
        return false;
    if (option->kind == OPTION_DURATION ? !apply_unit(text, &number) : text.length > 0)
        return false;
    value->number = number;
    return number >= option->minimum && number <= option->maximum;
}

static bool parse_text(struct slice text, const struct option *option, struct option_value *value)
{
    if (text.length >= sizeof(value->text))
        return false;
    memcpy(value->text, text.start, text.length);
    value->text[text.length] = '\0';
    return !option->check || option->check(value->text);
}

static bool parse_value(struct slice text, const struct option *option, struct option_value *value)
{
    *value = (struct option_value){.set = true};
    switch (option->kind) {
    case OPTION_CHOICE:
        return parse_choice(text, option, value);
    case OPTION_NUMBER:
    case OPTION_DURATION:
        return parse_quantity(text, option, value);
    case OPTION_TEXT:
        return parse_text(text, option, value);
    default:
        panic("option %s: unknown kind %u", option->key, (unsigned)option->kind);
    }
}

static void say_bad_value(struct error *error, const struct option *option, struct slice text)
{
    if (option->kind != OPTION_CHOICE) {
        say(error, "%s: ", option->key);
        say_quoted(error, text);
        if (option->kind == OPTION_TEXT && text.length >= CMDLINE_TEXT_SIZE)
            say(error, " is longer than %u bytes", CMDLINE_TEXT_SIZE - 1u);
        else
            say(error, " is not %s", option->valid);
        return;
    }
    say(error, "%s: unknown value ", option->key);
    say_quoted(error, text);
    for (size_t i = 0; option->choices[i]; i++)
        say(error, "%s%s", i ? ", " : " (valid: ", option->choices[i]);
    say(error, ")");
}

static void say_unknown_key(struct error *error, const struct option *options, size_t count, struct slice key)
{
    say(error, "unknown key ");
    say_quoted(error, key);
    for (size_t i = 0; i < count; i++)
        say(error, "%s%s", i ? ", " : " (valid: ", options[i].key);
    say(error, ")");
}

/* The option that a word names, or NULL after saying what is wrong; *text is then its value. */
static const struct option *find_option(struct slice word, const struct option *options, size_t count,
                                        struct slice *text, struct error *error)
{
    struct slice key = {word.start, 0};

    if (contains(word, '"') || contains(word, '\'') || contains(word, '\\')) {
        say_quoted(error, word);
        say(error, ": quotes and backslashes are not supported (valid: key=value)");
        return NULL;
    }
    if (!contains(word, '=')) {
        say_quoted(error, word);
        say(error, " has no '=' (valid: key=value)");
        return NULL;
    }
    while (word.start[key.length] != '=')
        key.length++;
    *text = (struct slice){word.start + key.length + 1, word.length - key.length - 1};
    for (size_t i = 0; i < count; i++)
        if (slice_is(key, options[i].key))
            return &options[i];
    say_unknown_key(error, options, count, key);
    return NULL;
}

/* One pass over the line; stores only if `values` is not NULL. */
static enum status parse_line(const char *line, const struct option *options, size_t count, struct option_value *values,
                              struct error *error)
{
    struct slice word;

    for (bool first = true; next_word(&line, &word); first = false) {
        const struct option *option;
        struct option_value value;
        struct slice text;

        if (first && contains(word, '/') && !contains(word, '='))
            continue;
        option = find_option(word, options, count, &text, error);
        if (!option)
            return STATUS_INVALID;
        if (!parse_value(text, option, &value)) {
            say_bad_value(error, option, text);
            return STATUS_INVALID;
        }
        if (values)
            values[option - options] = value;
    }
    return STATUS_OK;
}

enum status cmdline_parse(const char *line, const struct option *options, size_t count, struct option_value *values,
                          char *error, size_t error_size)
{
    struct error message = {error, error_size, 0};
    enum status status;

    if (!line)
        return STATUS_OK;
    status = parse_line(line, options, count, NULL, &message);
    return status ? status : parse_line(line, options, count, values, &message);
}
