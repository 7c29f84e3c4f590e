/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/certificates.h"

#include <stdio.h>

#include "sotto/transport/certificate.h"
#include "sotto/transport/tls_context.h"

static struct certificate_request request_of(const struct certificates_wanted *w)
{
    return (struct certificate_request){
        .dir = w->dir, .hosts = w->hosts, .hosts_n = w->hosts_n, .force = w->force, .new_ca = w->new_ca};
}

int certificates_make(const struct certificates_wanted *w, char *err, size_t err_cap)
{
    struct certificate_request r = request_of(w);
    if (tls_init() != 0) {
        snprintf(err, err_cap, "wolfSSL can't be started; check that its library is whole (reinstall libwolfssl)");
        return -1;
    }
    int rc = certificate_init(&r, err, err_cap);
    tls_fini();
    return rc;
}

void certificates_names(const struct certificates_wanted *w, char *out, size_t cap)
{
    struct certificate_request r = request_of(w);
    certificate_names(&r, out, cap);
}

bool certificates_host_is_good(const char *host, char *err, size_t err_cap)
{
    char names[1024];
    struct certificate_request r = {.hosts = &host, .hosts_n = 1};
    bool good = certificate_names(&r, names, sizeof(names)) == 0;
    if (!good)
        snprintf(err, err_cap, "%s", names);
    return good;
}
