/* See programs.h. */
#include "kernel/programs.h"

#include "kernel/log.h"
#include "kernel/x86_64/mmu.h"
#include "lib/mem.h"

static struct memory_range modules[BOOT_MAX_MODULES];
static size_t module_count;

void programs_init(const struct boot_info *info)
{
    module_count = info->module_count;
    memcpy(modules, info->modules, sizeof(modules));
}

bool programs_exist(void)
{
    return module_count > 0;
}

static enum status find_in(const struct memory_range *module, const char *name, struct tar_file *file)
{
    const void *archive = mmu_direct((struct physical){module->base});
    size_t at = 0;
    enum status status;

    do {
        status = tar_next(archive, module->size, &at, file);
    } while (status == STATUS_OK && !string_equal(file->name, name));
    return status;
}

enum status programs_find(const char *name, struct tar_file *file)
{
    for (size_t i = 0; i < module_count; i++) {
        enum status status = find_in(&modules[i], name, file);

        if (status == STATUS_OK)
            return STATUS_OK;
        if (status == STATUS_INVALID)
            log_warning("module %zu is no archive, or a broken one", i);
    }
    return STATUS_NOT_FOUND;
}
