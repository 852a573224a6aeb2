/* See vectors.h. The instructions that move a state are in vectors.S. */
#include "kernel/x86_64/vectors.h"

#include "kernel/kmalloc.h"
#include "kernel/panic.h"
#include "kernel/x86_64/cpu.h"
#include "lib/mem.h"
#include "thread/arch.h"

enum {
    /* SDM vol. 3, 2.5 */
    CR0_MP = 1 << 1, /* WAIT, too, looks at TS */
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_NE = 1 << 5, /* an x87 error is exception 16, not an interrupt from outside */
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_OSXSAVE = 1 << 18,

    /* SDM vol. 1, 13.2 */
    CPUID_ECX_XSAVE = 1 << 26,
    CPUID_XSAVE = 0xd,

    /* SDM vol. 3, 2.6 */
    COMPONENTS_SSE = 0x03, /* and x87 */
    COMPONENT_AVX = 0x04,
    COMPONENTS_AVX512 = 0xe0,

    /* SDM vol. 1, 13.4.1: the layout of FXSAVE's 512 bytes, which XSAVE's begin with */
    LEGACY_BYTES = 512,
    AT_FCW = 0,
    AT_MXCSR = 24,
    STATE_ALIGN = 64,

    FCW_INITIAL = 0x37f,    /* SDM vol. 1, 8.1.5: as FNINIT leaves it */
    MXCSR_INITIAL = 0x1f80, /* SDM vol. 1, 10.2.3: as a reset leaves it */
};

uint32_t vector_components; /* what XSAVE saves; 0: there is none, and FXSAVE saves what there is */
static size_t state_bytes = LEGACY_BYTES;

bool vectors_wide(void)
{
    return vector_components & COMPONENT_AVX;
}

static bool not_asked_for(struct trap_frame *frame)
{
    const struct thread *thread = thread_current();

    panic_exception(frame, "%s: thread %s uses vector or x87 registers, which it did not ask for",
                    exception_name((unsigned)frame->vector), thread ? thread->name : "none");
}

/* The components that need no more than room: protection keys, for one, change what memory may be accessed. */
static void use_xsave(void)
{
    uint32_t there;

    write_cr4(read_cr4() | CR4_OSXSAVE);
    there = cpuid(CPUID_XSAVE).eax;
    vector_components = there & (COMPONENTS_SSE | COMPONENT_AVX);
    if ((there & COMPONENTS_AVX512) == COMPONENTS_AVX512)
        vector_components |= COMPONENTS_AVX512;
    xsetbv(0, vector_components);
    state_bytes = cpuid(CPUID_XSAVE).ebx; /* for the components that are on */
}

void vectors_init(void)
{
    write_cr0((read_cr0() & ~(uint64_t)CR0_EM) | CR0_MP | CR0_NE | CR0_TS);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    if (cpuid(1).ecx & CPUID_ECX_XSAVE)
        use_xsave();
    (void)exception_set(VECTOR_DEVICE_NOT_AVAILABLE, not_asked_for);
}

/* Zero is the initial value of all else: of the x87 tags in FXSAVE's form, which says "empty" (SDM vol. 1, 10.5.1.1),
 * and of XSAVE's header, by which all but MXCSR gets its initial value (13.8.1). */
void *vector_state_alloc(void)
{
    char *state = kmalloc_aligned(state_bytes, STATE_ALIGN);

    if (!state)
        return NULL;
    memset(state, 0, state_bytes);
    memcpy(state + AT_FCW, &(uint16_t){FCW_INITIAL}, sizeof(uint16_t));
    memcpy(state + AT_MXCSR, &(uint32_t){MXCSR_INITIAL}, sizeof(uint32_t));
    return state;
}

void vector_state_free(void *state)
{
    kfree(state);
}

void vector_on(void)
{
    clts();
}

void vector_off(void)
{
    write_cr0(read_cr0() | CR0_TS);
}
