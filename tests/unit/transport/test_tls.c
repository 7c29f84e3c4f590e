/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS as a filter: handshakes in every split, big data, back-pressure, moving between loops, ends at every stage. */
#include "harness.h"

#include <sys/socket.h>

#define BIG ((size_t)10 * 1024 * 1024)

static struct loop_rig a, b;

static int open_rigs(void **state)
{
    (void)state;
    rig_init(&a);
    rig_init(&b);
    return 0;
}

static int close_rigs(void **state)
{
    (void)state;
    rig_fini(&a);
    rig_fini(&b);
    return 0;
}

static WOLFSSL_METHOD *method(enum tls_version v)
{
    return v == TLS_1_3 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method();
}

static void connect_both(struct side *s, struct peer *p, enum tls_version v, bool ec, bool tcp)
{
    int fd = side_open(s, &a, context(ec, TLS_1_2, TLS_1_3, NULL), tcp);
    peer_open(p, fd, method(v), NULL, cert_path("ca.crt"));
    shake(s, p);
    if (s->ended)
        fail_msg("%s", s->why);
    assert_int_equal(s->established, 1);
    assert_true(p->connected);
}

static void done(struct side *s, struct peer *p)
{
    peer_close(p);
    side_close(s);
}

static void talk(struct side *s, struct peer *p)
{
    peer_write(p, "hello", 5);
    for (int i = 0; i < 20 && s->in.n < 5; i++) {
        peer_step(p, 0);
        rig_turns(s->rig, 1);
    }
    assert_int_equal(s->in.n, 5);
    assert_memory_equal(s->in.p, "hello", 5);
    side_queue(s, "good", 4);
    side_queue(s, "bye", 3);
    assert_int_equal(side_flush(s), 1);
    peer_step(p, 100);
    assert_int_equal(p->in.n, 7);
    assert_memory_equal(p->in.p, "goodbye", 7);
}

