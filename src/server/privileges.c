/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sotto/base/log.h"

int privileges_find(struct privileges *p, const char *user, bool given, char *err, size_t err_cap)
{
    *p = (struct privileges){0};
    if (geteuid() != 0 || user == NULL || user[0] == '\0')
        return 0;
    errno = 0;
    const struct passwd *pw = getpwnam(user);
    if (pw == NULL && given) {
        snprintf(err, err_cap, "[broker] user: %s: %s; make it (useradd --system %s) or name another user", user,
                 errno != 0 ? strerror(errno) : "there is no such user", user);
        return -1;
    }
    if (pw == NULL) {
        log_event(LOG_WARN, "server.root", LF_STR("user", user),
                  LF_STR("reason", "the broker stays root, because the default user does not exist"),
                  LF_STR("hint", "make it (useradd --system sotto), or name another one: [broker] user"));
        return 0;
    }
    if (strlen(user) >= sizeof(p->name)) {
        snprintf(err, err_cap, "[broker] user: %s: the name is too long; name another user", user);
        return -1;
    }
    *p = (struct privileges){.drop = pw->pw_uid != 0, .uid = pw->pw_uid, .gid = pw->pw_gid};
    memcpy(p->name, user, strlen(user) + 1);
    return 0;
}

int privileges_drop(const struct privileges *p, char *err, size_t err_cap)
{
    if (!p->drop)
        return 0;
    if (initgroups(p->name, p->gid) != 0 || setresgid(p->gid, p->gid, p->gid) != 0 ||
        setresuid(p->uid, p->uid, p->uid) != 0) {
        snprintf(err, err_cap,
                 "[broker] user: can't become %s: %s; start it as that user, or with CAP_SETUID and CAP_SETGID",
                 p->name, strerror(errno));
        return -1;
    }
    if (setuid(0) == 0) {
        snprintf(err, err_cap, "[broker] user: became %s, but could become root again; this system is set up oddly",
                 p->name);
        return -1;
    }
    return 0;
}
