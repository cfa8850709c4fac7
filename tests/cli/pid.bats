#!/usr/bin/env bats
# Goal of this test: pid prints the worker's own process, as it answers, or says that there is none.

load helpers
load plugins

setup_file() {
    given_plugins faults
}

@test "pid: the number alone, of a live process that is the worker" {
    modload load faults 3>&-
    ml pid faults
    assert_ok
    assert_no_stderr
    [[ $output =~ ^[1-9][0-9]*$ ]]
    [[ $(readlink "/proc/$output/exe") == */modload-worker ]]
    assert_equal "$(modload pid "$(key_of faults)")" "$output"
}

@test "pid: none is 69, before and after" {
    for _ in 1 2; do
        ml pid faults
        assert_exit 69
        assert_no_stdout
        assert_stderr $'modload: \'faults\' is not loaded\n  hint: load it: modload load faults'
        modload load faults 3>&-
        modload release faults
    done
}

@test "pid: never that of a dead worker" {
    modload load faults 3>&-
    kill -KILL "$(modload pid faults)"
    ml pid faults
    assert_exit 69
    assert_no_stdout
}

@test "pid: of what is not registered" {
    ml pid nobody
    assert_exit 66
    assert_no_stdout
    ml pid a/b
    assert_exit 65
    ml pid
    assert_exit 64
    ml pid a b
    assert_exit 64
}
