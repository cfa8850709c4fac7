#!/usr/bin/env bats
# Goal of this test: run loads what is not loaded, calls, and leaves the worker, or with --release ends it; it also works
# straight from a source.

load helpers
load plugins

setup_file() {
    given_plugins math faults
}

@test "run: loads if needed, calls, and leaves the worker" {
    ml run math add 2 3
    assert_ok
    assert_stdout 5
    assert_no_stderr
    ml loaded math
    assert_ok
    pid=$(modload pid math)
    ml run math add 3 4
    assert_ok
    assert_stdout 7
    assert_equal "$(modload pid math)" "$pid"
}

@test "run --release: the worker is gone, whoever had loaded it" {
    for option in --release -r; do
        ml run $option math add 2 3
        assert_ok
        assert_stdout 5
        assert_no_stderr
        ml loaded math
        assert_exit 1
        modload load math 3>&-
        ml run $option math add 2 3
        assert_ok
        ml loaded math
        assert_exit 1
    done
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "run --release: the result of a failed call is that of the call, and the worker is gone too" {
    for call in "fails code why|1" "aborts|134" "nope|127" "exits x|65"; do
        # shellcheck disable=SC2086
        ml run --release faults ${call%|*}
        assert_exit "${call#*|}"
        assert_no_stdout
        assert_stderr_has "modload: "
        ml loaded faults
        assert_exit 1
    done
    ml run --release -t 100ms faults hangs
    assert_exit 124
    assert_stdout begun
    ml loaded faults
    assert_exit 1
}

@test "run --release: of an entry that was taken out ends nothing: it has called nothing" {
    modload load faults 3>&-
    key=$(key_of faults) pid=$(modload pid faults)
    modload unregister faults
    ml run --release "$key" fine
    assert_exit 66
    assert_no_stdout
    assert_equal "$(modload pid "$key")" "$pid"
}

@test "run --release: does not end calls of others" {
    modload load faults 3>&-
    mkfifo input
    modload exec -t 0 faults waits <input >said 2>err 3>&- &
    job=$!
    exec {input}>input
    within grep -q begun said
    ml run --release faults fine
    assert_ok
    assert_stdout 7
    echo >&"$input"
    exec {input}>&-
    wait "$job"
    assert_equal "$(<said)" $'begun\n1'
    within eval '! modload loaded faults'
}

@test "run: straight from a source file, a header, a directory or an object" {
    echo 'int one(void) { return 1; }' >one.c
    ml run --release ./one.c one
    assert_ok
    assert_stdout 1
    assert_no_stderr
    ml run --release one.c one
    assert_ok
    ml run --release "$PWD/one.c" one
    assert_ok
    cp one.c one.h
    ml run --release ./one.h one
    assert_stdout 1
    ml run --release "$MODLOAD_BUILD/share/modload/math" divide 5 2
    assert_ok
    assert_stdout 2.5
    cc -g -shared -fPIC -o one.so one.c
    ml run --release one.so one
    assert_ok
    assert_stdout 1
}

@test "run: the same source has the same key, and one worker" {
    echo 'int one(void) { return 1; }' >one.c
    ml run ./one.c one
    assert_ok
    first=$(modload ps)
    ml run "$PWD/one.c" one
    assert_ok
    assert_equal "$(modload ps | cut -d ' ' -f 1-3)" "$(cut -d ' ' -f 1-3 <<<"$first")"
    assert_equal "$(modload list | wc -l)" 3
}

@test "run: a source that changed is built anew, also if it is loaded" {
    echo 'int v(void) { return 1; }' >v.c
    ml run ./v.c v
    assert_stdout 1
    echo 'int v(void) { return 2; }' >v.c
    ml run ./v.c v
    assert_ok
    assert_stdout 2
    assert_no_stderr
    assert_equal "$(modload ps | wc -l)" 1
}

@test "run: a source does not take another entry's name" {
    printf '#include <modload/plugin.h>\nML_PLUGIN("math", "9.0.0")\nint one(void) { return 1; }\n' >one.c
    ml run --release ./one.c one
    assert_ok
    assert_no_stderr
    ml run --release math add 2 3
    assert_ok
    assert_stdout 5
}

@test "run: what does not compile is told, and nothing is registered" {
    echo 'int f(void) { return x; }' >bad.c
    before=$(modload list)
    ml run ./bad.c f
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "bad.c:1:"
    assert_equal "$(modload list)" "$before"
    ml run ./nowhere.c f
    assert_exit 66
    assert_no_stdout
}

@test "run: arguments behind the function belong to the call" {
    ml run --release math add -1 -2
    assert_ok
    assert_stdout -3
    ml run --release math add --release 1
    assert_exit 65
}

@test "run: the caller's standard input goes to the call, from a source too" {
    cp "$MODLOAD_ROOT/tests/plugins/streams.c" .
    ml run --release ./streams.c copy <<<"through"
    assert_ok
    assert_stdout $'through\n8'
}

@test "run: what is not registered" {
    ml run nobody add 2 3
    assert_exit 66
    assert_no_stdout
    ml run "$(modload uuid)" add 2 3
    assert_exit 66
    assert_no_stdout
    ml run 'a b' add
    assert_exit 65
}

@test "run: called wrongly" {
    for words in "" math "-t soon math add" "--nonsense math add"; do
        # shellcheck disable=SC2086
        ml run $words
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "modload: "
    done
}
