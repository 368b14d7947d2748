/* replay.c -- main() of a fuzz target without a fuzzer: each input of a corpus once.
 *
 *     fuzz_NAME FILE-OR-FOLDER...
 *
 * Prints the input it is at before each, so that the last line of a crash names it. Fails when there was
 * none, because then nothing was tested.
 *
 * SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

static unsigned inputs;

static void run(const char *path, size_t size)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data = malloc(size ? size : 1);

    printf("%s\n", path);
    fflush(stdout);
    if (!file || !data || fread(data, 1, size, file) != size) {
        fprintf(stderr, "cannot read '%s': %s\n", path, strerror(errno));
        exit(2);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_F)
        run(path, (size_t)st->st_size);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], visit, 16, FTW_PHYS) == -1) {
            fprintf(stderr, "cannot read '%s': %s\n", argv[i], strerror(errno));
            return 2;
        }
    if (inputs == 0) {
        fprintf(stderr, "no input was given\n");
        return 2;
    }
    return 0;
}
