/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one user may do, compiled from the users file: an immutable list of
 * rules, shared by all connections of that user, counted atomically.
 *
 * A topic or filter is granted if one publish (or subscribe) rule contains it whole and no deny rule
 * does; deny withholds at publish and at delivery. "%u" and "%c" in a rule stand for user name and client id as whole
 * text inside a level; a name or id that contains '/', '+' or '#' matches no rule with them. Nobody writes "$SYS".
 */
#pragma once

#include "sotto/base/bytes.h"

enum right { RIGHT_PUBLISH, RIGHT_SUBSCRIBE, RIGHT_RECEIVE };

struct rule {
    enum { RULE_PUBLISH, RULE_SUBSCRIBE, RULE_DENY } kind;
    struct bytes filter; /* a valid filter once variables are replaced */
};

struct rights;

/*
 * Copies everything. user: empty for anonymous. everything: what no deny rule names is granted (no publish or subscribe
 * rule applies, see the contract); else only what a rule names. One reference.
 */
struct rights *rights_new(struct bytes user, const struct rule *rules, size_t n, bool everything);
struct rights *rights_ref(struct rights *r);
/* NULL is fine. */
void rights_unref(struct rights *r);
struct bytes rights_user(const struct rights *r);
/* True when no rule can refuse it, $SYS apart: the path of a message then asks nothing more. */
bool rights_unlimited(const struct rights *r, enum right what);
/*
 * RIGHT_PUBLISH and RIGHT_RECEIVE: is it granted for the topic name? RIGHT_RECEIVE asks deny rules only.
 * RIGHT_SUBSCRIBE: for the filter ("$share/g/" taken off by the caller): contained whole in one rule; a filter that
 * lies wholly within a deny is refused.
 */
bool rights_allow(const struct rights *r, enum right what, struct bytes client_id, struct bytes topic);
/* The rule that decides (for `acl explain` and logs): its index as given to rights_new, or -1 for none. */
int rights_deciding_rule(const struct rights *r, enum right what, struct bytes client_id, struct bytes topic,
                         bool *allowed);
