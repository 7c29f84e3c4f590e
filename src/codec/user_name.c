/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sotto/codec/user_name.h"

#include "sotto/codec/topic.h"

const char *user_name_fault(struct bytes name)
{
    if (name.n == 0 || name.n > USER_NAME_MAX)
        return "a user name has 1 to 49 bytes; choose another";
    if (bytes_equal(name, bytes_str("*")) || (name.n >= 6 && memcmp(name.p, "group:", 6) == 0))
        return "'*' (all users) and names that begin with 'group:' are reserved; choose another";
    if (name.p[0] == ' ' || name.p[name.n - 1] == ' ')
        return "a user name can't begin or end with a blank; take it out";
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < 0x20 || name.p[i] == 0x7f || name.p[i] == ']')
            return "a user name can't contain ']' or a control character; choose another";
    }
    return utf8_valid(name) ? NULL : "a user name must be UTF-8; save the file, or set the terminal, that way";
}
