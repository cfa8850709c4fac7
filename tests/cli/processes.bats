#!/usr/bin/env bats
# Goal of this test: one worker for a key, whoever asks; whatever a plugin does, its caller gets an answer and nothing of
# it stays; and nobody is ever told that something dead is loaded.

load helpers
load plugins

setup_file() {
    given_plugins faults streams tree constructor_crash constructor_exit constructor_hang constructor_print constructor_fork \
        zoo/constructor_thread zoo/constructor_children zoo/report
}

given_loaded() {
    modload load "$@" 3>&-
}

idle() { # nothing but the worker, and the supervisor and the call that wait for the next client
    [ "$(processes_of "$1" | wc -l)" -le 3 ]
}

quiet() { # no call of it runs any more
    modload ps | grep -q " $1@.*" && ! modload ps | grep -q " $1@.* running="
}

has_spare() { # KEY WORKER
    [ "$(processes_of "$1" | grep -vcx "$2")" -ge 2 ]
}

no_files() {
    [ -z "$(run_files | grep -F "$1")" ]
}

# ---- what constructors leave in the worker ----

@test "processes: a constructor that starts a thread: every worker leaves when it is to, and every spare is replaced" {
    given_loaded constructor_thread
    key=$(key_of constructor_thread)
    for _ in {1..5}; do
        ml reload constructor_thread
        assert_ok
    done
    within idle "$key"
    for _ in {1..20}; do
        modload exec constructor_thread nap 0 >/dev/null
    done
    within quiet constructor_thread
    worker=$(modload pid constructor_thread)
    for _ in 1 2 3; do
        within has_spare "$key" "$worker"
        processes_of "$key" | grep -vx "$worker" | xargs -r kill -KILL 2>/dev/null || :
    done
    ml exec constructor_thread nap 1
    assert_ok
    kill -TERM "$worker"
    within gone "$worker"
    within no_files "$key"
}

@test "processes: a constructor that ignores its children: calls end, are told, and leave nothing" {
    given_loaded constructor_children
    ml exec -t 60s constructor_children nap 30
    assert_stdout 30
    ml exec -t 60s constructor_children crashes 30
    assert_exit 134
    within quiet constructor_children
    ml reload constructor_children
    assert_ok
    within idle "$(key_of constructor_children)"
}

@test "processes: a call cannot say that it never began" {
    given_loaded report
    for outcome in "69 not_loaded" "124 timeout" "130 cancelled" "77 refused" "139 plugin_error"; do
        rm -f tally
        # shellcheck disable=SC2086
        ml run report forges "$PWD/tally" $outcome
        assert_exit 1
        assert_equal "$(wc -l <tally)" 1
    done
    within quiet report
    ml ps --json
    assert_equal "$(json '.data.workers[]|[.calls, .errors]|tojson')" '[5,5]'
}

# ---- one worker ----

@test "processes: ten loads at once give one worker, and all are told its pid" {
    for i in {1..10}; do
        modload load --json faults >"said$i" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {1..10}; do
        wait "${jobs[i]}"
        assert_equal "$(cat "err$i")" ""
    done
    assert_equal "$(jq -s 'map(.data.workers[0].pid)|unique|length' said*)" 1
    assert_equal "$(jq -s 'map(select(.data.workers[0].started))|length' said*)" 1
    ml ps --json
    assert_equal "$(json '.data.workers|map(.pid)|tojson')" "[$(modload pid faults)]"
}

@test "processes: two keys on one bundle are two workers" {
    other=$(modload uuid)
    ml register "$other" "$(modload lookup faults)"
    assert_ok
    given_loaded faults "$other"
    one=$(modload pid faults) two=$(modload pid "$other")
    [ "$one" != "$two" ]
    ml release faults
    assert_ok
    ml loaded "$other"
    assert_ok
    ml exec "$other" fine
    assert_ok
    assert_stdout 7
    assert_equal "$(modload pid "$other")" "$two"
}

