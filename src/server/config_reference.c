/* SPDX-License-Identifier: GPL-3.0-or-later */
/* docs/configuration.md, from the schema. */
#include <stdio.h>
#include <string.h>

#include "config_schema.h"

struct section_text {
    const char *section, *title, *text;
};

static const struct section_text texts[] = {
    {"broker", "[broker]", "The process as a whole."},
    {"log", "[log]", "What is logged, where and how."},
    {"auth", "[auth]", "Who may log in."},
    {"limits", "[limits]", "What one client, and all together, may take. Whatever is dropped is counted and logged."},
    {"listener", "[listener.NAME]",
     "An address that clients connect to. NAME (letters, digits, `-`, `_`, `.`) stands in log lines. As many as are "
     "needed; at least "
     "one."},
};

static const char *const intro =
    "# Configuration\n"
    "\n"
    "<!-- Made by `sotto help --reference` from src/server/config_schema.c; a test compares the two. -->\n"
    "\n"
    "Without `-c FILE`, `sotto` reads `/etc/sotto/sotto.ini`. Without that file it listens on loopback only (1883 and "
    "8883), makes\n"
    "its own certificates in its data directory, and lets local clients in without a password.\n"
    "`sotto check -c FILE` reads a file and everything it names, and prints every error at once.\n"
    "\n"
    "The file is INI: sections in brackets, `key = value`, comments on lines of their own behind `#` or `;`.\n"
    "Unknown sections and keys are errors, and so are the same section or the same key twice; a key that is a list is\n"
    "repeated. Sizes take `K`, `M`, `G`; times take `ms`, `s`, `m`, `h`, `d`. Relative paths are relative to the "
    "folder of the\n"
    "file. A section's name and a key have at most 49 bytes; a key, its `=` and its value have at most 199 together.\n";

static const char *const users_file =
    "\n"
    "## The users file\n"
    "\n"
    "Named by `users` under `[auth]`; made and changed by `sotto passwd FILE USER`, or by hand. The same rules of "
    "writing hold.\n"
    "\n"
    "```ini\n"
    "[alice]\n"
    "password = $argon2id$...\n"
    "scram = SCRAM-SHA-256$...\n"
    "publish = home/alice/#\n"
    "subscribe = home/#\n"
    "deny = home/safe/#\n"
    "[*]\n"
    "subscribe = public/#\n"
    "```\n"
    "\n"
    "| key | value | what it does |\n"
    "|---|---|---|\n"
    "| `password` | a hash: `$argon2id$`, or mosquitto's `$7$` and `$6$` | What the user logs in with. Without it, "
    "nobody "
    "can, but by SCRAM. |\n"
    "| `scram` | `SCRAM-SHA-256$...`, as PostgreSQL writes it | What SCRAM-SHA-256 of MQTT 5.0 checks the user by; "
    "`sotto passwd` writes both. |\n"
    "| `publish` | a topic filter; repeat | Topics the user may publish to. |\n"
    "| `subscribe` | a topic filter; repeat | Filters the user may subscribe to: those that lie whole in this one. |\n"
    "| `deny` | a topic filter; repeat | Withheld at publish and at delivery; beats every grant. |\n"
    "\n"
    "`[*]` holds for every user too, and alone for clients without a user name. A user for whom any `publish` or "
    "`subscribe` line\n"
    "applies may do what is named and nothing else; other users may do everything that no `deny` names. Where there is "
    "no `[*]`,\n"
    "clients without a user name may do everything. Nobody may write `$SYS`. `%u` and `%c` stand for user name and "
    "client id; a\n"
    "name or id with `/`, `+` or `#` in it, or with `$` where a topic begins, matches no rule with them. User names "
    "have 1 to 49\n"
    "bytes, without `]`, control characters and outer blanks; `*` and names that begin with `group:` are reserved.\n";

static void put_row(const struct config_key *k, void (*put)(void *ctx, const char *text), void *ctx)
{
    char allowed[192], row[1024];
    config_value_describe(k, allowed, sizeof allowed);
    const char *def = k->def_doc != NULL ? k->def_doc : k->def;
    const char *tick = k->def_doc != NULL ? "" : "`";
    snprintf(row, sizeof row, "| `%s` | %s%s | %s%s%s | %s |\n", k->name, allowed,
             k->type == VALUE_FLAGS       ? "; repeat"
             : k->type == VALUE_PAIR_PATH ? "; one a certificate"
                                          : "",
             tick, def, tick, k->help);
    put(ctx, row);
}

void config_write_reference(void (*put)(void *ctx, const char *text), void *ctx)
{
    put(ctx, intro);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char head[512];
        snprintf(head, sizeof head, "\n## %s\n\n%s\n\n| key | value | default | what it does |\n|---|---|---|---|\n",
                 texts[i].title, texts[i].text);
        put(ctx, head);
        for (const struct config_key *k = config_keys; k->name != NULL; k++) {
            if (strcmp(k->section, texts[i].section) == 0)
                put_row(k, put, ctx);
        }
    }
    put(ctx, users_file);
}
