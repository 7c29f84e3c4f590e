/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records that a server sends: in one piece and in pieces of sizes that the first byte says, they must read the same.
 */
#include <stdlib.h>

#include "../../src/transport/probe_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct probe_records whole = {0}, parts = {0};
    if (size == 0)
        return 0;
    size_t step = (size_t)data[0] % 7 + 1;
    probe_records_watch(&whole, bytes_of(data + 1, size - 1));
    for (size_t at = 1; at < size; at += step)
        probe_records_watch(&parts, bytes_of(data + at, at + step < size ? step : size - at));
    bool same = whole.longest == parts.longest && whole.spans == parts.spans && whole.left == parts.left &&
                whole.encrypted == parts.encrypted && whole.first_n == parts.first_n;
    if (!same || whole.longest > UINT16_MAX || whole.message_header_n >= sizeof(whole.message_header) ||
        whole.header_n >= sizeof(whole.header))
        abort();
    return 0;
}
