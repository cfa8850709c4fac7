#!/usr/bin/env bats
# Goal of this test: logs tells what a worker wrote and why it is no more, in bounded space, whatever was written; and it
# goes with a release.

load helpers
load plugins

setup_file() {
    given_plugins faults constructor_crash
}

# plugin NAME BODY...: registers C whose constructor does this; it has the function fine() as well
plugin() {
    modload register --name "$1" "$(modload uuid)" -e "
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
${3-}
__attribute__((constructor)) static void begin(void) { $2 }
int fine(void) { return 7; }" >/dev/null 3>&-
}

# records KIND: the texts of the last command's records of this kind
records() {
    sed -nE "s/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z $1 //p" <<<"$output"
}

log_files() {
    find "$MODLOAD_RUNTIME_DIR" -name '*.log' -o -name '*.log.old'
}

logged() { # logged U TEXT: a condition
    modload logs "$1" 2>/dev/null | grep -qF -- "$2"
}

# ---- what is in it ----

@test "logs: a line each, with the time: the start, and what constructors wrote to either stream" {
    plugin talks 'puts("on stdout"); fflush(stdout); fprintf(stderr, "on stderr\nno end");'
    ml load talks
    assert_ok
    assert_no_stderr
    within logged talks "no end"
    ml logs talks
    assert_ok
    assert_no_stderr
    assert_equal "$(grep -vcE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z [a-z]+ .*$' .stdout)" 0
    assert_equal "$(records start)" "pid $(modload pid talks): plugin@0.0.0, $(modload lookup talks)"
    assert_equal "$(records out)" $'on stdout\non stderr\nno end'
}

@test "logs: what a constructor prints and does not flush is the worker's, not that of a call" {
    plugin buffered 'printf("from the constructor");'
    modload load buffered 3>&-
    for _ in 1 2; do
        ml exec buffered fine
        assert_ok
        assert_stdout 7
        assert_no_stderr
    done
    within logged buffered "out from the constructor"
}

@test "logs: a call that crashed, hung or ended its process, with its function; no other" {
    modload load faults 3>&-
    ml exec faults segv
    assert_exit 139
    ml exec -t 100ms faults hangs
    assert_exit 124
    ml exec faults exits 3
    assert_exit 1
    ml exec faults fails code why
    ml exec faults nope
    ml exec faults exits x
    ml exec faults prints
    ml exec faults kills_parent
    within logged faults "supervisor died"
    ml logs faults
    assert_ok
    [[ $(records call | sed -n 1p) == "segv: plugin_error: it crashed: SIGSEGV"* ]]
    assert_equal "$(records call | sed -n 2p)" "hangs: timeout: took longer than 100 ms"
    assert_equal "$(records call | sed -n 3p)" "exits: plugin_error: it ended its process: exit status 3"
    assert_equal "$(records call | sed -n 4p)" "its supervisor died of SIGKILL"
    assert_equal "$(records call | wc -l)" 4
    assert_equal "$(records out)" "" # what calls print is their callers'
}

@test "logs: a background thread, and a child, of a constructor" {
    plugin threads 'pthread_t t; pthread_create(&t, NULL, run, NULL);
        if (fork() == 0) { printf("from the child\n"); fflush(stdout); for (;;) pause(); }' \
        'static void *run(void *arg) { fprintf(stderr, "from the thread\n"); return NULL; }'
    modload load threads 3>&-
    within logged threads "from the thread"
    within logged threads "from the child"
}

@test "logs: --json has the records as they were, whatever bytes they hold" {
    plugin bytes 'fputs("\033[31mred\t\"\\x1b\n", stdout); fputs("\377\376\n", stdout);'
    modload load bytes 3>&-
    within eval '[ "$(modload logs bytes | grep -ac " out ")" = 2 ]'
    ml logs --json bytes
    assert_ok
    assert_equal "$(jq -s length .stdout)" 1
    assert_equal "$(json '[.command, .status, (.data|keys|join(" ")), (.data.records[0]|keys|join(" "))]|join(" ")')" \
        "logs ok records kind text time"
    assert_equal "$(json '.data.records|map(select(.kind=="out"))|.[0].text')" $'\x1b[31mred\t"\\x1b'
    assert_equal "$(json '.data.records|map(select(.kind=="out"))|.[1].text.base64')" "//4="
    ml logs bytes
    assert_equal "$(records out | head -n 1)" '\x1b[31mred\x09"\x1b'
    [[ $output != *$'\x1b'* ]]
    [[ $(cat $(log_files)) != *$'\x1b'* ]] # nor does `cat` of the file give a terminal orders
}

# ---- when it goes, and when not ----

@test "logs: a constructor that crashes: what it said last, and how it ended, stay until a release" {
    plugin last 'fprintf(stderr, "cannot find my config\n"); abort();'
    ml load last
    assert_exit 134
    ml logs last
    assert_ok
    assert_equal "$(records out)" "cannot find my config"
    assert_equal "$(records fail)" "the plugin crashed the worker while it was mapped: Aborted"
    ml load last
    assert_exit 134
    ml run --release last fine
    assert_exit 134
    ml logs last
    assert_equal "$(records fail | wc -l)" 3
    ml release last
    assert_exit 69
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
    ml logs last
    assert_exit 69
}

