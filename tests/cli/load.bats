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
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "there is no bundle '$bundle'"
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

@test "load: called wrongly" {
    ml load
    assert_exit 64
    assert_no_stdout
    ml load -t soon faults
    assert_exit 64
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
