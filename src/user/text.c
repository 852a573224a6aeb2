/* Printing, a line at a time. */
#include "user/duet.h"

enum { LINE_BYTES = 128, DIGITS_MAX = 20 };

static uint64_t length_of(const char *text)
{
    uint64_t length = 0;

    while (text[length])
        length++;
    return length;
}

void print(const char *text)
{
    (void)duet_write(text, length_of(text));
}

void print_number(const char *text, uint64_t number)
{
    char line[LINE_BYTES];
    char digits[DIGITS_MAX];
    uint64_t length = 0;
    unsigned count = 0;

    while (length < LINE_BYTES - DIGITS_MAX - 1 && text[length]) {
        line[length] = text[length];
        length++;
    }
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count)
        line[length++] = digits[--count];
    line[length++] = '\n';
    (void)duet_write(line, length);
}
