/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_broker: loads one MQTT broker, from one thread, and says what each message cost the broker and whether every
 * message arrived once and in order. It starts no broker; tests/bench/compare does, and tests/bench/README.md says what
 * the figures mean.
 */
#include "fail.h"
#include "flow.h"
#include "hands.h"
#include "idle.h"
#include "kept.h"
#include "options.h"
#include "report.h"
#include "tls.h"

int main(int count, char **words)
{
    struct options options;
    struct report report;
    options_read(&options, count, words);
    report_begin(&report, options.json);
    report_text(&report, "mode", options.mode_name);
    report_text(&report, "mqtt", options.pub_v5 ? "5.0" : "3.1.1");
    report_text(&report, "tls", options.cafile ? tls_library() : "off");
    if (options.mode < MODE_IDLE) {
        report_text(&report, "sub_mqtt", options.sub_v5 ? "5.0" : "3.1.1");
        report_bool(&report, "pub_alias", options.pub_alias);
        report_bool(&report, "sub_alias", options.sub_alias);
        report_count(&report, "qos", (unsigned)options.qos);
        report_count(&report, "size", (unsigned)options.size);
        report_count(&report, "pubs", (unsigned)options.pubs);
        report_count(&report, "subs", (unsigned)options.subs);
    }
    bool good = options.mode == MODE_IDLE    ? idle_run(&options, &report)
                : options.mode == MODE_HANDS ? hands_run(&options, &report)
                : options.mode >= MODE_KEPT  ? kept_run(&options, &report)
                                             : flow_run(&options, &report);
    report_bool(&report, "ok", good);
    report_print(&report);
    return good ? FAIL_NONE : FAIL_CHECK;
}
