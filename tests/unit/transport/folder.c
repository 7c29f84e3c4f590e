/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"

char err[2048];

int new_folder(void **state)
{
    struct folder *f = mem_alloc(sizeof(*f));
    snprintf(f->path, sizeof(f->path), "/tmp/sotto-certificate-XXXXXX");
    *state = f;
    return mkdtemp(f->path) != NULL ? 0 : -1;
}

int remove_folder(void **state)
{
    struct folder *f = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
    mem_free(f);
    return system(command);
}

const char *in(const struct folder *f, const char *name)
{
    static char paths[8][200];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof(paths[0]), "%s/%s", f->path, name);
    return p;
}

int make(const char *dir, const char *host, bool force, bool new_ca)
{
    struct certificate_request r = {
        .dir = dir, .hosts = &host, .hosts_n = host != NULL, .force = force, .new_ca = new_ca};
    err[0] = '\0';
    int rc = certificate_init(&r, err, sizeof(err));
    assert_int_equal(rc != 0, err[0] != '\0');
    assert_null(strchr(err, '\n'));
    return rc;
}

void made(const char *dir, const char *host, bool force, bool new_ca)
{
    if (make(dir, host, force, new_ca) != 0)
        fail_msg("%s", err);
}

char *slurp(const char *path)
{
    char *text = mem_alloc(20000);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s can't be read", path);
    size_t n = fread(text, 1, 19999, f);
    fclose(f);
    assert_true(n > 0);
    return text;
}

bool shell(const struct folder *f, const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && (%s) >/dev/null 2>&1", f->path, command);
    return system(line) == 0;
}

int start_wolfssl(void **state)
{
    (void)state;
    return tls_init();
}

int stop_wolfssl(void **state)
{
    (void)state;
    tls_fini();
    return 0;
}
