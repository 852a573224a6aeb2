/* Reading fw_cfg items through its two ports. */
#include "kernel/x86_64/fw_cfg.h"

#include "kernel/x86_64/cpu.h"
#include "lib/mem.h"

enum {
    PORT_SELECT = 0x510,
    PORT_DATA = 0x511,
    ITEM_SIGNATURE = 0x0000,
    ITEM_DIRECTORY = 0x0019,
    NAME_BYTES = 56,
};

#define CPUID_HYPERVISOR (UINT32_C(1) << 31) /* leaf 1, ecx; set by every virtual machine, by no PC */

static uint32_t read_big_endian(unsigned bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | inb(PORT_DATA);
    return value;
}

bool fw_cfg_present(void)
{
    if (!(cpuid(1).ecx & CPUID_HYPERVISOR))
        return false;
    outw(PORT_SELECT, ITEM_SIGNATURE);
    return read_big_endian(4) == ('Q' << 24 | 'E' << 16 | 'M' << 8 | 'U');
}

/* Looks `name` up in the directory: its selector and size. */
static bool fw_cfg_find(const char *name, uint16_t *selector, uint32_t *size)
{
    uint32_t count;

    outw(PORT_SELECT, ITEM_DIRECTORY);
    count = read_big_endian(4);
    while (count--) {
        char item[NAME_BYTES];
        uint32_t item_size = read_big_endian(4);
        uint16_t item_selector = (uint16_t)read_big_endian(2);

        read_big_endian(2);
        for (unsigned i = 0; i < NAME_BYTES; i++)
            item[i] = (char)inb(PORT_DATA);
        item[NAME_BYTES - 1] = '\0';
        if (string_equal(item, name)) {
            *selector = item_selector;
            *size = item_size;
            return true;
        }
    }
    return false;
}

enum status fw_cfg_read_text(const char *name, char *buffer, size_t size)
{
    uint16_t selector;
    uint32_t length;

    if (!fw_cfg_present() || !fw_cfg_find(name, &selector, &length))
        return STATUS_NOT_FOUND;
    if (length >= size)
        return STATUS_NO_MEMORY;
    outw(PORT_SELECT, selector);
    for (uint32_t i = 0; i < length; i++)
        buffer[i] = (char)inb(PORT_DATA);
    buffer[length] = '\0';
    return STATUS_OK;
}
