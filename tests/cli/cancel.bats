#!/usr/bin/env bats
# Goal of this test: cancel ends the calls that it is asked to end, with all that they have started, and no other; their
# callers are told; the worker stays.

load helpers
load plugins

setup_file() {
    given_plugins faults tree
}

# number FUNCTION: of the one call of it that runs
number() {
    modload ps --calls --json | jq -r ".data.workers[].running[]? | select(.function == \"$1\").call"
}

# counter NAME: of the one worker there is
counter() {
    modload ps --json | jq -r ".data.workers[0].$1"
}

begun() { # so many calls have said so, where standard output is not theirs
    [ "$(grep -c begun err)" = "$1" ]
}

alone() { # no call runs
    [ "$(counter running_calls)" = 0 ]
}

@test "cancel: a call that hangs ends with all that it has started, its caller is told, the worker stays" {
    modload load tree 3>&-
    pid=$(modload pid tree)
    begin call exec -t 0 tree family
    ml cancel tree
    assert_ok
    assert_no_stdout
    assert_no_stderr
    gone "$said"
    finish call
    assert_exit 130
    assert_equal "$stderr" "modload: family: cancelled"
    # shellcheck disable=SC2086
    gone $said $output
    assert_equal "$(processes_of "$(key_of tree)" | wc -l)" "$(printf '%s\n' worker supervisor call | wc -l)"
    assert_equal "$(modload pid tree)" "$pid"
    assert_equal "$(counter calls) $(counter cancelled)" "1 1"
    ml exec tree child
    assert_ok
}

@test "cancel: its outcome is cancelled, whatever signals it blocks" {
    modload load faults 3>&-
    modload exec --json -t 0 faults hangs_deaf >out 2>err 3>&- &
    job=$!
    within begun 1
    ml cancel --json faults
    assert_ok
    assert_equal "$(json '.data.cancelled | length')" 1
    status=0
    wait "$job" || status=$?
    assert_exit 130
    assert_equal "$(jq -r '.exit_code, .errors[0].outcome, .errors[0].code' out)" $'130\ncancelled\ncancelled'
}

@test "cancel: by its number, and only that one" {
    modload load faults 3>&-
    begin one exec -t 0 faults hangs
    begin two exec -t 0 faults hangs_deaf
    call=$(number hangs_deaf)
    ml cancel --json faults "$call"
    assert_ok
    assert_equal "$(json '.data | tojson')" "{\"cancelled\":[$call]}"
    finish two
    assert_exit 130
    assert_equal "$(number hangs_deaf)" ""
    [ "$(number hangs)" -gt 0 ]
    assert_equal "$(counter cancelled) $(counter running_calls)" "1 1"
    ml cancel faults "$(number hangs)"
    assert_ok
    finish one
    assert_exit 130
}

@test "cancel: all that run, of this worker" {
    modload load faults tree 3>&-
    for i in 1 2 3; do
        begin "call$i" exec -t 0 faults hangs
    done
    begin other exec -t 0 tree family
    ml cancel --json faults
    assert_ok
    assert_equal "$(json '.data.cancelled | length, . == sort')" $'3\ntrue'
    for i in 1 2 3; do
        finish "call$i"
        assert_exit 130
    done
    [ "$(number family)" -gt 0 ]
    ml cancel tree
    assert_ok
    finish other
    assert_exit 130
}

@test "cancel: a number is never another call's" {
    modload load faults 3>&-
    last=0
    for i in 1 2 3 4; do
        begin "call$i" exec -t 0 faults hangs
        call=$(number hangs)
        [ "$call" -gt "$last" ]
        if [ "$last" -gt 0 ]; then
            ml cancel faults "$last"
            assert_exit 69
            assert_no_stdout
            assert_stderr "modload: no call $last runs in the worker of 'faults'
  hint: see what does: modload ps --calls"
        fi
        ml cancel --json faults
        assert_ok
        assert_equal "$(json '.data.cancelled | tojson')" "[$call]"
        finish "call$i"
        assert_exit 130
        last=$call
    done
}

