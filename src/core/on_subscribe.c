/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SUBSCRIBE and UNSUBSCRIBE. */
#include "core_private.h"

/* The whole list is looked at before any of it is done: an invalid filter closes a connection of 3.x [MQTT-3.8.3-1,
 * MQTT-4.7.1-2]. */
static bool filters_fit(const struct client *c, enum packet_type type, const struct packet_subscribe *p)
{
    struct rd r = rd_of(p->filters);
    struct filter_request f;
    while (filter_next(&r, type, c->proto, &f))
        if (!filter_valid(f.filter) && !proto_traits(c->proto)->filter_codes)
            return false;
    return true;
}

/* A shared subscription can't be without its own client's messages: who publishes them is not known to the group. */
static bool shared_no_local(const struct client *c, enum packet_type type, const struct packet_subscribe *p)
{
    struct rd r = rd_of(p->filters);
    struct filter_request f;
    struct share share;
    while (filter_next(&r, type, c->proto, &f))
        if (f.no_local && share_parse(f.filter, &share) != 0)
            return true;
    return false;
}

/* Why the filter is refused, REASON_SUCCESS when it is not. */
static enum reason check_filter(const struct client *c, const struct filter_request *f, const struct share *share)
{
    const struct limits *l = &c->shard->b->limits;
    struct bytes filter = share->group.n > 0 ? share->filter : f->filter;
    if (!filter_valid(f->filter) || topic_levels(filter) > l->max_topic_levels)
        return REASON_TOPIC_FILTER_INVALID;
    if (!rights_allow(c->rights, RIGHT_SUBSCRIBE, session_id(c->session), filter))
        return REASON_NOT_AUTHORIZED;
    return REASON_SUCCESS;
}

/* Retain handling: always, only for a new subscription, never [MQTT-3.3.1-9..11]. */
static bool wants_retained(const struct filter_request *f, enum index_result r)
{
    return r != INDEX_NO_MEMORY && (f->retain_handling == 0 || (f->retain_handling == 1 && r == INDEX_NEW));
}

/* Enters the filter and notes where the retained messages stand, in one step that no retained PUBLISH comes between. */
static enum index_result enter(struct client *c, const struct filter_request *f, const struct sub_options *o,
                               struct index_node **node, struct retained_cursor **cursor)
{
    struct bytes filter = f->filter;
    struct broker *b = c->shard->b;
    retained_read_lock(b->retained);
    enum index_result r = index_add(b->index, filter, c->session->h, *o, node);
    *cursor = NULL;
    if (wants_retained(f, r))
        *cursor = retained_cursor_new(b->retained, filter, retained_number(b->retained));
    retained_unlock(b->retained);
    return r;
}

static bool has_subscription(const struct session *n, const struct filter_request *f, const struct share *share)
{
    struct index *x = n->shard->b->index;
    return share->group.n > 0 ? index_find_shared(x, share->group, share->filter, n->h) != NULL
                              : index_find(x, f->filter, n->h) != NULL;
}

/* The number to wait for; 0: nothing is stored. */
static uint64_t store_subscription(struct session *n, const struct filter_request *f, uint32_t sub_id)
{
    if (!session_durable(n))
        return 0;
    return session_store(
        n, &(struct store_record){.kind = STORE_SUBSCRIBE,
                                  .topic = f->filter,
                                  .qos = f->qos,
                                  .sub_id = sub_id,
                                  .sub_flags = (uint8_t)((f->no_local ? 1 : 0) | (f->retain_as_published ? 2 : 0))});
}

static enum reason subscribe_plain(struct client *c, const struct filter_request *f, const struct sub_options *o)
{
    struct session *n = c->session;
    struct index_node *node;
    struct retained_cursor *cursor;
    enum index_result entered = enter(c, f, o, &node, &cursor);
    if (entered == INDEX_NO_MEMORY)
        return REASON_UNSPECIFIED;
    if (entered == INDEX_NEW && !session_add_sub(n, (struct subscription){.node = node})) {
        index_remove(n->shard->b->index, node, n->h);
        retained_cursor_free(cursor);
        return REASON_UNSPECIFIED;
    }
    uint64_t need = store_subscription(n, f, o->id);
    if (cursor != NULL)
        replay_add(c, cursor, node, o, need);
    return (enum reason)f->qos;
}

