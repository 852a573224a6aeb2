#include "symbol.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "../bench/util.h"

static Elf_Scn *symbol_table(Elf *elf, GElf_Shdr *header)
{
    Elf_Scn *section = NULL;

    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, header) && header->sh_type == SHT_SYMTAB)
            return section;
    return NULL;
}

struct symbol symbol_find(const char *path, const char *name)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(file, ELF_C_READ, NULL);
    GElf_Shdr header;
    Elf_Scn *section = elf ? symbol_table(elf, &header) : NULL;
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    GElf_Sym symbol;

    for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
        const char *found = elf_strptr(elf, header.sh_link, symbol.st_name);

        if (found && GELF_ST_TYPE(symbol.st_info) == STT_FUNC && !strcmp(found, name)) {
            elf_end(elf);
            close(file);
            return (struct symbol){symbol.st_value, symbol.st_size};
        }
    }
    die("%s has no function %s", path, name);
}
