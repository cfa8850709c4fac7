#!/usr/bin/env bats
# Goal of this test: loaded answers by the exit code alone, and never says yes of a dead worker.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

# answers EXIT WORD
answers() {
    ml loaded "$2"
    assert_exit "$1"
    assert_no_stdout
    assert_no_stderr
}

@test "loaded: yes, for each form of the key, of what is loaded" {
    key=$(key_of faults)
    modload load faults 3>&-
    for word in faults "$key" "${key^^}" "$(modload uuid to-key "$key")" "${key:0:8}"; do
        answers 0 "$word"
    done
    answers 1 types
}

@test "loaded: no, before load, after release, and of what is not registered" {
    answers 1 faults
    modload load faults 3>&-
    modload release faults
    answers 1 faults
    answers 1 nobody
    answers 1 "$(modload uuid)"
    MODLOAD_HOME=$PWD/none answers 1 faults
    [ ! -e none ]
}

@test "loaded: no, as soon as the worker is dead" {
    modload load faults 3>&-
    kill -KILL "$(modload pid faults)"
    answers 1 faults
}

@test "loaded: no, where a file or a socket only looks like a worker" {
    modload load faults 3>&-
    run_dir=$(echo "$MODLOAD_RUNTIME_DIR"/*) key=$(key_of types)
    : >"$run_dir/$key.lock"
    : >"$run_dir/$key.control"
    answers 1 types
    ml ps
    assert_ok
    assert_equal "${#lines[@]}" 1
    ml load types
    assert_ok
    answers 0 types
}

@test "loaded: neither yes nor no for what is no key" {
    ml loaded a/b
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "is neither a key nor a name"
    ml loaded
    assert_exit 64
}
