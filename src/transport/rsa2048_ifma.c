/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RSA with the Chinese remainder theorem: two powers modulo primes of 1,024 bits, and one step that puts the results
 * together. A power is some 1,260 Montgomery products. The IFMA instructions multiply eight pairs of 52-bit numbers at
 * a time and add the low or the high halves of the products to eight sums of 64 bits.
 *
 * Numbers modulo p and modulo q go through all this side by side. A `pair` holds both, in radix 2^52: 20 digits each,
 * in five registers, of which lanes 0 to 3 belong to p and lanes 4 to 7 to q. R = 2^1040 has 16 bits more than the
 * primes, so that no product needs a subtraction: it is below p + a * b / R, hence below 2p for all factors below
 * 2^1031. Only the end reduces in full.
 *
 * Nothing here branches on a secret or addresses memory by one: the table of powers is read whole for each window.
 */
#include "rsa2048_private.h"

#include <immintrin.h>
#include <string.h>

#include "sotto/base/bytes.h"

enum { REGISTERS = 5, DIGITS = 20, WORDS = 16, WINDOW = 5, TABLE = 1 << WINDOW };
#define DIGIT_MASK ((UINT64_C(1) << 52) - 1)
#define LANE_0 0x11 /* of p and of q */

__extension__ typedef unsigned __int128 wide;

struct pair {
    __m512i v[REGISTERS];
};

struct modulus {
    struct pair m;
    struct pair above; /* m without its digit 0, everything one digit lower */
    __m512i k;         /* lane 0: -1/m modulo 2^52 */
};

/* All that is secret, wiped at once. */
struct work {
    struct pair table[TABLE];
    struct modulus m;
    struct pair base, square, one, power, a, b;
    /* Words, the least significant first. */
    uint64_t p[WORDS], q[WORDS], qinv[WORDS], m1[WORDS], m2[WORDS], h[WORDS];
    uint64_t in[2 * WORDS], out[2 * WORDS];
    uint64_t exponent[2][WORDS + 1]; /* and a word of zero */
};

bool rsa2048_able(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("bmi2");
}

/* Each half one digit down; `next` brings the highest. */
static inline __m512i shift_down(__m512i x, __m512i next)
{
    return _mm512_permutex2var_epi64(x, _mm512_setr_epi64(1, 2, 3, 8, 5, 6, 7, 12), next);
}

/* Each half one digit up; `before` brings the lowest. */
static inline __m512i shift_up(__m512i x, __m512i before)
{
    return _mm512_permutex2var_epi64(x, _mm512_setr_epi64(11, 0, 1, 2, 15, 4, 5, 6), before);
}

/* Which digits get a carry, when those in `full` are too large by one bit and those in `ones` would be with one more:
 * an addition finds out, as it does in a row of bits. A byte has four digits of p and four of q; for either, the
 * other's are made to pass on what comes. */
static inline uint64_t ripple(uint64_t full, uint64_t ones)
{
    const uint64_t of_p = UINT64_C(0x0f0f0f0f0f), of_q = UINT64_C(0xf0f0f0f0f0);
    uint64_t p = (((full & of_p) << 1) + (ones | of_q)) ^ ones;
    uint64_t q = (((full & of_q) << 1) + (ones | of_p)) ^ ones;
    return (p & of_p) | (q & of_q);
}

/* Digits of up to 64 bits become digits of 52. */
static inline void carry(struct pair *x)
{
    const __m512i mask = _mm512_set1_epi64(DIGIT_MASK), one = _mm512_set1_epi64(1);
    __m512i before = _mm512_setzero_si512();
    uint64_t full = 0, ones = 0;
    for (int i = 0; i < REGISTERS; i++) {
        __m512i up = _mm512_srli_epi64(x->v[i], 52);
        x->v[i] = _mm512_add_epi64(_mm512_and_si512(x->v[i], mask), shift_up(up, before));
        before = up;
        full |= (uint64_t)_mm512_cmpgt_epu64_mask(x->v[i], mask) << (8 * i);
        ones |= (uint64_t)_mm512_cmpeq_epu64_mask(x->v[i], mask) << (8 * i);
    }
    uint64_t takes = ripple(full, ones);
    for (int i = 0; i < REGISTERS; i++) {
        __mmask8 here = (__mmask8)(takes >> (8 * i));
        x->v[i] = _mm512_and_si512(_mm512_mask_add_epi64(x->v[i], here, x->v[i], one), mask);
    }
}

/* r = a * b / R, in both halves. r may be a or b.
 *
 * The classic loop adds y * m, with which the lowest digit becomes zero, and then shifts. Here the shift comes first,
 * of all that doesn't need y, because each round waits for the y before it: the low halves of y * m are added one digit
 * lower (`above`), and what the digit that vanishes carries is known without y: 1 unless it was zero already. */