static void each_version_and_key(void **state)
{
    (void)state;
    for (int v = TLS_1_2; v <= TLS_1_3; v++) {
        for (int ec = 0; ec < 2; ec++) {
            struct side s;
            struct peer p;
            connect_both(&s, &p, (enum tls_version)v, ec, false);
            talk(&s, &p);
            char words[100];
            transport_describe(s.t, words, sizeof(words));
            assert_memory_equal(words, v == TLS_1_3 ? "TLSv1.3 " : "TLSv1.2 ", 8);
            side_close(&s);
            /* Said with close_notify. */
            peer_step(&p, 10);
            assert_true(p.ended);
            assert_int_equal(p.error, WOLFSSL_ERROR_ZERO_RETURN);
            peer_close(&p);
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    for (int v = TLS_1_2; v <= TLS_1_3; v++) {
        struct side s;
        struct peer p;
        int fd = side_open(&s, &a, context(false, TLS_1_2, TLS_1_3, NULL), false);
        peer_open(&p, fd, method((enum tls_version)v), NULL, cert_path("ca.crt"));
        p.chunk = 1;
        shake(&s, &p);
        assert_int_equal(s.established, 1);
        for (int i = 0; i < 100 && s.in.n < 5; i++) {
            if (i == 0)
                peer_write(&p, "hello", 5);
            peer_step(&p, 0);
            rig_turns(&a, 1);
        }
        assert_int_equal(s.in.n, 5);
        done(&s, &p);
    }
}

/* Everything the client has, in one read: hello ... finished and the first packets. */
static void early_data_behind_the_handshake(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    int fd = side_open(&s, &a, context(true, TLS_1_2, TLS_1_3, NULL), false);
    peer_open(&p, fd, method(TLS_1_3), NULL, cert_path("ca.crt"));
    for (int i = 0; i < 100 && !p.connected; i++) {
        if (s.established == 0)
            rig_turns(&a, 1);
        int rc = wolfSSL_connect(p.ssl);
        p.connected = rc == WOLFSSL_SUCCESS;
        if (!p.connected && p.tx.n > 0)
            peer_step(&p, 0);
    }
    assert_true(p.connected);
    peer_write(&p, "now", 3);
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.established, 1);
    assert_int_equal(s.in.n, 3);
    done(&s, &p);
}

/* 10 MB each way at once; the peer reads a little now and then. */
static void big_data_both_ways(void **state)
{
    enum tls_version v = *state != NULL ? TLS_1_3 : TLS_1_2;
    struct side s;
    struct peer p;
    connect_both(&s, &p, v, true, true);
    uint8_t *data = mem_alloc(BIG);
    fill(data, BIG, 0);
    side_queue(&s, data, BIG);
    assert_int_equal(side_flush(&s), 0);
    size_t sent = 0;
    for (unsigned i = 0; (p.in.n < BIG || s.in.n < BIG) && i < 100000; i++) {
        if (p.tx.n == 0 && sent < BIG) {
            size_t n = BIG - sent < 100000 ? BIG - sent : 100000;
            peer_write(&p, data + sent, n);
            sent += n;
        }
        peer_step(&p, i % 3 == 0 ? 80000 : 700);
        rig_turns(&a, 1);
        assert_true(transport_unsent(s.t) <= 160 * 1024);
    }
    assert_int_equal(p.in.n, BIG);
    assert_int_equal(s.in.n, BIG);
    assert_true(is_filled(p.in.p, BIG, 0));
    assert_true(is_filled(s.in.p, BIG, 0));
    assert_true(s.drained > 0);
    mem_free(data);
    done(&s, &p);
}

/* A peer that never reads: what is encrypted for it stays bounded, the rest stays where it is. */
static void a_deaf_peer_costs_little(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    uint8_t *data = mem_alloc(BIG);
    side_queue(&s, data, BIG);
    assert_int_equal(side_flush(&s), 0);
    for (int i = 0; i < 50; i++) {
        rig_turns(&a, 1);
        assert_int_equal(side_flush(&s), 0);
        assert_true(transport_unsent(s.t) <= 160 * 1024);
    }
    assert_true(s.out.bytes > BIG / 2);
    assert_false(transport_can_leave(s.t));
    mem_free(data);
    done(&s, &p);
}

/* Many small packets become few records. */
static void small_packets_share_a_record(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    struct blob *blob = blob_new(100);
    memset(blob->p, 'x', 100);
    for (int i = 0; i < 100; i++) {
        side_queue(&s, "0123456789", 10);
        assert_true(outq_append_blob(&s.out, &a.pool, blob, 0, 100));
    }
    blob_unref(blob);
    assert_int_equal(side_flush(&s), 1);
    uint8_t wire[20000];
    ssize_t n = recv(p.fd, wire, sizeof(wire), MSG_PEEK);
    assert_in_range(n, 11000, 11000 + 5 * 40);
    peer_step(&p, 20000);
    assert_int_equal(p.in.n, 11000);
    done(&s, &p);
}

/* Without room the ciphertext is kept, the socket is not read, and nothing is lost. */
static void room_comes_and_goes(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    uint8_t data[50000];
    fill(data, sizeof(data), 0);
    s.budget = 1;
    for (size_t at = 0; at < sizeof(data); at += 500)
        peer_write(&p, data + at, 500);
    for (int i = 0; i < 200 && s.in.n < sizeof(data); i++) {
        peer_step(&p, 0);
        rig_turns(&a, 1);
        if (i == 20)
            assert_int_equal(s.in.n, 1);
        if (i >= 20)
            s.budget = 777;
    }
    assert_int_equal(s.in.n, sizeof(data));
    assert_true(is_filled(s.in.p, sizeof(data), 0));
    done(&s, &p);
}

static void stop_in(struct side *s)
{
    transport_stop(s->t);
}

static void stopping_inside_an_event(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_2, true, false);
    s.on_data = stop_in;
    for (int i = 0; i < 10; i++)
        peer_write(&p, "abc", 3);
    peer_step(&p, 0);
    for (size_t n = 3; n <= 30; n += 3) {
        rig_turns(&a, 3);
        assert_int_equal(s.in.n, n);
        transport_start(s.t);
    }
    s.on_data = NULL;
    peer_write(&p, "end", 3);
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 33);
    done(&s, &p);
}

static void close_in(struct side *s)
{
    transport_close(s->t);
}

static void closing_inside_an_event(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    s.on_data = close_in;
    for (int i = 0; i < 10; i++)
        peer_write(&p, "abc", 3);
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 3);
    assert_int_equal(s.closed, 1);
    done(&s, &p);
}

static void move(struct side *s)
{
    struct loop_rig *old = s->rig;
    for (int i = 0; i < 100 && !transport_can_leave(s->t); i++)
        rig_turns(old, 1);
    assert_int_equal(transport_leave(s->t), 0);
    memset(old->read_buf, 0xee, sizeof(old->read_buf));
    rig_turns(old, 2);
    s->rig = old == &a ? &b : &a;
    assert_int_equal(transport_arrive(s->t, &s->rig->shared), 0);
    transport_start(s->t);
}

