/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any text as a users file. A file that is taken has no name that can't be a user's, and its rights answer every
 * question without writing $SYS. The text is asked about itself: its own lines are the topics.
 */
#include <stdlib.h>

#include "sotto/codec/topic.h"
#include "sotto/store/password.h"
#include "sotto/store/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                  const char *text)
{
    unsigned *errors = ctx;
    (void)file, (void)line, (void)section, (void)key, (void)text;
    *errors += !warning;
}

static void ask(struct rights *r, struct bytes topic)
{
    struct bytes id = bytes_str("client");
    if (topic_name_valid(topic) && rights_allow(r, RIGHT_PUBLISH, id, topic) && topic.n >= 5 &&
        memcmp(topic.p, "$SYS/", 5) == 0)
        abort();
    for (enum right what = RIGHT_PUBLISH; what <= RIGHT_RECEIVE; what++) {
        bool name = what != RIGHT_SUBSCRIBE;
        if (name ? !topic_name_valid(topic) : !filter_valid(topic))
            continue;
        bool sys = topic.n >= 4 && memcmp(topic.p, "$SYS", 4) == 0;
        if (rights_unlimited(r, what) && !sys && !rights_allow(r, what, id, topic))
            abort();
    }
}

static void ask_all(struct users *u, struct bytes text, struct bytes name)
{
    struct rights *own = users_rights(u, name), *anonymous = users_anonymous_rights(u);
    if (own != NULL && users_name_fault(name) != NULL)
        abort();
    const char *hash = users_password(u, name);
    if (hash != NULL && password_hash_fault(hash) != NULL)
        abort();
    for (size_t i = 0; i < text.n;) {
        const uint8_t *end = memchr(text.p + i, '\n', text.n - i);
        size_t n = end != NULL ? (size_t)(end - text.p) - i : text.n - i;
        struct bytes topic = bytes_of(text.p + i, n < 300 ? n : 300);
        if (utf8_valid(topic)) {
            ask(anonymous, topic);
            if (own != NULL)
                ask(own, topic);
        }
        i += n + 1;
    }
    rights_unref(own);
    rights_unref(anonymous);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned errors = 0;
    struct bytes text = bytes_of(data, size < 4096 ? size : 4096);
    struct users *u = users_parse("/fuzz/users.ini", text, count, &errors);
    if ((u == NULL) == (errors == 0))
        abort();
    if (u == NULL)
        return 0;
    const uint8_t *open = text.n > 0 ? memchr(text.p, '[', text.n) : NULL;
    const uint8_t *close = open != NULL ? memchr(open, ']', text.n - (size_t)(open - text.p)) : NULL;
    struct bytes first = close != NULL ? bytes_of(open + 1, (size_t)(close - open) - 1) : bytes_str("x");
    ask_all(u, text, first);
    users_unref(u);
    return 0;
}
