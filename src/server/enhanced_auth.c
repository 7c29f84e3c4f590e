/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "enhanced_auth.h"

#include <string.h>

#include "sotto/base/log.h"
#include "sotto/store/scram.h"

/* The core's own line says that it failed; this one says why, and who it was to be. */
static enum reason refuse(const struct auth_step *step, const char *peer, struct bytes user, const char *why)
{
    log_event(LOG_INFO, "auth.refused", LF_PEER("peer", peer), LF_BYTES("client", step->client_id),
              LF_BYTES("user", user), LF_STR("method", SCRAM_METHOD), LF_STR("reason", why));
    return REASON_NOT_AUTHORIZED;
}

static void answer(struct auth_step *step, struct bytes b)
{
    memcpy(step->answer, b.p, b.n);
    step->answer_n = b.n;
}

static enum reason begin(const struct users *users, const char *peer, struct auth_step *step)
{
    struct scram_hello hello;
    struct scram_verifier verifier;
    char nonce[SCRAM_NONCE_SIZE];

    if (step->data.n == 0)
        return refuse(step, peer, bytes_str(""), "no authentication data; the client has to send its first message");
    const char *why = scram_hello_read(step->data, &hello);
    struct bytes name = bytes_of(hello.name, hello.name_n);
    if (why != NULL)
        return refuse(step, peer, name, why);
    if (step->user.n > 0 && !bytes_equal(step->user, name))
        return refuse(step, peer, name,
                      "the client is known as another user already, from before or by its certificate or shared key; "
                      "for this one it has to connect anew");
    bool known = users_scram(users, name, &verifier);
    scram_nonce(nonce);
    struct scram *exchange = scram_new(&hello, &verifier, known, bytes_str(nonce));
    bytes_wipe(&verifier, sizeof(verifier));
    _Static_assert(SCRAM_CHALLENGE_MAX <= AUTH_ANSWER_MAX && SCRAM_FINAL_MAX <= AUTH_ANSWER_MAX, "answers fit");
    answer(step, scram_challenge(exchange));
    step->state = exchange;
    return REASON_CONTINUE_AUTHENTICATION;
}

static enum reason finish(const struct users *users, const char *peer, struct auth_step *step)
{
    struct scram *exchange = step->state;
    char last[SCRAM_FINAL_MAX];
    const char *why = scram_finish(exchange, step->data, last);
    if (why != NULL)
        return refuse(step, peer, scram_name(exchange), why);
    struct rights *rights = users_rights(users, scram_name(exchange));
    if (rights == NULL)
        return refuse(step, peer, scram_name(exchange), "the user was deleted meanwhile");
    answer(step, bytes_str(last));
    step->rights = rights;
    return REASON_SUCCESS;
}

enum reason enhanced_auth_step(const struct users *users, const char *peer, struct auth_step *step)
{
    step->answer_n = 0;
    step->rights = NULL;
    if (!bytes_equal(step->method, bytes_str(SCRAM_METHOD)))
        return REASON_BAD_AUTHENTICATION_METHOD;
    return step->state == NULL ? begin(users, peer, step) : finish(users, peer, step);
}

void enhanced_auth_end(void *state)
{
    scram_free(state);
}
