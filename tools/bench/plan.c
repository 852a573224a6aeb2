#include "plan.h"

#include <string.h>

#include "util.h"

const char *const plan_drivers[PLAN_DRIVERS] = {"async", "thread"};
const char *const plan_devices[PLAN_DEVICES] = {"keyboard", "mouse"};
const char *const plan_loads[PLAN_LOADS] = {"idle", "threads:1", "threads:4", "tasks:100us"};
const char *const plan_priorities[PLAN_PRIORITIES] = {"equal", "high"};

size_t plan_index(size_t driver, size_t device, size_t load, size_t priority)
{
    return ((driver * PLAN_DEVICES + device) * PLAN_LOADS + load) * PLAN_PRIORITIES + priority;
}

size_t plan_grub_twin(void)
{
    return plan_index(0, 0, 1, 0);
}

static void name_cell(struct boot *boot, size_t index, const char *prefix, unsigned events)
{
    boot->priority = plan_priorities[index % PLAN_PRIORITIES];
    index /= PLAN_PRIORITIES;
    boot->load = plan_loads[index % PLAN_LOADS];
    index /= PLAN_LOADS;
    boot->device = plan_devices[index % PLAN_DEVICES];
    boot->driver = plan_drivers[index / PLAN_DEVICES];
    boot->name = text_format("%s%s %s %s %s", prefix, boot->driver, boot->device, boot->load, boot->priority);
    boot->words = text_format("mode=bench suite=matrix driver=%s device=%s load=%s priority=%s events=%u", boot->driver,
                              boot->device, boot->load, boot->priority, events);
}

static void name_boot(struct boot *boot, size_t index, unsigned events)
{
    if (index == PLAN_THREADS) {
        boot->name = text_format("threads");
        boot->words = text_format("mode=bench suite=threads");
    } else if (index == PLAN_IRQOFF) {
        boot->name = text_format("irqoff");
        boot->words = text_format("mode=bench suite=threads irqoff=on");
    } else if (index == PLAN_MICRO) {
        boot->name = text_format("micro");
        boot->words = text_format("mode=bench suite=micro");
    } else if (index == PLAN_THREAD_METRIC) {
        boot->name = text_format("thread-metric");
        boot->words = text_format("mode=bench suite=thread-metric");
        boot->thread_metric = true;
    } else if (index == PLAN_GRUB) {
        name_cell(boot, plan_grub_twin(), "grub ", events);
    } else {
        name_cell(boot, index, "", events);
    }
}

/* "<folder>/<name>.<extension>" with the name made fit for a file. */
static char *log_path(const char *folder, const char *name, const char *extension)
{
    char *path = text_format("%s/%s.%s", folder, name, extension);

    for (char *c = path + strlen(folder); *c; c++) {
        if (*c == ' ' || *c == ':')
            *c = '-';
    }
    return path;
}

void plan_make(struct boot boots[PLAN_BOOTS], const struct qemu_machine *machine, const struct plan_options *options)
{
    for (size_t i = 0; i < PLAN_BOOTS; i++) {
        struct boot *boot = &boots[i];
        struct qemu_boot qemu = {0};

        *boot = (struct boot){0};
        name_boot(boot, i, options->events);
        boot->com1 = log_path(options->folder, boot->name, "com1");
        boot->com2 = log_path(options->folder, boot->name, "com2");
        boot->log = log_path(options->folder, boot->name, "qemu");
        qemu.kernel = i == PLAN_GRUB ? NULL : options->kernel;
        qemu.programs = options->programs;
        qemu.iso = i == PLAN_GRUB ? options->iso : NULL;
        qemu.words = boot->words;
        qemu.com1 = boot->com1;
        qemu.com2 = boot->com2;
        boot->command = qemu_command(machine, &qemu);
    }
}
