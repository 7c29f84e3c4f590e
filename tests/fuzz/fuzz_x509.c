/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Certificates, revocation lists, keys, and the index of what was issued, read from any bytes; everything that reads on
 * in what was found is called, too. The first byte says which.
 */
#include <stdlib.h>

#include "sotto/base/mem.h"
#include "sotto/transport/x509.h"

#include "../../src/transport/certificate_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void use_certificate(struct bytes input)
{
    struct x509 c;
    struct x509_name n;
    char text[300];
    if (!x509_read(&c, input))
        return;
    struct rd r = rd_of(c.names);
    while (x509_name_next(&r, &n))
        must(strlen(n.text) < sizeof(n.text));
    x509_name_text(c.subject, text, sizeof(text));
    for (const char *p = text; *p != '\0'; p++)
        must((unsigned char)*p >= 0x20 && *p != 0x7f);
    x509_short_name(c.issuer, text, 10);
    x509_signature_name(c.signature_oid, text, sizeof(text));
    x509_hex(c.serial, ':', text, sizeof(text));
    x509_is_for(&c, "a.example.org");
    x509_is_for(&c, "10.0.0.1");
    x509_has_dns_name(&c, "10.0.0.1");
    must(c.whole.n <= input.n && c.body.n <= c.whole.n);
}

static void use_list(struct bytes input)
{
    struct x509_crl l;
    struct x509_revoked entry;
    if (!x509_crl_read(&l, input))
        return;
    struct rd r = rd_of(l.revoked);
    while (x509_crl_next(&r, &entry))
        must(entry.serial.n <= input.n);
}

/* What was read is written so that it reads the same. */
static void use_index(struct bytes input)
{
    struct cert_index x = {0}, again = {0};
    char err[300];
    if (cert_index_parse(&x, input, err, sizeof(err))) {
        char *text = cert_index_text(&x);
        must(cert_index_parse(&again, bytes_str(text), err, sizeof(err)) && again.n == x.n);
        for (size_t i = 0; i < x.n; i++)
            must(strcmp(x.v[i].name, again.v[i].name) == 0 && x.v[i].until == again.v[i].until &&
                 x.v[i].serial_n == again.v[i].serial_n && x.v[i].revoked == again.v[i].revoked);
        mem_free(text);
    }
    cert_index_fini(&x);
    cert_index_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes input = bytes_of(data + 1, size - 1);
    struct x509_key key;
    struct x509_pool pool = {0};
    switch (data[0] % 4) {
    case 0:
        use_certificate(input);
        x509_pool_add(&pool, input);
        break;
    case 1:
        use_list(input);
        break;
    case 2:
        use_index(input);
        break;
    default:
        x509_key_read(&key, input);
        break;
    }
    x509_pool_fini(&pool);
    return 0;
}
