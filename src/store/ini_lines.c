/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inih as packaged (55) folds an indented line into the value above it, takes "# text" behind a value for a part of it
 * (and drops "; text"), cuts lines at 200 bytes and names at 49, takes ':' for '=', and gives no line numbers. A rights
 * file in which an indented `deny` becomes a part of a grant is worse than one that is refused. So inih reads through
 * this reader: it counts lines, judges each one, and passes on only "[section]" and "key=value" in their plainest form,
 * of which every version of inih makes the same. inih calls the handler before it asks for the next line, so the line
 * that was passed last is the line an entry stands on; the handler compares what inih read with what it was given.
 */
#include "sotto/store/ini_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/mem.h"

/* Stands for ';' in a section's name on its way through inih, which takes " ;" there for a comment. Never part of a
 * name: control characters are refused. */
#define SEMICOLON '\x01'

struct reader {
    struct bytes rest; /* of the text */
    unsigned line;     /* of the line taken last */
    const struct ini_events *events;
    void *ctx;
    char section[INI_NAME_MAX + 1];
    enum { BEFORE_SECTIONS, IN_SECTION, IN_FAULTY_SECTION } state;
    char key[INI_NAME_MAX + 1];
    struct bytes value; /* of the entry that was passed to inih */
    bool pending;       /* inih has not given it back yet */
};

static void fault(struct reader *r, const char *key, const char *text)
{
    r->events->fault(r->ctx, r->line, r->state == IN_SECTION ? r->section : NULL, key, text);
}

static bool take_line(struct reader *r, struct bytes *line)
{
    if (r->rest.n == 0)
        return false;
    const uint8_t *end = memchr(r->rest.p, '\n', r->rest.n);
    line->p = r->rest.p;
    line->n = end != NULL ? (size_t)(end - r->rest.p) : r->rest.n;
    size_t used = line->n + (end != NULL ? 1 : 0);
    r->rest = bytes_of(r->rest.p + used, r->rest.n - used);
    r->line++;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes b)
{
    while (b.n > 0 && blank(b.p[0]))
        b = bytes_of(b.p + 1, b.n - 1);
    while (b.n > 0 && blank(b.p[b.n - 1]))
        b.n--;
    return b;
}

/* Tabs are blanks, so they may stand around names and values, but not inside (the caller has trimmed then). */
static bool has_control(struct bytes b, bool tab_allowed)
{
    for (size_t i = 0; i < b.n; i++) {
        if ((b.p[i] < 0x20 && !(tab_allowed && b.p[i] == '\t')) || b.p[i] == 0x7f)
            return true;
    }
    return false;
}

static bool pass_section(struct reader *r, struct bytes line, char *out)
{
    r->state = IN_FAULTY_SECTION;
    const uint8_t *end = memchr(line.p, ']', line.n);
    struct bytes name = end != NULL ? bytes_of(line.p + 1, (size_t)(end - line.p) - 1) : bytes_of(NULL, 0);

    if (end == NULL) {
        fault(r, NULL, "a section without its ']'; write [name]");
    } else if (end != line.p + line.n - 1) {
        fault(r, NULL,
              "text after the ']' of a section; comments stand on lines of their own, and a name can't contain ']'");
    } else if (name.n == 0) {
        fault(r, NULL, "a section without a name; write [name]");
    } else if (name.n > INI_NAME_MAX) {
        fault(r, NULL, "the section's name is longer than 49 bytes; choose a shorter one");
    } else if (trim(name).n != name.n || has_control(name, false)) {
        fault(r, NULL, "the section's name begins or ends with a blank, or has a tab in it; take it out");
    } else {
        memcpy(r->section, name.p, name.n);
        r->section[name.n] = '\0';
        r->state = IN_SECTION;
        r->events->section(r->ctx, r->line, r->section);
        memcpy(out, line.p, line.n);
        out[line.n] = '\0';
        for (char *c = out; (c = strchr(c, ';')) != NULL;)
            *c = SEMICOLON;
        return true;
    }
    return false;
}

/* Why this can't be a key, or NULL. */
static const char *key_fault(struct bytes key)
{
    if (key.n == 0)
        return "a value without a key; write key = value";
    if (key.n > INI_NAME_MAX)
        return "the key is longer than 49 bytes; there is none of that length";
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] == ':')
            return "a ':' in front of the '='; write key = value";
        if (blank(key.p[i]) || key.p[i] == ';' || key.p[i] == '[' || key.p[i] == ']')
            return "this is not a key: it has a blank, ';' or bracket in it; write key = value";
    }
    return NULL;
}

/* Where the value has white space followed by ';' or '#'. raw: from the '=' on; a value that begins with '#' is a value
 * ("subscribe = #"). */
static bool has_comment(struct bytes raw, struct bytes value)
{
    if (value.n > 0 && value.p[0] == ';' && value.p != raw.p)
        return true;
    for (size_t i = 1; i < value.n; i++) {
        if (blank(value.p[i - 1]) && (value.p[i] == ';' || value.p[i] == '#'))
            return true;
    }
    return false;
}

