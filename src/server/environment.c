/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sotto/base/mem.h"

const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Without slashes at the end; "/" itself is no folder of ours. */
static size_t folder_length(const char *folder)
{
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/')
        n--;
    return n;
}

bool environment_inside(const char *folder, const char *path)
{
    size_t n = folder_length(folder);
    return n > 0 && strncmp(path, folder, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

static void move(char **path, const char *from, const char *to)
{
    if (*path == NULL || !environment_inside(from, *path))
        return;
    const char *rest = *path + folder_length(from);
    size_t n = folder_length(to), cap = n + strlen(rest) + 1;
    char *moved = mem_alloc(cap);
    snprintf(moved, cap, "%.*s%s", (int)n, to, rest);
    mem_free(*path);
    *path = moved;
}

static void move_pair(struct tls_pair_files *p, const char *from, const char *to)
{
    const char **const paths[] = {&p->cert, &p->key, &p->chain, &p->key_passphrase_file};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char *path = (char *)(uintptr_t)*paths[i];
        move(&path, from, to);
        *paths[i] = path;
    }
}

void environment_apply(struct config *c)
{
    const char *data = environment("SOTTO_DATA");
    if (data == NULL || strcmp(data, c->data_dir) == 0)
        return;
    move(&c->users, c->data_dir, data);
    for (size_t i = 0; i < c->listeners_n; i++) {
        for (size_t j = 0; j < c->listeners[i].pairs_n; j++)
            move_pair(&c->listeners[i].pairs[j], c->data_dir, data);
    }
    mem_free(c->data_dir);
    c->data_dir = mem_strndup(data, strlen(data));
}
