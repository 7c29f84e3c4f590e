/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The first bytes of a TLS connection. What is found must be bounded and fit for the log; one byte less than a whole
 * hello is never a whole one; and cut into other records it says the same.
 */
#include <stdlib.h>

#include "sotto/base/mem.h"

#include "../../src/transport/client_hello_private.h"

#define HEADER 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void is_fit(const struct client_hello *h)
{
    char text[600], short_text[20];
    client_hello_describe(h, text, sizeof(text));
    client_hello_describe(h, short_text, sizeof(short_text));
    must(strlen(text) < sizeof(text) && strlen(short_text) < sizeof(short_text));
    for (const char *p = text; *p != '\0'; p++)
        must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
    must(strlen(h->name) < sizeof(h->name) && strlen(h->alpn) < sizeof(h->alpn));
    must(h->suites_n <= HELLO_SUITES && h->groups_n <= HELLO_GROUPS && h->signatures_n <= HELLO_SIGNATURES);
    must(client_hello_fragment(h) == 0 || client_hello_fragment(h) >= 512);
}

/* The bytes of the message in its records, in records of another size. */
static void cut_differently(struct bytes input, const struct client_hello *h)
{
    size_t at = HEADER, content = (size_t)input.p[3] << 8 | input.p[4];
    size_t n = 4 + ((size_t)input.p[6] << 16 | (size_t)input.p[7] << 8 | input.p[8]);
    if (content < n)
        return; /* several records already */
    size_t step = n / 8 + 1, used = 0;
    uint8_t *other = mem_alloc(n + 9 * HEADER);
    for (size_t done = 0; done < n;) {
        size_t part = n - done < step ? n - done : step;
        memcpy(other + used, (uint8_t[]){22, 3, 3, (uint8_t)(part >> 8), (uint8_t)part}, HEADER);
        memcpy(other + used + HEADER, input.p + at + done, part);
        used += HEADER + part;
        done += part;
    }
    struct client_hello again;
    must(client_hello_read(&again, bytes_of(other, used)) == HELLO_WHOLE);
    memcpy(again.first, h->first, sizeof(again.first));
    must(memcmp(again.suites, h->suites, sizeof(again.suites)) == 0 && strcmp(again.name, h->name) == 0 &&
         again.version == h->version && again.fragment == h->fragment && again.looks_like == h->looks_like);
    mem_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct client_hello h, shorter;
    enum client_hello_found found = client_hello_read(&h, input);
    is_fit(&h);
    must(h.read == (found == HELLO_WHOLE));
    must(found != HELLO_PARTLY || size < HELLO_WIRE_MAX);
    if (size == 0)
        return 0;
    enum client_hello_found before = client_hello_read(&shorter, bytes_of(data, size - 1));
    must(before != HELLO_NONE || found == HELLO_NONE);
    if (found == HELLO_WHOLE)
        cut_differently(input, &h);
    return 0;
}
