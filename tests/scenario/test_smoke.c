/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thin path: connect, subscribe, publish, at each QoS. When this fails, look here first. */
#include "rig/rig.h"

static void connects(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    rig_send_hex(c, "c0 00");
    rig_expect(c, "d0 00");
    rig_disconnect(c);
}

static void publishes(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    struct peer *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t/#:2 u:1");
    for (uint8_t qos = 0; qos <= 2; qos++) {
        rig_publish(a, "t/1", "hello", qos, false);
        rig_take(b, "t/1", "hello", qos, false, false);
    }
    rig_send_publish(b, "u", "own", 0, false, 0);
    rig_take(b, "u", "own", 0, false, false);
    rig_expect_nothing(a);
    rig_expect_nothing(b);
}

static void retains(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    rig_publish(a, "t/1", "hello", 1, true);
    rig_subscribe(a, 1, "t/+:1");
    rig_take(a, "t/1", "hello", 1, false, true);
    rig_expect_nothing(a);
}

static void resumes(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_clean(r, "a");
    struct peer *b = rig_keep(r, "b");
    rig_subscribe(b, 1, "t:2");
    rig_drop(b);
    for (uint8_t qos = 0; qos <= 2; qos++)
        rig_publish(a, "t", qos == 0 ? "0" : qos == 1 ? "1" : "2", qos, false);
    b = rig_resume(r, "b");
    rig_take(b, "t", "1", 1, false, false);
    rig_take(b, "t", "2", 2, false, false);
    rig_expect_nothing(b);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(connects),
        RIG_TEST(publishes),
        RIG_TEST(retains),
        RIG_TEST(resumes),
    };
    return RIG_MAIN(tests);
}
