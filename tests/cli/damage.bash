# What the tests of verify share: `load helpers`, `load plugins`, `load registry`, then `load damage`. Each test stands in a
# registry of its own, of two entries: v, which has two generations, and w.
#
#   $id $one $two          the key of v, and the bundles of its generations
#   $bundle $entry         where its current bundle and its link are; $history: its lines; $before: picture of all of it
#   picture [PART...]      what is there, whenever it was put there; locks/ and lost+found/ are no part of it
#   flip FILE              one bit in the middle of it is another
#   shorten FILE           by 100 bytes
#   tells PATH WHAT        one problem, and nothing is changed by looking
#   mends PATH WHAT        tells, and after --repair all is byte for byte what it was
#   keeps FILE             what was foreign is still somewhere: its content is that of FILE
#   refuses                load and run of the damaged bundle
#   clean, works           nothing is wrong; and v and w can be called
# shellcheck disable=SC2034,SC2119,SC2120,SC2154

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    # Each in a file of histories of its own.
    versions v 2 1d000000-0000-4000-8000-00000000000a
    modload register --name w b2000000-0000-4000-8000-00000000000b -e 'int v(void) { return 7; }' 3>&-
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(key_of v)
    one=$(generation v 1)
    two=$(generation v 2)
    bundle=bundles/$two
    entry=entries/${id:0:2}/$id
    history=history/${id:0:2}
    cd "$MODLOAD_HOME" || return 1
    before=$(picture)
}

teardown() {
    cd "$BATS_TEST_TMPDIR" || return 1
    world_teardown
}

picture() {
    find "${@:-.}" ! -path './locks*' ! -path './lost+found*' -printf '%p %y %m %l\n' | sort
    find "${@:-.}" -type f ! -path './locks*' ! -path './lost+found*' -exec sha256sum {} + | sort
}

flip() {
    local mode at byte
    mode=$(stat -c %a "$1") at=$(($(stat -c %s "$1") / 2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    chmod u+w "$1"
    printf '%b' "$(printf '\\x%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
    chmod "$mode" "$1"
}

shorten() {
    chmod u+w "$1"
    truncate -s -100 "$1"
    chmod 400 "$1"
}

clean() {
    ml verify
    assert_ok
    assert_stdout "3 bundles looked at, 0 problems"
    assert_no_stderr
}

tells() {
    local found
    found=$(picture)
    ml verify
    assert_exit 77
    assert_equal "$(grep -cv '^  hint: ' <<<"$stderr")" 2
    assert_stderr_has "modload: $1 $2"
    assert_stderr_has $'\nmodload: the registry has 1 problem\n  hint: mend what can be mended: modload verify --repair'
    assert_no_stdout
    assert_equal "$(picture)" "$found"
}

works() {
    clean
    ml run --release v v
    assert_ok
    assert_stdout 2
    ml run --release w v
    assert_ok
    assert_stdout 7
}

mends() {
    tells "$@"
    ml verify --repair
    assert_ok
    assert_stderr_has "modload: $1 $2"
    assert_stdout "3 bundles looked at, 1 problem, 1 mended"
    assert_equal "$(picture)" "$before"
    works
}

keeps() {
    [ "$(stat -c %a lost+found)" = 700 ]
    find lost+found -mindepth 1 -type f -exec cmp -s {} "$1" \; -print | grep -q . || fail "lost: $(<"$1")"
}

refuses() {
    local command
    for command in "load v" "run v v"; do
        # shellcheck disable=SC2086
        ml $command
        assert_exit 77
        assert_no_stdout
        assert_stderr_has "the bundle is damaged"
    done
    ml loaded v
    assert_exit 1
}
