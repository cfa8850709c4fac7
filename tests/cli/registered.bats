#!/usr/bin/env bats
# Goal of this test: registered answers by the exit code alone.

load helpers
load plugins

setup_file() {
    given_plugins types
}

# answers EXIT WORD
answers() {
    ml registered -- "$2"
    assert_exit "$1"
    assert_no_stdout
    assert_no_stderr
}

@test "registered: yes, for each form of the key" {
    key=$(key_of types)
    answers 0 "$key"
    answers 0 "${key^^}"
    answers 0 "$(modload uuid to-key "$key")"
    answers 0 "${key:0:8}"
    answers 0 types
    answers 0 types@0.0.0
}

@test "registered: no, for what is not" {
    answers 1 "$(modload uuid)"
    answers 1 nobody
    answers 1 types@1.0.0
    answers 1 0000
    MODLOAD_HOME=$PWD/none answers 1 types
    [ ! -e none ]
}

@test "registered: no, once it is unregistered, loaded or not" {
    key=$(key_of types)
    modload load types 3>&-
    modload unregister types
    answers 1 types
    answers 1 "$key"
}

@test "registered: neither yes nor no for what is no key" {
    for word in '' ../.. a/b '{x}'; do
        ml registered "$word"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "is neither a key nor a name"
    done
    ml registered
    assert_exit 64
}