@test "logs: a failed reload is told in the log of the worker that goes on" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    modload register --name faults "$(key_of faults)" "$(modload lookup constructor_crash)" 3>&-
    ml reload faults
    assert_exit 139
    ml logs faults
    assert_equal "$(records fail | wc -l)" 1
    assert_equal "$(records start | wc -l)" 1
    assert_equal "$(modload pid faults)" "$pid"
}

@test "logs: outlive a worker that was killed, and one that left by itself; the next one goes on with them" {
    modload load faults 3>&-
    ml exec faults segv
    within logged faults "call segv"
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within gone "$pid"
    ml logs faults
    assert_ok
    assert_equal "$(records call | wc -l)" 1
    modload load --idle 50ms faults 3>&-
    within eval '! modload loaded faults'
    within logged faults ": idle"
    modload load faults 3>&-
    ml reload faults
    assert_ok
    within logged faults "another one has taken its place"
    ml logs faults
    assert_equal "$(records start | wc -l)" 4
    assert_equal "$(records end | sed 's/^pid [0-9]*: //')" $'idle\nanother one has taken its place'
    assert_equal "$(records start | tail -n 1)" \
        "pid $(modload pid faults): faults@1.2.3, $(modload lookup faults), in the place of another one"
    kill -TERM "$(modload pid faults)"
    within logged faults ": SIGTERM"
}

