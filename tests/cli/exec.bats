#!/usr/bin/env bats
# Goal of this test: exec calls a function of a loaded entry and prints its result; whatever becomes of one call, the
# next is answered by the same worker.

load helpers
load plugins

setup_file() {
    given_plugins math faults types streams
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    modload load math faults types streams 3>&-
}

@test "exec: prints the result alone" {
    ml exec math add 2 3
    assert_ok
    assert_stdout 5
    assert_no_stderr
    ml exec math divide 5 2
    assert_ok
    assert_stdout 2.5
    assert_no_stderr
    ml exec math divide 4 2
    assert_stdout 2
}

@test "exec: a failed function is 1, with its code" {
    ml exec math divide 1 0
    assert_exit 1
    assert_no_stdout
    [[ $stderr == "modload: divide: division_by_zero: "* ]]
    assert_equal "$(wc -l <.stderr | tr -d ' ')" 1
}

@test "exec: by each form of the key" {
    key=$(key_of math)
    for word in math "$key" "${key^^}" "$(modload uuid to-key "$key")" "${key:0:8}" math@1.0.0; do
        ml exec "$word" add 2 3
        assert_ok
        assert_stdout 5
    done
}

@test "exec: the worker answers the next call, whatever became of the last" {
    pid=$(modload pid faults)
    for call in "fails code why|1" "exits 0|1" "exits_at_once 3|1" "segv|139" "aborts|134" "dies_of 9|137" "nope|127" \
        "exits x|65" "exits|65" "fails_in_thread|1" "kills_parent|69" "recurses 1|139"; do
        # shellcheck disable=SC2086
        ml exec faults ${call%|*}
        assert_exit "${call#*|}"
        assert_no_stdout
        assert_stderr_has "modload: "
        ml exec faults fine
        assert_ok
        assert_stdout 7
        assert_no_stderr
        assert_equal "$(modload pid faults)" "$pid"
    done
}

@test "exec: each call starts afresh" {
    modload register --name counter "$(modload uuid)" -e 'static int n; int count(void) { return ++n; }'
    modload load counter 3>&-
    for _ in 1 2 3; do
        ml exec counter count
        assert_ok
        assert_stdout 1
    done
}

@test "exec: a hundred calls in a row, and twenty at once" {
    for i in {1..100}; do
        [ "$(modload exec math add "$i" 1 3>&-)" = $((i + 1)) ] || fail "call $i"
    done
    for i in {1..20}; do
        modload exec math add "$i" 1 >"said$i" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {1..20}; do
        wait "${jobs[i]}" || fail "$(<"err$i")"
        assert_equal "$(<"said$i")" $((i + 1))
    done
}

@test "exec: the time limit, in its forms" {
    for limit in -t100ms "-t 0.1s" --timeout=100ms "--timeout 100ms" "-t .1" "-t 0.1"; do
        case $limit in "-t .1") continue ;; esac
        # shellcheck disable=SC2086
        ml exec $limit faults hangs
        assert_exit 124
        assert_stdout begun
        assert_stderr_has "modload: hangs: took longer than 100 ms"
    done
    for limit in 0 1m 2h 30 5s 5000ms; do
        ml exec -t $limit faults fine
        assert_ok
        assert_stdout 7
    done
}

@test "exec: without -t a call has five seconds" {
    ml exec faults hangs
    assert_exit 124
    assert_stdout begun
    assert_stderr_has "took longer than 5000 ms"
}

@test "exec: behind the function everything belongs to the call, before it options are options" {
    ml exec types i32 -1
    assert_ok
    assert_stdout -1
    ml exec --timeout 5s types text --timeout
    assert_stdout --timeout
    ml exec types -t 5s text x
    assert_ok
    assert_stdout x
    ml exec types --nonsense x
    assert_exit 64
    assert_no_stdout
}

@test "exec: not loaded is 69, with a hint; not registered is 66" {
    modload release math
    ml exec math add 2 3
    assert_exit 69
    assert_no_stdout
    assert_stderr "modload: $(key_of math) is not loaded
  hint: load it: modload load $(key_of math)"
    ml exec nobody add 2 3
    assert_exit 66
    assert_no_stdout
    ml exec "$(modload uuid)" add 2 3
    assert_exit 69
    assert_no_stdout
    ml exec a/b add 2 3
    assert_exit 65
    assert_no_stdout
}

@test "exec: does not load, ever" {
    modload release math
    ml exec math add 2 3
    ml loaded math
    assert_exit 1
}

@test "exec: called wrongly" {
    for words in "" math "-t" "--json"; do
        # shellcheck disable=SC2086
        ml exec $words
        assert_exit 64
        assert_stderr_has "modload: "
    done
}
