#!/usr/bin/env bats
# Goal of this test: info shows an entry with what its functions are for, and one function by itself.

load helpers
load plugins

setup_file() {
    given_plugins math faults types
}

@test "info: the entry, its plugin and its functions" {
    key=$(key_of faults)
    ml info faults
    assert_ok
    assert_no_stderr
    [[ $output == "uuid         $key
name         faults
plugin       faults
version      1.2.3
"* ]]
    assert_stdout_has "bundle       $(modload lookup faults)"
    assert_stdout_has $'\nloaded       no\n'
    assert_stdout_has $'\nfunctions\n'
    assert_stdout_has $'\n  fine() -> int32\n'
    assert_stdout_has $'\n  hangs_deaf() -> void\n      nothing but SIGKILL ends it\n'
    [[ $output != *"not callable"* ]]
    modload load faults 3>&-
    ml info "$key"
    assert_ok
    assert_stdout_has $'\nloaded       yes\n'
}

@test "info: what a manifest says" {
    ml info math
    assert_ok
    assert_stdout_has $'\nversion      1.0.0\n'
    assert_stdout_has $'\ndescription  '
    assert_stdout_has $'\nlicense      '
    assert_stdout_has $'\n  add(a: double, b: double) -> double\n'
}

@test "info: what is not callable, and why" {
    modload register --name odd "$(modload uuid)" -e 'int one(void) { return 1; } struct s { int x; }; int by(struct s s) { return s.x; }' 2>/dev/null
    ml info odd
    assert_ok
    assert_no_stderr
    assert_stdout_has $'\nnot callable\n  by: parameter \'s\' is struct s, which cannot be carried'
    ml info odd by
    assert_exit 127
    assert_no_stdout
    assert_stderr_has "plugin has no function 'by'"
    assert_stderr_has "  hint: it is not callable: parameter 's' is struct s"
}

@test "info U F: one function, and what its author says of it" {
    ml info types backwards
    assert_ok
    assert_stdout $'backwards(p: bytes) -> bytes\n    all of the bytes, turned round'
    assert_no_stderr
    asked=$output
    ml exec --help types backwards
    assert_ok
    assert_stdout "$asked"
    ml info types bakwards
    assert_exit 127
    assert_no_stdout
    assert_stderr $'modload: types has no function \'bakwards\'\n  hint: did you mean \'backwards\'?'
}

@test "info: of what is not registered" {
    ml info nobody
    assert_exit 66
    assert_no_stdout
    ml info "$(modload uuid)"
    assert_exit 66
    assert_no_stdout
    ml info a/b
    assert_exit 65
    ml info
    assert_exit 64
    ml info a b c
    assert_exit 64
}

@test "info: of a damaged bundle" {
    manifest=$MODLOAD_HOME/bundles/$(modload lookup types)/manifest.json
    chmod u+w "$manifest"
    echo '{' >"$manifest"
    ml info types
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "damaged"
}

@test "info: does not write, and works in a registry that is being written to" {
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    before=$(find "$MODLOAD_HOME" -printf '%p %T@\n' | sort)
    ml info types
    assert_ok
    assert_equal "$(find "$MODLOAD_HOME" -printf '%p %T@\n' | sort)" "$before"
    exec {lock}>&-
}
