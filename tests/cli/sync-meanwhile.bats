#!/usr/bin/env bats
# Goal of this test: what others do to an entry while a sync fetches, asks, builds and tests is not lost: the sync says so, and
# changes nothing. They do it in the test of a plugin, which is behind all that was looked at.

load helpers
load plugins
load registry
load project

setup() {
    world_setup
    project_world
    mkdir repos/two
    git init -q -b main repos/two
    cat >repos/two/two.c <<C
#include <stdlib.h>
int two(void) { return system("exec >/dev/null 2>&1; test ! -e $PWD/meanwhile || sh $PWD/meanwhile") == 0 ? 2 : 1; }
C
    jq -n '{name: "two", version: "1.0.0", tests: [{call: "two", expect: 2}]}' >repos/two/modload.json
    git -C repos/two add .
    git -C repos/two commit -q -m two
    project two "$(from two)"
}

teardown() {
    project_end
    world_teardown
}

# meanwhile COMMAND: what somebody does in that moment
meanwhile() {
    printf 'export PATH=%q HOME=%q MODLOAD_HOME=%q MODLOAD_RUNTIME_DIR=%q\n%s\n' \
        "$PATH" "$HOME" "$MODLOAD_HOME" "$MODLOAD_RUNTIME_DIR" "$1" >meanwhile
}

# changed: the plugin has a new commit
changed() {
    echo "// $1" >>repos/two/two.c
    git -C repos/two commit -q -a -m "$1"
}

refused() {
    ml sync p --yes "$@"
    assert_exit 75
    assert_stderr_has "was changed by somebody else meanwhile"
}

@test "sync: an entry that has come meanwhile stays" {
    id=01234567-89ab-4def-8edc-ba9876543210
    project two "$(from two), \"uuid\": \"$id\""
    meanwhile "modload register --name theirs $id -e 'int their(void) { return 7; }'"
    refused
    ml run --release theirs their
    assert_stdout 7
    [ ! -e p/modload.lock ]
}

@test "sync: one that was changed or taken out meanwhile is not brought back" {
    ml sync p --yes
    assert_ok
    lock=$(<p/modload.lock)
    changed once
    meanwhile "modload register two -e 'int their(void) { return 7; }'"
    refused --update two
    assert_stderr_has "two: entry"
    ml run --release two their
    assert_stdout 7
    assert_equal "$(<p/modload.lock)" "$lock"
    rm meanwhile
    ml sync p --yes
    assert_ok
    changed twice
    meanwhile "modload unregister two"
    refused --update two
    ml registered two
    assert_exit 1
    rm meanwhile
    ml sync p --yes
    assert_ok
}
