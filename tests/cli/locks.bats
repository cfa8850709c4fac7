#!/usr/bin/env bats
# Goal of this test: one writer at a time; who waits is told for whom, and can stop waiting; who only looks never waits.

load helpers
load plugins
load registry

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    versions v 2
    versions w 2
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(key_of v)
    one=$(generation v 1)
    two=$(generation v 2)
    echo 'int one(void) { return 1; }' >one.c
    echo "{\"key\":\"$id\",\"bundle\":\"$one\"}" >list
}

# All commands that change the registry: they must not run at once.
writers() {
    printf '%s\n' "register v $one" "register v one.c" "register --many list" "unregister v" "rollback v" "pin v" \
        "unpin v" gc "gc --keep-last 1"
}

milliseconds() {
    local now=${EPOCHREALTIME/[.,]/}
    echo $((now / 1000))
}

@test "locks: a writer that was stopped is named, with its command, its process, since when, and that it is stopped" {
    before=$(date -u +%FT%TZ)
    stopped_writer fsync unregister w
    after=$(date -u +%FT%TZ)
    while read -r words; do
        begun=$(milliseconds)
        # shellcheck disable=SC2086
        ml $words --wait 200ms
        took=$(($(milliseconds) - begun))
        assert_exit 75
        assert_no_stdout
        [[ $stderr =~ "modload: registry '$MODLOAD_HOME' is locked by another modload (pid $writer, 'modload unregister', since "([0-9TZ:-]+)", stopped)" ]]
        [[ ! ${BASH_REMATCH[1]} < $before && ! ${BASH_REMATCH[1]} > $after ]]
        assert_stderr_has "  hint: it was stopped: let it go on (kill -CONT $writer) or end it"
        [ $took -ge 200 ]
        [ $took -lt 5000 ]
    done < <(writers)
    ml rollback v --json --wait 1ms
    assert_exit 75
    assert_equal "$(json '[.status, .errors[0].code, .data]|tojson')" '["error","busy",null]'
    writer_goes_on
    assert_ok
    assert_equal "$(modload list | cut -d ' ' -f 3)" v
}

@test "locks: --wait 0 does not wait at all" {
    stopped_writer fsync unregister w
    while read -r words; do
        [[ $words != *one.c* ]] || continue # that has something to build
        begun=$(milliseconds)
        # shellcheck disable=SC2086
        ml $words --wait 0
        assert_exit 75
        [ $(($(milliseconds) - begun)) -lt 1500 ]
    done < <(writers)
    writer_goes_on
    assert_ok
    for words in "pin v" "rollback v" "unregister v" gc; do # each of them gives it back
        # shellcheck disable=SC2086
        ml $words --wait 0
        assert_ok
    done
}

@test "locks: nobody who only looks waits for a writer, whatever he was stopped at" {
    modload load v 3>&-
    for call in pwrite64 fsync symlinkat renameat unlinkat; do
        stopped_writer $call register --name w "$(key_of w)" "$one"
        for words in "lookup v" "lookup ${id:0:8}" "registered w" list "list --json" "list --removed" "info v" "info v v" \
            "history v" "load v" "loaded v" "exec v v" "run v v" "pid v" ps uuid "gc --help"; do
            # shellcheck disable=SC2086
            MODLOAD_LIMIT=5 ml $words
            assert_ok
            assert_no_stderr
        done
        ml exec v v
        assert_stdout 2
        [[ $(modload list | grep -c .) = 2 ]]
        now=$(modload lookup w)
        [ "$now" = "$one" ] || assert_equal "$now" "$(generation w 2)"
        writer_goes_on
        assert_ok
        assert_equal "$(modload lookup w)" "$one"
        modload rollback w 2 >/dev/null
    done
}

@test "locks: a call, a load and a release of others go on while a writer is stopped" {
    stopped_writer fsync register v "$one"
    MODLOAD_LIMIT=5 ml run --release w v
    assert_ok
    assert_stdout 2
    MODLOAD_LIMIT=5 ml load v w
    assert_ok
    MODLOAD_LIMIT=5 ml release --all
    assert_ok
    writer_goes_on
    assert_ok
}

@test "locks: what waits goes on as soon as it can" {
    stopped_writer fsync unregister w
    modload rollback --wait 60s v >said 2>err 3>&- &
    waiting=$!
    modload register --wait 60s --name u "$(modload uuid)" one.c 2>>err 3>&- &
    also=$!
    within waits_for_lock $waiting
    within waits_for_lock $also
    begun=$(milliseconds)
    writer_goes_on
    assert_ok
    wait $waiting
    wait $also
    [ $(($(milliseconds) - begun)) -lt 10000 ]
    assert_equal "$(<said)$(<err)" "$one"
    assert_equal "$(modload list | cut -d ' ' -f 3 | sort | paste -sd ' ')" "u v"
}

