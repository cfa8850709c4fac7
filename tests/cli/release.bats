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

# ---- workers that do not go by themselves ----

# released PID: it was, and nothing is in the way of another one
released() {
    assert_ok
    assert_no_stdout
    assert_no_stderr
    gone "$1"
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" ! -type d)" ""
}

@test "release: of a worker that is stopped ends it, and its calls" {
    modload load faults 3>&-
    pid=$(modload pid faults)
    begin call exec -t 0 faults hangs_deaf
    kill -STOP "$pid"
    ml release faults
    released "$pid"
    finish call
    assert_exit 69
    ml run --release faults fine
    assert_ok
}

@test "release: of a worker that is starting ends it; its load is told so" {
    mkfifo gate
    register_text gated "#include <fcntl.h>
__attribute__((constructor)) static void begin(void) { open(\"$PWD/gate\", O_RDONLY); }
int one(void) { return 1; }"
    modload load -t 60s "$id" >said 2>err 3>&- &
    job=$!
    within eval '[ -n "$(processes_of "$id")" ]'
    starting=$(processes_of "$id")
    ml loaded "$id"
    assert_exit 75
    assert_stderr "modload: the worker of $id is still starting
  hint: wait until it is loaded: modload load $id"
    ml ps
    assert_stdout "$id  does not answer (starting, or stopped)"
    ml release "$id"
    released "$starting"
    status=0
    wait "$job" || status=$?
    assert_exit 69
    assert_equal "$(<err)" "modload: cannot load '$id': the worker was killed while it started"
    ml loaded "$id"
    assert_exit 1
}

@test "release, load, reload: of a worker in the hands of its plugin, whatever it says" {
    plain_only
    for mode in silent "silent unlocks" "answers leaves" "answers leaves unlocks" "answers forges"; do
        echo "mode: $mode"
        load_impostor "$mode"
        ml release "$id"
        released "$worker"
    done
    for mode in silent "silent unlocks"; do
        echo "mode: $mode"
        load_impostor "$mode"
        ml load "$id"
        assert_ok
        gone "$worker"
        worker=$(processes_of "$id")
        ml reload "$id"
        assert_ok
        gone "$worker"
        ml release --all
        assert_ok
    done
}

@test "release, reload: of a worker that answers, and does nothing of it" {
    plain_only
    load_impostor answers
    ml release "$id" # which waits as long as a worker may take over its calls
    released "$worker"
    load_impostor "answers yields"
    modload register "$id" "$(modload lookup faults)"
    ml reload "$id" # ... and as long as two may take to change
    assert_ok
    gone "$worker"
    ml exec "$id" fine
    assert_ok
}
