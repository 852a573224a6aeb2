/* See terminal_model.h. */
#include "terminal_model.h"

#include "support.h"
#include "text_model.h"

/* The model never scrolls: it writes an endless scroll of lines and looks at the last of them. */
static struct model {
    struct terminal *terminal;
    size_t base; /* the line that was first when the screen was cleared */
    size_t line;
    unsigned column;
    uint64_t seed;
} model;

#define MODEL_LINES    3000
#define ROWS_MAX       64
#define SEGMENT_PIECES 16
#define PIECE_BYTES    4

static uint16_t lines[MODEL_LINES][TERMINAL_MODEL_COLUMNS]; /* blank for ROWS_MAX beyond the last */

static void blank_line(size_t line)
{
    cr_assert_lt(line, MODEL_LINES);
    for (size_t column = 0; column < TERMINAL_MODEL_COLUMNS; column++)
        lines[line][column] = (uint16_t)(model.terminal->blank << 8 | ' ');
}

static void next_line(void)
{
    model.column = 0;
    model.line++;
    blank_line(model.line + ROWS_MAX - 1);
}

static void model_put(uint32_t character)
{
    uint8_t glyph = character == TEXT_MODEL_BROKEN ? 0xfe : text_model_glyph(character);

    if (character == '\r') {
        model.column = 0;
    } else if (character == '\b') {
        model.column -= model.column > 0;
    } else if (character == '\t') {
        do {
            model.column += model.column < model.terminal->columns;
        } while (model.column % 8 && model.column < model.terminal->columns);
    } else {
        if (character == '\n' || model.column == model.terminal->columns)
            next_line();
        if (character != '\n')
            lines[model.line][model.column++] = (uint16_t)(model.terminal->attribute << 8 | glyph);
    }
}

static void assert_like_model(void)
{
    unsigned visible = model.terminal->rows - model.terminal->first_row;
    size_t top = model.line < model.base + visible ? model.base : model.line - visible + 1;

    cr_assert_eq(model.terminal->row, model.terminal->first_row + (unsigned)(model.line - top));
    cr_assert_eq(model.terminal->column, model.column);
    for (unsigned row = 0; row < visible; row++)
        for (unsigned column = 0; column < model.terminal->columns; column++)
            cr_assert_eq(model.terminal->cells[(model.terminal->first_row + row) * model.terminal->columns + column],
                         lines[top + row][column]);
}

/* A character of the page, any character, a control, or damage: a byte, an overlong form, half a character. */
static size_t random_piece(uint8_t *bytes)
{
    static const char controls[] = "\n\r\t\b";
    uint64_t random = support_random(&model.seed) >> 16;

    switch (support_random(&model.seed) % 8) {
    case 0:
        bytes[0] = (uint8_t)controls[random % (sizeof(controls) - 1)];
        return 1;
    case 1:
        bytes[0] = (uint8_t)random;
        return 1;
    case 2:
        return text_model_encode(random % 0x120000, 1, bytes);
    case 3:
        return text_model_encode(random % 0x100, 1 + random / 0x100 % 4, bytes);
    case 4:
        return text_model_encode(random % 0x100000, 3, bytes) - 1 - random / 0x100000 % 2;
    case 5:
    case 6:
        return text_model_encode(text_model_page()[1 + random % 255], 1, bytes);
    default:
        bytes[0] = (uint8_t)(0x20 + random % 0x5f);
        return 1;
    }
}

/* Half a character at its end would still be waiting for the rest: a letter ends the segment. */
static size_t random_segment(uint8_t *bytes)
{
    size_t size = 0;

    for (unsigned i = 0; i < SEGMENT_PIECES; i++)
        size += random_piece(bytes + size);
    bytes[size++] = 'x';
    return size;
}

void terminal_model_segment(void)
{
    uint8_t bytes[SEGMENT_PIECES * PIECE_BYTES + 1];
    uint32_t characters[sizeof(bytes)];
    size_t size = random_segment(bytes);
    size_t count = text_model_decode(bytes, size, characters);

    model.terminal->attribute = (uint8_t)support_random(&model.seed);
    for (size_t i = 0; i < size; i++)
        terminal_put(model.terminal, (char)bytes[i]);
    for (size_t i = 0; i < count; i++)
        model_put(characters[i]);
    if (support_random(&model.seed) % 32 == 0) {
        terminal_clear(model.terminal);
        next_line();
        model.base = model.line;
    }
    assert_like_model();
}

void terminal_model_begin(struct terminal *terminal, uint64_t seed)
{
    model = (struct model){.terminal = terminal, .seed = seed};
    for (size_t i = 0; i < ROWS_MAX; i++)
        blank_line(i);
}
