/*
 * tools/image.sh finds nothing in any kernel or program, and finds each thing that it is there to find: a copy is
 * spoilt, one way after the other.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <elf.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gdb.h"
#include "machine.h"

/* Runs the check on a file, or on programs. Returns its exit status; `output` is what it says, cut. */
static int check(const char *file, char *output, size_t size)
{
    char command[256];
    FILE *pipe;
    size_t length;

    snprintf(command, sizeof(command), "tools/image.sh %s 2>&1", file);
    pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    length = fread(output, 1, size - 1, pipe);
    output[length] = 0;
    return WEXITSTATUS(pclose(pipe));
}

struct kernel {
    char path[48];
};

static struct kernel kernels[] = {{KERNEL_GCC_O2},   {KERNEL_GCC_OS},   {KERNEL_GCC_O0},    {KERNEL_CLANG_O2},
                                  {KERNEL_CLANG_OS}, {KERNEL_CLANG_O0}, {KERNEL_GCC_UBSAN}, {KERNEL_CLANG_UBSAN}};

ParameterizedTestParameters(image, every_kernel_holds_what_it_must_and_no_more)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, image, every_kernel_holds_what_it_must_and_no_more, .timeout = 60)
{
    char output[4096];
    int status = check(kernel->path, output, sizeof(output));

    cr_assert_eq(status, 0, "%s", output);
}

ParameterizedTestParameters(image, every_program_keeps_code_and_data_apart)
{
    return cr_make_param_array(struct kernel, kernels, sizeof(kernels) / sizeof(kernels[0]));
}

ParameterizedTest(struct kernel *kernel, image, every_program_keeps_code_and_data_apart, .timeout = 60)
{
    int folder = (int)(strrchr(kernel->path, '/') - kernel->path);
    char words[128], output[4096];
    glob_t programs;
    int status;

    snprintf(words, sizeof(words), "%.*s/programs/*", folder, kernel->path);
    cr_assert_eq(glob(words, 0, NULL, &programs), 0, "no programs beside %s", kernel->path);
    cr_assert_gt(programs.gl_pathc, 10);
    globfree(&programs);
    snprintf(words, sizeof(words), "--programs %.*s/programs/*", folder, kernel->path);
    status = check(words, output, sizeof(output));
    cr_assert_eq(status, 0, "%s", output);
}

/* ---- spoilt kernels ---- */

struct image {
    unsigned char *bytes;
    size_t size;
};

static struct image image_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct image image;

    cr_assert_not_null(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    image.size = (size_t)ftell(file);
    rewind(file);
    image.bytes = malloc(image.size);
    cr_assert_eq(fread(image.bytes, 1, image.size, file), image.size);
    fclose(file);
    return image;
}

/* Returns the n-th segment of that type. */
static Elf64_Phdr *segment(const struct image *image, Elf64_Word type, unsigned n)
{
    const Elf64_Ehdr *header = (void *)image->bytes;
    Elf64_Phdr *segments = (void *)(image->bytes + header->e_phoff);

    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == type && n-- == 0)
            return &segments[i];
    cr_assert_fail("no such segment");
    return NULL;
}

static Elf64_Shdr *section(const struct image *image, const char *name)
{
    const Elf64_Ehdr *header = (void *)image->bytes;
    Elf64_Shdr *sections = (void *)(image->bytes + header->e_shoff);
    const char *names = (const char *)image->bytes + sections[header->e_shstrndx].sh_offset;

    for (unsigned i = 0; i < header->e_shnum; i++)
        if (strcmp(names + sections[i].sh_name, name) == 0)
            return &sections[i];
    cr_assert_fail("no section %s", name);
    return NULL;
}

/* Puts an instruction where a function begins. */
static void plant_in(const struct image *image, const char *function, const char *instruction, size_t size)
{
    const Elf64_Shdr *text = section(image, ".text");

    memcpy(image->bytes + text->sh_offset + elf_symbol(KERNEL_GCC_O2, function) - text->sh_addr, instruction, size);
}

static void plant(const struct image *image, const char *instruction, size_t size)
{
    plant_in(image, "kernel_main", instruction, size);
}

static void spoil_vector(const struct image *image)
{
    plant(image, "\x0f\x57\xc0", 3); /* xorps %xmm0, %xmm0 */
}

static void spoil_wide_vector(const struct image *image)
{
    plant(image, "\xc5\xfc\x57\xc0", 4); /* vxorps %ymm0, %ymm0, %ymm0 */
}

static void spoil_x87(const struct image *image)
{
    plant(image, "\xd9\xe8", 2); /* fld1 */
}

static void spoil_mmx(const struct image *image)
{
    plant(image, "\x0f\xef\xc0", 3); /* pxor %mm0, %mm0 */
}

static void spoil_state(const struct image *image)
{
    plant(image, "\x0f\xae\x00", 3); /* fxsave (%rax) */
}

