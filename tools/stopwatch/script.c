#include "script.h"

#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/util.h"

struct key {
    char plain, shifted;
    const char *qcode;
    unsigned code;
};

static const struct key keys[] = {
    {'a', 'A', "a", KEY_A},         {'b', 'B', "b", KEY_B},         {'c', 'C', "c", KEY_C},
    {'d', 'D', "d", KEY_D},         {'e', 'E', "e", KEY_E},         {'f', 'F', "f", KEY_F},
    {'g', 'G', "g", KEY_G},         {'h', 'H', "h", KEY_H},         {'i', 'I', "i", KEY_I},
    {'j', 'J', "j", KEY_J},         {'k', 'K', "k", KEY_K},         {'l', 'L', "l", KEY_L},
    {'m', 'M', "m", KEY_M},         {'n', 'N', "n", KEY_N},         {'o', 'O', "o", KEY_O},
    {'p', 'P', "p", KEY_P},         {'q', 'Q', "q", KEY_Q},         {'r', 'R', "r", KEY_R},
    {'s', 'S', "s", KEY_S},         {'t', 'T', "t", KEY_T},         {'u', 'U', "u", KEY_U},
    {'v', 'V', "v", KEY_V},         {'w', 'W', "w", KEY_W},         {'x', 'X', "x", KEY_X},
    {'y', 'Y', "y", KEY_Y},         {'z', 'Z', "z", KEY_Z},         {'1', '!', "1", KEY_1},
    {'2', '@', "2", KEY_2},         {'9', '(', "9", KEY_9},         {'0', ')', "0", KEY_0},
    {' ', ' ', "spc", KEY_SPACE},   {',', '<', "comma", KEY_COMMA}, {'.', '>', "dot", KEY_DOT},
    {'/', '?', "slash", KEY_SLASH},
};

static const char typed[] = "Pack my box with 12 Five dozen liquor jugs. (Sphinx of black quartz, judge my vow!) "
                            "HOW vexingly quick 90 daft zebras jump? Waltz, nymph, for quick Jigs vex Bud. ";

uint32_t script_random(uint64_t *state, uint32_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 33) % bound;
}

static struct act *act_new(struct script *script, const char *events)
{
    struct act *act = &script->acts[script->count++];

    act->command = text_format("{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[%s]}}", events);
    return act;
}

/* ---- typing ---- */

static void key_act(struct script *script, const char *qcode, unsigned code, bool down, char text)
{
    char *event = text_format("{\"type\":\"key\",\"data\":{\"down\":%s,\"key\":{\"type\":\"qcode\",\"data\":\"%s\"}}}",
                              down ? "true" : "false", qcode);
    struct act *act = act_new(script, event);

    snprintf(act->line, sizeof(act->line), "key %u %d", code, down);
    act->text = down ? text : 0;
    free(event);
}

static void type(struct script *script, char c)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        bool shifted = keys[i].shifted == c && keys[i].plain != c;

        if (keys[i].plain != c && !shifted)
            continue;
        if (shifted)
            key_act(script, "shift", KEY_LEFTSHIFT, true, 0);
        key_act(script, keys[i].qcode, keys[i].code, true, c);
        key_act(script, keys[i].qcode, keys[i].code, false, 0);
        if (shifted)
            key_act(script, "shift", KEY_LEFTSHIFT, false, 0);
        return;
    }
    die("the script types '%c', which no key does", c);
}

/* ---- drawing ---- */

static void move_act(struct script *script, int dx, int dy)
{
    char *events = text_format("{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":%d}},"
                               "{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":%d}}",
                               dx, dy);
    struct act *act = act_new(script, events);

    act->mouse = true;
    snprintf(act->line, sizeof(act->line), "rel %d %d", dx, dy);
    free(events);
}

static void button_act(struct script *script, const char *name, unsigned code, bool down)
{
    char *event = text_format("{\"type\":\"btn\",\"data\":{\"button\":\"%s\",\"down\":%s}}", name,
                              down ? "true" : "false");
    struct act *act = act_new(script, event);

    act->mouse = true;
    snprintf(act->line, sizeof(act->line), "key %u %d", code, down);
    free(event);
}

/* The nth stroke of a square spiral of octagons: never along one axis only, so that each move has both. */
static void draw(struct script *script, size_t n)
{
    static const signed char step[8][2] = {{3, 1}, {2, 3}, {-1, 3}, {-3, 2}, {-3, -1}, {-2, -3}, {1, -3}, {3, -2}};
    int size = 1 + (int)(n / 8) % 40;

    if (n % 32 == 0)
        button_act(script, "left", BTN_LEFT, true);
    move_act(script, step[n % 8][0] * size, step[n % 8][1] * size);
    if (n % 32 == 24)
        button_act(script, "left", BTN_LEFT, false);
}

static void end_device(struct script *script, bool mouse)
{
    for (int down = 1; down >= 0; down--) {
        if (mouse)
            button_act(script, "side", BTN_SIDE, down);
        else
            key_act(script, "f12", KEY_F12, down, 0);
    }
}

struct script script_make(enum script_device device, size_t count, uint64_t seed)
{
    struct script script = {array_new(count + 16, sizeof(struct act)), 0};
    size_t letter = 0;
    size_t stroke = 0;

    while (script.count < count) {
        if (device == SCRIPT_MOUSE || (device == SCRIPT_BOTH && script_random(&seed, 2)))
            draw(&script, stroke++);
        else
            type(&script, typed[letter++ % (sizeof(typed) - 1)]);
    }
    if (device != SCRIPT_MOUSE)
        end_device(&script, false);
    if (device != SCRIPT_KEYBOARD)
        end_device(&script, true);
    return script;
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->count; i++)
        free(script->acts[i].command);
    free(script->acts);
}
