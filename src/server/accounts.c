/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/server/accounts.h"

#include <stdio.h>

#include "sotto/store/password.h"
#include "sotto/store/scram_verifier.h"
#include "sotto/store/users.h"

const char *accounts_name_fault(struct bytes user)
{
    return users_name_fault(user);
}

static bool name_good(struct bytes user, char *err, size_t err_cap)
{
    const char *why = users_name_fault(user);
    if (why != NULL)
        snprintf(err, err_cap, "'%.*s' can't be a user: %s", (int)(user.n < 100 ? user.n : 100), (const char *)user.p,
                 why);
    return why == NULL;
}

int accounts_set(const char *file, struct bytes user, struct bytes password, char *err, size_t err_cap)
{
    char hash[PASSWORD_HASH_MAX], scram[SCRAM_TEXT_MAX];
    if (!name_good(user, err, err_cap))
        return -1;
    if (password.n == 0 || password.n > UINT16_MAX) {
        snprintf(err, err_cap,
                 "a password of %zu bytes; MQTT carries 65535 at most, and an empty one protects nothing: "
                 "choose another",
                 password.n);
        return -1;
    }
    if (!password_hash(password, hash) || !scram_verifier_fresh(password, scram)) {
        snprintf(err, err_cap, "no memory to hash the password; 19 MiB are needed: free some");
        return -1;
    }
    int status = users_file_set(file, user, hash, scram, err, err_cap);
    bytes_wipe(hash, sizeof hash);
    bytes_wipe(scram, sizeof scram);
    return status;
}

int accounts_delete(const char *file, struct bytes user, char *err, size_t err_cap)
{
    return name_good(user, err, err_cap) ? users_file_delete(file, user, err, err_cap) : -1;
}