@test "processes: the worker and its calls are each others' relatives, and the call is never the worker" {
    given_loaded streams
    worker=$(modload pid streams)
    ml exec streams whoami
    assert_ok
    [ "$output" != "$worker" ]
    first=$output
    gone "$first"
    ml exec streams whoami
    [ "$output" != "$first" ]
    ml exec streams parent
    [ "$output" != "$worker" ]
}

@test "processes: calls of one worker run side by side" {
    given_loaded faults
    begin one exec -t 0 faults hangs
    begin two exec -t 0 faults hangs
    ml exec faults fine
    assert_ok
    kill -TERM "$job_one" "$job_two"
    finish one
    assert_exit 143
    finish two
    assert_exit 143
}

# ---- release ----

@test "processes: release ends calls in flight, whose callers get 69 at once" {
    given_loaded faults
    key=$(key_of faults)
    for i in 1 2 3; do
        begin "call$i" exec -t 0 faults hangs_deaf
    done
    ml release faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    assert_equal "$(processes_of "$key")" ""
    for i in 1 2 3; do
        finish "call$i"
        assert_exit 69
        assert_no_stdout
        assert_stderr "modload: the worker was released during the call"
    done
}

@test "processes: when release returns, the worker is gone and leaves no file" {
    for _ in 1 2 3 4 5; do
        given_loaded faults
        pid=$(modload pid faults)
        ml release faults
        assert_ok
        gone "$pid"
        assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
        ml loaded faults
        assert_exit 1
    done
}

@test "processes: of two releases at once one says that there is nothing" {
    given_loaded faults
    modload release faults 2>err1 3>&- & one=$!
    modload release faults 2>err2 3>&- & two=$!
    first=0 second=0
    wait $one || first=$?
    wait $two || second=$?
    echo "$first $second"
    case "$first $second" in
    "0 69" | "69 0" | "0 0") ;;
    *) fail "$(cat err1 err2)" ;;
    esac
    ml loaded faults
    assert_exit 1
}

@test "processes: many run --release at once on one key all get their result" {
    for round in {1..12}; do
        for i in 1 2 3; do
            modload run --release faults fine >"said$i" 2>"err$i" 3>&- &
            jobs[i]=$!
        done
        for i in 1 2 3; do
            status=0
            wait "${jobs[i]}" || status=$?
            [ "$status $(<"said$i")" = "0 7" ] || fail "round $round: status $status: $(cat "said$i" "err$i")"
            assert_equal "$(<"err$i")" ""
        done
    done
    ml loaded faults
    assert_exit 1
    assert_equal "$(processes_of "$(key_of faults)")" ""
}

@test "processes: a release by somebody does not spoil a run that is just beginning" {
    for round in {1..10}; do
        modload run faults fine >said 2>err 3>&- &
        job=$!
        modload release faults >/dev/null 2>&1 3>&- || :
        status=0
        wait $job || status=$?
        case $status in
        0) assert_equal "$(<said)" 7 ;;
        69) assert_equal "$(<said)" "" ;; # it was running when the release came
        *) fail "round $round: status $status: $(<err)" ;;
        esac
    done
}

# ---- what a call leaves ----

@test "processes: a child, a daemon and a program that a call left are gone when exec ends" {
    given_loaded tree
    for function in child daemon_child program; do
        ml exec tree $function
        assert_ok
        assert_no_stderr
        [ "$output" -gt 1 ]
        gone "$output"
    done
    within idle "$(key_of tree)"
}

@test "processes: a family of deaf descendants is gone when the time is up" {
    given_loaded tree
    ml exec -t 200ms tree family
    assert_exit 124
    [ "${#lines[@]}" -gt 0 ]
    # shellcheck disable=SC2086
    gone $output
    within idle "$(key_of tree)"
    ml release tree
    assert_ok
    assert_equal "$(processes_of "$(key_of tree)")" ""
}

@test "processes: the child of a call that crashed is gone" {
    given_loaded tree
    ml exec tree child_and_crash
    assert_exit 139
    gone "$output"
}

