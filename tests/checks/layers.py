# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer rules of docs/architecture.md, read from #include lines and, given the libraries, from their symbols.

usage: layers.py SOURCE_DIR [LIBRARY.a ...]      libraries: those of core and codec, which keep no state of their own
"""
import pathlib
import re
import subprocess
import sys

MAY = {
    "base": set(),
    "codec": {"base"},
    "core": {"codec", "base"},
    "store": {"core", "codec", "base"},
    "transport": {"codec", "base"},
    "server": {"transport", "store", "core", "codec", "base"},
    "main": {"server", "base"},
}
PURE = (r"uv\.h|uv/|wolfssl/|ini\.h|argon2\.h|sqlite3\.h|"
        r"sys/socket\.h|sys/un\.h|netinet/|arpa/|netdb\.h|poll\.h|sys/epoll\.h")
FORBIDDEN = {
    "base": PURE,
    "codec": PURE + r"|time\.h|sys/time\.h",
    "core": PURE + r"|time\.h|sys/time\.h",
    "store": r"uv\.h|uv/|sys/socket\.h",
    "transport": r"ini\.h|argon2\.h|sqlite3\.h",
    "server": r"sqlite3\.h",
    "main": r"uv\.h|uv/|sqlite3\.h",
}
# The one module of base that waits for a descriptor: the log must notice that a reader is stuck before it writes.
EXEMPT = {("src/base/log_sink.c", "poll.h")}
# What a layer without I/O, clock and randomness of its own has no business calling.
IMPURE = {"time", "clock_gettime", "gettimeofday", "clock", "socket", "send", "recv", "read", "write", "open", "fopen",
          "rand", "random", "getrandom", "getenv", "pthread_create", "sleep", "usleep", "nanosleep"}


def includes(root):
    for layer, allowed in MAY.items():
        for folder in (root / "src" / layer, root / "include/sotto" / layer):
            for path in sorted(folder.glob("*.[ch]")):
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
                    if not found:
                        continue
                    where = f"{path.relative_to(root)}:{number}"
                    other = re.match(r"sotto/(\w+)/", found[1])
                    if other and other[1] != layer and other[1] not in allowed:
                        yield f"{where}: {layer} may not include {other[1]}"
                    exempt = (path.relative_to(root).as_posix(), found[1]) in EXEMPT
                    if not exempt and re.match(rf"(?:{FORBIDDEN[layer]})", found[1]):
                        yield f"{where}: {layer} may not include {found[1]}"
                    if "../" in found[1]:
                        yield f"{where}: includes name a header by its layer, not by ../"


def symbols(library):
    table = subprocess.run(["objdump", "-t", library], check=True, capture_output=True, text=True).stdout
    for line in table.splitlines():
        found = re.match(r"[0-9a-f]{8,} .{7} (\S+)\s+[0-9a-f]+ +(?:\.hidden )?(\S+)", line)
        if not found:
            continue
        section, name = found.groups()
        writable = re.match(r"\.(data|bss|tdata|tbss)(\.(?!rel\.ro)|$)|\*COM\*", section)
        if writable and name != section:
            yield f"{library}: {name} is a mutable global ({section})"
        if section == "*UND*" and name.removesuffix("_chk").lstrip("_") in IMPURE:
            yield f"{library}: calls {name}; time and I/O are passed in"


def main():
    root = pathlib.Path(sys.argv[1])
    problems = list(includes(root))
    for library in sys.argv[2:]:
        problems += symbols(library)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
