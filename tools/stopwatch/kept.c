#include "kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/util.h"
#include "../linux/boot.h"

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv): 64 bits, to tell builds apart, not to withstand anyone. */
static uint64_t hash_more(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_file(uint64_t hash, const char *path)
{
    FILE *file = fopen(path, "re");
    char bytes[65536];
    size_t size;

    if (!file)
        die("cannot read %s", path);
    while ((size = fread(bytes, 1, sizeof(bytes), file)))
        hash = hash_more(hash, bytes, size);
    fclose(file);
    return hash;
}

char *kept_key(const struct run *run, const struct setting *setting, const char *version)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    hash = hash_file(hash, "/proc/self/exe");
    hash = hash_file(hash, setting->plugin);
    hash = hash_file(hash, run->plan);
    hash = hash_file(hash, run->image);
    hash = hash_file(hash, run->initrd);
    hash = hash_more(hash, version, strlen(version));
    hash = hash_more(hash, run->command_line, strlen(run->command_line));
    return text_format("%016" PRIx64, hash);
}

static char *path_of(const struct run *run)
{
    return text_format("%.*s.json", (int)(strlen(run->com2) - strlen(".com2")), run->com2);
}

json_t *kept_load(const struct run *run, const char *key)
{
    char *path = path_of(run);
    json_t *kept = json_load_file(path, 0, NULL);
    const char *of = json_string_value(json_object_get(kept, "key"));
    json_t *result = of && !strcmp(of, key) ? json_incref(json_object_get(kept, "cell")) : NULL;

    json_decref(kept);
    free(path);
    return result;
}

void kept_save(const struct run *run, const char *key, const json_t *result)
{
    char *path = path_of(run);
    json_t *kept = json_pack("{s:s, s:O}", "key", key, "cell", result);

    json_write(kept, path);
    json_decref(kept);
    free(path);
}
