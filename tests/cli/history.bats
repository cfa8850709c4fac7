#!/usr/bin/env bats
# Goal of this test: history tells what an entry was, newest first, also of one that was taken out.

load helpers
load plugins
load registry

setup_file() {
    given_plugins math types
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    math=$(modload lookup math)
    types=$(modload lookup types)
    id=$(modload uuid)
}

# tells LINE...: the history of $id is these lines, with TIME for the times in them
tells() {
    ml history "$id"
    assert_ok
    assert_no_stderr
    assert_equal "$(sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z/TIME/' .stdout)" "$(printf '%s\n' "$@")"
}

@test "history: a line for each generation, newest first: number, time, change, name, bundle, plugin, origin" {
    echo 'int one(void) { return 1; }' >one.c
    modload register --name a "$id" one.c
    one=$(modload lookup a)
    modload register a "$math"
    modload unregister a
    modload register --name a "$id" "$types"
    tells "*    4  TIME  register    a  $types  types@0.0.0" \
        "     3  TIME  unregister  -" \
        "     2  TIME  register    a  $math  math@1.0.0" \
        "     1  TIME  register    a  $one  one@0.0.0  $PWD/one.c"
}

@test "history: what came back says from where, and what is pinned is marked" {
    modload register --name a "$id" "$math"
    modload register a "$types"
    modload pin a
    modload rollback a >/dev/null
    modload pin a 3
    tells "*p   3  TIME  rollback    a  $math  math@1.0.0  of 1" \
        " p   2  TIME  register    a  $types  types@0.0.0" \
        "     1  TIME  register    a  $math  math@1.0.0"
    modload unpin a
    ml history a
    [[ ${lines[0]} == "*    3  "* ]]
}

@test "history: times are those of now, in UTC" {
    before=$(date -u +%FT%TZ)
    TZ=Asia/Tokyo modload register --name a "$id" "$math"
    after=$(date -u +%FT%TZ)
    ml history --json a
    time=$(json '.data.generations[0].time')
    [[ ! $time < $before && ! $time > $after ]]
}

@test "history: a change of the name is one, and shows" {
    modload register --name a "$id" "$math"
    modload register --name b "$id" "$math"
    modload register --name '' "$id" "$math"
    ml history --json "$id"
    assert_ok
    assert_equal "$(json '.data.generations|map(.name)|tojson')" '["","b","a"]'
    ml history "$id"
    [[ ${lines[0]} == *"  -  $math"* && ${lines[1]} == *"  b  $math"* && ${lines[2]} == *"  a  $math"* ]]
}

@test "history: what is current and registered again is no generation" {
    modload register --name a "$id" "$math"
    for words in "$id $math" "a $math" "--name a $id $math" "${id^^} ${math:0:10}"; do
        # shellcheck disable=SC2086
        ml register $words
        assert_ok
        assert_stderr "modload: $id is registered as $math already"
    done
    assert_equal "$(generations a)" 1
}

@test "history: an origin comes through, whatever its path is made of" {
    mkdir 'a %41  b - ä'
    echo 'int one(void) { return 1; }' >'a %41  b - ä/one.c'
    modload register --name a "$id" 'a %41  b - ä/one.c'
    ml history --json a
    assert_ok
    assert_equal "$(json '.data.generations[0].origin')" "$PWD/a %41  b - ä/one.c"
    ml history a
    assert_ok
    [[ $output == *"  one@0.0.0  $PWD/a %41  b - ä/one.c" ]]
}

@test "history: of an entry that was taken out, by each form of its key, a beginning of it, and its last name" {
    modload register --name first "$id" "$math"
    modload register --name last "$id" "$types"
    modload unregister "$id"
    hex=$(modload uuid to-key "$id")
    for word in "$id" "${id^^}" "$hex" "${id:0:13}" "${hex:0:8}" last; do
        ml history "$word"
        assert_ok
        assert_equal "${#lines[@]}" 3
        [[ ${lines[0]} == "     3  "*"  unregister  -" ]]
    done
    ml history first
    assert_exit 66
}

@test "history: a name that belongs to another entry by now is that one's" {
    modload register --name a "$id" "$math"
    modload unregister a
    other=$(modload uuid)
    modload register --name a "$other" "$types"
    ml history --json a
    assert_equal "$(json .data.uuid)" "$other"
    modload unregister a
    ml history a # both were called so
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "'a' stands for more than one key that was taken out"
    assert_stderr_has "  hint: see them: modload list --removed"
    ml history "$id"
    assert_ok
}

@test "history: numbers go on after an entry was taken out" {
    modload register --name a "$id" "$math"
    modload unregister a
    modload register --name a "$id" "$math"
    modload unregister a
    ml history --json "$id"
    assert_equal "$(json '.data.generations|map(.generation)|tojson')" '[4,3,2,1]'
    assert_equal "$(json '.data.generations|map(.current)|any')" false
    assert_equal "$(json '.data.generations|map(.change)|join(" ")')" "unregister register unregister register"
}

@test "history: a generation whose bundle is gone says so" {
    modload register --name a "$id" "$types"
    modload register --name a "$id" "$math"
    modload unregister types
    rm -rf "${MODLOAD_HOME:?}/bundles/$types"
    ml history a
    assert_ok
    [[ ${lines[1]} == *"  $types (gone)  types@0.0.0" ]]
    [[ ${lines[0]} != *gone* ]]
    ml history --json a
    assert_equal "$(json '.data.generations|map(.present)|tojson')" '[true,false]'
}

@test "history: --json, the shape that scripts rely on" {
    modload register --name a "$id" "$math"
    modload register a "$types"
    modload rollback a >/dev/null
    modload unregister a
    ml history --json "$id"
    assert_ok
    assert_no_stderr
    assert_equal "$(json '.data|keys|join(" ")')" "generations uuid"
    assert_equal "$(json .data.uuid)" "$id"
    assert_equal "$(json '.data.generations[0]|keys|join(" ")')" \
        "bundle change current generation name of origin pinned plugin present time version"
    assert_equal "$(json '.data.generations[1]|[.generation,.change,.of,.bundle,.name,.plugin,.version,.current,.pinned,.present]|tojson')" \
        '[3,"rollback",1,"'"$math"'","a","math","1.0.0",false,false,true]'
    assert_equal "$(json '.data.generations[2].of')" null
}

@test "history: of what nobody registered, and of what is no key" {
    for word in nobody "$id" 01234567; do
        ml history "$word"
        assert_exit 66
        assert_no_stdout
        assert_stderr_has "  hint: "
    done
    for word in a/b '' ../..; do
        ml history "$word"
        assert_exit 65
        assert_no_stdout
    done
    ml history
    assert_exit 64
    ml history math types
    assert_exit 64
    MODLOAD_HOME=$PWD/none ml history "$id"
    assert_exit 66
    [ ! -e none ]
}

@test "history: what was damaged is left out, and the rest is told" {
    modload register --name a "$id" "$math"
    modload register a "$types"
    modload register a "$math"
    sed -i "/^$id 2 /s/register/rollback/" "$MODLOAD_HOME/history/${id:0:2}"
    ml history --json a
    assert_ok
    assert_equal "$(json '.data.generations|map(.generation)|tojson')" '[3,1]'
    ml list
    assert_ok
    assert_stdout_has "$id  a  $math  math@1.0.0"
}
