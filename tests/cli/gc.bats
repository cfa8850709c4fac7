#!/usr/bin/env bats
# Goal of this test: gc removes what nothing points at, and never what an entry, a kept generation, a pin, a worker or a
# command in progress needs.

load helpers
load plugins
load registry

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    versions v 3
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(key_of v)
    for n in {1..3}; do
        bundle[n]=$(generation v $n)
    done
}

# collects [BUNDLE...]: the last command told of these, each with its size, and they are gone
collects() {
    local one
    assert_ok
    assert_equal "$(cut -d ' ' -f 1 .stdout | sort)" "$(printf '%s\n' "$@" | sort)"
    [ $# -eq 0 ] || assert_equal "$(grep -cE '^b-[a-z2-7]{32}  [0-9.]+ ([KM]iB|B)$' .stdout)" $#
    for one; do
        [ ! -e "$MODLOAD_HOME/bundles/$one" ] || fail "$one is still there"
    done
    assert_stderr_has "removed $# bundle"
}

# whole N...: these generations can be gone back to, and called
whole() {
    local n
    for n; do
        ml rollback v "$n"
        assert_ok
        ml run --release v v
        assert_stdout "$n"
    done
}

filed() {
    [ "$(ls "$MODLOAD_HOME/bundles" | grep -c .)" -eq "$1" ]
}

seconds_after() {
    [ "$(date +%s)" -gt $(($1 + $2)) ]
}

@test "gc: without options all generations of registered entries stay" {
    before=$(snapshot bundles entries history names)
    ml gc
    collects
    assert_stderr "modload: removed 0 bundles (0 B) and 0 generations"
    assert_equal "$(snapshot bundles entries history names)" "$before"
    whole 1 2 3
}

@test "gc: what was compiled and nobody registered goes, and so does what was taken out" {
    one=$(modload compile -e 'int one(void) { return 1; }' | cut -d ' ' -f 1)
    size=$(du -sk "$MODLOAD_HOME/bundles/$one" | cut -f 1)
    ml gc
    collects "$one"
    assert_stdout "$one  $size.0 KiB"
    assert_stderr "modload: removed 1 bundle ($size.0 KiB) and 0 generations"
    modload unregister v
    ml gc
    collects "${bundle[@]}"
    assert_stderr_has "removed 3 bundles ("
    assert_stderr_has " and 4 generations"
    ml rollback "$id"
    assert_exit 66
    assert_equal "$(modload list --removed)" ""
    assert_equal "$(litter)" ""
    modload register --name v "$id" -e 'int v(void) { return 4; }' # the numbers begin anew
    assert_equal "$(modload history --json v | jq -c '.data.generations|map(.generation)')" '[1]'
}

@test "gc: a bundle that two entries have had goes with the last of them" {
    modload register --name w "$(modload uuid)" "${bundle[1]}"
    modload unregister v
    ml gc
    collects "${bundle[2]}" "${bundle[3]}"
    ml run --release w v
    assert_stdout 1
    modload unregister w
    ml gc
    collects "${bundle[1]}"
}

@test "gc --keep-last: of each entry the newest so many, the current one among them" {
    modload register --name w "$(modload uuid)" -e 'int w(void) { return 1; }'
    ml gc --keep-last 3
    collects
    ml gc --keep-last 2
    collects "${bundle[1]}"
    assert_stderr_has " and 1 generation"
    assert_equal "$(modload history --json v | jq -c '.data.generations|map(.generation)')" '[3,2]'
    whole 2 # which makes it a generation
    ml gc --keep-last 1
    collects "${bundle[3]}"
    assert_equal "$(modload history --json v | jq -c '.data.generations|map(.generation)')" '[4]'
    ml run --release w w
    assert_stdout 1
    ml gc --keep-last 1
    collects
    ml gc --keep-last 999999999
    collects
}

@test "gc --keep-last: what is taken out between does not count" {
    modload unregister v
    modload rollback "$id" >/dev/null # 4 is out, 5 is that of 3
    ml gc --keep-last 3
    collects "${bundle[1]}"
    whole 2
}

@test "gc --older-than: only what was replaced that long ago, however long it had been current" {
    backdate v 1 2020-01-01T00:00:00Z
    backdate v 2 2021-01-01T00:00:00Z # so 1 was replaced then, and 2 only now
    ml gc --older-than 30d
    assert_ok
    assert_stderr_has " and 1 generation"
    assert_equal "$(modload history --json v | jq -c '.data.generations|map(.generation)')" '[3,2]'
    ml gc --older-than 30d
    assert_stderr_has " and 0 generations"
    whole 3 2
}

@test "gc --older-than: what was taken out or filed that long ago" {
    modload compile -e 'int one(void) { return 1; }' >said
    modload unregister v
    now=$(date +%s)
    ml gc --older-than 1h
    collects
    assert_equal "$(modload list --removed | cut -d ' ' -f 1)" "$id"
    within seconds_after "$now" 2
    ml gc --older-than 1s
    collects "$(cut -d ' ' -f 1 said)" "${bundle[@]}"
    ml history "$id"
    assert_exit 66
}

@test "gc --older-than 0s: also what is of this very second" {
    id=$(modload compile -e 'int one(void) { return 1; }' | cut -d ' ' -f 1)
    modload unregister v
    ml gc --older-than 0s
    collects "$id" "${bundle[@]}"
}

@test "gc: with both bounds only what both let go" {
    backdate v 1 2020-01-01T00:00:00Z
    backdate v 2 2021-01-01T00:00:00Z
    ml gc --keep-last 2 --older-than 10000d
    assert_exit 64
    ml gc --keep-last 2 --older-than 3000d
    assert_stderr_has " and 0 generations"
    ml gc --keep-last 3 --older-than 1d
    assert_stderr_has " and 0 generations"
    ml gc --keep-last 1 --older-than 1d
    assert_stderr_has " and 1 generation"
    assert_equal "$(modload history --json v | jq -c '.data.generations|map(.generation)')" '[3,2]'
}

@test "gc --dry-run: says what would go, and changes nothing" {
    one=$(modload compile -e 'int one(void) { return 1; }' | cut -d ' ' -f 1)
    : >"$MODLOAD_HOME/tmp/litter"
    before=$(snapshot)
    ml gc --dry-run --keep-last 1
    assert_ok
    said=$output
    assert_equal "$(cut -d ' ' -f 1 .stdout | sort)" "$(printf '%s\n' "$one" "${bundle[1]}" "${bundle[2]}" | sort)"
    assert_stderr_has "modload: would remove 3 bundles ("
    assert_stderr_has " and 2 generations"
    assert_equal "$(snapshot)" "$before"
    ml gc --dry-run
    assert_stdout_has "$one"
    assert_equal "$(snapshot)" "$before"
    ml gc --keep-last 1 # and this is what goes
    assert_equal "$(sort .stdout)" "$(sort <<<"$said")"
}

@test "gc: what a worker has mapped stays until it is released" {
    modload rollback v 1 >/dev/null
    modload load v 3>&-
    modload register v "${bundle[3]}"
    ml gc --keep-last 1
    collects "${bundle[2]}"
    assert_stderr_has "modload: 1 more: in use by a worker or another command"
    ml exec v v
    assert_ok
    assert_stdout 1
    [ -d "$MODLOAD_HOME/bundles/${bundle[1]}" ]
    modload unregister v
    ml gc
    collects "${bundle[3]}"
    ml exec "$id" v
    assert_stdout 1
    modload release "$id"
    ml gc
    collects "${bundle[1]}"
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" ""
}

@test "gc: a bundle in use is counted once" {
    modload load v 3>&-
    modload register v "${bundle[1]}"
    modload gc --keep-last 1 >/dev/null 2>&1
    modload register v -e 'int v(void) { return 5; }'
    ml gc --json --keep-last 1
    assert_ok
    assert_equal "$(json .data.in_use)" 1
    assert_stderr_has "modload: 1 more: "
}

@test "gc: what a worker that is starting will map stays" {
    mkfifo go
    modload register --name slow "$(modload uuid)" -D "GO=\"$PWD/go\"" -e '#include <fcntl.h>
        #include <unistd.h>
        __attribute__((constructor)) static void wait_for_it(void) { char c; if (read(open(GO, O_RDONLY), &c, 1) < 0) return; }
        int one(void) { return 1; }'
    slow=$(modload lookup slow)
    modload load -t 60s slow 3>&- &
    job=$!
    exec {go}>go # its constructor has come so far
    modload register slow "${bundle[3]}"
    for _ in 1 2 3; do
        ml gc --keep-last 1
        assert_ok
        [ -d "$MODLOAD_HOME/bundles/$slow" ]
    done
    echo >&"$go"
    exec {go}>&-
    wait $job
    ml exec slow one
    assert_ok
    assert_stdout 1
    modload release slow
    ml gc
    collects "$slow"
}

@test "gc: what a command is building stays, from its first file to its registration" {
    mkfifo go
    printf '#!/bin/sh\ncase $* in *" -c "*) : >begun; read -r line <go ;; esac\nexec cc "$@"\n' >slowcc
    chmod +x slowcc
    CC=$PWD/slowcc MODLOAD_BUILD_DIRS=$PWD modload register --name slow "$(modload uuid)" -e 'int one(void) { return 1; }' 2>err 3>&- &
    job=$!
    within test -e begun
    for _ in {1..5}; do
        ml gc --keep-last 1
        assert_ok
    done
    assert_equal "$(litter | grep -c '/tmp/[^/]*$')" 1
    while kill -0 $job 2>/dev/null; do # it compiles more than one file
        ml gc
        collects
        { echo go >go & } 2>/dev/null
        gcs=$!
        within eval 'gone $job || ! kill -0 $gcs 2>/dev/null'
        kill $gcs 2>/dev/null || :
        wait $gcs || :
    done
    wait $job || fail "$(<err)"
    ml run --release slow one
    assert_stdout 1
}

@test "gc: what was built and waits to be registered stays" {
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    modload register --name late "$(modload uuid)" -e 'int one(void) { return 1; }' 2>err 3>&- {lock}>&- &
    job=$!
    within filed 4
    within waits_for_lock $job
    kill -STOP $job
    exec {lock}>&-
    for _ in 1 2 3; do
        ml gc
        assert_ok
        assert_no_stdout
        assert_stderr_has "modload: 1 more: in use"
    done
    kill -CONT $job
    wait $job || fail "$(<err)"
    ml run --release late one
    assert_stdout 1
    ml gc
    collects
}

@test "gc: beside list after list of sources that are built" {
    for i in {1..6}; do
        echo "int f(void) { return $i; }" >f$i.c
        printf '{"key":"%s","path":"f%s.c","name":"f%s"}\n' "$(modload uuid)" $i $i
    done >list
    (while [ ! -e stop ]; do
        modload gc --wait 100s --keep-last 1 >/dev/null 2>>gc.err || echo "gc: $?" >>gc.failed
    done) 3>&- &
    collector=$!
    for round in 1 2 3; do
        ml register --wait 100s --many list -j 2 -D ROUND=$round
        status_of_list=$status
        [ "$status" -eq 0 ] || break
    done
    : >stop
    wait $collector
    [ ! -e gc.failed ] || fail "$(<gc.err)"
    assert_equal "$status_of_list" 0
    for i in {1..6}; do
        ml run --release f$i f
        assert_stdout $i
    done
}

# one_of_them N: what a user does all day, each time with other code
one_of_them() {
    local i key
    key=$(modload uuid)
    for i in 1 2 3 4 5 6; do
        modload register --wait 100s --name "u$1" "$key" -e "int f(void) { return $((i * 10 + $1)); }" || return 1
        [ "$(modload run --release "u$1" f)" = $((i * 10 + $1)) ] || return 2
        modload load "u$1" || return 3
        modload lookup "u$1" >/dev/null || return 4
        [ "$(modload exec "u$1" f)" = $((i * 10 + $1)) ] || return 5
        modload info "u$1" >/dev/null || return 6
        modload release "u$1" || return 7
    done
    modload rollback --wait 100s "u$1" >/dev/null 2>&1 || : # gone by now, or not
    modload unregister --wait 100s "u$1" || return 8
}

@test "gc: while four register, look up, load and call, none of them notices" {
    for i in 1 2 3 4; do
        one_of_them $i 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    failed=
    while ! gone "${jobs[@]}"; do
        ml gc --wait 100s --keep-last 1
        [ "$status" -eq 0 ] || failed="$status $stderr"
    done
    for i in 1 2 3 4; do
        wait "${jobs[i]}" || fail "$i failed at step $?: $(<"err$i")"
    done
    assert_equal "$failed" ""
    whole 3
    ml gc
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" "${bundle[3]}"
    assert_equal "$(litter)" ""
}

@test "gc: two at once" {
    modload unregister v
    modload gc >one 2>&1 3>&- &
    job=$!
    modload gc >two 2>&1 3>&-
    wait $job
    assert_equal "$(cat one two | grep -c '^b-')" 3
    assert_equal "$(ls -A "$MODLOAD_HOME/bundles")" ""
}

@test "gc: killed at any of its steps, it has lost nothing, and the next one does the rest" {
    modload pin v 1
    cp -a "$MODLOAD_HOME" kept
    kills=0
    for call in renameat fsync unlinkat write flock; do
        for n in $some_steps; do
            rm -rf "$MODLOAD_HOME"
            cp -a kept "$MODLOAD_HOME"
            killed_at $call $n gc --keep-last 1 || break
            kills=$((kills + 1))
            # whatever history still names is there, whole
            modload history --json v | jq -r '.data.generations[].present' | grep -q false && fail "at $call $n"
            ml gc --keep-last 1
            assert_ok
            assert_equal "$(ls "$MODLOAD_HOME/bundles")" "$(printf '%s\n' "${bundle[1]}" "${bundle[3]}" | sort)"
            assert_equal "$(litter)" ""
        done
    done
    whole 1 3
    [ $kills -gt 10 ]
}

@test "gc: takes away what others left in the registry's tmp, not what lies elsewhere" {
    : >"$MODLOAD_HOME/tmp/0123456789abcdef"
    mkdir -p "$MODLOAD_HOME/tmp/fedcba9876543210/source" "$MODLOAD_HOME/bundles/notes"
    : >"$MODLOAD_HOME/bundles/README"
    ml gc
    collects
    assert_equal "$(litter)" ""
    [ -d "$MODLOAD_HOME/bundles/notes" ]
    [ -f "$MODLOAD_HOME/bundles/README" ]
}

@test "gc: forgets nothing of a shard whose history is damaged" {
    sed -i "/^$id 2 /s/register/rollback/" "$MODLOAD_HOME/history/${id:0:2}"
    before=$(snapshot history)
    ml gc --keep-last 1
    assert_ok
    assert_equal "$(snapshot history)" "$before"
    [ -d "$MODLOAD_HOME/bundles/${bundle[1]}" ]
    [ -d "$MODLOAD_HOME/bundles/${bundle[3]}" ]
}

@test "gc: a list that still builds keeps the bundles that it names" {
    bundle=$(modload compile -e 'int spare(void) { return 4; }' 2>/dev/null | cut -d ' ' -f 1)
    mkfifo begun goes_on
    printf '#!/bin/sh\ncase "$*" in *slow.c*) echo >begun; read -r _ <goes_on ;; esac\nexec cc "$@"\n' >slowcc
    chmod +x slowcc
    echo 'int slow(void) { return 5; }' >slow.c
    {
        entry aaaaaaaa-0000-4000-8000-000000000001 bundle "$bundle" name spare
        entry bbbbbbbb-0000-4000-8000-000000000002 path slow.c name slow
    } >list
    CC=$PWD/slowcc MODLOAD_BUILD_DIRS=$PWD modload register --many list 2>said 3>&- &
    read -r _ <begun
    ml gc
    assert_ok
    assert_stderr_has "removed 0 bundles"
    echo >goes_on
    wait $! || fail "$(<said)"
    ml run --release spare spare
    assert_stdout 4
    ml run --release slow slow
    assert_stdout 5
}

@test "gc: nothing to do where there is no registry, and none is made" {
    for words in gc "gc --dry-run" "gc --keep-last 1 --older-than 1d"; do
        # shellcheck disable=SC2086
        MODLOAD_HOME=$PWD/none ml $words
        assert_ok
        assert_no_stdout
        assert_stderr_has "0 bundles (0 B) and 0 generations"
        [ ! -e none ]
    done
    mkdir -m 700 empty
    MODLOAD_HOME=$PWD/empty ml gc
    assert_ok
    assert_no_stdout
    assert_equal "$(ls -A empty)" ""
}

@test "gc: called wrongly" {
    before=$(snapshot)
    for words in "v" "--keep-last" "--keep-last 0" "--keep-last -1" "--keep-last x" "--keep-last 1.5" "--older-than" \
        "--older-than x" "--older-than -1d" "--older-than 1w" "--wait soon" "--dry-run=no" "--keep 1"; do
        # shellcheck disable=SC2086
        ml gc $words
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "modload: "
        assert_equal "$(snapshot)" "$before"
    done
}

@test "gc: --json" {
    ml gc --json --dry-run --keep-last 1
    assert_ok
    assert_equal "$(json '.data|keys|join(" ")')" "bundles bytes dry_run freed generations in_use"
    assert_equal "$(json '[.data.bundles,.data.generations,.data.in_use,.data.dry_run]|tojson')" '[2,2,0,true]'
    bytes=$(json .data.bytes)
    ml gc --json --keep-last 1
    assert_ok
    assert_equal "$(json '[.data.bundles,.data.generations,.data.in_use,.data.dry_run]|tojson')" '[2,2,0,false]'
    assert_equal "$(json '.data.freed|map(.bundle)|sort|join(" ")')" "$(printf '%s\n' "${bundle[1]}" "${bundle[2]}" | sort | paste -sd ' ')"
    assert_equal "$(json '.data.freed|map(.bytes)|add')" "$bytes"
    assert_equal "$(json .data.bytes)" "$bytes"
    MODLOAD_HOME=$PWD/none ml gc --json
    assert_ok
    assert_equal "$(json '[.data.bundles,.data.bytes,.data.freed]|tojson')" '[0,0,[]]'
}
