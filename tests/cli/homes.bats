#!/usr/bin/env bats
# Goal of this test: a registry that can only be read serves all who only read, and a copy of a registry is one.

load helpers
load plugins
load registry

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    versions v 3
    modload rollback v >/dev/null
    modload pin v 1
    given_plugins math
    modload register --name out "$(modload uuid)" "$(modload lookup math)"
    modload unregister out
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(key_of v)
    one=$(generation v 1)
    mkdir bin
}

teardown() {
    chmod -R u+w "$MODLOAD_HOME"
    world_teardown
}

# From here on modload is run without the right to write there.
given_modes() {
    chmod -R a-w "$MODLOAD_HOME"
    unprivileged
    ! "${bare[@]}" touch "$MODLOAD_HOME/x" 2>/dev/null
}

# From here on modload finds its home mounted read-only.
given_mount() {
    unshare -m true 2>/dev/null || skip "no mounts of our own here"
    printf '#!/bin/sh\nexec unshare -m sh -c '"'"'mount --bind "$H" "$H" && mount -o remount,bind,ro "$H" && exec "$M" "$@"'"'"' sh "$@"\n' >bin/modload
    chmod +x bin/modload
    export H=$MODLOAD_HOME M=$MODLOAD_BUILD/bin/modload
    PATH=$PWD/bin:$PATH
}

reads_all() {
    for words in "lookup v" "lookup ${id:0:8}" "registered v" list "list --json" "list --removed" "info v" "info v v" "history v" \
        "history out" uuid "load v" "loaded v" "exec v v" "pid v" ps "exec v v"; do
        # shellcheck disable=SC2086
        ml $words
        assert_ok
        assert_no_stderr
        [ "${words%% *}" = registered ] || [ "${words%% *}" = load ] || [ "${words%% *}" = loaded ] || [ -n "$output" ]
    done
    assert_stdout 2
    ml run math add 2 3
    assert_ok
    assert_stdout 5
    ml run --release math add 2 3
    assert_ok
    ml release v
    assert_ok
    ml unregister nobody
    assert_ok
}

