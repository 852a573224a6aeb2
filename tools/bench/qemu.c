#include "qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define PROGRAM "qemu-system-x86_64"

/* Each list has room for the reference machine's words and ours. */
#define COMMAND_MAX 128

struct qemu_machine qemu_machine_read(const char *path)
{
    char *text = file_read(path);
    char *arguments = text_format("%s", "");
    char *line_state;
    char *word_state;

    if (!text)
        die("cannot read the reference machine, %s", path);
    for (char *line = strtok_r(text, "\n", &line_state); line; line = strtok_r(NULL, "\n", &line_state)) {
        if (line[0] == '#')
            continue;
        for (char *word = strtok_r(line, " \t\r", &word_state); word; word = strtok_r(NULL, " \t\r", &word_state)) {
            char *longer = text_format("%s%s%s", arguments, arguments[0] ? " " : "", word);

            free(arguments);
            arguments = longer;
        }
    }
    free(text);
    return (struct qemu_machine){arguments};
}

char *qemu_version(void)
{
    FILE *pipe = popen(PROGRAM " --version 2>/dev/null", "r");
    char text[4096] = "";
    size_t size = pipe ? fread(text, 1, sizeof(text) - 1, pipe) : 0; /* all of it, or its writer may fail */

    if (!pipe || pclose(pipe) != 0 || size == 0)
        die("no working " PROGRAM " on the PATH; Debian's package is qemu-system-x86 (`make deps` installs it)");
    text[strcspn(text, "\r\n")] = '\0';
    return text_format("%s", text);
}

/* QEMU's option parser ends a value at a comma and takes two for one. */
static char *double_commas(const char *text)
{
    char *doubled = array_new(2 * strlen(text) + 1, 1);
    char *end = doubled;

    for (; *text; text++) {
        if (*text == ',')
            *end++ = ',';
        *end++ = *text;
    }
    return doubled;
}

static void add(char **command, const char *word)
{
    size_t count = 0;

    while (command[count])
        count++;
    if (count + 1 == COMMAND_MAX)
        die("the reference machine has too many arguments");
    command[count] = text_format("%s", word);
}

static void add_option(char **command, const char *option, const char *prefix, const char *value, const char *suffix)
{
    char *joined = text_format("%s%s%s", prefix, value, suffix);

    add(command, option);
    add(command, joined);
    free(joined);
}

static void add_image(char **command, const struct qemu_boot *boot)
{
    if (boot->kernel) {
        add_option(command, "-kernel", "", boot->kernel, "");
        add_option(command, "-append", "", boot->words, "");
        if (boot->programs)
            add_option(command, "-initrd", "", boot->programs, "");
    } else {
        char *iso = double_commas(boot->iso);
        char *words = double_commas(boot->words);

        add_option(command, "-drive", "file=", iso, ",format=raw,if=ide,media=cdrom,readonly=on");
        add_option(command, "-fw_cfg", "name=opt/duet/cmdline,string=", words, "");
        free(iso);
        free(words);
    }
}

char **qemu_command(const struct qemu_machine *machine, const struct qemu_boot *boot)
{
    static const char *const fixed[] = {"-display", "none", "-no-reboot", "-monitor", "none", "-parallel", "none"};
    char **command = array_new(COMMAND_MAX, sizeof(*command));
    char *arguments = text_format("%s", machine->arguments);
    char *state;

    add(command, PROGRAM);
    for (char *word = strtok_r(arguments, " ", &state); word; word = strtok_r(NULL, " ", &state))
        add(command, word);
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        add(command, fixed[i]);
    add_option(command, "-serial", "file:", boot->com1, "");
    add_option(command, "-serial", "file:", boot->com2, "");
    add_option(command, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "", "");
    add_image(command, boot);
    free(arguments);
    return command;
}

char *qemu_command_line(char *const *command)
{
    char *line = text_format("%s", command[0]);

    for (size_t i = 1; command[i]; i++) {
        const char *quote = strpbrk(command[i], " \t\"$`\\&;|<>()*?") ? "'" : "";
        char *longer = text_format("%s %s%s%s", line, quote, command[i], quote);

        free(line);
        line = longer;
    }
    return line;
}