/* Back and forth between two loops, with ciphertext kept inside and more on the way, answering all the time. */
static void tls_moves_between_loops(void **state)
{
    enum tls_version v = *state != NULL ? TLS_1_3 : TLS_1_2;
    struct side s;
    struct peer p;
    connect_both(&s, &p, v, true, true);
    uint8_t part[3000];
    size_t sent = 0, answered = 0;
    for (unsigned i = 0; i < 60; i++) {
        s.budget = i % 4 * 1000;
        fill(part, sizeof(part), sent);
        peer_write(&p, part, sizeof(part));
        sent += sizeof(part);
        p.chunk = i % 2 ? 1500 : SIZE_MAX;
        peer_step(&p, 100000);
        rig_turns(s.rig, i % 3);
        move(&s);
        fill(part, 100, answered);
        side_queue(&s, part, 100);
        answered += 100;
        side_flush(&s);
    }
    s.budget = SIZE_MAX;
    for (int i = 0; i < 500 && (s.in.n < sent || p.in.n < answered); i++) {
        peer_step(&p, 100000);
        rig_turns(s.rig, 1);
    }
    assert_int_equal(s.in.n, sent);
    assert_true(is_filled(s.in.p, sent, 0));
    assert_int_equal(p.in.n, answered);
    assert_true(is_filled(p.in.p, answered, 0));
    done(&s, &p);
}

static void leave_in(struct side *s)
{
    assert_int_equal(transport_leave(s->t), 0);
}

/* The usual way: the first packet is in the same read as others, and its event gives the connection away. */
static void tls_leaves_inside_an_event(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    s.on_data = leave_in;
    for (int i = 0; i < 10; i++)
        peer_write(&p, "abc", 3);
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 3);
    memset(a.read_buf, 0xee, sizeof(a.read_buf));
    s.on_data = NULL;
    s.rig = &b;
    assert_int_equal(transport_arrive(s.t, &b.shared), 0);
    transport_start(s.t);
    rig_turns(&b, 3);
    assert_int_equal(s.in.n, 30);
    for (size_t i = 0; i < 10; i++)
        assert_memory_equal(s.in.p + 3 * i, "abc", 3);
    done(&s, &p);
}

/* Also in the middle of a handshake. */
static void tls_moves_during_the_handshake(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    int fd = side_open(&s, &a, context(false, TLS_1_2, TLS_1_3, NULL), false);
    peer_open(&p, fd, method(TLS_1_2), NULL, cert_path("ca.crt"));
    p.chunk = 60;
    for (int i = 0; i < 200 && !(s.established && p.connected); i++) {
        peer_step(&p, 0);
        rig_turns(s.rig, 1 + i % 3); /* also while it waits for its turn */
        move(&s);
    }
    p.chunk = SIZE_MAX;
    peer_step(&p, 0);
    talk(&s, &p);
    done(&s, &p);
}

/* What is sent too early isn't lost: drained comes with the handshake's end. */
static void sending_before_the_handshake_is_done(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    int fd = side_open(&s, &a, context(false, TLS_1_2, TLS_1_3, NULL), false);
    side_queue(&s, "early", 5);
    assert_int_equal(side_flush(&s), 0);
    peer_open(&p, fd, method(TLS_1_3), NULL, cert_path("ca.crt"));
    shake(&s, &p);
    peer_step(&p, 100);
    assert_int_equal(s.drained, 1);
    assert_int_equal(p.in.n, 5);
    done(&s, &p);
}

/* The hello in records of so many bytes, and each record in a read of its own or all in one. */
static void a_hello_in_several_records(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct side s;
        struct peer p;
        struct buf cut;
        size_t part = i & 1 ? 7 : 100;
        int fd = side_open(&s, &a, context(i & 2, TLS_1_2, TLS_1_3, NULL), false);
        peer_open(&p, fd, method(i & 4 ? TLS_1_3 : TLS_1_2), NULL, cert_path("ca.crt"));
        p.chunk = 0;
        peer_step(&p, 0);
        buf_init(&cut, 65536);
        for (size_t at = 5; at < p.tx.n; at += part) {
            size_t n = p.tx.n - at < part ? p.tx.n - at : part;
            assert_true(buf_append(&cut, (uint8_t[]){22, 3, 1, 0, (uint8_t)n}, 5));
            assert_true(buf_append(&cut, p.tx.p + at, n));
        }
        buf_fini(&p.tx);
        p.tx = cut;
        p.chunk = i & 2 ? 5 + part : SIZE_MAX;
        for (unsigned step = 0; p.tx.n > 0; step++) {
            assert_true(step < 200);
            peer_step(&p, 0);
            rig_turns(&a, 1);
        }
        p.chunk = SIZE_MAX;
        shake(&s, &p);
        if (s.ended)
            fail_msg("%u: %s", i, s.why);
        assert_true(p.connected);
        talk(&s, &p);
        done(&s, &p);
    }
}

