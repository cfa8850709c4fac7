#!/usr/bin/env bats
# Goal of this test: keys are made with the bits of version 4, and both of their forms are read, written and checked.

load helpers

readonly V4='^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'

# What is no UUID, whoever asks.
readonly BAD=('' ' ' 'xyz' '{8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f}' 'urn:uuid:8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f'
    '8c1f0a524-b7d-4e6a-9f3b-2d1c0e9a8b7f' '8c1f0a52-4b7d-4e6a-9f3b2-d1c0e9a8b7f' '8c1f0a52 4b7d 4e6a 9f3b 2d1c0e9a8b7f'
    '8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7g' '8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7' '8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f0'
    $'8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f\n' ' 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f' '8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f '
    '8c1f0a52_4b7d_4e6a_9f3b_2d1c0e9a8b7f' '+c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f' '0x1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f'
    'abcdefghijklmnop' '0123456789abcdef' '../..' 'a/b' '/etc/passwd' '-------------------------------------')

@test "uuid: makes a new one each time, of version 4, in lower case" {
    ml uuid
    assert_ok
    assert_no_stderr
    [[ $output =~ $V4 ]]
    assert_equal "${#lines[@]}" 1
    first=$output
    ml uuid
    assert_ok
    [[ $output =~ $V4 ]]
    [ "$output" != "$first" ]
}

@test "uuid --key: the new key as 32 hex digits" {
    for option in --key -k; do
        ml uuid "$option"
        assert_ok
        assert_no_stderr
        [[ $output =~ ^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$ ]]
    done
}

@test "uuid: nobody needs a registry to make one" {
    ml uuid
    assert_ok
    [ ! -e "$MODLOAD_HOME" ]
    unset MODLOAD_HOME HOME
    ml uuid
    assert_ok
    assert_no_stderr
}

@test "uuid to-key, from-key: there and back, any case in, lower case out" {
    ml uuid to-key 8C1F0A52-4b7d-4E6A-9f3b-2D1C0E9A8B7F
    assert_ok
    assert_stdout 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f
    assert_no_stderr
    ml uuid from-key 8C1F0A524b7d4E6A9f3b2D1C0E9A8B7F
    assert_ok
    assert_stdout 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f
    assert_no_stderr
}

@test "uuid to-key, from-key: any 128 bits are a key, also those that no version 4 has" {
    for hex in 00000000000000000000000000000000 ffffffffffffffffffffffffffffffff 000102030405060708090a0b0c0d0e0f; do
        ml uuid from-key "$hex"
        assert_ok
        assert_no_stderr
        uuid=$output
        ml uuid to-key "$uuid"
        assert_ok
        assert_stdout "$hex"
        ml uuid check "$uuid"
        assert_ok
    done
}

@test "uuid to-key: refuses in words what is no UUID" {
    for text in "${BAD[@]}" 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f; do
        ml uuid to-key -- "$text"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "is not a UUID"
        assert_stderr_has "  hint: a UUID is 8-4-4-4-12 hex digits"
    done
}

@test "uuid from-key: refuses in words what is no key" {
    for text in "${BAD[@]}" 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7 \
        8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f0 $'8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f\n' 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7x; do
        ml uuid from-key -- "$text"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "is not a key of 32 hex digits"
    done
}

@test "uuid check: answers by the exit code alone" {
    for text in 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f 8C1F0A52-4B7D-4E6A-9F3B-2D1C0E9A8B7F \
        00000000-0000-0000-0000-000000000000; do
        ml uuid check "$text"
        assert_ok
        assert_no_stdout
        assert_no_stderr
    done
    for text in "${BAD[@]}" 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f; do
        ml uuid check -- "$text"
        assert_exit 1
        assert_no_stdout
        assert_no_stderr
    done
}

@test "uuid: what a user typed cannot play with the terminal" {
    ml uuid to-key $'\e[31mred\r\n'
    assert_exit 65
    assert_stderr_has "'\\x1b[31mred\\x0d\\x0a' is not a UUID"
}

@test "uuid: is told when it is called wrongly" {
    for words in "make" "to-key" "to-key a b" "--key to-key 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f" "check" "--nonsense" "-x"; do
        # shellcheck disable=SC2086
        ml uuid $words
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "modload: "
        assert_stderr_has "  hint: "
    done
}

@test "uuid --json: the same as data" {
    ml uuid --json
    assert_ok
    assert_no_stderr
    [[ $(json .data.uuid) =~ $V4 ]]
    ml uuid to-key --json 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f
    assert_ok
    assert_equal "$(json .data.key)" 8c1f0a524b7d4e6a9f3b2d1c0e9a8b7f
    ml uuid --json check nonsense
    assert_exit 1
    assert_equal "$(json '[.status, .exit_code, .data.uuid]|tojson')" '["ok",1,false]'
    ml uuid --json to-key nonsense
    assert_exit 65
    assert_equal "$(json '[.status, .exit_code, .errors[0].code]|tojson')" '["error",65,"bad_key"]'
}
