/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was stored comes back: sessions as they stood, and retained messages. */
#include "sotto/core/restore.h"
#include "unit_core.h"

static struct rights *some_rights(void)
{
    return rights_new(bytes_str("u"), NULL, 0, true);
}

static handle restore_one(struct restore *r, const char *id, struct restore_session s)
{
    s.client_id = bytes_str(id);
    s.rights = some_rights();
    handle h = restore_session(r, &s);
    rights_unref(s.rights);
    return h;
}

static struct restore_row row(uint64_t number, uint16_t packet_id, const char *payload)
{
    return (struct restore_row){.row = number,
                                .message = number,
                                .packet_id = packet_id,
                                .qos = 1,
                                .topic = bytes_str("t"),
                                .payload = bytes_str(payload),
                                .expires = MSEC_NEVER};
}

static bool give(struct restore *r, struct restore_row d)
{
    return restore_row(r, &d);
}

static struct session *session_of(struct unit *u, handle h)
{
    return slots_get(&u->shard[handle_owner(h)]->sessions, h);
}

static void a_session_as_it_stood(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 1000);
    handle h = restore_one(r, "a", (struct restore_session){.expiry = 60, .expires = 31000});
    assert_true(h != HANDLE_NONE);
    assert_true(restore_filter(r, bytes_str("x/+"), &(struct sub_options){.qos = 2, .id = 9}));
    assert_true(restore_filter(r, bytes_str("$share/g/y"), &(struct sub_options){.qos = 1}));
    assert_false(restore_filter(r, bytes_str("x/#/y"), &(struct sub_options){0}));
    assert_true(restore_received(r, 77));
    assert_true(give(r, row(4, 12, "first")));
    assert_true(give(r, row(5, 0, "waits")));
    struct restore_row released = row(6, 65535, "");
    released.qos = 2;
    released.released = true;
    assert_true(give(r, released));
    assert_false(give(r, row(7, 12, "the same packet id")));
    assert_true(give(r, row(9, 0, "waits, too")));
    restore_session_over(r);
    restore_free(r);

    struct session *n = session_of(u, h);
    assert_ptr_equal(n, session_find(u->shard[handle_owner(h)], bytes_str("a")));
    assert_int_equal(handle_owner(h), hash_bytes(&u->broker->key, bytes_str("a")) % 2);
    assert_int_equal(n->expiry, 60);
    assert_int_equal(n->timer.due, 31000);
    assert_int_equal(n->subs_n, 2);
    assert_non_null(index_find(u->broker->index, bytes_str("x/+"), h));
    assert_true(id_set_has(&n->received, 77));
    assert_int_equal(n->deliveries.n, 4);
    assert_int_equal(n->inflight, 2);
    assert_int_equal(n->queued, 2);
    assert_int_equal(n->queue_bytes, 1 + 5 + 1 + 10);
    assert_int_equal(n->next_row, 10);
    const uint64_t rows[] = {4, 6, 5, 9};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(((struct delivery *)ring_at(&n->deliveries, i))->row, rows[i]);
    const struct delivery *d = ring_at(&n->deliveries, 1);
    assert_true(d->released && d->sent && d->msg == NULL && d->id == 65535);
    assert_int_equal(session_take_id(n), 1); /* behind the last one that was given */
    session_end(n);
}

/* The client may have QoS 2 ids open that the store has forgotten: new messages stay away from them. */
static void packet_ids_of_a_store_that_forgets(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 0);
    handle h = restore_one(r, "a", (struct restore_session){.expiry = 60, .expires = 1000, .first_id = 30000});
    assert_true(give(r, row(1, 12, "in flight")));
    assert_true(give(r, row(2, 30000, "in flight, too")));
    restore_session_over(r);
    restore_free(r);
    assert_int_equal(session_take_id(session_of(u, h)), 30001);
}

