/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What libFuzzer's main() does, without libFuzzer: runs every file of the named files and folders through the target
 * once, and the empty input before them. So each corpus is an ordinary test in every build, sanitized ones included,
 * and an input that once crashed stays fixed. A corpus without a file is an error: such a test could not fail.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned long replayed;

static bool replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return false;
    }
    /* Exactly as large as the input, so that a read past its end is caught by AddressSanitizer. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    bool whole = data != NULL && fread(data, 1, size, file) == size;
    fclose(file);
    if (whole) {
        LLVMFuzzerTestOneInput(data, size);
        replayed++;
    } else {
        fprintf(stderr, "%s: could not be read whole\n", path);
    }
    free(data);
    return whole;
}

static bool replay(const char *path);

static bool replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        perror(path);
        return false;
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        char child[4096];
        int length = snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && length > 0 && (size_t)length < sizeof child)
            good = replay(child) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

static bool replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return false;
    }
    return S_ISDIR(info.st_mode) ? replay_folder(path) : replay_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];
    bool good = true;

    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++)
        good = replay(argv[i]) && good;
    printf("%lu inputs replayed\n", replayed);
    if (replayed == 0)
        fprintf(stderr, "no input: give a corpus folder with at least one file in it\n");
    return good && replayed > 0 ? 0 : 1;
}
