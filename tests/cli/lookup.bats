#!/usr/bin/env bats
# Goal of this test: lookup finds the bundle by each form of a key, takes no lock, and never lets a path through.

load helpers
load plugins

setup_file() {
    given_plugins math types
}

@test "lookup: prints the bundle alone" {
    ml lookup math
    assert_ok
    assert_no_stderr
    [[ $output =~ ^b-[a-z2-7]{32}$ ]]
    assert_equal "${#lines[@]}" 1
}

@test "lookup: by UUID, hex digits, prefix, name and name@version, in any case" {
    key=$(key_of math) bundle=$(modload lookup math)
    hex=$(modload uuid to-key "$key")
    for word in "$key" "${key^^}" "$hex" "${hex^^}" "${key:0:8}" "${key:0:9}" "${key:0:20}" "${hex:0:8}" "${hex:0:31}" math \
        "math@1.0.0"; do
        ml lookup "$word"
        assert_ok
        assert_stdout "$bundle"
        assert_no_stderr
    done
}

@test "lookup: another version of a name is not there, and which one is, is told" {
    ml lookup math@9.9.9
    assert_exit 66
    assert_no_stdout
    assert_stderr $'modload: \'math\' is at version 1.0.0, not 9.9.9\n  hint: use math, or math@1.0.0'
    for word in math@ math@1 math@1.0.0.0 math@../x; do
        ml lookup "$word"
        [ "$status" -eq 65 ] || [ "$status" -eq 66 ]
        assert_no_stdout
    done
}

@test "lookup: a prefix must be four digits, and stand for one key" {
    modload register --name a abcd0000-0000-0000-0000-000000000001 "$(modload lookup math)"
    modload register --name b abcd1000-0000-0000-0000-000000000001 "$(modload lookup math)"
    ml lookup abcd
    assert_exit 65
    assert_no_stdout
    assert_stderr $'modload: \'abcd\' stands for more than one key\n  hint: give more of its digits: modload list'
    ml lookup ABCD1
    assert_ok
    ml lookup abc
    assert_exit 66
    assert_no_stdout
    ml lookup 9999
    assert_exit 66
    assert_no_stdout
    assert_stderr $'modload: nothing is registered as \'9999\'\n  hint: see what is: modload list'
}

@test "lookup: a name that reads like digits is a name" {
    modload register --name beef "$(modload uuid)" "$(modload lookup types)"
    modload register --name a beef0000-0000-0000-0000-000000000001 "$(modload lookup math)"
    ml lookup beef
    assert_ok
    assert_stdout "$(modload lookup types)"
}

@test "lookup: what is neither key nor name is refused" {
    for word in '' ' ' ../.. a/b /etc/passwd . .. '{8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f}' 'a b' -- $'math\n' 'math*' ~ \
        urn:uuid:8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f "$(printf '%65s' | tr ' ' a)"; do
        ml lookup -- "$word"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "is neither a key nor a name"
    done
}

@test "lookup: a word too long for a message is cut in it" {
    ml lookup "$(printf '%5000s' | tr ' ' a)"
    assert_exit 65
    assert_no_stdout
    assert_stderr_has aaa...
    [ "${#stderr}" -lt 1200 ]
}

@test "lookup: a name that could be one, and is not, is not found" {
    for word in nobody abcdefghijklmnop; do
        ml lookup "$word"
        assert_exit 66
        assert_no_stdout
        assert_stderr_has "nothing is registered as '$word'"
    done
}

@test "lookup: in a registry that is not there, nothing is registered, and none is made" {
    export MODLOAD_HOME=$PWD/none
    ml lookup "$(modload uuid)"
    assert_exit 66
    assert_no_stdout
    ml lookup math
    assert_exit 66
    [ ! -e none ]
}

@test "lookup: goes on while a writer holds the lock" {
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    ml lookup math
    assert_ok
    exec {lock}>&-
}

@test "lookup: sees the old or the new, never nothing between" {
    key=$(key_of math) one=$(modload lookup math) two=$(modload lookup types)
    (for _ in {1..40}; do modload register "$key" "$two" && modload register "$key" "$one"; done) >/dev/null 2>&1 3>&- &
    writer=$!
    while kill -0 "$writer" 2>/dev/null; do
        found=$(modload lookup "$key") || fail "lookup failed"
        [ "$found" = "$one" ] || [ "$found" = "$two" ] || fail "found '$found'"
    done
    wait "$writer"
}

@test "lookup: an entry whose link was bent leads nowhere" {
    key=$(key_of math)
    link=$MODLOAD_HOME/entries/${key:0:2}/$key
    for target in ../../../../../etc/passwd /etc/passwd b-short ../../../bundles/; do
        ln -sfn "$target" "$link"
        ml lookup "$key"
        assert_exit 77
        assert_no_stdout
        assert_stderr_has "points at no bundle"
        ml load "$key"
        assert_exit 77
    done
}

@test "lookup: a key with a fault in it is no name" {
    for word in 11111111-1111-4111-8111-11111111111G 11111111-1111-4111-8111-1111111111111 \
        111111111111411181111111111111111; do
        ml lookup "$word"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "'$word' is neither a key nor a name"
    done
}