@test "logs: go with a release; with release --all also those of workers that died" {
    modload load faults 3>&-
    [ -n "$(log_files)" ]
    modload release faults
    assert_equal "$(log_files)" ""
    ml logs faults
    assert_exit 69
    assert_no_stdout
    assert_stderr "modload: there is no log of $(key_of faults)
  hint: it begins with a load, and is gone with a release"
    ml load constructor_crash
    modload load faults 3>&-
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within gone "$pid"
    ml release --all
    assert_ok
    assert_no_stderr
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "logs: gc takes those of workers that are gone, after a week" {
    ml load constructor_crash
    modload load faults 3>&-
    ml gc
    assert_ok
    ml logs constructor_crash
    assert_ok
    touch -d '8 days ago' $(log_files)
    ml gc --dry-run
    ml logs constructor_crash
    assert_ok
    ml gc
    assert_ok
    ml logs constructor_crash
    assert_exit 69
    ml logs faults # lives
    assert_ok
    ml exec faults fine
    assert_ok
}

@test "logs: for the owner's eyes only" {
    umask 000
    modload load faults 3>&-
    assert_equal "$(stat -c %a $(log_files) | sort -u)" 600
}

# ---- how much of it ----

@test "logs: a constructor that prints without end neither blocks nor fills anything" {
    plugin floods 'static char line[4096]; memset(line, 120, sizeof line - 1); line[4095] = 10;
        for (int i = 0; i < 262144; i++) if (write(1, line, sizeof line) < 0 && errno != EAGAIN) abort();'
    ml load -t 60s floods
    assert_ok
    ml exec floods fine
    assert_ok
    assert_stdout 7
    within logged floods start
    [ "$(cat $(log_files) | wc -c)" -le 600000 ]
    ml logs floods
    assert_ok
    [ "$(records out | wc -l)" -ge 10 ]
}

@test "logs: a thread that prints without end: the worker answers, the newest lines are kept, in bounded space" {
    plugin chatters 'pthread_t t; pthread_create(&t, NULL, run, NULL);' '
static void *run(void *arg)
{
    char line[64];
    for (int i = 0; i < 40000; i++) {
        int n = snprintf(line, sizeof line, "line %050d\n", i);
        while (write(1, line, (size_t)n) < 0 && errno == EAGAIN)
            usleep(1000);
    }
    return NULL;
}'
    modload load chatters 3>&-
    ml exec chatters fine
    assert_ok
    within logged chatters "line $(printf %050d 39999)"
    for file in $(log_files); do
        [ "$(stat -c %s "$file")" -le 262144 ]
    done
    ml logs chatters
    assert_ok
    [ "$(records out | wc -l)" -ge 2500 ] # a file full of them, or nearly two
    assert_equal "$(records out | sed 's/line 0*//' | awk 'NR > 1 && $1 != last + 1 { print } { last = $1 }')" ""
}

@test "logs: whatever a plugin has written into the file, it can be read, and takes no space" {
    modload load faults 3>&-
    file=$(find "$MODLOAD_RUNTIME_DIR" -name '*.log')
    {
        printf 'no record\n2026-01-02T03:04:05.678Z out \\xZZ \\x0a\\\n2026-01-02T03:04:05.678Z Out x\n\n'
        printf '\x1b]0;title\x07\x00\xff\n'
        head -c 1000000 /dev/zero | tr '\0' y
        printf '\n2026-01-02T03:04:05.678Z call last\n'
    } >>"$file"
    ml logs faults
    assert_ok
    [ "$(records call)" = last ]
    assert_stdout_has $'\nno record\n'
    assert_equal "$(records out)" '\xZZ \x0a\'
    assert_stdout_has $'\n2026-01-02T03:04:05.678Z Out x\n\n\\x1b]0;title\\x07\\x00'
    ml logs --json faults
    assert_ok
    assert_equal "$(jq -s length .stdout)" 1
    assert_equal "$(json '.data.records[-1]|[.time,.kind,.text]|join(" ")')" "2026-01-02T03:04:05.678Z call last"
    ml exec faults segv
    within logged faults "call segv"
    [ "$(stat -c %s "$file")" -le 262144 ]
    [ "$(stat -c %s "$file.old")" -le 262144 ]
    rm "$file"
    ln -s /etc/passwd "$file"
    ml logs faults
    assert_exit 69
    assert_no_stdout
}

# ---- -f ----

# following NAME ARG...: `logs -f` in the background, its output in NAME.said
following() {
    env --default-signal=INT modload logs -f "${@:2}" >"$1.said" 2>"$1.err" 3>&- &
    declare -g "job_$1=$!"
}

followed() {
    local job=job_$1
    status=0
    wait "${!job}" || status=$?
    output=$(<"$1.said") stderr=$(<"$1.err")
}

@test "logs -f: shows what comes as it comes, and ends with the worker: when it is released" {
    modload load faults 3>&-
    following one faults
    within grep -q " start " one.said
    ml exec faults segv
    within grep -q " call segv: " one.said
    ml exec -t 50ms faults hangs
    within grep -q " call hangs: " one.said
    modload release faults
    followed one
    assert_ok
    assert_no_stderr
    assert_equal "$(records end | sed 's/pid [0-9]* *//')" ": released"
    assert_equal "$(wc -l <one.said | tr -d ' ')" 4
}

@test "logs -f: ends when the worker is killed, and when it leaves by itself" {
    modload load faults 3>&-
    following one faults
    within grep -q " start " one.said
    kill -KILL "$(modload pid faults)"
    followed one
    assert_ok
    modload load --idle 300ms faults 3>&-
    following one faults
    followed one
    assert_ok
    assert_stdout_has ": idle"
}

@test "logs -f: goes on over reloads" {
    modload load faults 3>&-
    following one faults
    within grep -q " start " one.said
    for n in 1 2 3; do
        ml reload faults
        assert_ok
        within eval '[ "$(grep -c " start " one.said)" = $((n + 1)) ]'
    done
    ml exec faults segv
    within grep -q " call segv: " one.said
    modload release faults
    followed one
    assert_ok
    assert_equal "$(records start | wc -l)" 4
}

@test "logs -f: misses nothing when the file is full" {
    plugin counts 'pthread_t t; pthread_create(&t, NULL, run, NULL);' '
static void *run(void *arg)
{
    char line[128];
    for (int i = 0; i < 4500; i++) {
        int n = snprintf(line, sizeof line, "line %050d\n", i);
        while (write(1, line, (size_t)n) < 0 && errno == EAGAIN)
            usleep(1000);
        if (i % 100 == 0)
            usleep(2000);
    }
    return NULL;
}'
    modload load counts 3>&-
    following one counts
    within grep -q "line $(printf %050d 4499)" one.said
    modload release counts
    followed one
    assert_ok
    assert_equal "$(records out | sed 's/line 0*//' | awk '{ if ($1 + 0 != NR - 1) print }' | head -n 3)" ""
    assert_equal "$(records out | wc -l)" 4500
}

@test "logs -f: of a worker that is gone it shows what there is, and ends" {
    ml load constructor_crash
    ml logs -f constructor_crash
    assert_ok
    assert_equal "$(records fail | wc -l)" 1
    ml logs -f faults
    assert_exit 69
    assert_no_stdout
}

@test "logs -f: Ctrl-C ends it" {
    modload load faults 3>&-
    for signal in INT TERM; do
        following one faults
        within grep -q " start " one.said
        kill -s $signal "$job_one"
        followed one
        assert_exit $((128 + $(kill -l $signal)))
    done
}

@test "logs -f --json: an object in each line" {
    modload load faults 3>&-
    following one --json faults
    within grep -q start one.said
    ml exec faults segv
    within grep -q segv one.said
    modload release faults
    followed one
    assert_ok
    assert_equal "$(jq -r .kind one.said | tr '\n' ' ')" "start call end "
    assert_equal "$(wc -l <one.said | tr -d ' ')" 3
    ml logs -f --json faults
    assert_exit 69
    assert_equal "$(json '.errors[0].code')" not_loaded
}

@test "logs: called wrongly" {
    ml logs
    assert_exit 64
    ml logs a b
    assert_exit 64
    ml logs nobody
    assert_exit 66
    assert_no_stdout
    ml logs a/b
    assert_exit 65
}
