/*
 * Runs a target on inputs that are known: the files of the folders named, each once. Ends with 'N passed, N failed'.
 *
 * All of them run in one child; if that dies, each in one of its own, and those that die are named.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char **paths;
static size_t path_count;

static void add_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);

    if (count < 0)
        return; /* no crash was ever found, maybe */
    for (int i = 0; i < count; i++) {
        char *path = NULL;

        if (entries[i]->d_name[0] != '.' && !strstr(entries[i]->d_name, ".txt") &&
            asprintf(&path, "%s/%s", folder, entries[i]->d_name) > 0) {
            paths = realloc(paths, (path_count + 1) * sizeof(*paths));
            paths[path_count++] = path;
        }
        free(entries[i]);
    }
    free(entries);
}

/* An input in memory of just its size, so that reads beyond it are noticed. */
static void run(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    size_t size;

    if (!file || fseek(file, 0, SEEK_END))
        exit(1);
    size = (size_t)ftell(file);
    rewind(file);
    data = malloc(size ? size : 1);
    if (fread(data, 1, size, file) != size)
        exit(1);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

/* Whether inputs [first, last) are run to the end. */
static bool survives(size_t first, size_t last)
{
    int status = 1;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        for (size_t i = first; i < last; i++)
            run(paths[i]);
        exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

int main(int argc, char **argv)
{
    size_t failed = 0;

    for (int i = 1; i < argc; i++)
        add_folder(argv[i]);
    if (!survives(0, path_count)) {
        for (size_t i = 0; i < path_count; i++) {
            if (survives(i, i + 1))
                continue;
            fprintf(stderr, "failed: %s\n", paths[i]);
            failed++;
        }
        failed += failed == 0; /* only together */
    }
    printf("%zu passed, %zu failed\n", path_count - failed, failed);
    for (size_t i = 0; i < path_count; i++)
        free(paths[i]);
    free(paths);
    return failed > 0;
}
