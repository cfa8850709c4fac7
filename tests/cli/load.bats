#!/usr/bin/env bats
# Goal of this test: load starts the worker that is missing, once, and what cannot be loaded leaves none.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

@test "load: in silence; then the entry can be called" {
    ml load faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

@test "load: twice gives the same worker, by each form of the key" {
    key=$(key_of faults)
    ml load faults
    assert_ok
    pid=$(modload pid faults)
    for word in faults "$key" "${key^^}" "$(modload uuid to-key "$key")" "${key:0:8}" faults@1.2.3; do
        ml load "$word"
        assert_ok
        assert_no_stderr
        assert_equal "$(modload pid "$key")" "$pid"
    done
}

@test "load: changes nothing of a loaded entry, its counters neither" {
    modload load faults 3>&-
    modload exec faults fine
    ml load faults
    assert_ok
    ml ps
    assert_stdout_has calls=1
}

@test "load: several at once" {
    ml load faults types
    assert_ok
    assert_equal "$(modload ps | wc -l)" 2
}

@test "load: what is not registered is not loaded, and those before it are" {
    ml load faults nobody types
    assert_exit 66
    assert_no_stdout
    assert_stderr $'modload: nothing is registered as \'nobody\'\n  hint: see what is: modload list'
    ml loaded faults
    assert_ok
    ml load "$(modload uuid)"
    assert_exit 66
    assert_no_stdout
}

@test "load: a bundle that is gone" {
    bundle=$(modload lookup types)
    chmod -R u+w "$MODLOAD_HOME/bundles/$bundle"
    rm -r "${MODLOAD_HOME:?}/bundles/$bundle"
    ml load types
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "bundle '$bundle' of key $(key_of types) is missing"
    assert_stderr_has "modload verify --repair"
}

@test "load: after a release the plugin is as new" {
    modload load faults 3>&-
    modload exec faults fine
    modload release faults
    ml load faults
    assert_ok
    ml ps
    assert_stdout_has calls=0
}

@test "load, reload: a worker that is stopped is ended, and another one started" {
    for command in load reload; do
        modload load faults 3>&-
        pid=$(modload pid faults)
        kill -STOP "$pid"
        ml loaded faults
        assert_ok
        ml pid faults
        assert_ok
        assert_stdout "$pid"
        ml $command faults
        assert_ok
        assert_no_stdout
        assert_no_stderr
        gone "$pid"
        [ "$(modload pid faults)" != "$pid" ]
        ml exec faults fine
        assert_ok
    done
}

# ---- --idle ----

idle_ms() {
    modload ps --json | jq ".data.workers[0].idle_ms"
}

@test "load --idle: a worker that nobody calls leaves by itself, and leaves nothing" {
    begun=$(date +%s%3N)
    ml load --idle 300ms faults
    assert_ok
    assert_no_stderr
    pid=$(modload pid faults) || : # on a slow machine it may be gone already
    within eval '! modload loaded faults'
    [ $(($(date +%s%3N) - begun)) -ge 300 ]
    within gone "$pid"
    within eval '[ -z "$(processes_of "$(key_of faults)")" ]'
    assert_equal "$(run_files)" ""
    ml exec faults fine
    assert_exit 69
    ml load faults
    assert_ok
    ml exec faults fine
    assert_ok
}

@test "load --idle: a call keeps the worker, however long it takes" {
    mkfifo input
    modload load --idle 2s faults 3>&-
    modload exec -t 0 faults waits <input >said 2>err 3>&- &
    job=$!
    exec {input}>input
    within grep -q begun said
    within eval '[ "$(modload ps --json | jq ".data.workers[0].uptime_ms")" -gt 2300 ]'
    assert_equal "$(idle_ms)" 0
    ml ps
    assert_stdout_has "  idle=0s/2s"
    exec {input}>&-
    wait "$job"
    assert_equal "$(<said)" $'begun\n1'
    within eval '! modload loaded faults'
}

@test "load --idle: ps shows it, and only where there is a limit" {
    modload load --idle 90m faults 3>&-
    ml ps
    assert_ok
    [[ ${lines[0]} =~ \ \ idle=[0-9]+s/1h30m$ ]]
    ml ps --json
    assert_equal "$(json '.data.workers[0].idle_limit_ms')" 5400000
    modload load types 3>&-
    ml ps
    assert_equal "$(grep -c idle= <<<"$output")" 1
}

@test "load --idle: load of a loaded entry begins its time anew, and changes nothing else" {
    modload load --idle 90m faults 3>&-
    pid=$(modload pid faults)
    within eval '[ "$(idle_ms)" -ge 2500 ]'
    ml load --idle 1ms faults
    assert_ok
    [ "$(idle_ms)" -lt 2500 ]
    ml ps
    assert_stdout_has "/1h30m"
    assert_equal "$(modload pid faults)" "$pid"
    within eval '[ "$(idle_ms)" -ge 2500 ]'
    modload exec faults fine
    [ "$(idle_ms)" -lt 2500 ]
}

@test "load --idle: reload keeps it" {
    modload load --idle 90m faults 3>&-
    modload reload faults 3>&-
    ml ps
    assert_stdout_has "/1h30m"
}

@test "load --idle: who calls while it leaves gets his result, or is told that the call never began" {
    for i in {1..40}; do
        modload load --idle $((i % 4 + 1))ms faults 3>&-
        for j in 1 2; do
            modload exec --json faults fine >"said$j" 2>/dev/null 3>&- &
            jobs[j]=$!
        done
        for j in 1 2; do
            status=0
            wait "${jobs[j]}" || status=$?
            case "$status $(jq -r '.data, .errors[0].code' "said$j" | tr '\n' ' ')" in
            "0 7 null " | "69 null not_loaded ") ;;
            *) fail "$status: $(<"said$j")" ;;
            esac
        done
    done
}

@test "load --idle: run always gets its result" {
    for i in {1..20}; do
        modload load --idle $((i % 4 + 1))ms faults 3>&-
        ml run faults fine
        assert_ok
        assert_stdout 7
        modload release faults 2>/dev/null || :
    done
}

@test "load: called wrongly" {
    ml load
    assert_exit 64
    assert_no_stdout
    ml load -t soon faults
    assert_exit 64
    ml load --idle soon faults
    assert_exit 64
    assert_stderr_has "--idle: 'soon' is not a duration"
    ml load a/b
    assert_exit 65
}

@test "load: the worker outlives the shell that loaded it" {
    bash -c 'modload load faults' 3>&-
    ml exec faults fine
    assert_ok
    assert_stdout 7
}

@test "load: holds nothing of the caller's: a pipe into it ends" {
    # shellcheck disable=SC2216
    modload load faults 3>&- 2>&1 | timeout 30 cat >said
    assert_equal "$(<said)" ""
    ml loaded faults
    assert_ok
}
