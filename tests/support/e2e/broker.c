/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "e2e/e2e.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 10
#define START_MS 15000
#define STOP_MS 15000

const char *sotto_bin(void)
{
    const char *path = getenv("SOTTO_BIN");
    if (path == NULL)
        fail_msg("SOTTO_BIN is not set: run the tests through ctest, or name the program in it");
    return path;
}

unsigned patience(void)
{
    const char *sanitizer = getenv("SOTTO_SANITIZE");
    return sanitizer != NULL && *sanitizer != '\0' ? 4 : 1;
}

static void pause_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* All ports are held at the same time, so that they differ. */
static void find_ports(uint16_t ports[BROKER_PORTS])
{
    int fds[BROKER_PORTS];

    for (int i = 0; i < BROKER_PORTS; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fds[i], (struct sockaddr *)&address, size) != 0 ||
            getsockname(fds[i], (struct sockaddr *)&address, &size) != 0)
            fail_msg("no free port: %s", strerror(errno));
        ports[i] = ntohs(address.sin_port);
    }
    for (int i = 0; i < BROKER_PORTS; i++)
        close(fds[i]);
}

void broker_init(struct broker *b)
{
    memset(b, 0, sizeof *b);
    signal(SIGPIPE, SIG_IGN);
    snprintf(b->dir, sizeof b->dir, "/tmp/sotto-e2e-XXXXXX");
    if (mkdtemp(b->dir) == NULL)
        fail_msg("%s: %s", b->dir, strerror(errno));
    find_ports(b->ports);
}

static const char *expand_name(struct broker *b, const char *name, char *buffer, size_t size)
{
    if (strncmp(name, "@DIR@", 5) == 0) {
        snprintf(buffer, size, "%s", b->dir);
        return name + 5;
    }
    if (name[0] == '@' && name[1] == 'P' && name[2] >= '0' && name[2] < '0' + BROKER_PORTS && name[3] == '@') {
        b->used[name[2] - '0'] = true;
        snprintf(buffer, size, "%u", b->ports[name[2] - '0']);
        return name + 4;
    }
    snprintf(buffer, size, "%c", *name);
    return name + 1;
}

char *broker_expand(struct broker *b, const char *text)
{
    size_t capacity = strlen(text) * 2 + 4096, size = 0;
    char *out = malloc(capacity);
    out[0] = '\0';

    while (*text != '\0') {
        char piece[sizeof b->dir];
        text = expand_name(b, text, piece, sizeof piece);
        size_t length = strlen(piece);
        assert_true(size + length < capacity);
        memcpy(out + size, piece, length + 1);
        size += length;
    }
    return out;
}

const char *broker_path(const struct broker *b, const char *name)
{
    static char paths[64][512];
    static unsigned next;
    char *path = paths[next++ % 64];

    snprintf(path, sizeof paths[0], "%s/%s", b->dir, name);
    return path;
}

void broker_write(struct broker *b, const char *name, const char *text)
{
    bool is_config = strcmp(name, "sotto.ini") == 0;
    bool used[BROKER_PORTS];
    memcpy(used, b->used, sizeof used);
    if (is_config) {
        memset(b->used, 0, sizeof b->used);
        b->local = strstr(text, "unix:@DIR@/socket") != NULL;
    }
    char *expanded = broker_expand(b, text);
    if (!is_config)
        memcpy(b->used, used, sizeof used);
    int fd = open(broker_path(b, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, expanded, strlen(expanded)) != (ssize_t)strlen(expanded))
        fail_msg("%s: %s", broker_path(b, name), strerror(errno));
    close(fd);
    free(expanded);
}

static bool accepts(uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    int fd4 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd4, (struct sockaddr *)&v4, sizeof v4) == 0 ||
                     (fd6 >= 0 && connect(fd6, (struct sockaddr *)&v6, sizeof v6) == 0);
    close(fd4);
    if (fd6 >= 0)
        close(fd6);
    return connected;
}

