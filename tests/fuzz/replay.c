/*
 * Runs a fuzzing target over its corpus without a fuzzer, so that every compiler and every
 * sanitizer sees those inputs: each file whole, then with a few bytes changed or cut off, the same
 * each time.
 *
 *      replay CORPUS_FOLDER
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum {
    SIZE_MAX_REPLAY = 1 << 20,
    VARIANTS = 200,
};

static uint64_t state = 1;

static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* From an allocation of its own length, so that a sanitizer sees a byte read past its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    uint8_t *exact = realloc(copy, size ? size : 1);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void run_variants(uint8_t *data, size_t size)
{
    run(data, size);
    for (int i = 0; i < VARIANTS && size; i++) {
        size_t at = next() % size;
        uint8_t before = data[at];
        data[at] = (uint8_t)next();
        run(data, next() % 4 ? size : at);
        data[at] = before;
    }
}

static int run_file(const char *folder, const char *name)
{
    static uint8_t data[SIZE_MAX_REPLAY];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return 1;
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    run_variants(data, size);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int count = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    int files = 0, bad = 0;
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            bad += run_file(argv[1], names[i]->d_name);
            files++;
        }
        free(names[i]);
    }
    free(names);
    printf("%d inputs\n", files);
    return bad || files == 0;
}