static inline void multiply(struct pair *r, const struct pair *a, const struct pair *b, const struct modulus *m)
{
    const __m512i zero = _mm512_setzero_si512(), mask = _mm512_set1_epi64(DIGIT_MASK);
    const __m512i first = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4), one = _mm512_set1_epi64(1);
    __m512i digit = _mm512_permutexvar_epi64(first, b->v[0]), lane = first;
    struct pair sum;
    for (int i = 0; i < REGISTERS; i++)
        sum.v[i] = _mm512_madd52lo_epu64(zero, a->v[i], digit);
    for (int n = 1; n <= DIGITS; n++) {
        __m512i y = _mm512_permutexvar_epi64(first, _mm512_madd52lo_epu64(zero, sum.v[0], m->k));
        __m512i over = _mm512_srli_epi64(_mm512_add_epi64(sum.v[0], mask), 52);
        lane = n % 4 == 0 ? first : _mm512_add_epi64(lane, one);
        __m512i next = n < DIGITS ? _mm512_permutexvar_epi64(lane, b->v[n / 4]) : zero;
        for (int i = 0; i < REGISTERS; i++) {
            __m512i high = _mm512_madd52hi_epu64(zero, a->v[i], digit);
            __m512i low = shift_down(sum.v[i], i + 1 < REGISTERS ? sum.v[i + 1] : zero);
            high = _mm512_madd52lo_epu64(high, a->v[i], next);
            if (i == 0)
                low = _mm512_mask_add_epi64(low, LANE_0, low, over);
            low = _mm512_madd52lo_epu64(low, m->above.v[i], y);
            high = _mm512_madd52hi_epu64(high, m->m.v[i], y);
            sum.v[i] = _mm512_add_epi64(low, high);
        }
        digit = next;
    }
    carry(&sum);
    *r = sum;
}

/* x times 2^8; x is below 2^1032. */
static void scale(struct pair *x)
{
    for (int i = 0; i < REGISTERS; i++)
        x->v[i] = _mm512_slli_epi64(x->v[i], 8);
    carry(x);
}

/* ---- Between words of 64 bits and digits ---- */

static void read_words(uint64_t *w, int n, const uint8_t *bytes)
{
    for (int i = 0; i < n; i++) {
        uint64_t word;
        memcpy(&word, bytes + 8 * (n - 1 - i), 8);
        w[i] = __builtin_bswap64(word);
    }
}

static void write_words(uint8_t *bytes, const uint64_t *w, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t word = __builtin_bswap64(w[n - 1 - i]);
        memcpy(bytes + 8 * i, &word, 8);
    }
}

/* The digits of the n words at w, from bit `from` on; zero beyond the end. */
static void digits_of(uint64_t digits[DIGITS], const uint64_t *w, int n, int from)
{
    for (int i = 0; i < DIGITS; i++) {
        int bit = from + 52 * i, word = bit / 64, shift = bit % 64;
        uint64_t d = word < n ? w[word] >> shift : 0;
        if (shift > 12 && word + 1 < n)
            d |= w[word + 1] << (64 - shift);
        digits[i] = d & DIGIT_MASK;
    }
}

static void to_pair(struct pair *x, const uint64_t p[DIGITS], const uint64_t q[DIGITS])
{
    for (int i = 0; i < REGISTERS; i++) {
        const uint64_t *a = p + 4 * i, *b = q + 4 * i;
        x->v[i] = _mm512_setr_epi64((long long)a[0], (long long)a[1], (long long)a[2], (long long)a[3], (long long)b[0],
                                    (long long)b[1], (long long)b[2], (long long)b[3]);
    }
}

static void numbers_to_pair(struct pair *x, const uint64_t p[WORDS], const uint64_t q[WORDS])
{
    uint64_t digits[2][DIGITS];
    digits_of(digits[0], p, WORDS, 0);
    digits_of(digits[1], q, WORDS, 0);
    to_pair(x, digits[0], digits[1]);
    bytes_wipe(digits, sizeof(digits));
}

/* The half of x that begins at lane `first`, which is below 2^1024. */
static void number_of(uint64_t w[WORDS], const struct pair *x, int first)
{
    uint64_t lanes[8];
    memset(w, 0, WORDS * sizeof(*w));
    for (int i = 0; i < DIGITS; i++) {
        int word = 52 * i / 64, shift = 52 * i % 64;
        if (i % 4 == 0)
            _mm512_storeu_si512(lanes, x->v[i / 4]);
        uint64_t digit = lanes[first + i % 4];
        w[word] |= digit << shift;
        if (shift > 12 && word + 1 < WORDS)
            w[word + 1] |= digit >> (64 - shift);
    }
    bytes_wipe(lanes, sizeof(lanes));
}

