/* SPDX-License-Identifier: MIT */
/*
 * corpus - a target without libFuzzer: every file of a corpus once, and its mutants
 *
 *   fuzz_TARGET DIRECTORY [MUTANTS] [SEED]      closing line "N passed, N failed"
 *
 * What a fuzzer found once stays found, with any compiler and in every run of the tests. Each file is run in a process
 * of its own, so that one that kills it is named and the others still count. MUTANTS (0) simple ones of each file come
 * on top, by a seed: the same ones again, wherever it runs. That is no substitute for `make fuzz`, which is led by what
 * the code does.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "mutate.h"

#define FILE_BYTES_MAX (1 << 20)

static unsigned passed, failed;

static char *read_file(const char *path, size_t *ret_size)
{
        FILE *file = fopen(path, "rb");
        char *bytes = malloc(FILE_BYTES_MAX);

        if (!file || !bytes) {
                fprintf(stderr, "%s: cannot be read\n", path);
                exit(EXIT_FAILURE);
        }
        *ret_size = fread(bytes, 1, FILE_BYTES_MAX, file);
        fclose(file);
        return bytes;
}

/* Exactly as large as it is, so that ASan sees the end. */
static void run_one(const char *bytes, size_t size)
{
        uint8_t *copy = malloc(size ? size : 1);

        MUST(copy);
        memcpy(copy, bytes, size);
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
}

static void run_file(const char *path, unsigned mutants, uint64_t seed)
{
        size_t size;
        char *bytes = read_file(path, &size);
        int status = 0;
        pid_t child;

        fflush(NULL);
        child = fork();
        if (child == 0) {
                struct mutator mutator = { seed };

                alarm(60);
                run_one(bytes, size);
                for (unsigned i = 0; i < mutants; i++) {
                        size_t changed;
                        char *mutant = mutator_make(&mutator, bytes, size, &changed);

                        run_one(mutant, changed);
                        free(mutant);
                }
                free(bytes);
                exit(EXIT_SUCCESS);
        }
        free(bytes);
        if (child > 0 && waitpid(child, &status, 0) == child && status == 0) {
                passed++;
                return;
        }
        failed++;
        if (WIFSIGNALED(status))
                fprintf(stderr, "%s: signal %d (seed %llu)\n", path, WTERMSIG(status),
                        (unsigned long long)seed);
        else
                fprintf(stderr, "%s: exit %d (seed %llu)\n", path, WEXITSTATUS(status),
                        (unsigned long long)seed);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
        unsigned mutants = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
        uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
        struct dirent **entries;
        int count = argc > 1 ? scandir(argv[1], &entries, NULL, by_name) : -1;

        if (count < 0) {
                fprintf(stderr, "usage: %s DIRECTORY [MUTANTS] [SEED]\n", argv[0]);
                return 2;
        }
        for (int i = 0; i < count; i++) {
                char path[4096];
                struct stat st;

                snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
                if (entries[i]->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode))
                        run_file(path, mutants, seed);
                free(entries[i]);
        }
        free(entries);
        printf("%u passed, %u failed\n", passed, failed);
        return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