/* A member of a group gets no retained messages. */
static enum reason subscribe_shared(struct client *c, const struct filter_request *f, const struct sub_options *o,
                                    const struct share *share)
{
    struct session *n = c->session;
    struct index *x = n->shard->b->index;
    struct share_group *group;
    if (n->hint == NULL)
        n->hint = share_hint_new();
    if (n->hint == NULL)
        return REASON_UNSPECIFIED;
    enum index_result entered = index_add_shared(x, share->group, share->filter, n->h, *o, n->hint, &group);
    if (entered == INDEX_NO_MEMORY)
        return REASON_UNSPECIFIED;
    if (entered == INDEX_NEW && !session_add_sub(n, (struct subscription){.group = group})) {
        index_remove_shared(x, group, n->h);
        return REASON_UNSPECIFIED;
    }
    session_show(n);
    store_subscription(n, f, o->id);
    return (enum reason)f->qos;
}

static enum reason subscribe_one(struct client *c, const struct filter_request *f, uint32_t sub_id)
{
    const struct session *n = c->session;
    struct share share = {0};
    if (share_parse(f->filter, &share) < 0)
        return REASON_TOPIC_FILTER_INVALID;
    enum reason r = check_filter(c, f, &share);
    if (r != REASON_SUCCESS)
        return r;
    if ((!session_may_add_sub(n, f->filter) || shard_short(c->shard)) && !has_subscription(n, f, &share))
        return REASON_QUOTA_EXCEEDED;
    struct sub_options o = {.id = sub_id,
                            .qos = f->qos,
                            .no_local = f->no_local,
                            .retain_as_published = f->retain_as_published,
                            .durable = session_durable(n)};
    return share.group.n > 0 ? subscribe_shared(c, f, &o, &share) : subscribe_plain(c, f, &o);
}

static const char *refusal_in_words(enum reason r, struct bytes filter, const char **hint)
{
    struct share share;
    *hint = NULL;
    switch (r) {
    case REASON_NOT_AUTHORIZED:
        *hint = "for what is meant to be allowed: a line 'subscribe = FILTER' in the users file";
        return "no subscribe rule of the user contains it whole, or a deny rule does";
    case REASON_QUOTA_EXCEEDED:
        if (mem_short()) {
            *hint = "raise max_memory in [limits], or lower what queues and retained messages may take";
            return "no memory for another subscription";
        }
        *hint = "raise max_subscriptions in [limits], or let the client subscribe to fewer, wider filters";
        return "its session has as many subscriptions, or as long ones, as it may";
    case REASON_TOPIC_FILTER_INVALID:
        if (!filter_valid(filter) || share_parse(filter, &share) < 0)
            return "it is not a valid topic filter";
        *hint = "raise max_topic_levels in [limits]";
        return "it has more levels than a topic may";
    default:
        return reason_name(r);
    }
}

static void log_refused(const struct client *c, struct bytes filter, enum reason r)
{
    const char *hint;
    const char *why = refusal_in_words(r, filter, &hint);
    log_event(LOG_INFO, "subscribe.denied", LF_PEER("peer", c->peer), LF_STR("listener", c->origin->listener),
              LF_BYTES("client", session_id(c->session)), LF_BYTES("user", rights_user(c->rights)),
              LF_BYTES("filter", filter), LF_STR("reason", why), LF_STR(hint != NULL ? "hint" : NULL, hint));
}