/* Beside those that may, in the same file and in the tests. */
static void spoil_saver(const struct image *image)
{
    plant_in(image, "vector_off", "\x0f\x57\xc0", 3);
}

static void spoil_test(const struct image *image)
{
    plant_in(image, "vector_flow_init", "\x0f\xae\x10", 3); /* ldmxcsr (%rax) */
}

/* One that may, but does not: its name is out of date. */
static void spoil_name(const struct image *image)
{
    plant_in(image, "vector_flow_touch_sse", "\x90\x90\x90", 3);
}

static void spoil_text(const struct image *image)
{
    segment(image, PT_LOAD, 1)->p_flags |= PF_W;
}

static void spoil_boot(const struct image *image)
{
    segment(image, PT_LOAD, 0)->p_flags |= PF_W;
}

static void spoil_data(const struct image *image)
{
    segment(image, PT_LOAD, 3)->p_flags |= PF_X;
}

static void spoil_stack(const struct image *image)
{
    segment(image, PT_GNU_STACK, 0)->p_flags |= PF_X;
}

static void spoil_stack_note(const struct image *image)
{
    segment(image, PT_GNU_STACK, 0)->p_type = PT_NULL;
}

static void spoil_constants(const struct image *image)
{
    section(image, ".rodata")->sh_flags |= SHF_WRITE;
}

static void spoil_border(const struct image *image)
{
    section(image, ".rodata")->sh_size++;
    segment(image, PT_LOAD, 2)->p_memsz++;
}

static struct spoilt {
    void (*spoil)(const struct image *image);
    const char *offence; /* what is to be found */
} spoilt[] = {
    {spoil_vector, "%xmm0"},
    {spoil_wide_vector, "%ymm0"},
    {spoil_x87, "fld1"},
    {spoil_mmx, "%mm0"},
    {spoil_state, "fxsave"},
    {spoil_saver, "<vector_off>:"},
    {spoil_test, "ldmxcsr"},
    {spoil_name, "no vector instruction in vector_flow_touch_sse"},
    {spoil_text, "is writable and executable"},
    {spoil_boot, "is writable and executable"},
    {spoil_data, "is writable and executable"},
    {spoil_stack, "the stack is executable"},
    {spoil_stack_note, "nothing says that the stack is not executable"},
    {spoil_constants, ".rodata is [W], its segment []"},
    {spoil_border, ".rodata and .data share a page"},
};

static void must_be_found_out(const struct spoilt *way, const char *file, const char *kind)
{
    char path[] = "/tmp/duet-image-XXXXXX";
    struct image image = image_read(file);
    int fd = mkstemp(path);
    char words[64], output[4096];
    int status;

    cr_assert_geq(fd, 0);
    way->spoil(&image);
    cr_assert_eq(write(fd, image.bytes, image.size), (ssize_t)image.size);
    snprintf(words, sizeof(words), "%s%s", kind, path);
    status = check(words, output, sizeof(output));
    unlink(path);
    close(fd);
    free(image.bytes);
    cr_assert_eq(status, 1, "not found: %s", way->offence);
    cr_assert(strstr(output, way->offence), "'%s' is not said, but:\n%s", way->offence, output);
}

Test(image, a_spoilt_kernel_is_found_out, .timeout = 120)
{
    for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++)
        must_be_found_out(&spoilt[i], KERNEL_GCC_O2, "");
}

/* ---- spoilt programs ---- */

static void spoil_program_text(const struct image *image)
{
    segment(image, PT_LOAD, 0)->p_flags |= PF_W;
}

static void spoil_program_data(const struct image *image)
{
    segment(image, PT_LOAD, 2)->p_flags |= PF_X;
}

static void spoil_program_section(const struct image *image)
{
    section(image, ".bss")->sh_flags |= SHF_EXECINSTR;
}

static void spoil_program_border(const struct image *image)
{
    section(image, ".rodata")->sh_size += 4096;
    segment(image, PT_LOAD, 1)->p_memsz += 4096;
}

static struct spoilt spoilt_programs[] = {
    {spoil_program_text, "is writable and executable"},
    {spoil_program_data, "is writable and executable"},
    {spoil_program_section, ".bss is writable and executable"},
    {spoil_program_border, ".rodata and .bss share a page"},
    {spoil_constants, ".rodata is [W], its segment []"},
    {spoil_stack, "the stack is executable"},
    {spoil_stack_note, "nothing says that the stack is not executable"},
};

Test(image, a_spoilt_program_is_found_out, .timeout = 120)
{
    for (size_t i = 0; i < sizeof(spoilt_programs) / sizeof(spoilt_programs[0]); i++)
        must_be_found_out(&spoilt_programs[i], "build/kernel-gcc-O2/programs/shell", "--programs ");
}
