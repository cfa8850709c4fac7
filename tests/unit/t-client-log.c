/* Goal of this test: a worker's log holds what was written, a line each, and never more than it
 * may. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client/log.h"

static struct log log_new(void)
{
    struct log log = {memfd_create("log", MFD_CLOEXEC), memfd_create("old", MFD_CLOEXEC)};
    assert_true(log.fd >= 0 && log.old_fd >= 0);
    assert_int_equal(fcntl(log.fd, F_SETFL, O_APPEND), 0);
    return log;
}

static void log_done(const struct log *log)
{
    close(log->fd);
    close(log->old_fd);
}

/* All of a file without its times. */
static char *texts_of(int fd)
{
    static char all[LOG_MAX + 1], texts[LOG_MAX + 1];
    ssize_t n = pread(fd, all, LOG_MAX, 0);
    size_t to = 0;
    assert_true(n >= 0);
    all[n] = '\0';
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n"))
        to += (size_t)snprintf(texts + to, sizeof texts - to, "%s\n", line + 25);
    texts[to] = '\0';
    return texts;
}

static void test_line(void **state)
{
    struct log log = log_new();
    char text[64];
    log_fmt(&log, "start", "pid %d", 12);
    log_put(&log, "out", "a\tb\x1b\\x\x7f\xc3\xa9\0z", 11);
    log_put(&log, "out", "", 0);
    assert_string_equal(texts_of(log.fd),
                        "start pid 12\nout a\\x09b\\x1b\\x5cx\\x7f\xc3\xa9\\x00z\nout \n");
    assert_int_equal(pread(log.fd, text, 25, 0), 25);
    text[25] = '\0';
    int year, month, day, hour, minute, second, ms, end = 0;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour, &minute, &second,
           &ms, &end);
    assert_int_equal(end, 25);
    log_done(&log);
}

/* Bytes come in pieces, lines come out. */
static void test_stream(void **state)
{
    struct log log = log_new();
    struct log_stream stream = {.n = 0};
    static const char *const pieces[] = {"on", "e\ntw", "o\n\nthr", "ee"};
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(write(ends[1], pieces[i], strlen(pieces[i])), strlen(pieces[i]));
        log_drain(&log, &stream, ends[0]);
    }
    log_drain(&log, &stream, ends[0]); /* there is nothing, and nobody is waited for */
    assert_string_equal(texts_of(log.fd), "out one\nout two\nout \n");
    log_stream_end(&log, &stream);
    log_stream_end(&log, &stream);
    assert_string_equal(texts_of(log.fd), "out one\nout two\nout \nout three\n");
    close(ends[0]);
    close(ends[1]);
    log_done(&log);
}

static void test_long_line(void **state)
{
    struct log log = log_new();
    struct log_stream stream = {.n = 0};
    static char data[LOG_TEXT_MAX * 2 + 10];
    int ends[2];
    memset(data, 1, sizeof data); /* each becomes four */
    data[sizeof data - 1] = '\n';
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(write(ends[1], data, sizeof data), sizeof data);
    log_drain(&log, &stream, ends[0]);
    const char *texts = texts_of(log.fd);
    size_t lines = 0;
    for (const char *p = texts; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 3);
    assert_int_equal(strlen(texts), 3 * strlen("out \n") + 4 * (sizeof data - 1));
    close(ends[0]);
    close(ends[1]);
    log_done(&log);
}

/* What is in both files are the newest lines, without a gap. */
static void test_bounded(void **state)
{
    struct log log = log_new();
    struct stat st;
    for (int i = 0; i < 30000; i++) {
        log_fmt(&log, "out", "line %d", i);
        assert_int_equal(fstat(log.fd, &st), 0);
        assert_true(st.st_size <= LOG_MAX);
    }
    assert_int_equal(fstat(log.old_fd, &st), 0);
    assert_true(st.st_size <= LOG_MAX && st.st_size > LOG_MAX - 64);
    int first, last, next;
    const char *texts = texts_of(log.old_fd);
    assert_int_equal(sscanf(texts, "out line %d\n", &first), 1);
    assert_int_equal(sscanf(strrchr(texts, 'l'), "line %d\n", &last), 1);
    for (const char *p = texts; (p = strstr(p, "line ")) != NULL; p++)
        assert_int_equal(atoi(p + 5), first++);
    assert_int_equal(sscanf(texts_of(log.fd), "out line %d\n", &next), 1);
    assert_int_equal(next, last + 1);
    assert_int_equal(sscanf(strrchr(texts_of(log.fd), 'l'), "line %d\n", &last), 1);
    assert_int_equal(last, 29999);
    log_done(&log);
}

/* A plugin wrote there: only the end of it is kept. */
static void test_overfull(void **state)
{
    struct log log = log_new();
    struct stat st;
    assert_int_equal(ftruncate(log.fd, 10 * LOG_MAX), 0);
    log_put(&log, "out", "mark", 4);
    log_put(&log, "out", "next", 4);
    assert_int_equal(fstat(log.old_fd, &st), 0);
    assert_int_equal(st.st_size, LOG_MAX);
    assert_string_equal(texts_of(log.fd), "out mark\nout next\n");
    log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),      cmocka_unit_test(test_stream),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_overfull),
    };
    UNIT_RUN("client-log", tests);
}