/* Takes the subscription out of the index and the session; false: there is none. */
static bool remove_subscription(struct client *c, const struct filter_request *f, const struct share *share)
{
    struct session *n = c->session;
    struct index *x = c->shard->b->index;
    if (share->group.n > 0) {
        struct share_group *group = index_find_shared(x, share->group, share->filter, n->h);
        if (group == NULL)
            return false;
        session_drop_sub(n, (struct subscription){.group = group});
        return index_remove_shared(x, group, n->h);
    }
    struct index_node *node = index_find(x, f->filter, n->h);
    if (node == NULL)
        return false;
    replay_drop(c, node);
    session_drop_sub(n, (struct subscription){.node = node});
    return index_remove(x, node, n->h);
}

static enum reason unsubscribe_one(struct client *c, const struct filter_request *f, uint32_t sub_id)
{
    struct session *n = c->session;
    struct share share = {0};
    (void)sub_id;
    if (!filter_valid(f->filter) || share_parse(f->filter, &share) < 0)
        return REASON_TOPIC_FILTER_INVALID;
    if (!remove_subscription(c, f, &share))
        return REASON_NO_SUBSCRIPTION_EXISTED;
    if (session_durable(n))
        session_store(n, &(struct store_record){.kind = STORE_UNSUBSCRIBE, .topic = f->filter});
    return REASON_SUCCESS;
}

/* why: of the first filter that was refused, or NULL. */
static void answer_codes(struct client *c, struct packet *p, const char *why)
{
    client_explain(c, &p->suback.props, why);
    if (client_too_large(c, packet_encode(p, c->proto, NULL, 0)))
        p->suback.props.has = 0;
    if (client_too_large(c, packet_encode(p, c->proto, NULL, 0)))
        client_refuse(c, REASON_PACKET_TOO_LARGE, "its maximum packet size leaves no room for the answer");
    else
        client_answer(c, p, c->shard->need);
}

/* Does one after the other of the list, and answers with a code for each. */
static void do_all(struct client *c, const struct packet *p, enum packet_type answer,
                   enum reason (*one)(struct client *c, const struct filter_request *f, uint32_t sub_id))
{
    const struct packet_subscribe *list = &p->subscribe;
    if (!filters_fit(c, p->type, list)) {
        client_refuse(c, REASON_TOPIC_FILTER_INVALID, "an invalid topic filter");
        return;
    }
    if (shared_no_local(c, p->type, list)) {
        client_refuse(c, REASON_PROTOCOL_ERROR, "a shared subscription with no local");
        return;
    }
    if (props_too_many(c->shard, &list->props)) {
        client_refuse_hint(c, REASON_QUOTA_EXCEEDED, "a packet with too many properties",
                           "raise max_user_properties in [limits], or let the client send fewer");
        return;
    }
    uint32_t sub_id = props_has(&list->props, PROP_SUBSCRIPTION_ID) ? list->props.sub_id : 0;
    uint8_t *codes = mem_try_alloc(list->count);
    if (codes == NULL) {
        client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
        return;
    }
    c->shard->need = 0;
    const char *why = NULL, *hint;
    struct rd r = rd_of(list->filters);
    struct filter_request f;
    for (size_t i = 0; filter_next(&r, p->type, c->proto, &f); i++) {
        enum reason code = one(c, &f, sub_id);
        if (code >= REASON_UNSPECIFIED) {
            log_refused(c, f.filter, code);
            why = why != NULL ? why : refusal_in_words(code, f.filter, &hint);
        }
        codes[i] = (uint8_t)code;
    }
    struct packet_suback ack = {.id = list->id, .codes = bytes_of(codes, list->count)};
    answer_codes(c, &(struct packet){.type = answer, .suback = ack}, why);
    mem_free(codes);
}

void on_subscribe(struct client *c, const struct packet *p)
{
    do_all(c, p, PACKET_SUBACK, subscribe_one);
}

void on_unsubscribe(struct client *c, const struct packet *p)
{
    do_all(c, p, PACKET_UNSUBACK, unsubscribe_one);
}
