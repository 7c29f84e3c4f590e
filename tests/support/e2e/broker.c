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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG "stderr.log"

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

/*
 * The sockets stay bound, without listening, as long as the broker's folder is there: so the system gives the ports to
 * nobody else, neither to another test nor to the near end of some connection, before the broker starts or while it is
 * down. They let in who says SO_REUSEADDR, as the broker does; they don't say it themselves while they are bound, or
 * the system might give them the port of another test.
 */
static void hold_ports(struct broker *b)
{
    int on = 1;

    for (int i = 0; i < BROKER_PORTS; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        b->held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(b->held[i], (struct sockaddr *)&address, size) != 0 ||
            getsockname(b->held[i], (struct sockaddr *)&address, &size) != 0 ||
            setsockopt(b->held[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
            fail_msg("no free port: %s", strerror(errno));
        b->ports[i] = ntohs(address.sin_port);
    }
}

void broker_init(struct broker *b)
{
    memset(b, 0, sizeof *b);
    signal(SIGPIPE, SIG_IGN);
    snprintf(b->dir, sizeof b->dir, "/tmp/sotto-e2e-XXXXXX");
    if (mkdtemp(b->dir) == NULL)
        fail_msg("%s: %s", b->dir, strerror(errno));
    hold_ports(b);
}

static const char *expand_name(struct broker *b, const char *name, char *buffer, size_t size)
{
    if (strncmp(name, "@DIR@", 5) == 0) {
        snprintf(buffer, size, "%s", b->dir);
        return name + 5;
    }
    if (name[0] == '@' && name[1] == 'P' && name[2] >= '0' && name[2] < '0' + BROKER_PORTS && name[3] == '@') {
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
    char *expanded = broker_expand(b, text);
    int fd = open(broker_path(b, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, expanded, strlen(expanded)) != (ssize_t)strlen(expanded))
        fail_msg("%s: %s", broker_path(b, name), strerror(errno));
    close(fd);
    free(expanded);
}

static void run_broker(const struct broker *b, unsigned open_files)
{
    char config[256];
    int null = open("/dev/null", O_RDWR);
    int log = open(broker_path(b, LOG), O_WRONLY | O_CREAT | O_APPEND, 0600);

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

/* It has said so since the log was that long: a start writes few lines, and they fit. */
static bool is_ready(int log, off_t before)
{
    char text[65536];
    ssize_t n = pread(log, text, sizeof text - 1, before);
    text[n > 0 ? n : 0] = '\0';
    return strstr(text, " server.ready ") != NULL;
}

static void fail_with_log(struct broker *b, const char *what, int status)
{
    char *log = broker_log(b);
    size_t length = strlen(log);
    fprintf(stderr, "the broker's log:\n%s\n", length < 8192 ? log : log + length - 8192);
    free(log);
    fail_msg("the broker %s (wait status %d)", what, status);
}

/* By default it would be /var/lib/sotto, with what a broker of this machine keeps there. */
static void expect_own_data(const struct broker *b)
{
    char *config = broker_read_file(b, "sotto.ini");
    if (strstr(config, "data_dir") == NULL && getenv("SOTTO_DATA") == NULL)
        fail_msg("sotto.ini of this test needs data_dir = @DIR@/data in [broker]");
    free(config);
}

static void launch(struct broker *b, unsigned open_files)
{
    assert_int_equal(b->pid, 0);
    expect_own_data(b);
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
    int status, log = open(broker_path(b, LOG), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    off_t before = lseek(log, 0, SEEK_END);
    bool ready = false;

    launch(b, open_files);
    for (struct waiting w = {0}; !ready && waiting(&w);) {
        if (broker_ended(b, &status))
            fail_with_log(b, "ended at its start", status);
        ready = is_ready(log, before);
    }
    close(log);
    if (!ready)
        fail_with_log(b, "does not get ready", 0);
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
    for (struct waiting w = {0}; waiting(&w);) {
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_with_log(b, "did not end cleanly", status);
            return;
        }
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
    /* Not by broker_path, whose results would soon be gone: this is what waits are made of. */
    char path[512];
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
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
    return broker_read_file(b, LOG);
}

void broker_expect_log(const struct broker *b, const char *text)
{
    for (struct waiting w = {0}; waiting(&w);) {
        char *log = broker_log(b);
        bool found = strstr(log, text) != NULL;
        free(log);
        if (found)
            return;
    }
    fail_with_log((struct broker *)b, "did not log what was expected", 0);
}

/* Its open files, or only those whose link begins so. */
static unsigned count_files(const struct broker *b, const char *begin)
{
    char path[64], to[16] = "";
    unsigned count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)b->pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(folder)) != NULL;)
        count += readlinkat(dirfd(folder), e->d_name, to, sizeof to - 1) > 0 && strncmp(to, begin, strlen(begin)) == 0;
    closedir(folder);
    return count;
}

unsigned broker_open_files(const struct broker *b)
{
    return count_files(b, "");
}

unsigned broker_sockets(const struct broker *b)
{
    return count_files(b, "socket:");
}

void broker_expect_sockets(const struct broker *b, unsigned most)
{
    for (struct waiting w = {0}; waiting(&w);) {
        if (broker_sockets(b) <= most)
            return;
    }
    fail_msg("%u sockets are open where no more than %u should be", broker_sockets(b), most);
}

double broker_cpu(const struct broker *b)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(b->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        fail_msg("the broker's processor time is not known");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void broker_fini(struct broker *b)
{
    struct program rm;

    if (b->pid > 0) {
        kill(b->pid, SIGKILL);
        waitpid(b->pid, NULL, 0);
        b->pid = 0;
    }
    for (int i = 0; i < BROKER_PORTS; i++)
        close(b->held[i]);
    program_run(&rm, 0, NULL, ARGV("rm", "-rf", b->dir));
    program_fini(&rm);
}

struct broker *broker_new(void **state)
{
    struct broker *b = calloc(1, sizeof *b);
    assert_non_null(b);
    *state = b;
    broker_init(b);
    return b;
}

int broker_setup(void **state)
{
    broker_new(state);
    return 0;
}

int broker_teardown(void **state)
{
    struct broker *b = *state;
    if (b->pid != 0)
        broker_stop(b);
    broker_fini(b);
    free(b);
    return 0;
}

static void run(const char *input, const char *const argv[])
{
    struct program p;
    program_run(&p, 0, input, argv);
    program_fini(&p);
}

void broker_make_certs(const struct broker *b, const char *folder)
{
    run(NULL, ARGV(sotto_bin(), "cert", "init", broker_path(b, folder)));
}

void broker_make_client(const struct broker *b, const char *folder, const char *name)
{
    run(NULL, ARGV(sotto_bin(), "cert", "client", broker_path(b, folder), name));
}

void broker_shell(const struct broker *b, const char *script)
{
    run(NULL, ARGV("sh", "-c", script, "sh", b->dir, sotto_bin()));
}

void broker_passwd(const struct broker *b, const char *user, const char *password)
{
    run(password, ARGV(sotto_bin(), "passwd", broker_path(b, "users.ini"), user));
}

int broker_group_setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_make_certs(b, "certs");
    broker_write(b, "sotto.ini",
                 ONE_LOOP
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR);
    broker_start(b);
    return 0;
}