# refuses WHY: each command that would write says why not, and leaves all as it was
refuses() {
    local before words
    before=$(snapshot)
    echo 'int one(void) { return 1; }' >one.c
    echo "{\"key\":\"$id\",\"path\":\"one.c\"}" >list
    echo "{\"key\":\"$id\",\"bundle\":\"$one\"}" >bundles
    while read -r words; do
        # shellcheck disable=SC2086
        ml $words
        [ "$status" -eq 73 ] || assert_exit 77
        assert_no_stdout
        assert_stderr_has "modload: "
        assert_stderr_has "$1"
        assert_stderr_has "$MODLOAD_HOME"
        assert_stderr_has "  hint: it can only be read here"
        ! grep -q '^modload: [a-z]*:[0-9]' <<<"$stderr" || fail "a line of the list is blamed"
        # shellcheck disable=SC2086
        ml "${words%% *}" --json ${words#"${words%% *}"}
        assert_equal "$(json '[.status, .data]|tojson')" '["error",null]'
    done < <(printf '%s\n' "register v $one" "register v one.c" "register --many list" "register --many bundles" \
        "unregister v" "rollback v" "rollback out" "pin v" "unpin v 1" gc "compile one.c" "run ./one.c one" \
        "verify --repair" "verify --repair v")
    assert_equal "$(snapshot)" "$before"
}

@test "homes: without the right to write, all that only reads works" {
    given_modes
    before=$(snapshot)
    reads_all
    assert_equal "$(snapshot)" "$before"
}

@test "homes: without the right to write, nothing is wrong with it but what is" {
    given_modes
    for words in verify "verify v" doctor; do
        # shellcheck disable=SC2086
        ml $words
        assert_ok
        [ "$words" = doctor ] || assert_no_stderr
    done
    chmod 444 "$MODLOAD_HOME/FORMAT" "$MODLOAD_HOME/bundles/$one/plugin.so"
    chmod 555 "$MODLOAD_HOME/names" "$MODLOAD_HOME/bundles/$one/source"
    before=$(snapshot)
    ml verify
    assert_exit 77
    assert_stderr_has "modload: the registry has 4 problems"
    assert_stderr_has "modload: FORMAT has another mode than 0600"
    assert_stderr_has "modload: names has another mode than 0700"
    assert_stderr_has "modload: bundles/$one/plugin.so has mode 0444, not 0400"
    assert_stderr_has "modload: bundles/$one/source has mode 0555, not 0700"
    ml verify --repair
    assert_exit 73
    assert_no_stdout
    assert_stderr "modload: cannot mend registry '$MODLOAD_HOME': Permission denied
  hint: it can only be read here; to mend it: chmod u+w '$MODLOAD_HOME'"
    assert_equal "$(snapshot)" "$before"
    chmod u+w "$MODLOAD_HOME" # now it can be written to, and all else is in the way
    ml verify --repair
    assert_ok
    ml rollback v 1
    assert_ok
}

@test "homes: without the right to write, what would write fails in words, and nothing is half done" {
    given_modes
    refuses "Permission denied"
}

@test "homes: on a disk that can only be read, all that only reads works" {
    given_mount
    before=$(snapshot)
    reads_all
    assert_equal "$(snapshot)" "$before"
}

@test "homes: on a disk that can only be read, what would write fails in words, and nothing is half done" {
    given_mount
    refuses "Read-only file system"
}

@test "homes: a change that was cut short does not keep readers out where nobody may finish it" {
    killed_at symlinkat 1 rollback v 1
    [ -e "$MODLOAD_HOME/journal/apply" ]
    given_modes
    for words in "lookup v" list "history v" "run --release v v"; do
        # shellcheck disable=SC2086
        ml $words
        assert_ok
        assert_no_stderr
    done
    [ "$output" = 1 ] || assert_stdout 2
    ml rollback v
    assert_exit 73
    chmod -R u+w "$MODLOAD_HOME"
    ml run --release v v # whoever comes next and may, finishes it
    assert_stdout 1
    [ ! -e "$MODLOAD_HOME/journal/apply" ]
}

# same_as_original: in the registry that MODLOAD_HOME is now; $list, $history and $removed are of the original
same_as_original() {
    ml list
    assert_ok
    assert_stdout "$list"
    ml history v
    assert_stdout "$history"
    ml list --removed
    assert_stdout "$removed"
    ml run v v
    assert_ok
    assert_stdout 2
    ml exec v v
    assert_ok
    assert_stdout 2
    ml release v
    assert_ok
    ml rollback v 1
    assert_ok
    ml run --release v v
    assert_stdout 1
    ml rollback out
    assert_ok
    ml run --release out add 1 1
    assert_stdout 2
    ml register v -e 'int v(void) { return 9; }'
    assert_ok
    ml gc --keep-last 1
    assert_ok
    ml run --release v v
    assert_stdout 9
    ml rollback v 1 # it was pinned
    assert_ok
    assert_equal "$(litter)" ""
}

@test "homes: a copy is a registry of its own, however it was made, and wherever it is" {
    list=$(modload list) history=$(modload history v) removed=$(modload list --removed)
    original=$MODLOAD_HOME before=$(snapshot)
    cp -a "$MODLOAD_HOME" copy
    mkdir 'un packed'
    tar -C "$MODLOAD_HOME" -c . | tar -C 'un packed' -x
    tar -c h | tar -x --transform 's/^h/deep/'
    cp -a "$MODLOAD_HOME" before
    mv before moved
    for copy in copy 'un packed' deep moved; do
        chmod 700 "$copy"
        export MODLOAD_HOME=$PWD/$copy
        same_as_original
        modload release --all
    done
    export MODLOAD_HOME=$original
    assert_equal "$(snapshot)" "$before"
    same_as_original
}

@test "homes: a worker belongs to its registry, not to the copy of it" {
    cp -a "$MODLOAD_HOME" copy
    modload load v 3>&-
    MODLOAD_HOME=$PWD/copy ml loaded v
    assert_exit 1
    MODLOAD_HOME=$PWD/copy ml exec v v
    assert_exit 69
    MODLOAD_HOME=$PWD/copy ml run --release v v
    assert_stdout 2
    ml loaded v
    assert_ok
    ln -s h link # another way to the same place
    MODLOAD_HOME=$PWD/link ml exec v v
    assert_ok
    assert_stdout 2
}

@test "homes: a copy that was taken while a change was made is finished as the original is" {
    stopped_writer symlinkat rollback v 1
    cp -a "$MODLOAD_HOME" copy
    MODLOAD_HOME=$PWD/copy ml run --release v v
    assert_ok
    assert_stdout 1
    MODLOAD_HOME=$PWD/copy ml register v "$one" --wait 0
    assert_ok
    writer_goes_on
    assert_ok
    assert_equal "$(modload lookup v)" "$one"
}

@test "homes: a copy that lost its empty directories, as those do that keep files only, is mended by the next writer" {
    for words in "rollback v 1" "register v $one" gc "unregister out" "pin v 2"; do
        rmdir "$MODLOAD_HOME/tmp" "$MODLOAD_HOME/journal"
        rm -r "$MODLOAD_HOME/locks"
        ml list
        assert_ok
        assert_equal "${#lines[@]}" 2
        # shellcheck disable=SC2086
        ml $words
        assert_ok
        ml run --release v v
        assert_ok
        modload rollback v 2 >/dev/null 2>&1
    done
}
