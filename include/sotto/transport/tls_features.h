/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the wolfSSL of this build can do. Distributions' packages and ours differ (scripts/build-wolfssl); a setting
 * that needs what isn't there is refused when the configuration is checked, and a test of it skips. All else works with
 * both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum tls_feature {
    TLS_FEATURE_ASSEMBLY,      /* the processor's instructions for AES and big numbers */
    TLS_FEATURE_KEY_LOG,       /* wolfSSL_set_secret_cb, wolfSSL_set_tls13_secret_cb */
    TLS_FEATURE_PSK,           /* pre-shared keys with an ECDHE exchange, and in TLS 1.3 */
    TLS_FEATURE_STATIC_PSK,    /* PSK-AES128-GCM-SHA256 and the like: keys without ECDHE, for TLS 1.2 */
    TLS_FEATURE_TICKETS,       /* session tickets, by a callback of ours */
    TLS_FEATURE_SESSION_CACHE, /* session ids by a cache of ours: wolfSSL_CTX_sess_set_get_cb */
    TLS_FEATURE_MAX_FRAGMENT,  /* the client chooses the size of records */
    TLS_FEATURE_SNI,           /* the client names the host that it wants */
    TLS_FEATURE_ALPN,          /* and the protocol */
    TLS_FEATURE_CRL,           /* revocation lists */
    TLS_FEATURE_STAPLING,      /* OCSP responses handed out in the handshake */
    TLS_FEATURE_OLD_KEYS,      /* keys with "Proc-Type: 4,ENCRYPTED" */
    TLS_FEATURE_EXTRA_ALERTS,  /* the peer is told of an unknown PSK identity */
    TLS_FEATURE_REFUSAL_ALERT, /* TLS 1.3: the alert by which a client refuses our certificate comes through */
    TLS_FEATURE_CRITICAL_CA,   /* CA certificates with basicConstraints marked critical */
    TLS_FEATURE_ML_KEM,        /* the group X25519MLKEM768 */
    TLS_FEATURES
};

bool tls_has(enum tls_feature f);
/* A word or two for people: "key log", "static PSK". */
const char *tls_feature_name(enum tls_feature f);
/*
 * True when it is there. Otherwise false, with one line in err: what asks for it (the key's name or the like), which
 * library this is, and where to get one that has it.
 */
bool tls_feature_need(enum tls_feature f, const char *asked_by, char *err, size_t err_cap);

/*
 * "wolfSSL 5.7.2 (tuned, with assembly; Debian's 5.7.2-0.1+deb13u2)", "wolfSSL 5.5.4 (packaged, no assembly; AES-GCM by
 * nettle 3.8)": for `sotto version` and the start of the log. Whether nettle is in it is known from tls_init on.
 */
const char *tls_library(void);
/* "tickets, CRL, ..." or, with have false, what is missing; for `sotto version`. Cut to cap. */
void tls_features_list(bool have, char *out, size_t cap);
