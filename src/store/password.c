/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stored hash is read into its parts by one function, which also bounds what checking it may cost: a users file from
 * elsewhere must not let each login take gigabytes or minutes. Argon2's memory comes from mmap and goes back at once:
 * 19 MiB of malloc'ed memory would stay with the process (glibc keeps freed blocks of that size after the first one).
 */
#include <wolfssl/options.h>

#include "sotto/store/password.h"

#include <argon2.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/sha512.h>

#include "sotto/base/base64.h"
#include "sotto/base/random.h"

#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define SALT_SIZE 16
#define HASH_SIZE 32

#define MEMORY_KIB_MAX (256 * 1024)
#define WORK_KIB_MAX (1024 * 1024) /* memory times passes */
#define LANES_MAX 16
#define ROUNDS_MAX 1000000
#define SHA512_SIZE 64

struct parts {
    enum { ARGON2ID, PBKDF2_SHA512, SHA512_ONCE } kind;
    uint32_t memory, passes, lanes; /* Argon2 */
    uint32_t rounds;                /* PBKDF2 */
    uint8_t salt[128], hash[128];
    uint32_t salt_n, hash_n;
};

/* ----------------------------------------------------------------- reading */

static bool skip(const char **at, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*at, text, n) != 0)
        return false;
    *at += n;
    return true;
}

/* Up to '$' or the string's end, padding or not: Argon2's text has none, mosquitto's has it. */
static bool read_base64(const char **at, uint8_t *out, size_t cap, uint32_t *n)
{
    size_t text = strcspn(*at, "$"), made;
    bool good = base64_read(bytes_of(*at, text), BASE64_UNPADDED, out, cap, &made);
    *n = (uint32_t)made;
    *at += text;
    return good;
}

static bool read_count(const char **at, uint32_t *out)
{
    uint64_t v = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && *at - start < 10; (*at)++)
        v = v * 10 + (uint64_t)(**at - '0');
    *out = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return *at > start;
}

static const char *read_argon2(const char *at, struct parts *p)
{
    p->kind = ARGON2ID;
    bool head = skip(&at, "v=19$m=") && read_count(&at, &p->memory) && skip(&at, ",t=") &&
                read_count(&at, &p->passes) && skip(&at, ",p=") && read_count(&at, &p->lanes) && skip(&at, "$");
    if (!head)
        return "not an Argon2id hash of version 19 ($argon2id$v=19$m=...,t=...,p=...$salt$hash)";
    if (p->lanes < 1 || p->lanes > LANES_MAX || p->passes < 1 || p->memory < 8 * p->lanes ||
        p->memory > MEMORY_KIB_MAX || (uint64_t)p->memory * p->passes > WORK_KIB_MAX)
        return "an Argon2id hash with parameters out of range (at most m=262144, m times t 1048576, p=16)";
    if (!read_base64(&at, p->salt, sizeof p->salt, &p->salt_n) || !skip(&at, "$") ||
        !read_base64(&at, p->hash, sizeof p->hash, &p->hash_n) || *at != '\0' || p->salt_n < 8 || p->hash_n < 16)
        return "an Argon2id hash whose salt or hash is damaged";
    return NULL;
}

static const char *read_mosquitto(const char *at, struct parts *p)
{
    if (p->kind == PBKDF2_SHA512 && (!read_count(&at, &p->rounds) || !skip(&at, "$")))
        return "not a hash of mosquitto's ($7$ROUNDS$salt$hash)";
    if (p->kind == PBKDF2_SHA512 && (p->rounds < 1 || p->rounds > ROUNDS_MAX))
        return "a $7$ hash with its rounds out of range (1 to 1000000)";
    if (!read_base64(&at, p->salt, sizeof p->salt, &p->salt_n) || !skip(&at, "$") ||
        !read_base64(&at, p->hash, sizeof p->hash, &p->hash_n) || *at != '\0' || p->hash_n != SHA512_SIZE)
        return "a hash of mosquitto's ($6$ or $7$) whose salt or hash is damaged";
    return NULL;
}

