#!/usr/bin/env bats
# Goal of this test: unregister takes an entry out, and nothing else.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

@test "unregister: the entry is gone, with its name, and the others are there" {
    key=$(key_of faults)
    ml unregister faults
    assert_ok
    assert_no_stdout
    assert_no_stderr
    for word in "$key" faults; do
        ml lookup "$word"
        assert_exit 66
        ml registered "$word"
        assert_exit 1
    done
    assert_equal "$(modload list | cut -d ' ' -f 3)" types
}

@test "unregister: by each form of the key" {
    for form in uuid upper hex prefix; do
        id=$(modload uuid)
        modload register --name "$form" "$id" "$(modload lookup types)"
        case $form in
        upper) word=${id^^} ;;
        hex) word=$(modload uuid to-key "$id") ;;
        prefix) word=${id:0:13} ;;
        *) word=$id ;;
        esac
        ml unregister "$word"
        assert_ok
        assert_no_stderr
        ml registered "$id"
        assert_exit 1
    done
}

@test "unregister: what is not registered is fine, and told" {
    id=$(modload uuid)
    for word in "$id" nobody; do
        ml unregister "$word"
        assert_ok
        assert_no_stdout
        assert_stderr "modload: nothing is registered as '$word'"
    done
    ml unregister types
    assert_ok
    ml unregister types
    assert_ok
    assert_stderr "modload: nothing is registered as 'types'"
}

@test "unregister: does not make a registry to find nothing in it" {
    MODLOAD_HOME=$PWD/none ml unregister "$(modload uuid)"
    assert_ok
    [ ! -e none ]
}

@test "unregister: a running worker goes on, and can be released by its key" {
    key=$(key_of faults)
    modload load faults 3>&-
    pid=$(modload pid faults)
    ml unregister faults
    assert_ok
    ml exec "$key" fine
    assert_ok
    assert_stdout 7
    assert_equal "$(modload pid "$key")" "$pid"
    ml load "$key"
    assert_exit 66
    ml release "$key"
    assert_ok
    ml load "$key"
    assert_exit 66
}

@test "unregister: the key can be registered anew, and the bundle is still there" {
    key=$(key_of faults) bundle=$(modload lookup faults)
    modload unregister faults
    ml register "$key" "$bundle"
    assert_ok
    ml run --release faults fine
    assert_ok
    assert_stdout 7
}

@test "unregister: the name is free for another" {
    modload unregister faults
    ml register --name faults "$(key_of types)" "$(modload lookup types)"
    assert_ok
    ml lookup faults
    assert_ok
}

@test "unregister: what is no key is refused" {
    for word in ../.. a/b '' '{x}'; do
        ml unregister "$word"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "is neither a key nor a name"
    done
    ml unregister
    assert_exit 64
}