/* The peer goes away after each number of bytes of its first flight, and after the second. */
static void the_peer_goes_at_every_stage(void **state)
{
    (void)state;
    for (unsigned stop = 0; stop < 600; stop += stop < 20 ? 1 : 37) {
        struct side s;
        struct peer p;
        int fd = side_open(&s, &a, context(false, TLS_1_2, TLS_1_3, NULL), false);
        peer_open(&p, fd, method(stop % 2 ? TLS_1_3 : TLS_1_2), NULL, cert_path("ca.crt"));
        p.chunk = 1;
        for (unsigned i = 0; i < stop; i++) {
            peer_step(&p, 0);
            rig_turns(&a, 1);
        }
        bool was_established = s.established > 0;
        close(p.fd);
        p.fd = -1;
        rig_turns(&a, 4);
        assert_int_equal(s.ended, 1);
        assert_true(s.during_handshake); /* or just behind it */
        assert_false(s.clean_end);
        if (was_established)
            assert_non_null(
                strstr(s.why, "the client closed the connection after the TLS handshake, before its CONNECT"));
        if (stop == 0)
            assert_string_equal(s.why, "the client closed the connection before it sent anything");
        done(&s, &p);
    }
}

static void a_clean_end_has_no_reason(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_2, true, false);
    peer_write(&p, "last", 4);
    wolfSSL_shutdown(p.ssl);
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 4);
    assert_int_equal(s.ended, 1);
    assert_true(s.clean_end);
    done(&s, &p);
}

static void a_forged_record_ends_it(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    peer_write(&p, "hello", 5);
    p.tx.p[p.tx.n - 1] ^= 1;
    peer_step(&p, 0);
    rig_turns(&a, 3);
    assert_int_equal(s.in.n, 0);
    assert_int_equal(s.ended, 1);
    assert_true(s.during_handshake); /* nothing good came after it */
    assert_string_equal(s.why, "a TLS record was damaged on its way, or forged");
    assert_int_equal(transport_send(s.t, &s.out), -1);
    done(&s, &p);
}

/* All sizes of record and of room around the limits. */
static void sizes_around_a_record(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 16383, 16384, 16385, 4055, 4056, 4057, 32768, 65535, 65536, 65537};
    struct side s;
    struct peer p;
    connect_both(&s, &p, TLS_1_3, true, false);
    uint8_t *data = mem_alloc(70000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(data, sizes[i], i);
        side_queue(&s, data, sizes[i]);
        peer_write(&p, data, sizes[i]);
        s.room_cap = i % 2 ? 16384 : 1000;
        side_flush(&s);
        for (int n = 0; n < 500 && (s.in.n < sizes[i] || p.in.n < sizes[i]); n++) {
            peer_step(&p, 100000);
            rig_turns(&a, 1);
        }
        assert_int_equal(s.in.n, sizes[i]);
        assert_int_equal(p.in.n, sizes[i]);
        assert_true(is_filled(s.in.p, sizes[i], i));
        assert_true(is_filled(p.in.p, sizes[i], i));
        buf_consume(&s.in, sizes[i]);
        buf_consume(&p.in, sizes[i]);
    }
    mem_free(data);
    done(&s, &p);
}