/* A disk that changed a byte must not make clients close. */
static void what_may_go_to_clients(void **state)
{
    (void)state;
    const struct bytes none = bytes_str("");
    static const uint8_t user[] = {0x26, 0, 1, 'k', 0, 1, 'v'}, expiry[] = {2, 0, 0, 0, 9}, twice[] = {1, 0, 1, 0};
    assert_true(restore_message_valid(bytes_str("a/b"), none, 2));
    assert_true(restore_message_valid(bytes_str("caf\xc3\xa9"), bytes_of(user, sizeof(user)), 0));
    assert_false(restore_message_valid(none, none, 1));
    assert_false(restore_message_valid(bytes_str("a/b"), none, 3));
    assert_false(restore_message_valid(bytes_str("a/#"), none, 1));
    assert_false(restore_message_valid(bytes_str("caf\xe9"), none, 1));
    assert_false(restore_message_valid(bytes_of("a\0b", 3), none, 1));
    for (size_t n = 1; n < sizeof(user); n++)
        assert_false(restore_message_valid(bytes_str("a/b"), bytes_of(user, n), 1));
    assert_false(restore_message_valid(bytes_str("a/b"), bytes_of(expiry, sizeof(expiry)), 1));
    assert_false(restore_message_valid(bytes_str("a/b"), bytes_of(twice, sizeof(twice)), 1));
    assert_false(restore_message_valid(bytes_str("a/b"), bytes_str("\x7b"), 1));
}

static void one_message_for_many(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 0);
    struct restore_row d = row(1, 0, "for all");
    struct message *first[2] = {NULL, NULL};
    d.shared = true;
    d.message = 1000;
    for (unsigned i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof(id), "c%u", i);
        handle h = restore_one(r, id, (struct restore_session){.expiry = 60, .expires = 1000});
        assert_true(give(r, d));
        restore_session_over(r);
        const struct delivery *got = ring_at(&session_of(u, h)->deliveries, 0);
        struct message **m = &first[handle_owner(h)];
        assert_true(*m == NULL || *m == got->msg);
        *m = got->msg;
    }
    uint32_t all = (first[0] != NULL ? first[0]->refs - 1 : 0) + (first[1] != NULL ? first[1]->refs - 1 : 0);
    assert_int_equal(all, 20);
    restore_free(r);
}

static void an_id_has_one_session(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 0);
    assert_true(restore_one(r, "a", (struct restore_session){.expiry = 60, .expires = 1000}) != HANDLE_NONE);
    restore_session_over(r);
    assert_int_equal(restore_one(r, "a", (struct restore_session){.expiry = 60, .expires = 1000}), HANDLE_NONE);
    restore_free(r);
}

static void it_expires_and_its_will_is_published(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 1000);
    handle h = restore_one(r, "a",
                           (struct restore_session){.expiry = 60,
                                                    .expires = 61000,
                                                    .has_will = true,
                                                    .topic = bytes_str("will"),
                                                    .payload = bytes_str("gone"),
                                                    .will_expiry = UINT32_MAX,
                                                    .retain = true,
                                                    .will_due = 11000});
    restore_session_over(r);
    restore_free(r);
    struct shard *s = u->shard[handle_owner(h)];
    uint64_t messages, bytes;
    shard_tick(s, 10999);
    retained_totals(u->broker->retained, &messages, &bytes);
    assert_int_equal(messages, 0);
    shard_tick(s, 11000);
    retained_totals(u->broker->retained, &messages, &bytes);
    assert_int_equal(messages, 1);
    assert_non_null(session_of(u, h));
    shard_tick(s, 61000);
    assert_null(session_of(u, h));
}

static void retained_messages(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 1000);
    assert_int_equal(restore_retained(r, bytes_str("a/b"), bytes_str(""), bytes_str("x"), 1, MSEC_NEVER), RESTORED);
    assert_int_equal(restore_retained(r, bytes_str("a/c"), bytes_str("p"), bytes_str("x"), 0, 5000), RESTORED);
    uint64_t messages, bytes;
    retained_totals(u->broker->retained, &messages, &bytes);
    assert_int_equal(messages, 2);
    assert_int_equal(bytes, 4 + 5);
    assert_true(shard_next_deadline(u->shard[0]) <= 5000);
    restore_free(r);
}

