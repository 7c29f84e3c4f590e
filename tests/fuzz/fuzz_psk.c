/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of shared keys from any bytes: what is taken is found again under its name, and has a name that a user may
 * have; what is refused has one line that says why. The same bytes as a ServerHello.
 */
#include <stdlib.h>

#include "../../src/transport/tls_peer_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[300] = "";
    uint8_t key[PSK_KEY_MAX];
    bool known, found;
    struct psk_table *t = psk_table_parse(bytes_of(data, size), err, sizeof(err));
    must((t == NULL) == (err[0] != '\0') && strchr(err, '\n') == NULL);
    for (size_t i = 0; t != NULL && i < psk_table_count(t); i++) {
        struct bytes name = psk_table_name(t, i);
        must(user_name_fault(name) == NULL);
        size_t n = psk_table_find(t, name, key, &known);
        must(known && n > 0 && n <= PSK_KEY_MAX);
    }
    if (t != NULL) {
        size_t n = psk_table_find(t, bytes_of(data, size < 49 ? size : 49), key, &known);
        must(n > 0 && n <= PSK_KEY_MAX);
    }
    psk_table_free(t);
    must(!server_hello_takes_key(bytes_of(data, size), &found) || found);
    return 0;
}