/* ---- Words ---- */

/* r = a - b; UINT64_MAX when that is negative (and 2^1024 too large), else 0. */
static uint64_t subtract(uint64_t r[WORDS], const uint64_t a[WORDS], const uint64_t b[WORDS])
{
    uint64_t borrow = 0;
    for (int i = 0; i < WORDS; i++) {
        wide d = (wide)a[i] - b[i] - borrow;
        r[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return 0 - borrow;
}

/* r += a where the mask has ones. */
static void add_masked(uint64_t r[WORDS], const uint64_t a[WORDS], uint64_t mask)
{
    uint64_t over = 0;
    for (int i = 0; i < WORDS; i++) {
        wide s = (wide)r[i] + (a[i] & mask) + over;
        r[i] = (uint64_t)s;
        over = (uint64_t)(s >> 64);
    }
}

/* r = a mod m, for a below 2m. */
static void reduce(uint64_t r[WORDS], const uint64_t a[WORDS], const uint64_t m[WORDS])
{
    uint64_t negative = subtract(r, a, m);
    add_masked(r, m, negative);
}

/* r = a * b + c */
static void multiply_add(uint64_t r[2 * WORDS], const uint64_t a[WORDS], const uint64_t b[WORDS],
                         const uint64_t c[WORDS])
{
    memcpy(r, c, WORDS * sizeof(*r));
    for (int i = 0; i < WORDS; i++) {
        uint64_t over = 0;
        for (int k = 0; k < WORDS; k++) {
            wide s = (wide)a[i] * b[k] + r[i + k] + over;
            r[i + k] = (uint64_t)s;
            over = (uint64_t)(s >> 64);
        }
        r[i + WORDS] = over;
    }
}

/* -1/m modulo 2^52, for an odd m: each step doubles the bits that are right, of which m itself has three. */
static uint64_t minus_inverse(uint64_t m)
{
    uint64_t x = m;
    for (int bits = 3; bits < 52; bits *= 2)
        x *= 2 - m * x;
    return (0 - x) & DIGIT_MASK;
}

/* ---- The private operation ---- */

static void set_modulus(struct modulus *m, const uint64_t p[WORDS], const uint64_t q[WORDS])
{
    numbers_to_pair(&m->m, p, q);
    for (int i = 0; i < REGISTERS; i++)
        m->above.v[i] = shift_down(m->m.v[i], i + 1 < REGISTERS ? m->m.v[i + 1] : _mm512_setzero_si512());
    m->k = _mm512_setr_epi64((long long)minus_inverse(p[0]), 0, 0, 0, (long long)minus_inverse(q[0]), 0, 0, 0);
}

/* one = R, square = R * R, modulo p and q. */
static void set_constants(struct work *k)
{
    /* 2^1024 less p is the same as 2^1024; with 16 bits more it is R, and squares of R bring it down below 2p. */
    static const uint64_t zero[WORDS];
    (void)subtract(k->m1, zero, k->p);
    (void)subtract(k->m2, zero, k->q);
    numbers_to_pair(&k->one, k->m1, k->m2);
    scale(&k->one);
    scale(&k->one);
    for (int i = 0; i < 4; i++)
        multiply(&k->one, &k->one, &k->one, &k->m);
    /* R * 2^n by squares and factors of 2^8: n is 8, 16, 32, 64, 128, 256, 512, 520, 1040. */
    k->square = k->one;
    scale(&k->square);
    for (int i = 0; i < 6; i++)
        multiply(&k->square, &k->square, &k->square, &k->m);
    scale(&k->square);
    multiply(&k->square, &k->square, &k->square, &k->m);
}

/* base = in * R, of a number with twice as many digits: low * R^2 / R + high * R^3 / R. */
static void set_base(struct work *k)
{
    uint64_t digits[DIGITS];
    digits_of(digits, k->in, 2 * WORDS, 0);
    to_pair(&k->a, digits, digits);
    digits_of(digits, k->in, 2 * WORDS, 52 * DIGITS);
    to_pair(&k->b, digits, digits);
    multiply(&k->base, &k->a, &k->square, &k->m);
    multiply(&k->b, &k->b, &k->square, &k->m);
    multiply(&k->b, &k->b, &k->square, &k->m);
    for (int i = 0; i < REGISTERS; i++)
        k->base.v[i] = _mm512_add_epi64(k->base.v[i], k->b.v[i]);
    carry(&k->base);
}

/* The entry of `first` for p, and that of `second` for q. */
static inline void choose(struct pair *x, const struct pair table[TABLE], uint64_t first, uint64_t second)
{
    long long f = (long long)first, s = (long long)second;
    const __m512i wanted = _mm512_setr_epi64(f, f, f, f, s, s, s, s), one = _mm512_set1_epi64(1);
    __m512i n = _mm512_setzero_si512();
    struct pair sum;
    for (int i = 0; i < REGISTERS; i++)
        sum.v[i] = n;
    for (int entry = 0; entry < TABLE; entry++) {
        __m512i all = _mm512_maskz_set1_epi64(_mm512_cmpeq_epi64_mask(n, wanted), -1);
        for (int i = 0; i < REGISTERS; i++)
            sum.v[i] = _mm512_or_si512(sum.v[i], _mm512_and_si512(all, table[entry].v[i]));
        n = _mm512_add_epi64(n, one);
    }
    *x = sum;
}

/* Window n of an exponent. */
static inline uint64_t window(const uint64_t exponent[WORDS + 1], int n)
{
    int bit = n * WINDOW, word = bit / 64, shift = bit % 64;
    uint64_t w = exponent[word] >> shift | exponent[word + 1] << 1 << (63 - shift);
    return w & (TABLE - 1);
}

/* power = base to the exponents */
static void raise(struct work *k)
{
    k->table[0] = k->one;
    for (int i = 1; i < TABLE; i++)
        multiply(&k->table[i], &k->table[i - 1], &k->base, &k->m);
    int n = (64 * WORDS - 1) / WINDOW;
    choose(&k->power, k->table, window(k->exponent[0], n), window(k->exponent[1], n));
    while (--n >= 0) {
        for (int i = 0; i < WINDOW; i++)
            multiply(&k->power, &k->power, &k->power, &k->m);
        choose(&k->a, k->table, window(k->exponent[0], n), window(k->exponent[1], n));
        multiply(&k->power, &k->power, &k->a, &k->m);
    }
}

/* x / R, at most p and q. */
static void leave(struct work *k, struct pair *x)
{
    static const uint64_t unit[DIGITS] = {1};
    to_pair(&k->b, unit, unit);
    multiply(x, x, &k->b, &k->m);
}

/* out from what it is modulo p and modulo q (m1 and m2): m2 + q * ((m1 - m2) / q modulo p) */
static void combine(struct work *k, const uint64_t qinv[WORDS])
{
    reduce(k->h, k->m2, k->p); /* below 2^1024, hence below 2p */
    uint64_t negative = subtract(k->h, k->m1, k->h);
    add_masked(k->h, k->p, negative);
    numbers_to_pair(&k->a, k->h, k->h);
    numbers_to_pair(&k->b, qinv, qinv);
    multiply(&k->a, &k->a, &k->square, &k->m);
    multiply(&k->b, &k->b, &k->square, &k->m);
    multiply(&k->a, &k->a, &k->b, &k->m);
    leave(k, &k->a);
    number_of(k->m1, &k->a, 0);
    reduce(k->h, k->m1, k->p);
    multiply_add(k->out, k->h, k->q, k->m2);
}

static bool is_prime_sized(const uint64_t p[WORDS])
{
    return (p[0] & 1) == 1 && p[WORDS - 1] >> 63 == 1;
}

static void run(struct work *k, const struct rsa2048_key *key)
{
    k->exponent[0][WORDS] = k->exponent[1][WORDS] = 0;
    read_words(k->exponent[0], WORDS, key->dp);
    read_words(k->exponent[1], WORDS, key->dq);
    set_modulus(&k->m, k->p, k->q);
    set_constants(k);
    set_base(k);
    raise(k);
    leave(k, &k->power);
    number_of(k->h, &k->power, 0);
    reduce(k->m1, k->h, k->p);
    number_of(k->h, &k->power, 4);
    reduce(k->m2, k->h, k->q);
    read_words(k->qinv, WORDS, key->qinv);
    combine(k, k->qinv);
}

bool rsa2048_private(const struct rsa2048_key *key, const uint8_t in[RSA2048_SIZE], uint8_t out[RSA2048_SIZE])
{
    struct work k;
    read_words(k.p, WORDS, key->p);
    read_words(k.q, WORDS, key->q);
    bool fits = is_prime_sized(k.p) && is_prime_sized(k.q);
    if (fits) {
        read_words(k.in, 2 * WORDS, in);
        run(&k, key);
        write_words(out, k.out, 2 * WORDS);
    }
    bytes_wipe(&k, sizeof(k));
    return fits;
}