/* A storm of hellos: a turn takes some, at least one, and the next ones take the others. */
static void handshakes_share_a_turn(void **state)
{
    (void)state;
    enum { CLIENTS = 60 };
    static struct side s[CLIENTS];
    static struct peer p[CLIENTS];
    struct tls_context *c = context(false, TLS_1_2, TLS_1_3, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = side_open(&s[i], &a, tls_context_ref(c), false);
        peer_open(&p[i], fd, method(TLS_1_3), NULL, NULL);
        peer_step(&p[i], 0);
    }
    unsigned answered = 0, turns = 0;
    rig_turns(&a, 1); /* they are queued */
    while (answered < CLIENTS && turns < CLIENTS) {
        unsigned before = answered;
        rig_turns(&a, 1);
        turns++;
        answered = 0;
        for (int i = 0; i < CLIENTS; i++) {
            uint8_t byte;
            answered += recv(p[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
        }
        assert_true(answered > before);
    }
    assert_int_equal(answered, CLIENTS);
    assert_true(turns > 1);
    for (int i = 0; i < CLIENTS; i++)
        done(&s[i], &p[i]);
    tls_context_unref(c);
}

/* While it waits for its turn, its peer's bytes stay in the socket; who leaves meanwhile isn't answered. */
static void who_has_left_is_not_answered(void **state)
{
    (void)state;
    enum { CLIENTS = 30 };
    static struct side s[CLIENTS];
    static struct peer p[CLIENTS];
    struct tls_context *c = context(false, TLS_1_2, TLS_1_3, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = side_open(&s[i], &a, tls_context_ref(c), false);
        peer_open(&p[i], fd, method(TLS_1_3), NULL, NULL);
        peer_step(&p[i], 0);
    }
    rig_turns(&a, 1);
    for (int i = 0; i < CLIENTS; i += 2)
        shutdown(p[i].fd, SHUT_WR);
    usleep(20000);
    rig_turns(&a, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        uint8_t byte;
        assert_int_equal(recv(p[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), i % 2 == 0 ? -1 : 1);
        assert_int_equal(s[i].ended, i % 2 == 0);
        if (i % 2 == 0)
            assert_string_equal(s[i].why, "the client closed the connection before its TLS hello was answered");
        done(&s[i], &p[i]);
    }
    tls_context_unref(c);
}

/* For this the time-out of a connection is put off. */
static void waiting_for_a_turn_is_told(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    int fd = side_open(&s, &a, context(false, TLS_1_2, TLS_1_3, NULL), false);
    peer_open(&p, fd, method(TLS_1_3), NULL, NULL);
    peer_step(&p, 0);
    rig_turns(&a, 1);
    assert_int_equal(transport_waited(s.t), 0);
    for (int i = 0; i < 2; i++) {
        usleep(20000);
        uv_update_time(&a.uv);
        uint64_t waited = transport_waited(s.t);
        assert_true(waited >= 19 && waited < 2000);
        assert_int_equal(transport_waited(s.t), 0);
    }
    usleep(20000);
    rig_turns(&a, 1);
    assert_true(transport_waited(s.t) >= 19);
    usleep(20000);
    rig_turns(&a, 1);
    assert_int_equal(transport_waited(s.t), 0);
    done(&s, &p);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
    (void)state;
    struct side s;
    struct peer p;
    struct tls_context *c = context(true, TLS_1_2, TLS_1_3, NULL);
    size_t before = mem_in_use();
    int fd = side_open(&s, &a, tls_context_ref(c), false);
    peer_open(&p, fd, method(TLS_1_3), NULL, cert_path("ca.crt"));
    shake(&s, &p);
    talk(&s, &p);
    buf_consume(&s.in, s.in.n);
    buf_consume(&p.in, p.in.n);
    size_t pooled = pool_kept(&a.pool);
    /* Ours without wolfSSL's own object: transport, handle, filter; what the client offered is forgotten. */
    assert_in_range(mem_in_use() - before - pooled, 300, 1000);
    done(&s, &p);
    tls_context_unref(c);
}

#define WITH_RIGS(f) cmocka_unit_test_setup_teardown(f, open_rigs, close_rigs)
#define WITH_RIGS_13(f)                                                                                                \
    {                                                                                                                  \
#f " 1.3", f, open_rigs, close_rigs, (void *)"1.3"                                                             \
    }

static int start(void **state)
{
    (void)state;
    return tls_init();
}

static int stop(void **state)
{
    int rc = certs_remove(state);
    tls_fini();
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIGS(each_version_and_key),
        WITH_RIGS(byte_by_byte),
        WITH_RIGS(a_hello_in_several_records),
        WITH_RIGS(early_data_behind_the_handshake),
        WITH_RIGS(big_data_both_ways),
        WITH_RIGS_13(big_data_both_ways),
        WITH_RIGS(a_deaf_peer_costs_little),
        WITH_RIGS(small_packets_share_a_record),
        WITH_RIGS(room_comes_and_goes),
        WITH_RIGS(stopping_inside_an_event),
        WITH_RIGS(closing_inside_an_event),
        WITH_RIGS(tls_moves_between_loops),
        WITH_RIGS_13(tls_moves_between_loops),
        WITH_RIGS(tls_leaves_inside_an_event),
        WITH_RIGS(tls_moves_during_the_handshake),
        WITH_RIGS(sending_before_the_handshake_is_done),
        WITH_RIGS(the_peer_goes_at_every_stage),
        WITH_RIGS(a_clean_end_has_no_reason),
        WITH_RIGS(a_forged_record_ends_it),
        WITH_RIGS(sizes_around_a_record),
        WITH_RIGS(handshakes_share_a_turn),
        WITH_RIGS(who_has_left_is_not_answered),
        WITH_RIGS(waiting_for_a_turn_is_told),
        WITH_RIGS(an_idle_connection_holds_no_buffer),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
