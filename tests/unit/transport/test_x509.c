/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of certificates beside openssl's, on certificates that openssl made. */
#include "folder.h"

#include <time.h>

#include "sotto/transport/x509.h"

static void load(struct x509_pool *p, const struct folder *f, const char *name, int n)
{
    int found = x509_pool_add_file(p, in(f, name), err, sizeof(err));
    if (found != n)
        fail_msg("%s: %d certificates, %s", name, found, err);
}

/* The first line that a command prints. */
static char *first_line(const struct folder *f, const char *command)
{
    static char lines[4][2048];
    static unsigned next;
    char *line = lines[next++ % 4], text[1024];
    snprintf(text, sizeof(text), "cd '%s' && %s", f->path, command);
    FILE *pipe = popen(text, "r");
    if (pipe == NULL || fgets(line, sizeof(lines[0]), pipe) == NULL)
        fail_msg("nothing from %s", command);
    pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void fields_are_read(void **state)
{
    struct folder *f = *state;
    struct x509_pool p = {0};
    char text[512];
    assert_true(
        shell(f,
              "openssl req -x509 -newkey rsa:3072 -nodes -keyout k -out c -days 20 -set_serial 0x1234567890 "
              "-subj '/C=DE/O=An \\\\ org/CN=first.example/CN=last.example' "
              "-addext subjectAltName=DNS:a.example,DNS:*.b.example,IP:10.1.2.3,IP:fd00::7,email:me@x.example,"
              "URI:urn:x:1 -addext extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.8 -addext keyUsage=digitalSignature,"
              "keyCertSign -addext basicConstraints=critical,CA:TRUE,pathlen:2"));
    load(&p, f, "c", 1);
    const struct x509 *c = &p.v[0];
    x509_name_text(c->subject, text, sizeof(text));
    assert_string_equal(text, "C=DE, O=An \\x5c org, CN=first.example, CN=last.example");
    x509_short_name(c->subject, text, sizeof(text));
    assert_string_equal(text, "last.example");
    x509_hex(c->serial, ':', text, sizeof(text));
    assert_string_equal(text, "12:34:56:78:90");
    assert_int_equal(c->key.type, X509_KEY_RSA);
    assert_int_equal(c->key.bits, 3072);
    assert_int_equal(c->path, 2);
    assert_true(c->ca);
    assert_int_equal(c->usage, X509_DIGITAL_SIGNATURE | X509_KEY_CERT_SIGN);
    assert_int_equal(c->purposes, X509_SERVER_AUTH | X509_OTHER_PURPOSE);
    assert_in_range(c->until - c->from, 20 * 86400 - 1, 20 * 86400 + 1);
    assert_in_range(time(NULL) - c->from, 0, 100);
    assert_string_equal(x509_signature_name(c->signature_oid, text, sizeof(text)), "SHA-256 with RSA");
    static const char *const names[] = {"a.example", "*.b.example", "10.1.2.3", "fd00::7", "me@x.example", "urn:x:1"};
    struct rd r = rd_of(c->names);
    struct x509_name n;
    for (size_t i = 0; i < 6; i++) {
        assert_true(x509_name_next(&r, &n));
        assert_string_equal(n.text, names[i]);
    }
    assert_false(x509_name_next(&r, &n));
    assert_false(r.bad);
    x509_pool_fini(&p);
}

static void hosts_are_matched(void **state)
{
    struct folder *f = *state;
    struct x509_pool p = {0};
    assert_true(
        shell(f,
              "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout k -out c "
              "-subj /CN=cn.example -addext subjectAltName=DNS:a.example,DNS:*.b.example,IP:10.1.2.3,IP:fd00::7,"
              "DNS:10.9.9.9"));
    assert_true(shell(f, "openssl req -x509 -newkey ed25519 -nodes -keyout k -out d -subj /CN=cn.example"));
    load(&p, f, "c", 1);
    load(&p, f, "d", 1);
    static const char *const yes[] = {"a.example", "A.EXAMPLE", "x.b.example", "10.1.2.3", "fd00::7", "fd00:0::7"};
    static const char *const no[] = {"b.example", "x.y.b.example", ".b.example", "cn.example",
                                     "10.1.2.4",  "10.9.9.9",      "fd00::8",    "a.example."};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_int_equal(x509_is_for(&p.v[0], yes[i]), X509_MATCH);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_int_equal(x509_is_for(&p.v[0], no[i]), X509_NO_MATCH);
    assert_true(x509_has_dns_name(&p.v[0], "10.9.9.9"));
    assert_false(x509_has_dns_name(&p.v[0], "10.1.2.3"));
    assert_int_equal(x509_is_for(&p.v[1], "cn.example"), X509_MATCH_COMMON_NAME_ONLY);
    assert_int_equal(x509_is_for(&p.v[1], "other.example"), X509_NO_MATCH);
    assert_string_equal(p.v[0].key.name, "ECDSA P-384");
    assert_int_equal(p.v[1].key.type, X509_KEY_ED25519);
    x509_pool_fini(&p);
}

/* A root, an intermediate CA, a leaf. */
static void make_chain(const struct folder *f)
{
    assert_true(shell(
        f,
        "set -e; openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root -days 90 -subj /CN=root;"
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout mid.key -out mid.csr -subj /CN=mid;"
        "echo basicConstraints=CA:TRUE > ext; openssl x509 -req -in mid.csr -CA root -CAkey root.key -set_serial 2 "
        "-days 80 -extfile ext -out mid;"
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf;"
        "openssl x509 -req -in leaf.csr -CA mid -CAkey mid.key -set_serial 3 -days 70 -sha384 -out leaf;"
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out impostor -days 90 -subj /CN=root"));
}

static void chains_are_found(void **state)
{
    struct folder *f = *state;
    struct x509_pool leaf = {0}, mid = {0}, root = {0}, impostor = {0};
    struct x509_chain chain;
    make_chain(f);
    load(&leaf, f, "leaf", 1);
    load(&mid, f, "mid", 1);
    load(&root, f, "root", 1);
    load(&impostor, f, "impostor", 1);
    assert_true(x509_is_issued_by(&leaf.v[0], &mid.v[0]));
    assert_true(x509_is_issued_by(&mid.v[0], &root.v[0]));
    assert_false(x509_is_issued_by(&mid.v[0], &impostor.v[0]));
    assert_false(x509_is_issued_by(&leaf.v[0], &root.v[0]));
    assert_true(x509_is_self_signed(&root.v[0]));
    assert_false(x509_is_self_signed(&mid.v[0]));

    x509_chain_find(&chain, &leaf.v[0], &mid, &root);
    assert_true(chain.trusted);
    assert_int_equal(chain.n, 3);
    x509_chain_find(&chain, &leaf.v[0], &mid, &impostor);
    assert_false(chain.trusted);
    assert_int_equal(chain.n, 2);
    x509_chain_find(&chain, &leaf.v[0], NULL, &root);
    assert_false(chain.trusted);
    assert_int_equal(chain.n, 1);
    /* The intermediate one can be what is trusted. */
    x509_chain_find(&chain, &leaf.v[0], NULL, &mid);
    assert_true(chain.trusted);
    assert_int_equal(chain.n, 2);
    /* Several in one file, with a key and text between them; and none at all. */
    assert_true(shell(f, "(openssl x509 -in leaf -text; cat leaf.key; cat mid root) > all; echo nothing > none"));
    struct x509_pool all = {0};
    load(&all, f, "all", 3);
    load(&all, f, "none", 0);
    assert_int_equal(x509_pool_add_file(&all, in(f, "missing"), err, sizeof(err)), -1);
    assert_true(shell(f, "openssl x509 -in mid -outform DER -out mid.der"));
    load(&all, f, "mid.der", 1);
    x509_pool_fini(&all);
    x509_pool_fini(&leaf);
    x509_pool_fini(&mid);
    x509_pool_fini(&root);
    x509_pool_fini(&impostor);
}

/* Any bit that is changed is an unreadable certificate, or one that its CA did not sign. */
static void signatures_break(void **state)
{
    struct folder *f = *state;
    struct x509_pool mid = {0}, root = {0};
    make_chain(f);
    load(&mid, f, "mid", 1);
    load(&root, f, "root", 1);
    struct bytes good = mid.v[0].whole;
    uint8_t *copy = mem_alloc(good.n);
    for (size_t i = 0; i < good.n; i++) {
        struct x509 c;
        memcpy(copy, good.p, good.n);
        copy[i] ^= 4;
        /* The algorithm's parameters, an empty element, are nothing that anybody looks at. */
        const uint8_t *parameters = mid.v[0].signature_oid.p + mid.v[0].signature_oid.n;
        bool empty = good.p + i >= parameters && good.p + i < parameters + 2;
        if (!empty && x509_read(&c, bytes_of(copy, good.n)) &&
            x509_is_signed(c.body, c.signature_oid, c.signature, &root.v[0].key) == X509_SIGNED)
            fail_msg("byte %zu of %zu", i, good.n);
    }
    for (size_t n = 0; n < good.n; n++) {
        struct x509 c;
        uint8_t *cut = mem_alloc(n);
        memcpy(cut, good.p, n);
        assert_false(x509_read(&c, bytes_of(cut, n)));
        mem_free(cut);
    }
    mem_free(copy);
    x509_pool_fini(&mid);
    x509_pool_fini(&root);
}

static void fingerprints_are_openssl_s(void **state)
{
    struct folder *f = *state;
    struct x509_pool p = {0};
    uint8_t digest[X509_SHA256];
    char text[200], expected[200];
    made(f->path, NULL, false, false);
    load(&p, f, "server.crt", 1);
    load(&p, f, "server-ec.crt", 1);
    assert_true(x509_sha256(p.v[0].whole, digest));
    x509_hex(bytes_of(digest, X509_SHA256), ':', text, sizeof(text));
    assert_string_equal(strchr(first_line(f, "openssl x509 -in server.crt -noout -fingerprint -sha256"), '=') + 1,
                        text);
    assert_true(x509_sha1(p.v[0].whole, digest));
    x509_hex(bytes_of(digest, X509_SHA1), ':', text, sizeof(text));
    assert_string_equal(strchr(first_line(f, "openssl x509 -in server.crt -noout -fingerprint -sha1"), '=') + 1, text);

    /* Tasmota's: the modulus by openssl, the parts put together by hand. */
    const char *modulus = strchr(first_line(f, "openssl x509 -in server.crt -noout -modulus"), '=') + 1;
    for (int old = 0; old < 2; old++) {
        FILE *file = fopen(in(f, "parts"), "wb");
        if (old)
            fwrite("ssh-rsa\1\0\1", 1, 10, file);
        else
            fwrite("\0\0\0\7ssh-rsa\0\0\0\3\1\0\1\0\0\1\0", 1, 22, file);
        for (size_t i = 0; i < 256; i++) {
            unsigned byte;
            assert_int_equal(sscanf(modulus + 2 * i, "%2x", &byte), 1);
            fputc((int)byte, file);
        }
        fclose(file);
        snprintf(expected, sizeof(expected), "%s", first_line(f, "openssl dgst -sha1 -r parts | tr a-f A-F"));
        assert_true(x509_tasmota(&p.v[0].key, old, digest));
        x509_hex(bytes_of(digest, X509_SHA1), '\0', text, sizeof(text));
        assert_memory_equal(text, expected, 40);
    }
    assert_false(x509_tasmota(&p.v[1].key, false, digest));
    x509_pool_fini(&p);
}

/* Names that somebody else chose do not drive a terminal. */
static void text_is_safe(void **state)
{
    struct folder *f = *state;
    struct x509_pool p = {0};
    char text[300], small[8];
    assert_true(shell(f,
                      "openssl req -x509 -newkey rsa:2048 -nodes -utf8 -keyout k -out c "
                      "-subj \"$(printf '/CN=\\033[2Jx\\302\\205y\\303\\251')\""));
    load(&p, f, "c", 1);
    x509_short_name(p.v[0].subject, text, sizeof(text));
    assert_string_equal(text, "\\x1b[2Jx\\xc2\\x85y\303\251");
    x509_name_text(p.v[0].subject, small, sizeof(small));
    assert_true(strlen(small) < sizeof(small));
    x509_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(fields_are_read),  IN_FOLDER(hosts_are_matched),          IN_FOLDER(chains_are_found),
        IN_FOLDER(signatures_break), IN_FOLDER(fingerprints_are_openssl_s), IN_FOLDER(text_is_safe),
    };
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no openssl\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_wolfssl, stop_wolfssl);
}
