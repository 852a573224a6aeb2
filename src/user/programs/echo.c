/* Input events as text, a line each: the argument says how many, 0 without end. Beside a shell, which reads them first,
 * those that it passes on. Ends with 1 if they cannot be had. */
#include <stdarg.h>

#include "drivers/input.h"
#include "lib/format.h"
#include "user/duet.h"

enum { EVENTS = 2, PASSED = 3, LINE_BYTES = 96 };

printf_like(1, 2) static void say(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_va(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)duet_write(line, length < sizeof(line) ? length : sizeof(line) - 1);
}

static const char *change(int8_t value)
{
    return value == 0 ? "released" : value == 1 ? "pressed" : "repeated";
}

static void echo(const struct input_event *event)
{
    switch ((enum input_type)event->type) {
    case INPUT_KEY:
        if (event->text >= ' ')
            say("key %u %s: '%c'\n", event->code, change(event->value), event->text);
        else
            say("key %u %s\n", event->code, change(event->value));
        break;
    case INPUT_BUTTON:
        say("button 0x%x %s\n", event->code, change(event->value));
        break;
    case INPUT_REL:
        say("motion %d, %d, wheel %d\n", event->dx, event->dy, event->wheel);
        break;
    case INPUT_TEXT:
        say("serial byte 0x%02x\n", (uint8_t)event->text);
        break;
    case INPUT_ENDED:
        say("a child has ended\n");
        break;
    }
}

int main(uint64_t count)
{
    struct input_event event;

    if (duet_claim(EVENTS) != 0 && duet_claim(PASSED) != 0) {
        say("echo: somebody else reads the events\n");
        return 1;
    }
    for (uint64_t n = 0; count == 0 || n < count; n++) {
        while (duet_event_read(&event, UINT64_MAX) != 1)
            ;
        echo(&event);
    }
    return 0;
}