@test "cancel: nothing runs, nothing is loaded, nothing is registered" {
    modload load faults 3>&-
    ml cancel faults
    assert_exit 69
    assert_no_stdout
    assert_stderr "modload: no call runs in the worker of 'faults'
  hint: see what does: modload ps --calls"
    ml exec faults fine
    within alone
    ml cancel --json faults 18446744073709551615
    assert_exit 69
    assert_equal "$(json '.data, .errors[0].code')" $'null\nno_such_call'
    ml cancel tree
    assert_exit 69
    assert_no_stdout
    assert_stderr "modload: $(key_of tree) is not loaded
  hint: see what is: modload ps"
    ml cancel nobody
    assert_exit 66
    assert_no_stdout
}

@test "cancel: called wrongly" {
    modload load faults 3>&-
    begin call exec -t 0 faults hangs
    for word in 0 00 -1 +1 0x1 1x ' 1' 1.0 '' 18446744073709551616 all; do
        ml cancel faults "$word"
        assert_exit 64
        assert_no_stdout
    done
    ml cancel
    assert_exit 64
    ml cancel faults 1 2
    assert_exit 64
    assert_equal "$(counter running_calls)" 1
    ml cancel faults
    assert_ok
    finish call
    assert_exit 130
}

@test "cancel: of a batch the line that runs, and not those behind it" {
    modload load faults 3>&-
    mkfifo to
    modload exec -t 0 --batch faults <to >out 2>err 3>&- &
    job=$!
    exec {to}>to
    printf '{"call":"%s"}\n' fine hangs fine hangs_deaf fine >&"$to"
    within begun 1
    call=$(number hangs)
    ml cancel --json faults "$call"
    assert_ok
    assert_equal "$(json '.data.cancelled | tojson')" "[$call]"
    within begun 2
    assert_equal "$(number hangs_deaf)" "$call" # the session goes on
    ml cancel faults
    assert_ok
    exec {to}>&-
    status=0
    wait "$job" || status=$?
    assert_exit 1
    assert_equal "$(jq -r '"\(.status) \(.data) \(.error.code) \(.error.exit_code)"' out)" "ok 7 null null
error null cancelled 130
ok 7 null null
error null cancelled 130
ok 7 null null"
    assert_equal "$(counter calls) $(counter ok) $(counter cancelled)" "5 3 2"
}

@test "cancel: a call that has stopped its supervisor ends with that" {
    register_text traces '#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
void traces(void)
{
    int stopped = ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 && waitpid(getppid(), NULL, __WALL) > 0;
    printf("%s %d\n", stopped ? "stopped" : "may not", (int)getpid());
    fflush(stdout);
    for (;;)
        pause();
}'
    modload load traces 3>&-
    begin call exec -t 0 traces traces
    case $said in
    "may not "*)
        modload cancel traces
        skip "this kernel lets no process trace its parent"
        ;;
    esac
    ml cancel traces
    assert_ok
    finish call
    assert_exit 69
    assert_stderr_has "the supervisor of the call, went away"
    gone "${said#stopped }"
    assert_equal "$(counter calls) $(counter cancelled)" "1 1"
    ml loaded traces
    assert_ok
}

@test "cancel: a worker that does not answer" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    begin call exec -t 0 faults hangs
    kill -STOP "$pid"
    ml cancel faults
    kill -CONT "$pid"
    assert_exit 75
    assert_no_stdout
    assert_stderr_has "does not answer"
    ml release faults
    assert_ok
    finish call
    assert_exit 69
}

@test "cancel: a call that a reload has left behind is not among those of the new worker" {
    modload load faults 3>&-
    begin old exec -t 0 faults hangs
    modload reload faults 3>&-
    ml cancel faults
    assert_exit 69
    begin new exec -t 0 faults hangs_deaf
    ml cancel faults
    assert_ok
    finish new
    assert_exit 130
    kill -0 "$job_old"
    ml release faults
    assert_ok
    finish old
    assert_exit 69
}
