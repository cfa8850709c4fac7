#!/usr/bin/env bats
# Goal of this test: what the harness in tests/fault has once found, with calls that fail at a certain point, stays found.

load helpers
load plugins
load registry
load damage

# failing CALL ERROR N ARG...: runs modload ARG..., whose Nth such system call fails
failing() {
    status=0
    traced -e trace="$1" -e inject="$1:error=$2:when=$3" modload "${@:4}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" \
        3>&- || status=$?
    output=$(<"$BATS_TEST_TMPDIR/out") stderr=$(<"$BATS_TEST_TMPDIR/err")
}

# calls NAME ARG...: how many such system calls modload ARG... makes
calls() {
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -qq -o "$BATS_TEST_TMPDIR/trace" -e trace="$1" \
        modload "${@:2}" >/dev/null 2>&1 3>&- || :
    grep -c "^$1(" "$BATS_TEST_TMPDIR/trace"
}

again() {
    cd "$BATS_TEST_TMPDIR"
    rm -rf "${MODLOAD_HOME:?}"
    cp -a "$BATS_TEST_TMPDIR/damaged" "$MODLOAD_HOME"
    cd "$MODLOAD_HOME"
}

keep() {
    cp -a "$MODLOAD_HOME" "$BATS_TEST_TMPDIR/damaged"
}

# An entry is looked at once when it is its turn and once for its name's sake: the first look fails, and the second shows
# what has not been mended.
@test "verify --repair: who cannot be read keeps the name that leads to him" {
    ln -sfn ../../bundles/nothing "$entry"
    keep
    count=$(calls readlinkat verify --repair)
    [ "$count" -gt 3 ]
    for ((n = 1; n <= count; n++)); do
        again
        failing readlinkat EIO "$n" verify --repair
        [ -L names/v ] || fail "the name is gone: $n" "$stderr"
        ml verify --repair
        assert_ok
        assert_equal "$(modload lookup v)" "$two"
    done
}

@test "verify --repair: what could not be synced is not said to be mended" {
    shorten "$bundle/plugin.so"
    keep
    count=$(calls fsync verify --repair)
    [ "$count" -gt 3 ]
    for ((n = 1; n <= count; n++)); do
        again
        failing fsync EIO "$n" verify --repair
        [ "$status" -ne 0 ] || fail "it said that all was well: fsync $n" "$stderr"
        ml verify --repair
        assert_ok
    done
}

@test "list: an upgrade of what cannot be looked at is not made" {
    modload list >"$BATS_TEST_TMPDIR/list"
    echo "modload registry 1" >FORMAT
    rm -r history journal
    for link in entries/*/*; do
        id=$(basename "$(readlink "$link")")
        name=$(find names -lname "*${link##*/}" -printf %f)
        rm "$link"
        mkdir "$link"
        ln -s "../../../bundles/$id" "$link/current"
        printf 'time 2025-01-02T03:04:05Z\nbundle %s\nname %s\n' "$id" "$name" >"$link/1"
    done
    keep
    for call in newfstatat faccessat2; do
        count=$(again && calls $call list)
        for ((n = 1; n <= count; n++)); do
            again
            failing $call EIO "$n" list
            ml list
            assert_ok
            assert_equal "$output" "$(<"$BATS_TEST_TMPDIR/list")"
        done
    done
    [ "$(<FORMAT)" != "modload registry 1" ]
    ml verify
    assert_ok
}

@test "compile: a signal while a compiler is started does no harm" {
    cd "$BATS_TEST_TMPDIR"
    mkdir source
    echo 'int f(void) { return 1; }' >source/f.c
    count=$(calls write compile source)
    [ "$count" -gt 3 ]
    for ((n = 1; n <= count; n++)); do
        failing write EINTR "$n" compile source
        assert_ok
    done
}