@test "locks: Ctrl-C ends the wait at once, and nothing has changed" {
    stopped_writer fsync unregister w
    before=$(snapshot entries history names)
    while read -r words; do
        # shellcheck disable=SC2086
        env --default-signal=INT modload $words --wait 100s >said 2>err 3>&- &
        waiting=$!
        within waits_for_lock $waiting
        begun=$(milliseconds)
        kill -INT $waiting
        status=0
        wait $waiting || status=$?
        echo "$words: $status $(<err)"
        assert_exit 130
        [ $(($(milliseconds) - begun)) -lt 3000 ]
        assert_equal "$(<said)" ""
    done < <(writers)
    assert_equal "$(snapshot entries history names)" "$before"
    writer_goes_on
    assert_ok
    assert_equal "$(litter)" ""
}

@test "locks: Ctrl-C in the midst of a change leaves all of it or nothing" {
    cp -a "$MODLOAD_HOME" kept
    before=$(modload list)
    for words in "rollback v" "register w $one" "unregister v" "register --many list"; do
        # shellcheck disable=SC2086
        modload $words >/dev/null 2>&1
        after=$(modload list)
        rm -rf "$MODLOAD_HOME"
        cp -a kept "$MODLOAD_HOME"
        # shellcheck disable=SC2086
        stopped_writer unlinkat $words # by then the change is written down
        kill -INT "$writer"
        writer_goes_on
        now=$(modload list)
        case $status in
        0) assert_equal "$now" "$after" ;;
        130) [ "$now" = "$before" ] || assert_equal "$now" "$after" ;;
        *) fail "$words ended with $status: $stderr" ;;
        esac
        ml pin --wait 0 w
        assert_ok
        assert_equal "$(litter)" ""
        rm -rf "$MODLOAD_HOME"
        cp -a kept "$MODLOAD_HOME"
    done
}

@test "locks: the lock of a writer that was killed is free at once" {
    for call in pwrite64 fsync symlinkat; do
        stopped_writer $call register w "$one"
        kill -KILL "$writer"
        wait "$writer_job" || :
        ml rollback --wait 0 v 1
        assert_ok
        assert_no_stderr
        ml rollback --wait 0 v 2
        assert_ok
        modload rollback w 2 >/dev/null 2>&1
    done
}

@test "locks: a holder who is not stopped is not called so, and one who says nothing is unknown" {
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    echo "pid $$, 'modload register', since 2026-01-02T03:04:05Z" >"$MODLOAD_HOME/locks/write"
    ml rollback --wait 0 v
    assert_exit 75
    assert_stderr "modload: registry '$MODLOAD_HOME' is locked by another modload (pid $$, 'modload register', since 2026-01-02T03:04:05Z)
  hint: try again, or wait longer: --wait 60s"
    for text in '' 'pid' 'pid -1' 'pid 99999999999999999999' $'\e[31m' "$(printf '%5000s' x)"; do
        printf '%s' "$text" >"$MODLOAD_HOME/locks/write"
        ml rollback --wait 0 v
        assert_exit 75
        assert_no_stdout
        assert_stderr_has "is locked by another modload"
        assert_equal "$(tr -d '\n' <.stderr | tr -dc '\001-\037\177')" ""
    done
    exec {lock}>&-
    ml rollback --wait 0 v
    assert_ok
}

@test "locks: twenty who write at once all come through" {
    for i in {1..10}; do
        modload register --wait 100s --name "n$i" "$(modload uuid)" "$one" 2>"err$i" 3>&- &
        jobs[i]=$!
        modload rollback --wait 100s v >/dev/null 2>&1 3>&- &
        jobs[10 + i]=$!
    done
    for i in {1..10}; do
        wait "${jobs[i]}" || fail "$(<"err$i")"
        wait "${jobs[10 + i]}" || :
    done
    assert_equal "$(modload list | grep -c '  n[0-9]')" 10
    assert_equal "$(modload lookup v)" "$one"
    assert_equal "$(generations v)" 3 # one of them went back, the others had nowhere to go
}

@test "locks: --wait is a duration" {
    while read -r words; do
        for wait in x -1 '' 1w; do
            # shellcheck disable=SC2086
            ml $words --wait "$wait"
            assert_exit 64
            assert_no_stdout
            assert_stderr_has "--wait: '$wait' is not a duration"
        done
    done < <(writers)
}
