/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/certificates.h"

#include <stdio.h>
#include <time.h>

#include "sotto/store/users.h"
#include "sotto/transport/certificate.h"
#include "sotto/transport/tls_context.h"

static struct certificate_request request_of(const struct certificates_wanted *w)
{
    return (struct certificate_request){
        .dir = w->dir, .hosts = w->hosts, .hosts_n = w->hosts_n, .force = w->force, .new_ca = w->new_ca};
}

static bool start(char *err, size_t err_cap)
{
    if (tls_init() == 0)
        return true;
    snprintf(err, err_cap, "wolfSSL can't be started; check that its library is whole (reinstall libwolfssl)");
    return false;
}

int certificates_make(const struct certificates_wanted *w, char *err, size_t err_cap)
{
    struct certificate_request r = request_of(w);
    if (!start(err, err_cap))
        return -1;
    int rc = certificate_init(&r, err, err_cap);
    tls_fini();
    return rc;
}

int certificates_renew(const struct certificates_wanted *w, char *out, size_t cap)
{
    struct certificate_request r = request_of(w);
    if (!start(out, cap))
        return -1;
    int rc = certificate_renew(&r, out, cap);
    tls_fini();
    return rc;
}

bool certificates_client_is_good(const char *name, char *err, size_t err_cap)
{
    const char *fault = users_name_fault(bytes_str(name));
    fault = fault != NULL ? fault : certificate_client_fault(name);
    if (fault != NULL)
        snprintf(err, err_cap, "%s", fault);
    return fault == NULL;
}

int certificates_client(const char *dir, const char *name, bool rsa, bool force, char *err, size_t err_cap)
{
    struct certificate_client_request r = {.dir = dir, .name = name, .rsa = rsa, .force = force};
    if (!start(err, err_cap))
        return -1;
    int rc = certificate_client(&r, err, err_cap);
    tls_fini();
    return rc;
}

int certificates_revoke(const char *dir, const char *name, char *err, size_t err_cap)
{
    if (!start(err, err_cap))
        return -1;
    int rc = certificate_revoke(dir, name, err, err_cap);
    tls_fini();
    return rc;
}

int certificates_show(const char *path, FILE *out, char *err, size_t err_cap)
{
    if (!start(err, err_cap))
        return -1;
    int rc = certificate_show(path, time(NULL), out, err, err_cap);
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
