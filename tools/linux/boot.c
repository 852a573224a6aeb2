#include "boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../bench/util.h"

struct qemu_machine linux_machine(const char *path)
{
    struct qemu_machine machine = qemu_machine_read(path);
    char *memory = strstr(machine.arguments, "-m 64 ");
    char *changed;

    if (!memory)
        die("%s does not say -m 64", path);
    changed = text_format("%.*s-m %d %s", (int)(memory - machine.arguments), machine.arguments, LINUX_MEMORY_MIB,
                          memory + strlen("-m 64 "));
    free(machine.arguments);
    return (struct qemu_machine){changed};
}

char **command_with(const char *const *command, const char *const *more)
{
    size_t count = 0;
    size_t added = 0;
    char **joined;

    while (command[count])
        count++;
    while (more[added])
        added++;
    joined = array_new(count + added + 1, sizeof(*joined));
    for (size_t i = 0; i < count; i++)
        joined[i] = text_format("%s", command[i]);
    for (size_t i = 0; i < added; i++)
        joined[count + i] = text_format("%s", more[i]);
    return joined;
}

/* A panic of the guest's reboots it, which ends QEMU. */
char **linux_command(const struct qemu_machine *machine, const char *folder, const char *kernel, const char *words,
                     const char *name)
{
    char *image = text_format("%s/%s/vmlinuz", folder, kernel);
    char *initramfs = text_format("%s/%s/initramfs.cpio", folder, kernel);
    char *line = text_format("console=ttyS0 panic=-1 %s", words);
    char *com1 = text_format("%s.com1", name);
    char *com2 = text_format("%s.com2", name);
    char **command = qemu_command(machine,
                                  &(struct qemu_boot){.kernel = image, .words = line, .com1 = com1, .com2 = com2});
    char **joined = command_with((const char *const *)command, (const char *const[]){"-initrd", initramfs, NULL});

    remove(com2);
    free(image);
    free(initramfs);
    free(line);
    free(com1);
    free(com2);
    return joined;
}

json_t *linux_package(const char *folder, const char *kernel)
{
    char *path = text_format("%s/%s/package.json", folder, kernel);
    json_t *package = json_load_file(path, 0, NULL);

    if (!package)
        die("%s is not there: tools/linux/fetch.sh makes it", path);
    free(path);
    return package;
}

json_t *lines_of(const char *path, const char *event)
{
    char *text = file_read(path);
    json_t *found = json_array();
    char *state;

    if (!text)
        die("cannot read %s", path);
    for (char *line = strtok_r(text, "\r\n", &state); line; line = strtok_r(NULL, "\r\n", &state)) {
        json_t *object = json_loads(line, 0, NULL);
        const char *name = json_string_value(json_object_get(object, "event"));

        if (name && !strcmp(name, event)) {
            json_object_del(object, "event");
            json_array_append(found, object);
        }
        json_decref(object);
    }
    free(text);
    return found;
}

void linux_check(const struct job *job, const char *com2)
{
    json_t *why = lines_of(com2, "failed");
    json_t *end = lines_of(com2, "end");

    if (json_array_size(why))
        die("%s: %s", com2, json_string_value(json_object_get(json_array_get(why, 0), "why")));
    if (job->timed_out)
        die("%s: no end within %u s", com2, job->limit_s);
    if (!WIFEXITED(job->status) || WEXITSTATUS(job->status) != QEMU_PASSED || json_array_size(end) != 1)
        die("%s: QEMU ended with status %#x; see %s", com2, (unsigned)job->status, job->log);
    json_decref(why);
    json_decref(end);
}

void json_write(const json_t *json, const char *path)
{
    char *fresh = text_format("%s.new", path);

    if (json_dump_file(json, fresh, JSON_INDENT(1)) != 0 || rename(fresh, path) != 0)
        die("cannot write %s", path);
    free(fresh);
}