static const char *read_parts(const char *hash, struct parts *p)
{
    memset(p, 0, sizeof *p);
    if (strlen(hash) >= PASSWORD_HASH_MAX)
        return "longer than any hash";
    if (skip(&hash, "$argon2id$"))
        return read_argon2(hash, p);
    p->kind = hash[0] == '$' && hash[1] == '7' ? PBKDF2_SHA512 : SHA512_ONCE;
    if (skip(&hash, "$7$") || skip(&hash, "$6$"))
        return read_mosquitto(hash, p);
    return "not a password hash; a plain password is never kept here";
}

const char *password_hash_fault(const char *hash)
{
    struct parts p;
    return read_parts(hash, &p);
}

/* --------------------------------------------------------------- computing */

static int map_memory(uint8_t **memory, size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *memory = p != MAP_FAILED ? p : NULL;
    return p != MAP_FAILED ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void unmap_memory(uint8_t *memory, size_t n)
{
    munmap(memory, n);
}

static bool compute_argon2(struct bytes password, const struct parts *p, uint8_t *out)
{
    uint8_t salt[sizeof p->salt];
    memcpy(salt, p->salt, sizeof salt);
    argon2_context c = {
        .out = out,
        .outlen = p->hash_n,
        .pwd = (uint8_t *)(uintptr_t)password.p, /* not written: no flag asks to clear it */
        .pwdlen = (uint32_t)password.n,
        .salt = salt,
        .saltlen = p->salt_n,
        .t_cost = p->passes,
        .m_cost = p->memory,
        .lanes = p->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .allocate_cbk = map_memory,
        .free_cbk = unmap_memory,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    return argon2id_ctx(&c) == ARGON2_OK;
}

static bool compute_sha512(struct bytes password, const struct parts *p, uint8_t *out)
{
    wc_Sha512 sha;
    if (wc_InitSha512(&sha) != 0)
        return false;
    bool good = wc_Sha512Update(&sha, password.p, (word32)password.n) == 0 &&
                wc_Sha512Update(&sha, p->salt, p->salt_n) == 0 && wc_Sha512Final(&sha, out) == 0;
    wc_Sha512Free(&sha);
    return good;
}

static bool compute(struct bytes password, const struct parts *p, uint8_t *out)
{
    static const uint8_t none[1];
    if (password.n > UINT16_MAX) /* more than MQTT carries */
        return false;
    if (password.n == 0)
        password.p = none;
    switch (p->kind) {
    case ARGON2ID:
        return compute_argon2(password, p, out);
    case PBKDF2_SHA512:
        return wc_PBKDF2(out, password.p, (int)password.n, p->salt, (int)p->salt_n, (int)p->rounds, (int)p->hash_n,
                         WC_SHA512) == 0;
    case SHA512_ONCE:
        return compute_sha512(password, p, out);
    }
    return false;
}

bool password_hash(struct bytes password, char out[PASSWORD_HASH_MAX])
{
    struct parts p = {.kind = ARGON2ID, .memory = MEMORY_KIB, .passes = PASSES, .lanes = LANES};
    char salt[32], hash[64];

    p.salt_n = SALT_SIZE;
    p.hash_n = HASH_SIZE;
    random_bytes(p.salt, p.salt_n);
    if (!compute(password, &p, p.hash))
        return false;
    base64_write(p.salt, p.salt_n, BASE64_UNPADDED, salt);
    base64_write(p.hash, p.hash_n, BASE64_UNPADDED, hash);
    snprintf(out, PASSWORD_HASH_MAX, "$argon2id$v=19$m=%u,t=%u,p=%u$%s$%s", MEMORY_KIB, PASSES, LANES, salt, hash);
    bytes_wipe(&p, sizeof p);
    bytes_wipe(hash, sizeof hash);
    return true;
}

bool password_verify(struct bytes password, const char *hash)
{
    struct parts p = {.kind = ARGON2ID, .memory = MEMORY_KIB, .passes = PASSES, .lanes = LANES};
    uint8_t computed[sizeof p.hash];
    bool known = hash != NULL && read_parts(hash, &p) == NULL;

    if (!known) {
        p = (struct parts){.kind = ARGON2ID, .memory = MEMORY_KIB, .passes = PASSES, .lanes = LANES};
        p.salt_n = SALT_SIZE;
        p.hash_n = HASH_SIZE;
    }
    bool same = compute(password, &p, computed) && bytes_equal_secret(computed, p.hash, p.hash_n);
    bytes_wipe(computed, sizeof computed);
    bytes_wipe(&p, sizeof p);
    return known && same;
}
