#!/usr/bin/env bats
# Goal of this test: with load --restart on-failure a worker that died is started again, one that was released or left is
# not; there is never more than one keeper, and none is left behind.

load helpers
load plugins

setup_file() {
    given_plugins faults
}

# the process that keeps the workers of this registry: each has a file of its own, locked
keepers() {
    local file
    find "$MODLOAD_RUNTIME_DIR" -name '*.keeper' | while read -r file; do
        awk -v end=":$(stat -c %i "$file")" '$2 == "POSIX" && index($6, end) { print $5 }' /proc/locks
    done
}

keeping_processes() { # all of them, those that are on their way in or out too
    grep -lsaFz "MODLOAD_RUNTIME_DIR=$MODLOAD_RUNTIME_DIR" /proc/[0-9]*/environ | cut -d / -f 3 | while read -r pid; do
        case $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) in
        "modload load"*) gone "$pid" || echo "$pid" ;;
        esac
    done
}

none_kept() {
    [ -z "$(keepers)$(keeping_processes)" ]
}

another_than() { # another_than PID...: a condition: a worker answers, and is none of these
    local now
    now=$(modload pid faults 2>/dev/null) && [[ " $* " != *" $now "* ]]
}

@test "restart: a worker that died is started again; until then it is not loaded" {
    ml load --restart on-failure faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    old=$(modload pid faults)
    kill -KILL "$old"
    ml loaded faults
    assert_exit 1
    within another_than "$old"
    ml exec faults fine
    assert_ok
    assert_stdout 7
    ml logs faults
    assert_stdout_has " restart the worker has died"
    assert_stdout_has "it is started again in 100 ms"
    second=$(modload pid faults)
    kill -SEGV "$second"
    within another_than "$old" "$second"
    ml logs faults
    assert_stdout_has " restart the worker has died of SIGSEGV: it is started again in 200 ms"
    assert_equal "$(keepers | wc -l)" 1
    ml release faults
    assert_ok
    none_kept
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "restart: a caller whose worker is killed gets 69; his call is not made again" {
    modload load --restart on-failure faults 3>&-
    pid=$(modload pid faults)
    begin call exec -t 0 faults hangs
    kill -KILL "$pid"
    finish call
    assert_exit 69
    assert_no_stdout
    within another_than "$pid"
    ml ps
    assert_stdout_has "calls=0"
}

@test "restart: a worker that was released is gone for good, and its keeper too" {
    for command in "release faults" "release --all" "run --release faults fine"; do
        modload load --restart on-failure faults 3>&-
        [ -n "$(keepers)" ]
        # shellcheck disable=SC2086
        ml $command
        assert_ok
        within none_kept
        ml loaded faults
        assert_exit 1
        assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
    done
}

@test "restart: a worker that left by itself is not started again" {
    modload load --restart on-failure --idle 100ms faults 3>&-
    within none_kept
    ml loaded faults
    assert_exit 1
    assert_equal "$(run_files)" ""
    modload load --restart on-failure faults 3>&-
    kill -TERM "$(modload pid faults)" # told to leave
    within none_kept
    ml loaded faults
    assert_exit 1
}

@test "restart: the new one is as the old one was asked for" {
    modload load --restart on-failure --idle 90m faults 3>&-
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within another_than "$pid"
    ml ps
    [[ $output == *"  restart=on-failure  idle="*"/1h30m" ]]
    ml ps --json
    assert_equal "$(json '.data.workers[0].restart')" on-failure
    modload release faults
    modload load faults 3>&-
    ml ps --json
    assert_equal "$(json '.data.workers[0].restart')" no
    ml ps
    [[ $output != *restart* ]]
}

@test "restart: several loads at once give one worker and one keeper" {
    for i in 1 2 3 4 5; do
        modload load --restart on-failure faults 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in 1 2 3 4 5; do
        wait "${jobs[i]}" || fail "$(<"err$i")"
        assert_equal "$(<"err$i")" ""
    done
    assert_equal "$(keepers | wc -l)" 1
    within eval '[ "$(keeping_processes | wc -l)" = 1 ]'
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within another_than "$pid"
    assert_equal "$(modload ps | wc -l)" 1
}

@test "restart: also a worker that is loaded already is kept from then on" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    ml load --restart on-failure faults
    assert_ok
    assert_equal "$(modload pid faults)" "$pid"
    kill -KILL "$pid"
    within another_than "$pid"
}

@test "restart: goes on over a reload" {
    modload load --restart on-failure faults 3>&-
    first=$(modload pid faults)
    ml reload faults
    assert_ok
    second=$(modload pid faults)
    within gone "$first"
    kill -KILL "$second"
    within another_than "$first" "$second"
    assert_equal "$(keepers | wc -l)" 1
    ml release faults
    assert_ok
    none_kept
}

@test "restart: after five starts within a minute it gives up, and says so" {
    modload load --restart on-failure faults 3>&-
    pids=
    for n in 1 2 3 4 5; do
        pids+=" $(modload pid faults)"
        kill -KILL "${pids##* }"
        # shellcheck disable=SC2086
        within another_than $pids
    done
    ml logs faults
    assert_equal "$(grep -o 'again in [0-9]* ms' <<<"$output" | tr '\n' ' ')" \
        "again in 100 ms again in 200 ms again in 400 ms again in 800 ms again in 1600 ms "
    kill -KILL "$(modload pid faults)"
    within none_kept
    ml loaded faults
    assert_exit 1
    ml logs faults
    assert_stdout_has " fail given up: it was started 5 times within a minute, and died"
    ml load faults
    assert_ok
}

