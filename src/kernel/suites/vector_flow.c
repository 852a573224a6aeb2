/* What vector_flow.S fills the registers with. */
#include "kernel/suites/vector_flow.h"

#include "kernel/suites/support.h"

enum {
    X87_BYTES = 10,
    X87_NORMAL = 0x80, /* of the eighth byte: a number's leading bit, which makes any exponent valid */
};

/* Every way to round, precisions and masks of errors; no flow raises one. */
static const struct {
    uint32_t mxcsr;
    uint16_t control;
} words[] = {{0x1fbf, 0x037f}, {0x7f95, 0x0640}, {0xffea, 0x0a7f}, {0x0000, 0x0c7f}};

void vector_flow_init(struct vector_flow *flow, uint64_t seed)
{
    uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    uint8_t *bytes = flow->held.wide[0];

    *flow = (struct vector_flow){.held.mxcsr = words[seed % ARRAY_SIZE(words)].mxcsr,
                                 .held.control = words[seed % ARRAY_SIZE(words)].control};
    for (size_t i = 0; i < offsetof(struct vector_registers, mxcsr); i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        if (i < offsetof(struct vector_registers, x87) || i % 16 < X87_BYTES)
            bytes[i] = (uint8_t)(random >> 56);
    }
    for (size_t i = 0; i < X87_REGISTERS; i++)
        flow->held.x87[i][7] |= X87_NORMAL;
    flow->seen = flow->held; /* the upper halves stay so where they are not looked at */
}

void vector_flow_check(const struct vector_flow *flow)
{
    CHECK(flow->rounds > 0);
    if (flow->mismatches)
        suite_fail(__FILE__, __LINE__, "%lu mismatches in %lu rounds; the last at offset %lu of vector_registers",
                   (unsigned long)flow->mismatches, (unsigned long)flow->rounds, (unsigned long)flow->wrong);
}
