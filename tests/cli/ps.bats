#!/usr/bin/env bats
# Goal of this test: ps shows the live workers, and counts what became of their calls.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

# counts NAME VALUE...: of the one worker there is
counts() {
    ml ps --json
    assert_ok
    while [ $# -gt 0 ]; do
        assert_equal "$1=$(json ".data.workers[0].$1")" "$1=$2"
        shift 2
    done
}

@test "ps: no worker, no line" {
    ml ps
    assert_ok
    assert_no_stdout
    assert_no_stderr
    MODLOAD_HOME=$PWD/none ml ps
    assert_ok
    assert_no_stdout
    [ ! -e none ]
}

@test "ps: a line for each worker" {
    modload load faults types 3>&-
    ml ps
    assert_ok
    assert_no_stderr
    assert_equal "${#lines[@]}" 2
    line=$(grep "^$(key_of faults)  " .stdout)
    [[ $line =~ ^[0-9a-f-]{36}\ \ $(modload pid faults)\ \ [0-9]+s\ \ calls=0\ errors=0\ crashes=0\ timeouts=0\ \ [1-9][0-9]*KiB\ \ $(modload lookup faults)\ \ faults@1.2.3$ ]]
}

@test "ps: counts calls by how they ended" {
    modload load faults 3>&-
    counts calls 0 ok 0 errors 0 crashes 0 timeouts 0 cancelled 0 rejected 0
    modload exec faults fine
    modload exec faults fine
    counts calls 2 ok 2
    ml exec faults fails code why
    counts calls 3 ok 2 errors 1
    ml exec faults exits 0
    counts calls 4 errors 2
    ml exec faults aborts
    counts calls 5 errors 2 crashes 1
    ml exec -t 50ms faults hangs
    counts calls 6 timeouts 1
    ml exec faults nope
    ml exec faults exits x
    counts calls 8 rejected 2
    begin call exec faults hangs
    kill -INT "$job_call"
    finish call
    counts calls 9 cancelled 1 ok 2 errors 2 crashes 1 timeouts 1 rejected 2
    ml ps
    assert_stdout_has "calls=9 errors=2 crashes=1 timeouts=1"
}

@test "ps: a call that is running is not counted yet" {
    modload load faults 3>&-
    begin call exec -t 0 faults hangs
    counts calls 0
    kill -TERM "$job_call"
    finish call
    counts calls 1
}

@test "ps: how many calls run, and with --calls which" {
    modload load faults types 3>&-
    ml ps
    [[ $output != *running* ]]
    ml ps --calls
    assert_ok
    assert_no_stderr
    assert_equal "${#lines[@]}" 2
    begin one exec -t 0 faults hangs
    begin two exec -t 0 faults hangs_deaf
    ml ps
    assert_ok
    assert_equal "${#lines[@]}" 2
    [[ $(grep "^$(key_of faults)" .stdout) == *"@1.2.3  running=2" ]]
    [[ $(grep "^$(key_of types)" .stdout) != *running* ]]
    ml ps --calls
    assert_ok
    assert_no_stderr
    assert_equal "${#lines[@]}" 4
    mapfile -t lines < <(grep -A 2 "^$(key_of faults)" .stdout)
    [[ ${lines[1]} =~ ^\ \ ([0-9]+)\ \ [0-9]+s\ \ hangs\ \ $job_one$ ]]
    first=${BASH_REMATCH[1]}
    [[ ${lines[2]} =~ ^\ \ ([0-9]+)\ \ [0-9]+s\ \ hangs_deaf\ \ $job_two$ ]]
    [ "${BASH_REMATCH[1]}" -gt "$first" ]
    ml ps --calls --json
    assert_equal "$(json ".data.workers[] | select(.uuid == \"$(key_of faults)\") | .running_calls, (.running | map([.call > 0, .function, .client, .session]) | tojson)")" \
        "2"$'\n'"[[true,\"hangs\",$job_one,false],[true,\"hangs_deaf\",$job_two,false]]"
    assert_equal "$(json ".data.workers[] | select(.uuid == \"$(key_of types)\") | .running_calls, (.running | tojson)")" $'0\n[]'
    ml ps --json
    assert_equal "$(json '.data.workers | map(has("running")) | any')" false
    kill -TERM "$job_one" "$job_two"
    finish one
    finish two
}

@test "ps: an open session is a call that runs, idle or not" {
    modload load faults 3>&-
    mkfifo to
    modload exec --batch faults <to >out 2>err 3>&- &
    job=$!
    exec {to}>to
    echo '{"call":"fine"}' >&"$to"
    within grep -q ok out
    ml ps --calls
    assert_ok
    [[ ${lines[1]} =~ ^\ \ [0-9]+\ \ [0-9]+s\ \ fine\ \ $job\ \ session$ ]]
    counts running_calls 1 calls 1
    exec {to}>&-
    wait "$job"
}

@test "ps: each key has its own counters" {
    other=$(modload uuid)
    modload register --name other "$other" "$(modload lookup faults)"
    modload load faults other 3>&-
    modload exec other fine
    ml ps --json
    assert_equal "$(json ".data.workers|map(select(.uuid==\"$other\"))|.[0].calls")" 1
    assert_equal "$(json ".data.workers|map(select(.uuid!=\"$other\"))|.[0].calls")" 0
}

@test "ps: a dead worker is not shown" {
    modload load faults types 3>&-
    kill -KILL "$(modload pid faults)"
    ml ps
    assert_ok
    assert_equal "${#lines[@]}" 1
    assert_stdout_has "$(key_of types)"
}

@test "ps: a worker whose entry was taken out is shown" {
    modload load faults 3>&-
    key=$(key_of faults)
    modload unregister faults
    ml ps
    assert_ok
    assert_stdout_has "$key"
}

@test "ps: takes no argument" {
    ml ps faults
    assert_exit 64
    assert_no_stdout
}

@test "ps, list, release --all: a worker that does not answer hides no other, and does not stay" {
    modload load faults types 3>&-
    pid=$(modload pid faults)
    key=$(key_of faults)
    kill -STOP "$pid"
    ml ps
    assert_ok
    assert_stdout_has "$key  does not answer"
    assert_stdout_has "$(key_of types)  "
    assert_no_stderr
    ml ps --calls
    assert_ok
    assert_stdout_has "$key  does not answer"
    assert_no_stderr
    ml ps --json
    assert_equal "$(json '.data.workers | map(.answers) | sort | map(tostring) | join(" ")')" "false true"
    ml list
    assert_ok
    assert_stdout_has "$key  faults"
    ml release --all
    assert_ok
    assert_no_stderr
    gone "$pid"
    assert_equal "$(modload ps)" ""
}

@test "ps, pid: a worker in the hands of its plugin is not believed" {
    load_impostor answers
    [ "$worker" -gt 1 ]
    ml pid "$id"
    assert_ok
    assert_stdout "$worker"
    ml ps
    assert_ok
    assert_stdout_has "$id  $worker  "
    assert_stdout_has "impostor@1.0.0"
    ml load --json "$id"
    assert_ok
    assert_equal "$(json '.data.workers[0].pid')" "$worker"
    kill -KILL "$worker"
    load_impostor "answers forges"
    ml ps
    assert_ok
    assert_stdout "$id  does not answer (starting, or stopped)"
    ml ps --json
    assert_ok
    [[ $output != *forged* ]]
    ml load "$id"
    assert_exit 76
    assert_stderr_has "the worker sent an answer that is none"
    kill -KILL "$worker"
}