/* ---------------------------------------------------------------- groups */

/* A session that lives on that shard, a member of the group. */
static handle member_on(struct unit *u, struct restore *r, unsigned shard, unsigned number, bool joins)
{
    char id[16];
    do
        snprintf(id, sizeof(id), "m%u", number += 100);
    while (hash_bytes(&u->broker->key, bytes_str(id)) % 2 != shard);
    handle h = restore_one(r, id, (struct restore_session){.expiry = 60, .expires = 61000});
    if (joins)
        assert_true(restore_filter(r, bytes_str("$share/g/t"), &(struct sub_options){.qos = 2}));
    return h;
}

static struct restore_row through(uint64_t number, uint16_t packet_id, uint8_t qos, const char *payload)
{
    struct restore_row d = row(number, packet_id, payload);
    d.qos = qos;
    d.share = bytes_str("$share/g/t");
    return d;
}

/* The i-th delivery of the session is this one, and waits. */
static void expect_waiting(struct unit *u, handle h, uint32_t i, const char *payload, uint8_t qos)
{
    const struct delivery *d = ring_at(&session_of(u, h)->deliveries, i);
    assert_true(bytes_equal(message_payload(d->msg), bytes_str(payload)));
    assert_true(d->qos == qos && d->id == 0 && !d->sent && !d->given && d->row != 0);
}

static void turns(struct unit *u)
{
    for (unsigned i = 0; i < 8; i++) {
        shard_mail(u->shard[i % 2], 1000);
        shard_turn_end(u->shard[i % 2], 1000);
    }
}

/* h ends, and the other has what both of the group's messages were: "one" at QoS 1, and "two". */
static void expect_handed_on(struct unit *u, handle h, handle other, uint8_t qos_of_two)
{
    session_end(session_of(u, h));
    turns(u);
    assert_int_equal(session_of(u, other)->deliveries.n, 2);
    expect_waiting(u, other, 0, "one", 1);
    expect_waiting(u, other, 1, "two", qos_of_two);
}

/* What it was sent at QoS 2 stays its own; another member gets the rest, on whichever shard. */
static void goes_on_to_another_member(void **state)
{
    struct unit *u = *state;
    for (unsigned shard = 0; shard < 2; shard++) {
        struct restore *r = restore_new(u->broker, u->shard, 1000);
        handle h = member_on(u, r, 0, 1, true);
        assert_true(give(r, through(1, 5, 2, "sent")) && give(r, through(2, 6, 1, "one")));
        assert_true(give(r, through(3, 0, 2, "two")) && give(r, row(4, 0, "its own")));
        restore_session_over(r);
        assert_int_equal(session_of(u, h)->inflight_bytes, 5 + 4 + 10); /* the group's name is stored with it */
        assert_int_equal(session_of(u, h)->queue_bytes, 4 + 10 + 8);
        handle other = member_on(u, r, shard, 2, true);
        restore_session_over(r);
        restore_sessions_over(r);
        restore_free(r);
        expect_handed_on(u, h, other, 2);
        session_end(session_of(u, other));
    }
}

/* It has left the group, whose only member comes later. */
static void its_group_is_found_later(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 1000);
    handle h = member_on(u, r, 0, 1, false);
    struct restore_row gone = through(3, 0, 1, "of a group that is no more");
    gone.share = bytes_str("$share/h/t");
    assert_true(give(r, through(1, 0, 1, "one")) && give(r, gone) && give(r, through(4, 0, 1, "two")));
    restore_session_over(r);
    handle other = member_on(u, r, 1, 2, true);
    restore_session_over(r);
    restore_sessions_over(r);
    restore_free(r);
    expect_handed_on(u, h, other, 1);
    struct shard_stats s;
    shard_stats(u->shard[0], &s);
    assert_int_equal(s.messages_dropped, 1);
}