@test "restart: one that cannot be started is tried again, with pauses, until it is given up" {
    modload load --restart on-failure faults 3>&-
    modload register --name faults "$(key_of faults)" -e '#include <stdlib.h>
__attribute__((constructor)) static void begin(void) { abort(); }
int fine(void) { return 1; }' >/dev/null 3>&-
    kill -KILL "$(modload pid faults)"
    within none_kept
    ml logs faults
    assert_equal "$(grep -c ' fail not started again: the plugin crashed' <<<"$output")" 5
    assert_stdout_has " fail given up"
    assert_equal "$(run_files)" ""
}

@test "restart: what is not registered any more is not tried again" {
    modload load --restart on-failure faults 3>&-
    key=$(key_of faults)
    modload unregister faults
    ml loaded "$key"
    assert_ok
    kill -KILL "$(modload pid "$key")"
    within none_kept
    ml logs "$key"
    assert_equal "$(grep -c ' fail not started again' <<<"$output")" 1
}

@test "restart: release ends a start that is due, or under way" {
    modload load --restart on-failure faults 3>&-
    pids=
    for n in 1 2 3 4; do # so that the next pause is long
        pids+=" $(modload pid faults)"
        kill -KILL "${pids##* }"
        # shellcheck disable=SC2086
        within another_than $pids
    done
    kill -KILL "$(modload pid faults)"
    within eval 'modload logs faults | grep -q "again in 1600 ms"'
    ml release faults
    assert_ok
    none_kept
    ml loaded faults
    assert_exit 1
    ml release faults
    assert_exit 69
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "restart: release ends a start whose constructor hangs" {
    modload load -t 0 --restart on-failure faults 3>&-
    key=$(key_of faults)
    modload register --name faults "$key" -e '#include <unistd.h>
__attribute__((constructor)) static void begin(void) { for (;;) pause(); }
int fine(void) { return 1; }' >/dev/null 3>&-
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within eval '[ -n "$(processes_of "$key" | grep -vx "$pid")" ] && ! modload loaded faults 2>/dev/null'
    within gone "$pid"
    ml release faults
    assert_ok
    none_kept
    within eval '[ -z "$(processes_of "$key")" ]'
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "restart: release --all ends a start that is due" {
    modload load --restart on-failure faults 3>&-
    for n in 1 2 3; do
        pid=$(modload pid faults)
        kill -KILL "$pid"
        within another_than "$pid"
    done
    kill -KILL "$(modload pid faults)"
    ml release --all
    assert_ok
    none_kept
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "restart: a keeper that was killed, or is stopped, is in nobody's way" {
    modload load --restart on-failure faults 3>&-
    keeper=$(keepers)
    kill -KILL "$keeper"
    within gone "$keeper"
    ml ps
    [[ $output != *restart* ]]
    ml load --restart on-failure faults
    assert_ok
    [ -n "$(keepers)" ]
    [ "$(keepers)" != "$keeper" ]
    kill -STOP "$(keepers)"
    ml release faults
    assert_ok
    within none_kept
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "restart: logs -f goes on over it" {
    modload load --restart on-failure faults 3>&-
    modload logs -f faults >said 2>err 3>&- &
    job=$!
    within grep -q " start " said
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within eval '[ "$(grep -c " start " said)" = 2 ]'
    modload release faults
    wait $job
    assert_equal "$(<err)" ""
    grep -q ": released" said
}

@test "restart: the keeper has nothing of its caller's: no terminal, no descriptor, no directory; and little memory" {
    mkdir here
    (cd here && modload load --restart on-failure faults 3>&- 7</dev/null 8<. 2>&1 | timeout 30 cat >../said)
    assert_equal "$(<said)" ""
    keeper=$(keepers)
    [ -n "$keeper" ]
    assert_equal "$(readlink "/proc/$keeper/cwd")" /
    assert_equal "$(ps -o tty= -p "$keeper" | tr -d ' ')" "?"
    assert_equal "$(ps -o sid= -p "$keeper" | tr -d ' ')" "$keeper"
    for fd in 0 1 2; do
        assert_equal "$(readlink "/proc/$keeper/fd/$fd")" /dev/null
    done
    worker=$(modload pid faults)
    for fd in /proc/"$keeper"/fd/*; do
        case $(readlink "$fd") in
        *.lock | socket:* | pipe:* | "$PWD"/here*) fail "it holds $(readlink "$fd")" ;;
        esac
    done
    grep -q __asan_init "$MODLOAD_BUILD/bin/modload" || # which needs many of its own
        [ "$(awk '/^Pss:/ { print $2 }' "/proc/$keeper/smaps_rollup")" -le 1024 ]
    gone "$worker" && fail "no worker"
    ml exec faults fine
    assert_ok
}

@test "restart: a load that is interrupted leaves neither worker nor keeper" {
    modload register --name faults "$(key_of faults)" -e '#include <unistd.h>
__attribute__((constructor)) static void begin(void) { for (;;) pause(); }
int fine(void) { return 1; }' >/dev/null 3>&-
    env --default-signal=INT modload load -t 0 --restart on-failure faults >said 2>err 3>&- &
    job=$!
    within eval '[ -n "$(processes_of "$(key_of faults)")" ]'
    kill -INT $job
    status=0
    wait $job || status=$?
    assert_exit 130
    none_kept
    within eval '[ -z "$(processes_of "$(key_of faults)")" ]'
    ml load -t 100ms --restart on-failure faults
    assert_exit 124
    none_kept
}

@test "restart: called wrongly" {
    for word in always "" On-Failure; do
        ml load --restart "$word" faults
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "--restart is 'no' or 'on-failure', not '$word'"
    done
    ml load --restart
    assert_exit 64
    ml load --restart no faults
    assert_ok
    none_kept
    ml load --restart on-failure nobody
    assert_exit 66
    none_kept
}