@test "processes: a runaway that lives by forking is caught" {
    given_loaded tree
    key=$(key_of tree)
    patience=5s
    # Under a sanitizer a look at /proc may take longer than each of them lives: then they are caught when they tire.
    ! grep -q __asan_init "$MODLOAD_BUILD/libexec/modload/modload-worker" || patience=60s
    ml exec -t "$patience" tree runaway
    assert_ok
    within idle "$key"
    ml release tree
    assert_ok
    assert_equal "$(processes_of "$key")" ""
}

@test "processes: release ends descendants as well" {
    given_loaded tree
    begin call exec -t 0 tree family
    first=$said
    ml release tree
    assert_ok
    finish call
    assert_exit 69
    # shellcheck disable=SC2086
    gone $first $output
    assert_equal "$(processes_of "$(key_of tree)")" ""
}

# ---- the worker dies ----

@test "processes: SIGKILL of the worker in a call: the caller gets 69, loaded says no at once, load works again" {
    given_loaded faults
    key=$(key_of faults) pid=$(modload pid faults)
    begin call exec -t 0 faults hangs
    kill -KILL "$pid"
    ml loaded faults
    assert_exit 1
    ml pid faults
    assert_exit 69
    ml ps
    assert_ok
    assert_no_stdout
    finish call
    assert_exit 69
    assert_no_stdout
    assert_stderr_has "modload: "
    ml exec faults fine
    assert_exit 69
    within eval '[ -z "$(processes_of "$key")" ]'
    ml load faults
    assert_ok
    [ "$(modload pid faults)" != "$pid" ]
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

@test "processes: a worker that was killed is never loaded, not for a moment" {
    for _ in {1..15}; do
        given_loaded faults
        kill -KILL "$(modload pid faults)"
        ml loaded faults
        assert_exit 1
        ml release faults
        assert_exit 69
    done
}

@test "processes: a worker that gets no processor when a call is late is not killed for that" {
    [ "$(id -u)" -eq 0 ] && [ "$(nproc)" -gt 1 ] || skip "needs root, and two processors"
    given_loaded faults
    worker=$(modload pid faults)
    taskset -pc 0 "$worker" >/dev/null
    # real-time: nothing else runs there, but for what the kernel itself sets aside; the call is bound like its worker
    timeout 1.5 taskset -c 0 chrt -f 50 sh -c 'echo; while :; do :; done' >hog 3>&- &
    within test -s hog
    ml exec -t 100ms faults stops_parent # so nobody but the worker can end it
    [[ $stderr != *killed* ]]
    ml exec faults fine
    assert_ok
    assert_equal "$(modload pid faults)" "$worker"
    wait
}

@test "processes: a worker that answers questions, but not calls, gets no more time for it" {
    load_impostor answers
    begun=$(date +%s%3N)
    ml exec -t 500ms "$id" add 1 2
    took=$(($(date +%s%3N) - begun))
    assert_exit 124
    assert_no_stdout
    assert_stderr_has "did not answer within 500 ms, and was killed"
    gone "$worker"
    [ "$took" -lt 3500 ] || fail "it took $took ms" # of which 900 are asked for
}

@test "processes: without a time limit a call that nobody takes does not wait for ever, nor kill" {
    given_loaded faults
    worker=$(modload pid faults)
    kill -STOP "$worker"
    begin call exec -t 0 faults hangs # which was made ahead, and so is taken
    ml exec -t 0 faults fine
    assert_exit 75
    assert_no_stdout
    assert_stderr "modload: the worker of $(key_of faults) does not answer
  hint: end it: modload release $(key_of faults)"
    kill -CONT "$worker"
    ml exec -t 0 faults fine
    assert_ok
    kill -TERM "$job_call"
    finish call
    assert_exit 143
}

@test "processes: what a dead worker left in the run-time directory is in nobody's way" {
    given_loaded faults
    kill -KILL "$(modload pid faults)"
    within eval '[ -z "$(processes_of "$(key_of faults)")" ]'
    [ -n "$(find "$MODLOAD_RUNTIME_DIR" -type s)" ]
    ml ps
    assert_ok
    assert_no_stdout
    ml list
    assert_ok
    [[ $output != *" loaded"* ]]
    ml load faults
    assert_ok
    ml release faults
    assert_ok
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "processes: a call that kills its supervisor is told to its caller, and the worker goes on" {
    given_loaded faults
    pid=$(modload pid faults)
    ml exec faults kills_parent
    [ "$status" -ne 0 ]
    assert_no_stdout
    assert_stderr_has "modload: "
    ml exec faults fine
    assert_ok
    assert_equal "$(modload pid faults)" "$pid"
    within idle "$(key_of faults)"
}

# ---- its files go ----

@test "processes: one of a worker's files is taken away: a load works at once, and the worker does not stay" {
    key=$(key_of faults)
    for gone in call control lock "call control" "control lock" "call control lock log log.old"; do
        echo "without: $gone"
        given_loaded faults
        pid=$(modload pid faults)
        begin call exec -t 0 faults hangs_deaf
        for file in $gone; do
            rm "$MODLOAD_RUNTIME_DIR"/*/"$key.$file"
        done
        ml load faults
        assert_ok
        assert_no_stderr
        [ "$(modload pid faults)" != "$pid" ]
        ml exec faults fine
        assert_ok
        assert_stdout 7
        within gone "$pid"
        finish call
        assert_exit 69
        rm call.out
        ml exec faults fine
        assert_ok
        ml release faults
        assert_ok
        within eval '[ -z "$(processes_of "$key")" ]'
        assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
    done
}

@test "processes: a worker that has lost its files leaves, also if nobody comes; release --all does not wait for it" {
    key=$(key_of faults)
    for command in true "modload release --all"; do
        for gone in call control lock "call control lock"; do
            echo "$command, without: $gone"
            given_loaded faults
            pid=$(modload pid faults)
            for file in $gone; do
                rm "$MODLOAD_RUNTIME_DIR"/*/"$key.$file"
            done
            $command
            [ "$command" = true ] || gone "$pid"
            within gone "$pid"
            ml loaded faults
            assert_exit 1
        done
    done
    modload release --all
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "processes: load --restart: a worker that has lost its files is started again" {
    given_loaded --restart on-failure faults
    pid=$(modload pid faults)
    rm "$MODLOAD_RUNTIME_DIR"/*/*.call
    within gone "$pid"
    within modload loaded faults 2>/dev/null
    ml exec faults fine
    assert_ok
    ml release faults
    assert_ok
}

# ---- the caller goes ----

@test "processes: a call that stops its supervisor is told to its caller, and nothing runs on" {
    register_text stopper '#include <signal.h>
#include <unistd.h>
int stop(void) { kill(getppid(), SIGSTOP); for (;;) pause(); }
int fine(void) { return 1; }'
    modload load "$id" 3>&-
    ml exec -t 0 "$id" stop
    assert_exit 69
    assert_no_stdout
    assert_stderr_has "went away"
    ml exec "$id" fine
    assert_ok
    assert_stdout 1
    within eval '! grep -lsa "^State:.T" $(processes_of "$id" | sed "s|.*|/proc/&/status|")'
}

@test "processes: Ctrl-C ends the call with its caller" {
    given_loaded streams tree
    begin call exec -t 0 tree family
    kill -INT "$job_call"
    finish call
    assert_exit 130
    # shellcheck disable=SC2086
    gone $said $output
    assert_stderr "modload: family: cancelled"
}

@test "processes: a caller that is killed takes its call along" {
    given_loaded tree
    begin call exec -t 0 tree family
    kill -KILL "$job_call"
    finish call
    assert_exit 137
    # shellcheck disable=SC2086
    within gone $said $output
    within idle "$(key_of tree)"
    ml ps --json
    assert_equal "$(json '.data.workers[0].cancelled')" 1
}

@test "processes: a caller whose interrupt is ignored goes on" {
    given_loaded faults
    mkfifo input
    trap '' INT
    modload exec faults waits <input >said 2>err 3>&- &
    job=$!
    trap - INT
    exec {input}>input
    within grep -q begun said
    kill -INT "$job"
    echo >&"$input"
    exec {input}>&-
    wait "$job"
    assert_equal "$(<said)" $'begun\n1'
    assert_equal "$(<err)" ""
}

@test "processes: a reader that goes away is no crash" {
    given_loaded faults streams
    # shellcheck disable=SC2216
    modload exec faults fine 2>err 3>&- | true
    ml exec faults fine
    assert_ok
    yes | modload exec -t 0 streams copy 2>err 3>&- | head -c 100000 >said
    assert_equal "$(wc -c <said)" 100000
    within idle "$(key_of streams)"
}

@test "processes: the time limit counts, and none is none" {
    given_loaded faults
    ml exec -t 0 faults fine
    assert_ok
    mkfifo input
    modload exec -t 0 faults waits <input >said 2>err 3>&- &
    job=$!
    exec {input}>input
    within grep -q begun said
    ml exec -t 1ms faults hangs
    assert_exit 124
    echo >&"$input"
    exec {input}>&-
    wait "$job"
    assert_equal "$(<said)" $'begun\n1'
}

@test "processes: a late answer reaches nobody" {
    given_loaded faults
    mkfifo input
    exec {input}<>input
    ml exec -t 100ms faults waits <input
    assert_exit 124
    echo >&"$input"
    exec {input}<&-
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

# ---- standard input, output and error ----

@test "processes: stdin, stdout and stderr are the caller's own" {
    given_loaded streams
    ml exec streams tee <<<"through and through"
    assert_ok
    assert_stdout "through and through"
    assert_stderr "through and through"
    ml exec streams copy <<<"some text"
    assert_ok
    assert_stdout $'some text\n10'
    assert_no_stderr
    ml exec streams copy </dev/null
    assert_ok
    assert_stdout 0
}

@test "processes: a big pipe goes through whole" {
    given_loaded streams
    head -c 30000000 /dev/zero | tr '\0' x | modload exec -t 60s streams tee 2>err 3>&- | md5sum >sum
    assert_equal "$(<sum)" "$(head -c 30000000 /dev/zero | tr '\0' x | md5sum)"
    assert_equal "$(wc -c <err)" 30000000
}

@test "processes: calls in a pipeline feed each other" {
    given_loaded streams
    printf 'a\nb\n' | modload exec streams tee 2>/dev/null 3>&- | modload exec streams tee 2>/dev/null 3>&- >said
    assert_equal "$(<said)" $'a\nb'
}

@test "processes: a closed standard descriptor is an empty one" {
    given_loaded streams faults
    ml exec streams first <&-
    assert_ok
    assert_stdout -1
    assert_no_stderr
    status=0
    modload exec faults prints 2>err >&- 3>&- || status=$?
    assert_exit 74
    assert_equal "$(<err)" $'on stderr\nmodload: cannot write to standard output: Bad file descriptor'
    status=0
    modload exec faults fine >said 2>&- 3>&- || status=$?
    assert_ok
    assert_equal "$(<said)" 7
    status=0
    modload exec faults fien >said 2>&- 3>&- || status=$?
    assert_exit 127
    assert_equal "$(<said)" ""
}

@test "processes: a call has its three descriptors, and none of modload's or of who loaded it" {
    modload load streams 3>&- 7</dev/null 8</dev/null 20</dev/null
    for fd in 0 1 2; do
        ml exec streams is_open $fd
        assert_stdout 1
    done
    open=
    for fd in {3..40}; do
        [ "$(modload exec streams is_open "$fd" 4<&0 5<&0 3>&-)" = 0 ] || open+=" $fd"
    done
    assert_equal "$open" ""
}

@test "processes: what a plugin prints comes before its result" {
    given_loaded faults
    ml exec faults prints
    assert_ok
    assert_stdout "printed, no newline: 1"
    assert_stderr "on stderr"
}

# ---- places ----

@test "processes: a run-time directory whose path no socket could have works" {
    MODLOAD_RUNTIME_DIR=$BATS_TEST_TMPDIR/r/$(printf '%120s' | tr ' ' d)/$(printf '%120s' | tr ' ' e)
    export MODLOAD_RUNTIME_DIR
    ml load faults
    assert_ok
    assert_no_stderr
    ml exec faults fine
    assert_ok
    assert_stdout 7
    ml ps
    assert_ok
    assert_equal "${#lines[@]}" 1
    ml release faults
    assert_ok
}

@test "processes: without a run-time directory of its own it is private, in the temporary one" {
    export TMPDIR=$MODLOAD_RUNTIME_DIR
    mkdir -m 1777 "$TMPDIR"
    export MODLOAD_RUNTIME_DIR=
    ml load faults
    assert_ok
    assert_equal "$(stat -c %a "$TMPDIR/modload-$(id -u)")" 700
    assert_equal "$(find "$TMPDIR/modload-$(id -u)" ! -type s -perm /077)" ""
    ml release faults
    assert_ok
    export XDG_RUNTIME_DIR=$TMPDIR/xdg
    mkdir -m 700 "$XDG_RUNTIME_DIR"
    ml load faults
    assert_ok
    assert_equal "$(ls "$XDG_RUNTIME_DIR")" modload
    ml release faults
    assert_ok
    export MODLOAD_RUNTIME_DIR=$TMPDIR
}

@test "processes: two registries in one run-time directory do not meet" {
    given_loaded faults
    first=$(modload pid faults)
    cp -a "$MODLOAD_HOME" second
    export MODLOAD_HOME=$PWD/second
    ml loaded faults
    assert_exit 1
    ml load faults
    assert_ok
    [ "$(modload pid faults)" != "$first" ]
    ml release --all
    assert_ok
    export MODLOAD_HOME=$BATS_TEST_TMPDIR/h
    assert_equal "$(modload pid faults)" "$first"
}

@test "processes: the worker stands nowhere and knows nothing of its caller" {
    SECRET=hush given_loaded streams
    ml exec streams directory
    assert_ok
    assert_stdout /
    [[ $(tr '\0' '\n' <"/proc/$(modload pid streams)/environ") != *hush* ]]
    ml exec streams terminal 0
    assert_ok
}

# ---- constructors ----

@test "processes: a constructor that crashes: load tells the signal, and leaves nothing" {
    ml load constructor_crash
    assert_exit 139
    assert_no_stdout
    assert_stderr "modload: cannot load 'constructor_crash': the plugin crashed the worker while it was mapped: Segmentation fault"
    ml loaded constructor_crash
    assert_exit 1
    assert_equal "$(processes_of "$(key_of constructor_crash)")" ""
    assert_equal "$(run_files)" ""
}

@test "processes: a constructor that ends its process: load fails, and leaves nothing" {
    ml load constructor_exit
    assert_exit 1
    assert_no_stdout
    assert_stderr "modload: cannot load 'constructor_exit': the plugin ended the worker while it was mapped: exit status 3"
    ml loaded constructor_exit
    assert_exit 1
    assert_equal "$(processes_of "$(key_of constructor_exit)")" ""
    assert_equal "$(run_files)" ""
}

@test "processes: a constructor that hangs: load times out, and leaves nothing" {
    ml load -t 200ms constructor_hang
    assert_exit 124
    assert_no_stdout
    assert_stderr_has "modload: cannot load 'constructor_hang': the plugin was not ready within 200 ms"
    ml loaded constructor_hang
    assert_exit 1
    assert_equal "$(processes_of "$(key_of constructor_hang)")" ""
    assert_equal "$(run_files)" ""
    ml run -t 200ms --release constructor_hang one
    assert_exit 124
    assert_no_stdout
}

@test "processes: a constructor that forks: load works, and release ends its child" {
    ml load constructor_fork
    assert_ok
    child=$(modload exec constructor_fork child 3>&-)
    [ "$child" -gt 1 ]
    ml release constructor_fork
    assert_ok
    gone "$child"
    assert_equal "$(processes_of "$(key_of constructor_fork)")" ""
}

@test "processes: a constructor that prints does not spoil an answer" {
    ml load --json constructor_print
    assert_ok
    assert_equal "$(json .status)" ok
    ml exec constructor_print one
    assert_ok
    assert_stdout 1
    assert_no_stderr
}

# register_gated NAME: one whose constructor waits until something is written into ./gate
register_gated() {
    mkfifo gate
    register_text "$1" "#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void) { char c; int fd = open(\"$PWD/gate\", O_RDONLY); (void)!read(fd, &c, 1); close(fd); }
int one(void) { return 1; }"
}

# begin_load ARG...: a load in the background, and the worker that it starts, as $starting
begin_load() {
    modload load "$@" >said 2>err 3>&- &
    job=$!
    within eval '[ -n "$(processes_of "$id")" ]'
    starting=$(processes_of "$id")
}

finish_load() {
    status=0
    wait "$job" || status=$?
    stderr=$(<err)
    printf 'load: status %s\nstderr: %s\n' "$status" "$stderr"
}

@test "processes: a caller who does not wait for a worker that is starting does it no harm" {
    register_gated gated
    begin_load -t 60s "$id"
    for _ in 1 2; do
        ml exec -t 100ms "$id" one
        assert_exit 124
        assert_no_stdout
        assert_stderr "modload: took longer than 100 ms: its worker is still starting
  hint: wait until it is loaded: modload load $id"
    done
    status=0
    echo '{"call":"one"}' | modload exec -t 100ms --batch "$id" >said2 2>err2 3>&- || status=$?
    assert_exit 124
    grep -q "still starting" said2 err2
    echo >gate
    finish_load
    assert_ok
    assert_equal "$stderr" ""
    assert_equal "$(modload pid "$id")" "$starting"
    ml exec "$id" one
    assert_ok
    assert_stdout 1
}

@test "processes: a worker that somebody kills while it starts: load does not say that the plugin crashed" {
    register_gated gated
    begin_load -t 60s "$id"
    kill -KILL "$starting"
    finish_load
    assert_exit 69
    assert_equal "$stderr" "modload: cannot load '$id': the worker was killed while it started"
    assert_equal "$(run_files)" ""
}

@test "processes: a load that hangs and is interrupted or killed leaves nothing, and is in nobody's way" {
    key=$(key_of constructor_hang)
    for signal in INT TERM KILL; do
        env --default-signal=INT modload load -t 0 constructor_hang >said 2>err 3>&- &
        job=$!
        within eval '[ -n "$(processes_of "$key")" ]'
        kill -s "$signal" "$job"
        status=0
        wait "$job" || status=$?
        assert_exit $((128 + $(kill -l "$signal")))
        assert_equal "$(<said)" ""
        within eval '[ -z "$(processes_of "$key")" ]'
        ml loaded constructor_hang
        assert_exit 1
        ml load -t 100ms constructor_hang
        assert_exit 124
    done
}

@test "processes: a load that waits for another one can be interrupted" {
    key=$(key_of constructor_hang)
    modload load -t 0 constructor_hang 2>err1 3>&- &
    first=$!
    within eval '[ -n "$(processes_of "$key")" ]'
    env --default-signal=INT modload load -t 0 constructor_hang 2>err2 3>&- &
    second=$!
    within eval 'ls -l "/proc/$second/fd" | grep -q signalfd'
    kill -INT "$second"
    status=0
    wait "$second" || status=$?
    assert_exit 130
    kill -TERM "$first"
    status=0
    wait "$first" || status=$?
    assert_exit 143
    within eval '[ -z "$(processes_of "$key")" ]'
}
