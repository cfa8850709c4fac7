#!/usr/bin/env bats
# Goal of this test: list has a line for each entry, in the order of the keys, and says what is loaded.

load helpers
load plugins

setup_file() {
    given_plugins faults types
}

@test "list: an empty registry, and one that is not there, have no line" {
    MODLOAD_HOME=$PWD/none ml list
    assert_ok
    assert_no_stdout
    assert_no_stderr
    [ ! -e none ]
    MODLOAD_HOME=$PWD/none ml list --json
    assert_equal "$(json '.data.entries|tojson')" '[]'
}

@test "list: key, name, bundle, plugin@version, and whether it is loaded" {
    modload load types 3>&-
    ml list
    assert_ok
    assert_no_stderr
    assert_stdout "$(key_of faults)  faults  $(modload lookup faults)  faults@1.2.3  -
$(key_of types)  types  $(modload lookup types)  types@0.0.0  loaded"
}

@test "list: in the order of the keys, an entry without a name too" {
    bundle=$(modload lookup types)
    for key in ffffffff-ffff-ffff-ffff-ffffffffffff 00000000-0000-0000-0000-000000000000 00ffffff-0000-0000-0000-000000000000; do
        modload register --name '' $key "$bundle"
    done
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 5
    assert_equal "$(cut -d ' ' -f 1 .stdout)" "$(cut -d ' ' -f 1 .stdout | sort)"
    assert_equal "${lines[0]}" "00000000-0000-0000-0000-000000000000  -  $bundle  types@0.0.0  -"
}

@test "list --json: the shape that scripts rely on" {
    ml list --json
    assert_ok
    assert_equal "$(json '.data.entries[0]|keys|join(" ")')" "bundle loaded name plugin uuid version"
    assert_equal "$(json '.data.entries|map(.uuid)|join(" ")')" "$(key_of faults) $(key_of types)"
}

@test "list: what others put into the registry is not listed" {
    key=$(key_of types)
    mkdir -p "$MODLOAD_HOME/entries/zz/not-a-key" "$MODLOAD_HOME/entries/${key:0:2}/${key:0:35}"
    : >"$MODLOAD_HOME/entries/${key:0:2}/file"
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 2
}

@test "list: an entry whose bundle is damaged is listed as such" {
    bundle=$(modload lookup types)
    chmod -R u+w "$MODLOAD_HOME/bundles/$bundle"
    rm -r "${MODLOAD_HOME:?}/bundles/$bundle"
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 2
    assert_stdout_has "$(key_of types)  types  $bundle  ?@  -"
}

@test "list: takes no argument" {
    ml list types
    assert_exit 64
    assert_no_stdout
}
