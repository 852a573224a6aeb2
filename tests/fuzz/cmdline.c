/* Command lines against a parser by the C library's functions, in one pass over copies. */
#include "lib/cmdline.h"

#include "fuzz.h"

static bool is_name(const char *value)
{
    return value[0] >= 'a' && value[0] <= 'z';
}

static const char *const modes[] = {"demo", "test", "bench", NULL};
static const char *const switches[] = {"off", "on", NULL};

static const struct option options[] = {
    {.key = "mode", .kind = OPTION_CHOICE, .choices = modes},
    {.key = "insight", .kind = OPTION_CHOICE, .choices = switches},
    {.key = "seed", .kind = OPTION_NUMBER, .maximum = UINT64_MAX, .valid = "a number"},
    {.key = "n", .kind = OPTION_NUMBER, .minimum = 3, .maximum = 1000, .valid = "a number from 3 to 1000"},
    {.key = "tick", .kind = OPTION_DURATION, .maximum = UINT64_MAX, .valid = "a duration"},
    {.key = "quantum",
     .kind = OPTION_DURATION,
     .minimum = 1000,
     .maximum = 2000000000,
     .valid = "a duration from 1us to 2s"},
    {.key = "test", .kind = OPTION_TEXT},
    {.key = "name", .kind = OPTION_TEXT, .valid = "a name", .check = is_name},
};

enum { OPTIONS = ARRAY_SIZE(options), LINE_MAX = 512, ERROR_BYTES = 96 };

/* ---- the reference ---- */

static bool reference_choice(const char *text, const struct option *option, struct option_value *value)
{
    for (value->choice = 0; option->choices[value->choice]; value->choice++)
        if (strcmp(text, option->choices[value->choice]) == 0)
            return true;
    return false;
}

static bool reference_quantity(const char *text, const struct option *option, struct option_value *value)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    size_t digits = strspn(text, "0123456789");
    unsigned __int128 number = 0, scale = 1;

    if (digits == 0)
        return false;
    for (size_t i = 0; i < digits; i++)
        if ((number = number * 10 + (unsigned)(text[i] - '0')) > UINT64_MAX)
            return false;
    text += digits;
    if (option->kind == OPTION_DURATION && !(number == 0 && !*text)) {
        unsigned unit = 0;

        while (unit < 4 && strcmp(text, units[unit]) != 0) {
            unit++;
            scale *= 1000;
        }
        if (unit == 4)
            return false;
        text += strlen(text);
    }
    value->number = (uint64_t)(number * scale);
    return !*text && number * scale >= option->minimum && number * scale <= option->maximum;
}

static bool reference_text(const char *text, const struct option *option, struct option_value *value)
{
    if (strlen(text) >= CMDLINE_TEXT_SIZE)
        return false;
    strcpy(value->text, text);
    return !option->check || option->check(text);
}

/* Whether a word is right; its value is then in `values`. */
static bool reference_word(char *word, bool first, struct option_value *values)
{
    char *equals = strchr(word, '=');

    if (first && !equals && strchr(word, '/'))
        return true;
    if (!equals || strpbrk(word, "\"'\\"))
        return false;
    *equals = '\0';
    for (unsigned i = 0; i < OPTIONS; i++) {
        struct option_value value = {.set = true};

        if (strcmp(word, options[i].key) != 0)
            continue;
        if (!(options[i].kind == OPTION_CHOICE ? reference_choice(equals + 1, &options[i], &value)
              : options[i].kind == OPTION_TEXT ? reference_text(equals + 1, &options[i], &value)
                                               : reference_quantity(equals + 1, &options[i], &value)))
            return false;
        values[i] = value;
        return true;
    }
    return false;
}

static bool reference(const char *line, struct option_value *values)
{
    char copy[LINE_MAX + 1], *rest = copy;
    bool first = true;

    strcpy(copy, line);
    for (char *word; (word = strtok_r(rest, " \t\r\n", &rest)); first = false)
        if (!reference_word(word, first, values))
            return false;
    return true;
}

static void check_error(const char *error, size_t size)
{
    size_t length = strnlen(error, size);

    CHECK(length < size); /* it ends */
    CHECK(size < 20 || length > 0);
    for (size_t i = 0; i < length; i++)
        CHECK(error[i] >= ' ' && error[i] <= '~');
}

void fuzz_one(void)
{
    struct option_value actual[OPTIONS], expected[OPTIONS], untouched[OPTIONS];
    size_t error_size = fuzz_below(ERROR_BYTES + 1), length;
    const uint8_t *bytes = fuzz_rest(&length);
    char *line, *error = malloc(error_size);
    enum status status;

    length = length < LINE_MAX ? length : LINE_MAX;
    line = malloc(length + 1);
    memcpy(line, bytes, length);
    line[length] = '\0';
    memset(actual, 0x5a, sizeof(actual));
    memcpy(expected, actual, sizeof(actual));
    memcpy(untouched, actual, sizeof(actual));
    status = cmdline_parse(line, options, OPTIONS, actual, error, error_size);
    if (reference(line, expected)) {
        CHECK(status == STATUS_OK);
        for (unsigned i = 0; i < OPTIONS; i++) {
            if (memcmp(&expected[i], &untouched[i], sizeof(expected[i])) == 0) {
                CHECK(memcmp(&actual[i], &untouched[i], sizeof(actual[i])) == 0);
                continue;
            }
            CHECK(actual[i].set && actual[i].choice == expected[i].choice && actual[i].number == expected[i].number);
            CHECK(strcmp(actual[i].text, expected[i].text) == 0);
        }
    } else {
        CHECK(status == STATUS_INVALID && memcmp(actual, untouched, sizeof(actual)) == 0);
        if (error_size)
            check_error(error, error_size);
    }
    free(error);
    free(line);
}
