/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "e2e/e2e.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP_MS 10
#define TERM_MS 2000 /* until SIGKILL follows */

bool program_exists(const char *name)
{
    const char *path = getenv("PATH");
    char candidate[512];

    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0;
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, path, name);
        if (access(candidate, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

void program_need(const char *name)
{
    if (program_exists(name))
        return;
    print_message("skipped: there is no %s\n", name);
    skip();
}

const char *program_of_ours(const char *name)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *file = strrchr(path, '/') + 1;
    snprintf(file, sizeof path - (size_t)(file - path), "%s", name);
    return access(path, X_OK) == 0 ? path : NULL;
}

const char *program_of_ours_need(const char *name)
{
    const char *path = program_of_ours(name);
    if (path == NULL) {
        print_message("skipped: there is no %s: its library was not found when this was built\n", name);
        skip();
    }
    return path;
}

static char *read_output(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    char *text = NULL;
    size_t capacity = 0, size = 0;
    do {
        capacity += 65536;
        text = realloc(text, capacity + 1);
        size += fread(text + size, 1, capacity - size, file);
    } while (size == capacity);
    fclose(file);
    text[size] = '\0';
    return text;
}

static void run_child(const char *output_path, int input, const char *const argv[])
{
    int output = open(output_path, O_WRONLY | O_APPEND);
    dup2(output, 1);
    dup2(output, 2);
    dup2(input, 0);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

void program_start_open(struct program *p, const char *input, const char *const argv[])
{
    memset(p, 0, sizeof *p);
    p->input = -1;
    snprintf(p->output_path, sizeof p->output_path, "/tmp/sotto-output-XXXXXX");
    int output = mkstemp(p->output_path);
    int ends[2];
    if (output < 0 || pipe2(ends, O_CLOEXEC) != 0)
        fail_msg("no file or pipe for %s: %s", argv[0], strerror(errno));
    close(output);
    p->pid = fork();
    if (p->pid == 0)
        run_child(p->output_path, ends[0], argv);
    close(ends[0]);
    if (input != NULL && write(ends[1], input, strlen(input)) < 0)
        print_message("%s does not read its input\n", argv[0]);
    p->input = ends[1];
}

static void close_input(struct program *p)
{
    if (p->input >= 0)
        close(p->input);
    p->input = -1;
}

void program_start(struct program *p, const char *input, const char *const argv[])
{
    program_start_open(p, input, argv);
    close_input(p);
}

static bool has_ended(struct program *p)
{
    int status;

    if (p->pid == 0)
        return true;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid)
        return false;
    p->pid = 0;
    close_input(p);
    p->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    free(p->output);
    p->output = read_output(p->output_path);
    return true;
}

void program_expect(struct program *p, const char *text)
{
    for (struct waiting w = {0}; waiting(&w);) {
        bool ended = has_ended(p);
        char *output = read_output(p->output_path);
        bool found = strstr(output, text) != NULL;
        if (!found && ended)
            fail_msg("the program ended with status %d and did not write '%s' but:\n%s", p->status, text, output);
        free(output);
        if (found)
            return;
    }
    char *output = read_output(p->output_path);
    program_fini(p);
    fail_msg("the program did not write '%s' but:\n%s", text, output);
}

void program_wait(struct program *p)
{
    for (struct waiting w = {0}; waiting(&w);) {
        if (has_ended(p))
            return;
    }
    char *output = read_output(p->output_path);
    program_fini(p);
    fail_msg("the program did not end; it wrote:\n%s", output);
}

void program_fini(struct program *p)
{
    if (p->pid > 0) {
        kill(p->pid, SIGTERM);
        for (unsigned ms = 0; ms < TERM_MS && !has_ended(p); ms += STEP_MS)
            pause_ms(STEP_MS);
        if (p->pid > 0) {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
            p->pid = 0;
        }
    }
    close_input(p);
    unlink(p->output_path);
    free(p->output);
    p->output = NULL;
}

void program_run(struct program *p, int expected_status, const char *input, const char *const argv[])
{
    program_start(p, input, argv);
    program_wait(p);
    if (p->status != expected_status)
        fail_msg("%s %s ended with status %d, not %d, and wrote:\n%s", argv[0], argv[1] != NULL ? argv[1] : "",
                 p->status, expected_status, p->output);
}
