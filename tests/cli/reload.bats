#!/usr/bin/env bats
# Goal of this test: reload puts a fresh worker in the place of the old one, without a call being lost or refused; when it
# fails, nothing has changed.

load helpers
load plugins

setup_file() {
    given_plugins faults streams
}

# version N [TEXT]: registers "code" anew: v() and waits() return N; waits() says "begun" and reads its input to the end
version() {
    modload register --name code 0c0de000-0000-4000-8000-000000000000 -e "
#include <stdio.h>
${2-}
int v(void) { return $1; }
int waits(void) { puts(\"begun\"); fflush(stdout); while (getchar() != EOF) ; return $1; }" >/dev/null 3>&-
}

# in_flight NAME: a call of waits() that goes on until `ended NAME`
in_flight() {
    mkfifo "$1.in"
    modload exec -t 0 code waits <"$1.in" >"$1.out" 2>"$1.err" 3>&- &
    declare -g "job_$1=$!"
    exec {fifo}>"$1.in"
    declare -g "fifo_$1=$fifo"
    within grep -q begun "$1.out"
}

ended() {
    local job=job_$1 fifo=fifo_$1
    fifo=${!fifo}
    exec {fifo}>&-
    status=0
    wait "${!job}" || status=$?
    output=$(<"$1.out") stderr=$(<"$1.err")
}

# workers_of KEY: its workers, those that are on their way out too; neither supervisors nor calls
workers_of() {
    processes_of "$1" | while read -r pid; do
        [[ $(readlink "/proc/$pid/fd/8" 2>/dev/null) != "$MODLOAD_RUNTIME_DIR"/* ]] || echo "$pid"
    done
}

@test "reload: in silence; the worker is another, its counters are at 0" {
    modload load faults 3>&-
    modload exec faults fine
    old=$(modload pid faults)
    ml reload faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    [ "$(modload pid faults)" != "$old" ]
    within gone "$old"
    ml ps
    assert_stdout_has calls=0
    assert_equal "${#lines[@]}" 1
    ml exec faults fine
    assert_ok
    assert_stdout 7
    ml ps
    assert_stdout_has calls=1
}

@test "reload: the lock is the new worker's, in the kernel's eyes too" {
    modload load faults 3>&-
    inode=$(stat -c %i "$(find "$MODLOAD_RUNTIME_DIR" -name '*.lock')")
    for _ in 1 2 3; do
        ml reload faults
        assert_ok
        assert_equal "$(awk -v end=":$inode" '$2 == "POSIX" && index($6, end) { print $5 }' /proc/locks)" \
            "$(modload pid faults)"
    done
}

@test "reload: what the entry points at now" {
    version 1
    modload load code 3>&-
    version 2
    ml exec code v
    assert_stdout 1
    ml reload code
    assert_ok
    ml exec code v
    assert_stdout 2
    ml ps
    assert_stdout_has "$(modload lookup code)"
}

@test "reload: of a worker that is not loaded it is a load" {
    ml reload --json faults
    assert_ok
    assert_equal "$(json '.data.workers[0].pid')" "$(modload pid faults)"
    ml exec faults fine
    assert_ok
    modload release faults
    ml reload faults
    assert_ok
    ml loaded faults
    assert_ok
}

@test "reload: several, and what fails is told with what was done" {
    modload load faults streams 3>&-
    one=$(modload pid faults) two=$(modload pid streams)
    ml reload --json faults nobody streams
    assert_exit 66
    assert_equal "$(json '.data.workers | length')" 2
    [ "$(modload pid faults)" != "$one" ]
    [ "$(modload pid streams)" != "$two" ]
}

@test "reload: of a key that is not registered is 66, and the worker goes on as it was" {
    modload load faults 3>&-
    modload exec faults fine
    key=$(key_of faults) pid=$(modload pid faults)
    modload unregister faults
    ml reload "$key"
    assert_exit 66
    assert_no_stdout
    assert_equal "$(modload pid "$key")" "$pid"
    ml exec "$key" fine
    assert_ok
    ml ps
    assert_stdout_has calls=2
    ml reload "$(modload uuid)"
    assert_exit 66
    assert_no_stdout
}

@test "reload: a new one whose constructor crashes, ends or hangs: the old one goes on as it was" {
    version 1
    modload load code 3>&-
    modload exec code v
    pid=$(modload pid code)
    for bad in "abort();|134|crashed the worker" "exit(3);|1|exit status 3" "for (;;) pause();|124|not ready within"; do
        version 2 "#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) { ${bad%%|*} }"
        rest=${bad#*|}
        ml reload -t 300ms code
        assert_exit "${rest%|*}"
        assert_no_stdout
        assert_stderr_has "modload: cannot reload 'code': "
        assert_stderr_has "${rest#*|}"
        assert_equal "$(modload pid code)" "$pid"
        ml exec code v
        assert_ok
        assert_stdout 1
        within eval '[ "$(workers_of 0c0de000 | wc -l)" = 1 ]'
    done
    ml ps
    assert_stdout_has calls=4
}

@test "reload: a new one that is damaged or missing: the old one goes on as it was" {
    version 1
    modload load code 3>&-
    pid=$(modload pid code)
    version 2
    bundle=$MODLOAD_HOME/bundles/$(modload lookup code)
    chmod -R u+w "$bundle"
    printf x >>"$bundle/plugin.so"
    ml reload code
    assert_exit 77
    assert_no_stdout
    assert_stderr_has damaged
    rm -r "${bundle:?}"
    ml reload code
    assert_exit 77
    assert_stderr_has missing
    assert_equal "$(modload pid code)" "$pid"
    ml exec code v
    assert_stdout 1
}

@test "reload: a call in flight ends on the old code, while new ones run on the new" {
    version 1
    modload load code 3>&-
    old=$(modload pid code)
    in_flight call
    version 2
    ml reload code
    assert_ok
    for _ in 1 2 3 4 5; do
        ml exec code v
        assert_ok
        assert_stdout 2
    done
    gone "$old" && fail "the old worker did not wait for its call"
    ended call
    assert_ok
    assert_equal "$output" $'begun\n1'
    within gone "$old"
    ml ps --json
    assert_equal "$(json '.data.workers | length')" 1
    assert_equal "$(json '.data.workers[0].calls')" 5
}

@test "reload: any number of swaps during one call does it no harm, and leaves no old workers" {
    version 0
    modload load code 3>&-
    in_flight call
    for i in {1..12}; do
        version "$i"
        ml reload code
        assert_ok
        ml exec code v
        assert_stdout "$i"
    done
    within eval '[ "$(workers_of 0c0de000 | wc -l)" = 2 ]'
    ended call
    assert_ok
    assert_equal "$output" $'begun\n0'
    within eval '[ "$(workers_of 0c0de000 | wc -l)" = 1 ]'
}

@test "reload: no call is refused or lost while workers change" {
    version 0
    modload load code 3>&-
    for j in 1 2 3; do
        (
            while [ ! -e enough ]; do
                status=0
                said=$(modload exec code v 2>>"err$j") || status=$?
                echo "$status $said"
            done
        ) >"said$j" 3>&- &
        jobs[j]=$!
    done
    for i in {1..25}; do
        modload reload code 2>>err 3>&- || fail "reload $i: $(<err)"
        [ "$i" -ne 12 ] || version 1
    done
    touch enough
    wait "${jobs[@]}"
    assert_equal "$(cat err1 err2 err3)" ""
    for j in 1 2 3; do
        grep -vE '^0 [01]$' "said$j" && fail "a call went wrong"
        assert_equal "$(uniq "said$j")" "$(sort -u "said$j")" # never back to the old code
    done
    ml exec code v
    assert_stdout 1
}

@test "reload: several at once give one worker, on the newest code" {
    version 0
    modload load code 3>&-
    first=$(modload pid code)
    for i in 1 2 3 4 5; do
        modload reload code 2>"err$i" 3>&- &
        jobs[i]=$!
        [ "$i" != 3 ] || version 1
    done
    for i in 1 2 3 4 5; do
        wait "${jobs[i]}" || fail "$(cat "err$i")"
        assert_equal "$(cat "err$i")" ""
    done
    ml exec code v
    assert_stdout 1
    [ "$(modload pid code)" != "$first" ]
    within eval '[ "$(workers_of 0c0de000 | wc -l)" = 1 ]'
}

@test "reload: of a worker that is being released, either comes first" {
    for _ in {1..8}; do
        modload load faults 3>&-
        modload release faults >/dev/null 2>&1 3>&- & one=$!
        ml reload faults
        assert_ok
        status=0
        wait $one || status=$?
        assert_ok
        ml release faults
        case $status in 0 | 69) ;; *) fail "status $status" ;; esac
        assert_equal "$(processes_of "$(key_of faults)")" ""
    done
}

@test "reload: release ends what is in flight on old workers too, at once" {
    version 1
    modload load code 3>&-
    in_flight one
    version 2
    modload reload code 3>&-
    in_flight two
    modload reload code 3>&-
    ml release code
    assert_ok
    assert_equal "$(processes_of 0c0de000)" ""
    for call in one two; do
        ended $call
        assert_exit 69
        assert_equal "$stderr" "modload: the worker was released during the call"
    done
}

@test "reload: run --release does not end a call on an old worker" {
    version 1
    modload load code 3>&-
    in_flight call
    modload reload code 3>&-
    ml run --release code v
    assert_ok
    assert_stdout 1
    ended call
    assert_ok
    assert_equal "$output" $'begun\n1'
    within eval '[ -z "$(processes_of 0c0de000)" ]'
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "reload: SIGKILL of the new worker ends the calls of the old one as well" {
    version 1
    modload load code 3>&-
    in_flight call
    modload reload code 3>&-
    kill -KILL "$(modload pid code)"
    ml loaded code
    assert_exit 1
    within grep -q modload: call.err
    ended call
    assert_exit 69
    within eval '[ -z "$(processes_of 0c0de000)" ]'
    ml load code
    assert_ok
}

@test "reload: SIGKILL of the old worker while it waits for its call: the new one goes on" {
    version 1
    modload load code 3>&-
    old=$(modload pid code)
    in_flight call
    version 2
    modload reload code 3>&-
    kill -KILL "$old"
    ml exec code v
    assert_ok
    assert_stdout 2
    ended call
    case $status in
    0) assert_equal "$output" $'begun\n1' ;; # its supervisor saw it through
    *) assert_exit 69 ;;
    esac
    ml release code
    assert_ok
}

@test "reload: interrupted or killed while the new one starts, the old one goes on as it was" {
    version 1
    modload load code 3>&-
    pid=$(modload pid code)
    version 2 '#include <unistd.h>
__attribute__((constructor)) static void begin(void) { for (;;) pause(); }'
    for signal in INT TERM KILL; do
        env --default-signal=INT modload reload -t 0 code >said 2>err 3>&- &
        job=$!
        within eval '[ "$(workers_of 0c0de000 | wc -l)" = 2 ]'
        ml exec code v
        assert_ok
        kill -s "$signal" "$job"
        status=0
        wait "$job" || status=$?
        assert_exit $((128 + $(kill -l "$signal")))
        within eval '[ "$(workers_of 0c0de000 | wc -l)" = 1 ]'
        assert_equal "$(modload pid code)" "$pid"
        ml exec code v
        assert_ok
        assert_stdout 1
    done
}

@test "reload: killed at each of its steps, there is one worker, which answers" {
    version 1
    modload load code 3>&-
    version 2
    for call in sendmsg connect; do
        for n in 1 2 3 4 5; do
            ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -qq -o /dev/null -e trace=$call \
                -e inject=$call:signal=SIGKILL:when=$n modload reload code >said 2>err 3>&- || :
            ml exec code v
            assert_ok
            [[ $output == [12] ]]
            within eval '[ "$(workers_of 0c0de000 | wc -l)" = 1 ]'
            within eval '[ "$(processes_of 0c0de000 | wc -l)" -le 3 ]' # with a supervisor and a call that wait
        done
    done
    ml exec code v
    assert_stdout 2
}

@test "reload: a worker of another version of modload is ended, and a new one takes its place" {
    cat >old.c <<'END'
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static int at(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    return bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 9) < 0 ? -1 : fd;
}
int main(int argc, char **argv)
{
    int lock = open(argv[1], O_RDWR | O_CREAT, 0600), control = at(argv[2]), call = at(argv[3]);
    char question[12];
    if (flock(lock, LOCK_EX | LOCK_NB) < 0 || control < 0 || call < 0)
        return 1;
    for (puts("ready"), fflush(stdout);;) {
        int conn = accept(control, NULL, NULL);
        if (read(conn, question, 12) == 12 && write(conn, "1wlm\1\0\4\0\0\0\0\0", 12) != 12)
            return 1;
        close(conn);
    }
}
END
    cc -o modload-worker old.c
    modload load faults 3>&-
    at=$(find "$MODLOAD_RUNTIME_DIR" -name "$(key_of faults).lock")
    modload release faults
    mkfifo ready
    ./modload-worker "$at" "${at%lock}control" "${at%lock}call" >ready 3>&- &
    old=$!
    read -r _ <ready
    ml ps
    assert_ok
    assert_stdout_has "does not answer"
    ml release faults
    assert_exit 76
    assert_stderr_has "of another version of modload"
    assert_stderr_has "modload reload"
    ml loaded faults
    assert_exit 76
    ml reload faults
    assert_ok
    assert_no_stderr
    gone "$old"
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

@test "reload: a call has its three descriptors, and none of modload's" {
    modload load streams 3>&-
    modload reload streams 3>&-
    modload reload streams 3>&-
    open=
    for fd in {3..40}; do
        [ "$(modload exec streams is_open "$fd" 4<&0 5<&0 3>&-)" = 0 ] || open+=" $fd"
    done
    assert_equal "$open" ""
}

@test "reload: called wrongly" {
    ml reload
    assert_exit 64
    assert_no_stdout
    ml reload -t soon faults
    assert_exit 64
    ml reload a/b
    assert_exit 65
    ml reload nobody
    assert_exit 66
    assert_stderr $'modload: nothing is registered as \'nobody\'\n  hint: see what is: modload list'
}
