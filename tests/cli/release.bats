#!/usr/bin/env bats
# Goal of this test: when release returns, the worker is gone; who has none is told.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

@test "release: in silence, and the worker is gone" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    ml release faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    gone "$pid"
    ml loaded faults
    assert_exit 1
    ml exec faults fine
    assert_exit 69
}

@test "release: a second one is 69, with a hint" {
    modload load faults 3>&-
    modload release faults
    ml release faults
    assert_exit 69
    assert_no_stdout
    assert_stderr "modload: $(key_of faults) is not loaded
  hint: see what is: modload ps"
}

@test "release: several, and all" {
    modload load faults types 3>&-
    ml release faults types
    assert_ok
    assert_equal "$(modload ps)" ""
    modload load faults types 3>&-
    ml release --all
    assert_ok
    assert_no_stdout
    assert_equal "$(modload ps)" ""
    ml release -a
    assert_ok
    assert_no_stderr
}

@test "release: leaves the entry, and other workers" {
    modload load faults types 3>&-
    pid=$(modload pid types)
    ml release faults
    assert_ok
    ml registered faults
    assert_ok
    assert_equal "$(modload pid types)" "$pid"
}

@test "release: leaves nothing in the run-time directory" {
    modload load faults types 3>&-
    modload release faults types
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "release: of what nobody knows" {
    ml release nobody
    assert_exit 66
    assert_no_stdout
    ml release "$(modload uuid)"
    assert_exit 69
    assert_no_stdout
    ml release a/b
    assert_exit 65
}

@test "release: called wrongly" {
    ml release
    assert_exit 64
    assert_no_stdout
    assert_stderr $'modload: release: give keys, or --all\n  hint: usage: modload release U...|--all'
    ml release --all faults
    assert_exit 64
}

@test "release: of several each is tried, and the failure told with what was done" {
    modload load faults types 3>&-
    ml release --json faults nothing-here types
    assert_exit 66
    assert_equal "$(json '.data.released | length')" 2
    assert_equal "$(json '.errors[0].code')" no_such_name
    ml loaded types
    assert_exit 1
}

@test "release: of a worker that was killed takes its files away" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    kill -KILL "$pid"
    within gone "$pid"
    ml release faults
    assert_exit 69
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
    ml run --release faults fine
    assert_ok
}