static bool accepts_locally(const struct broker *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/socket", b->dir);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static void run_broker(const struct broker *b, unsigned open_files)
{
    char config[256];
    int null = open("/dev/null", O_RDWR);
    int log = open(broker_path(b, "stderr.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

    snprintf(config, sizeof config, "%s/sotto.ini", b->dir);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    dup2(log, 2);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    if (open_files > 0) {
        struct rlimit limit = {.rlim_cur = open_files, .rlim_max = open_files};
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    execl(sotto_bin(), sotto_bin(), "run", "-c", config, (char *)NULL);
    fprintf(stderr, "%s: %s\n", sotto_bin(), strerror(errno));
    _exit(127);
}

static void fail_with_log(struct broker *b, const char *what, int status)
{
    char *log = broker_log(b);
    size_t length = strlen(log);
    fprintf(stderr, "the broker's log:\n%s\n", length < 8192 ? log : log + length - 8192);
    free(log);
    fail_msg("the broker %s (wait status %d)", what, status);
}

static void launch(struct broker *b, unsigned open_files)
{
    assert_int_equal(b->pid, 0);
    b->pid = fork();
    if (b->pid == 0)
        run_broker(b, open_files);
}

void broker_launch(struct broker *b)
{
    launch(b, 0);
}

bool broker_ended(struct broker *b, int *status)
{
    if (waitpid(b->pid, status, WNOHANG) != b->pid)
        return false;
    b->pid = 0;
    return true;
}

void broker_start_limited(struct broker *b, unsigned open_files)
{
    int status;

    launch(b, open_files);
    for (unsigned ms = 0; ms < START_MS * patience(); ms += STEP_MS) {
        bool ready = !b->local || accepts_locally(b);
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            fail_with_log(b, "ended at its start", status);
        }
        for (int i = 0; i < BROKER_PORTS && ready; i++)
            ready = !b->used[i] || accepts(b->ports[i]);
        if (ready)
            return;
        pause_ms(STEP_MS);
    }
    fail_with_log(b, "does not listen", 0);
}

void broker_start(struct broker *b)
{
    broker_start_limited(b, 0);
}

void broker_stop(struct broker *b)
{
    int status;

    assert_int_not_equal(b->pid, 0);
    kill(b->pid, SIGTERM);
    for (unsigned ms = 0; ms < STOP_MS * patience(); ms += STEP_MS) {
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_with_log(b, "did not end cleanly", status);
            return;
        }
        pause_ms(STEP_MS);
    }
    fail_with_log(b, "did not end after SIGTERM", 0);
}

void broker_kill(struct broker *b)
{
    assert_int_not_equal(b->pid, 0);
    kill(b->pid, SIGKILL);
    waitpid(b->pid, NULL, 0);
    b->pid = 0;
}

char *broker_read_file(const struct broker *b, const char *name)
{
    const char *path = broker_path(b, name);
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    size_t size = (size_t)info.st_size;
    char *text = calloc(1, size + 1);
    if (read(fd, text, size) != (ssize_t)size)
        fail_msg("%s: could not be read whole", path);
    close(fd);
    return text;
}

char *broker_log(const struct broker *b)
{
    return broker_read_file(b, "stderr.log");
}

void broker_expect_log(const struct broker *b, const char *text)
{
    for (unsigned ms = 0; ms < 5000 * patience(); ms += STEP_MS) {
        char *log = broker_log(b);
        bool found = strstr(log, text) != NULL;
        free(log);
        if (found)
            return;
        pause_ms(STEP_MS);
    }
    fail_with_log((struct broker *)b, "did not log what was expected", 0);
}

unsigned broker_open_files(const struct broker *b)
{
    char path[64];
    unsigned count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)b->pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 2;
}

void broker_fini(struct broker *b)
{
    struct program rm;

    if (b->pid > 0) {
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
        b->pid = 0;
    }
    program_run(&rm, 0, NULL, ARGV("rm", "-rf", b->dir));
    program_fini(&rm);
}

int broker_group_setup(void **state)
{
    struct broker *b = calloc(1, sizeof *b);
    struct program init;

    broker_init(b);
    *state = b;
    program_run(&init, 0, NULL, ARGV(sotto_bin(), "cert", "init", broker_path(b, "certs")));
    program_fini(&init);
    broker_write(b, "sotto.ini",
                 "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nanonymous = on\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n"
                 "cert = certs/server.crt\nkey = certs/server.key\n");
    broker_start(b);
    return 0;
}

int broker_group_teardown(void **state)
{
    struct broker *b = *state;

    broker_stop(b);
    broker_fini(b);
    free(b);
    return 0;
}