/* What was on its way from one to another when the broker ended: all members get their share. */
static void what_was_given_finds_a_member(void **state)
{
    struct unit *u = *state;
    struct restore *r = restore_new(u->broker, u->shard, 1000);
    handle m[2];
    for (unsigned i = 0; i < 2; i++) {
        m[i] = member_on(u, r, i, i, true);
        restore_session_over(r);
    }
    restore_sessions_over(r);
    for (uint64_t i = 0; i < 4; i++) {
        struct restore_row d = through(1000 + i, 0, 1 + i % 2, "given");
        uint64_t before = u->store[0].last + u->store[1].last;
        restore_given(r, &d);
        assert_int_equal(u->store[0].last + u->store[1].last, before + 1);
    }
    struct restore_row d = through(2000, 0, 1, "nobody's");
    d.share = bytes_str("$share/h/t");
    restore_given(r, &d);
    restore_free(r);
    turns(u);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(session_of(u, m[i])->deliveries.n, 2);
        expect_waiting(u, m[i], 0, "given", 1 + (uint8_t)i);
        assert_true(u->shard[i]->given * 2 >= 2000); /* its numbers are not given again */
    }
}

static void without_memory_for_groups(void **state)
{
    struct unit *u = *state;
    for (unsigned n = 1; n < 60; n++) {
        struct restore *r = restore_new(u->broker, u->shard, 1000);
        handle h = member_on(u, r, 0, 1, false);
        struct restore_row given = through(9, 0, 1, "given");
        mem_fail_at(n);
        give(r, through(1, 0, 1, "one"));
        restore_session_over(r);
        mem_fail_at(0);
        handle other = member_on(u, r, 0, 2, true);
        restore_session_over(r);
        restore_sessions_over(r);
        mem_fail_at(n);
        restore_given(r, &given);
        mem_fail_at(0);
        restore_free(r);
        session_end(session_of(u, h));
        session_end(session_of(u, other));
    }
}

static void without_memory(void **state)
{
    struct unit *u = *state;
    bool done = false;
    for (unsigned n = 1; !done && n < 100; n++) {
        struct restore *r = restore_new(u->broker, u->shard, 0);
        struct restore_row d = row(1, 0, "x");
        d.shared = true;
        mem_fail_at(n);
        handle h =
            restore_one(r, "a", (struct restore_session){.expiry = 60, .has_will = true, .topic = bytes_str("w")});
        done = h != HANDLE_NONE;
        if (h != HANDLE_NONE) {
            done = restore_filter(r, bytes_str("f"), &(struct sub_options){0}) && done;
            done = restore_filter(r, bytes_str("$share/g/f"), &(struct sub_options){0}) && done;
            done = restore_received(r, 1) && done;
            done = give(r, d) && done;
            restore_session_over(r);
        }
        done = restore_retained(r, bytes_str("r"), bytes_str("p"), bytes_str("x"), 0, MSEC_NEVER) == RESTORED && done;
        mem_fail_at(0);
        restore_free(r);
        if (h != HANDLE_NONE)
            session_end(session_of(u, h));
    }
    assert_true(done);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
    const struct CMUnitTest tests[] = {
        T(a_session_as_it_stood),
        T(one_message_for_many),
        T(an_id_has_one_session),
        T(it_expires_and_its_will_is_published),
        T(retained_messages),
        T(goes_on_to_another_member),
        T(its_group_is_found_later),
        T(what_was_given_finds_a_member),
        T(without_memory_for_groups),
        T(without_memory),
        T(a_session_as_it_stood),
        T(one_message_for_many),
        T(packet_ids_of_a_store_that_forgets),
        T(what_may_go_to_clients),
        T(an_id_has_one_session),
        T(it_expires_and_its_will_is_published),
        T(retained_messages),
        T(without_memory),
    };
    return cmocka_run_group_tests_name("restore", tests, NULL, NULL);
}
