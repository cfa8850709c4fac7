#!/usr/bin/env bats
# Goal of this test: what is pinned stays, whatever gc is told, until it is unpinned.

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

# quiet COMMAND...: does it, and says nothing
quiet() {
    ml "$@"
    assert_ok
    assert_no_stdout
    assert_no_stderr
}

# kept N...: these generations are there, and the bundles of these alone
kept() {
    local n
    for n; do
        echo "${bundle[n]}"
    done | sort -u >expected
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" "$(<expected)"
    assert_equal "$(modload history --json v | jq -r '[.data.generations[] | select(.of == null) | .generation] | join(" ")')" "$*"
}

pinned() {
    modload history --json "${1:-v}" | jq -r '[.data.generations[] | select(.pinned).generation] | join(" ")'
}

@test "pin: without a number the current generation, which stays when another is current" {
    quiet pin v
    assert_equal "$(pinned)" 3
    modload rollback v 1 >/dev/null
    modload gc --keep-last 1 2>/dev/null
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" "$(printf '%s\n' "${bundle[1]}" "${bundle[3]}" | sort)"
    assert_equal "$(pinned)" 3
    ml rollback v 3
    assert_ok
    assert_stdout "${bundle[3]}"
    ml run --release v v
    assert_stdout 3
}

@test "pin: a generation by its number, through every gc" {
    quiet pin v 1
    for policy in '' '--keep-last 1' '--older-than 0s' '--keep-last 1 --older-than 0s'; do
        # shellcheck disable=SC2086
        ml gc $policy
        assert_ok
        [ -d "$MODLOAD_HOME/bundles/${bundle[1]}" ]
        assert_equal "$(pinned)" 1
    done
    kept 3 1
}

@test "unpin: lets gc have it" {
    modload pin v 1
    modload pin v 2
    modload gc --keep-last 1 2>/dev/null
    kept 3 2 1
    quiet unpin v 1
    assert_equal "$(pinned)" 2
    modload gc --keep-last 1 2>/dev/null >freed
    assert_equal "$(cut -d ' ' -f 1 freed)" "${bundle[1]}"
    kept 3 2
}

@test "unpin: without a number the current generation" {
    modload pin v
    modload pin v 1
    quiet unpin v
    assert_equal "$(pinned)" 1
}

@test "pin, unpin: what is so already is told, and changes nothing" {
    modload pin v 2
    before=$(snapshot)
    ml pin v 2
    assert_ok
    assert_no_stdout
    assert_stderr "modload: generation 2 of $id is pinned already"
    ml unpin v 1
    assert_ok
    assert_no_stdout
    assert_stderr_has "modload: generation 1 of $id "
    assert_equal "$(snapshot)" "$before"
}

@test "pin: back and forth" {
    for _ in 1 2 3; do
        quiet pin v 2
        assert_equal "$(pinned)" 2
        quiet unpin v 2
        assert_equal "$(pinned)" ""
    done
    assert_equal "$(generations v)" 3 # a pin is none
    modload pin v 2
    modload gc --keep-last 1 2>/dev/null
    kept 3 2
    assert_equal "$(pinned)" 2
    modload unpin v 2
    modload gc --keep-last 1 2>/dev/null
    kept 3
}

@test "pin: is of one entry, though others have the same bundle" {
    other=$(modload uuid)
    modload register --name w "$other" "${bundle[1]}"
    modload register w "${bundle[2]}"
    modload pin v 1
    assert_equal "$(pinned w)" ""
    modload gc --keep-last 1 2>/dev/null
    ml rollback w 1
    assert_exit 66
    ml rollback v 1
    assert_ok
}

@test "pin: keeps what was taken out, by its name or key and a number" {
    modload unregister v
    ml pin v
    assert_exit 66
    assert_no_stdout
    quiet pin v 2
    modload gc 2>/dev/null
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" "${bundle[2]}"
    assert_equal "$(modload list --removed | cut -d ' ' -f 1,5)" "$id ${bundle[2]}"
    ml rollback "$id"
    assert_ok
    assert_stdout "${bundle[2]}"
    modload unregister v
    modload unpin "$id" 2
    modload gc 2>/dev/null
    ml history "$id"
    assert_exit 66
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" ""
}

@test "pin: of a rollback keeps what came back" {
    modload rollback v 1 >/dev/null # generation 4
    quiet pin v
    assert_equal "$(pinned)" 4
    modload register v "${bundle[3]}"
    modload gc --keep-last 1 2>/dev/null
    [ -d "$MODLOAD_HOME/bundles/${bundle[1]}" ]
    ml rollback v 4
    assert_ok
    assert_stdout "${bundle[1]}"
}

@test "pin, unpin: --json" {
    for command in pin unpin; do
        for changed in true false; do
            ml $command --json v 2
            assert_ok
            assert_equal "$(json '.data|tojson')" '{"uuid":"'"$id"'","generation":2,"changed":'$changed'}'
        done
    done
}

@test "pin, unpin: of what is not there, is no key, or no number" {
    modload unregister v
    modload rollback v >/dev/null
    for command in pin unpin; do
        before=$(snapshot entries history names)
        for words in nobody "$(modload uuid)" "nobody 1" "v 99" "v 4"; do # 4: that it was taken out
            # shellcheck disable=SC2086
            ml $command $words
            assert_exit 66
            assert_no_stdout
            assert_stderr_has "  hint: "
        done
        for n in 0 x '' 1x; do
            ml $command v "$n"
            assert_exit 64
            assert_stderr_has "'$n' is not a whole number from 1 on"
        done
        for words in "" "v -1" "v 1 2" "v --wait soon"; do
            # shellcheck disable=SC2086
            ml $command $words
            assert_exit 64
            assert_no_stdout
        done
        ml $command a/b
        assert_exit 65
        assert_equal "$(snapshot entries history names)" "$before"
        MODLOAD_HOME=$PWD/none ml $command "$id"
        assert_exit 66
        [ ! -e none ]
    done
}

@test "pin: of a generation whose bundle is gone is refused: there is nothing to keep" {
    rm -rf "${MODLOAD_HOME:?}/bundles/${bundle[1]}"
    ml pin v 1
    assert_exit 66
    assert_no_stdout
    assert_stderr_has "${bundle[1]}"
}