static const char *value_fault(struct bytes key, struct bytes raw, struct bytes value, size_t cap)
{
    if (has_comment(raw, value))
        return "white space followed by ';' or '#' after a value; it would be read as a part of the value: comments "
               "stand on lines "
               "of their own";
    if (has_control(value, false))
        return "a tab in the middle of a value; take it out";
    if (key.n + 1 + value.n > INI_LINE_MAX || key.n + 1 + value.n + 1 > cap)
        return "the line is too long; key, '=' and value together can have 199 bytes (the ini reader's limit): shorten "
               "the value";
    return NULL;
}

static bool pass_entry(struct reader *r, struct bytes line, char *out, size_t cap)
{
    const uint8_t *equals = memchr(line.p, '=', line.n);
    if (equals == NULL) {
        fault(r, NULL, "neither a section, nor key = value, nor a comment; write key = value, or put '#' in front");
        return false;
    }
    struct bytes key = trim(bytes_of(line.p, (size_t)(equals - line.p)));
    struct bytes raw = bytes_of(equals + 1, line.n - (size_t)(equals - line.p) - 1);
    struct bytes value = trim(raw);
    const char *why = key_fault(key);
    if (why != NULL) {
        fault(r, NULL, why);
        return false;
    }
    memcpy(r->key, key.p, key.n);
    r->key[key.n] = '\0';
    why = value_fault(key, raw, value, cap);
    if (why == NULL && r->state == BEFORE_SECTIONS)
        why = "a key before the first section; put its [section] above it";
    if (why != NULL)
        fault(r, r->key, why);
    if (why != NULL || r->state != IN_SECTION)
        return false;
    r->value = value;
    r->pending = true;
    memcpy(out, key.p, key.n);
    out[key.n] = '=';
    memcpy(out + key.n + 1, value.p, value.n);
    out[key.n + 1 + value.n] = '\0';
    return true;
}

static void check_taken(struct reader *r)
{
    if (r->pending)
        fault(r, r->key, "the ini library did not take this line; write it more plainly");
    r->pending = false;
}

/* Like fgets, for inih: the next line that is worth its attention. */
static char *next_line(char *out, int cap, void *stream)
{
    struct reader *r = stream;
    struct bytes line;

    check_taken(r);
    while (take_line(r, &line)) {
        if (memchr(line.p, 0, line.n) != NULL || has_control(line, true)) {
            if (trim(line).n > 0 && trim(line).p[0] == '[')
                r->state = IN_FAULTY_SECTION;
            fault(r, NULL, "a control character or zero byte in the line; this must be a plain text file: take it out");
            continue;
        }
        line = trim(line);
        if (line.n == 0 || line.p[0] == ';' || line.p[0] == '#')
            continue;
        if (line.p[0] == '[' ? pass_section(r, line, out) : pass_entry(r, line, out, (size_t)cap))
            return out;
    }
    return NULL;
}

static int take_entry(void *user, const char *section, const char *key, const char *value)
{
    struct reader *r = user;
    (void)section; /* r->section is the same with its semicolons */
    if (r->pending && strcmp(key, r->key) == 0 && bytes_equal(bytes_str(value), r->value)) {
        r->pending = false;
        r->events->entry(r->ctx, r->line, r->section, key, value);
    }
    return 1;
}

void ini_lines_parse(struct bytes text, const struct ini_events *events, void *ctx)
{
    struct reader r = {.rest = text, .events = events, .ctx = ctx};
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        r.rest = bytes_of(text.p + 3, text.n - 3);
    int status = ini_parse_stream(next_line, &r, take_entry, &r);
    check_taken(&r);
    if (status < 0)
        fault(&r, NULL, "the ini library had no memory; give the machine more");
}

static int read_all(int fd, size_t size, struct bytes *text)
{
    /* One byte more than the file had shows that it grew meanwhile. */
    size_t cap = size + 1, n = 0;
    uint8_t *p = mem_alloc(cap);
    for (;;) {
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int err = errno;
            mem_free(p);
            return err;
        }
        n += (size_t)got;
        if (got == 0)
            break;
        if (n == cap && cap > INI_FILE_MAX) {
            mem_free(p);
            return EFBIG;
        }
        if (n == cap)
            p = mem_realloc(p, cap *= 2);
    }
    *text = bytes_of(p, n);
    return 0;
}

int ini_lines_load(const char *path, struct bytes *text, unsigned *mode)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : st.st_size > INI_FILE_MAX ? EFBIG : 0;
    if (err == 0)
        err = read_all(fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 4095, text);
    if (err == 0 && mode != NULL)
        *mode = st.st_mode & 07777;
    close(fd);
    return err;
}

/* Edits (one letter added, dropped or changed) between two short names. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[INI_NAME_MAX + 2];
    size_t n = strlen(b);
    if (strlen(a) > INI_NAME_MAX || n > INI_NAME_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned change = corner + (a[i] != b[j]);
            corner = row[j + 1];
            unsigned least = corner < row[j] ? corner + 1 : row[j] + 1;
            row[j + 1] = change < least ? change : least;
        }
    }
    return row[n];
}

const char *ini_lines_nearest(const char *name, const char *const *candidates)
{
    const char *best = NULL;
    unsigned least = 2 + (unsigned)strlen(name) / 4;
    for (; *candidates != NULL; candidates++) {
        unsigned d = distance(name, *candidates);
        if (d < least) {
            least = d;
            best = *candidates;
        }
    }
    return best;
}
