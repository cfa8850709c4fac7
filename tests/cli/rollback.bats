#!/usr/bin/env bats
# Goal of this test: rollback makes an entry again what it was, also one that was taken out, and can itself be undone.

load helpers
load plugins
load registry

setup_file() {
    export MODLOAD_HOME=$BATS_FILE_TMPDIR/home MODLOAD_RUNTIME_DIR=$BATS_FILE_TMPDIR/run PATH=$MODLOAD_BUILD/bin:$PATH
    versions v 4 # v() returns the number of the generation that made it
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(key_of v)
    for n in {1..4}; do
        bundle[n]=$(generation v $n)
    done
}

# goes_to N [ARG...]: `rollback $id ARG...` makes it what it was in generation N
goes_to() {
    ml rollback "$id" "${@:2}"
    assert_ok
    assert_stdout "${bundle[$1]}"
    assert_no_stderr
    assert_equal "$(modload lookup "$id")" "${bundle[$1]}"
    assert_equal "$(modload list | cut -d ' ' -f 1,3)" "$id v"
}

# refuses EXIT ARG...: and the registry is as it was
refuses() {
    local before
    before=$(snapshot entries history names)
    ml rollback "${@:2}"
    assert_exit "$1"
    assert_no_stdout
    assert_stderr_has "modload: "
    assert_stderr_has "  hint: "
    assert_equal "$(snapshot entries history names)" "$before"
}

@test "rollback: the generation before, and again the one before that" {
    goes_to 3
    goes_to 2
    goes_to 1
    refuses 66 v
    assert_stderr_has "key $id has no earlier generation"
    assert_equal "$(modload history --json v | jq -c '.data.generations | map(.of)')" '[1,2,3,null,null,null,null]'
}

@test "rollback: a generation by its number, forwards too" {
    goes_to 1 1
    goes_to 4 4
    goes_to 2 2
    goes_to 4 6 # what came back is one like any other
    assert_equal "$(generations v)" 8
}

@test "rollback: after going to a number, the one before that" {
    goes_to 3 3
    goes_to 2
    goes_to 4 4
    goes_to 3
}

@test "rollback: what is registered after it is what it goes back from" {
    goes_to 2 2
    modload register v "${bundle[4]}"
    goes_to 2
    goes_to 1
}

@test "rollback: can be undone" {
    before=$(modload list)
    goes_to 3
    goes_to 4 4
    assert_equal "$(modload list)" "$before"
}

@test "rollback: to what is current changes nothing, and that is told" {
    before=$(snapshot)
    ml rollback v 4
    assert_ok
    assert_stdout "${bundle[4]}"
    assert_stderr "modload: $id is registered as ${bundle[4]} already"
    assert_equal "$(snapshot)" "$before"
}

@test "rollback: a change of the name alone is no step, and the name stays" {
    modload register --name w "$id" "${bundle[4]}"
    ml rollback w
    assert_ok
    assert_stdout "${bundle[3]}"
    assert_equal "$(modload list | cut -d ' ' -f 3)" w
    ml lookup v
    assert_exit 66
}

@test "rollback: brings back what was taken out, by each form of its key, a beginning of it, and its last name" {
    hex=$(modload uuid to-key "$id")
    for word in "$id" "${id^^}" "$hex" "${id:0:8}" "${hex:0:10}" v; do
        modload unregister v
        ml lookup v
        assert_exit 66
        ml rollback "$word"
        assert_ok
        assert_stdout "${bundle[4]}"
        assert_no_stderr
        assert_equal "$(modload lookup v)" "${bundle[4]}"
        assert_equal "$(modload list --removed)" ""
    done
    ml run --release v v
    assert_stdout 4
}

@test "rollback: what was taken out comes back as it was last, also when it had been rolled back" {
    goes_to 3
    goes_to 2
    modload unregister v
    assert_equal "$(modload list --removed | cut -d ' ' -f 5)" "${bundle[2]}"
    goes_to 2
    goes_to 1
    modload unregister v
    goes_to 1
}

@test "rollback: what was taken out, by the number of any of its generations" {
    modload unregister v
    goes_to 2 2
    modload unregister v
    refuses 66 v 5 # that it was taken out is no generation to go to
    assert_stderr_has "key $id has no generation 5"
    refuses 66 v 99
    goes_to 3 3
}

@test "rollback: its name is back, unless it belongs to another entry by now" {
    other=$(modload uuid)
    modload unregister v
    modload register --name v "$other" "${bundle[1]}"
    ml rollback "$id"
    assert_ok
    assert_stdout "${bundle[4]}"
    assert_stderr "modload: the name that $id had belongs to another entry: it has none"
    assert_equal "$(modload lookup v)" "${bundle[1]}"
    assert_equal "$(modload list | grep "$id" | cut -d ' ' -f 3)" -
    ml rollback --json "$id" 1
    assert_equal "$(json .data.name)" ""
    modload unregister v
    ml rollback --json "$id" 2 # and now it is free
    assert_equal "$(json .data.name)" v
    assert_equal "$(modload lookup v)" "${bundle[2]}"
}

@test "rollback: of two that had the same name, none is guessed" {
    modload unregister v
    modload register --name v "$(modload uuid)" "${bundle[1]}"
    modload unregister v
    refuses 65 v
    assert_stderr_has "'v' stands for more than one key that was taken out"
    ml rollback "$id"
    assert_ok
}

@test "rollback: to what gc has forgotten, or what lost its bundle, is 66 and says what there is to do" {
    modload pin v 1
    modload gc --keep-last 2 2>/dev/null
    refuses 66 v 2
    assert_stderr_has "key $id has no generation 2"
    assert_stderr_has "  hint: see what there is: modload history $id"
    rm -rf "${MODLOAD_HOME:?}/bundles/${bundle[3]}"
    for n in '' 3; do
        refuses 66 v $n
        assert_stderr_has "generation 3"
        assert_stderr_has "${bundle[3]}"
        assert_stderr_has "modload history $id"
    done
    goes_to 1 1
}

@test "rollback: a worker goes on with what it has, until it is loaded anew" {
    modload load v 3>&-
    pid=$(modload pid v)
    goes_to 1 1
    assert_equal "$(modload pid v)" "$pid"
    ml exec v v
    assert_stdout 4
    modload release v
    ml run --release v v
    assert_stdout 1
}

@test "rollback: two at once go two steps" {
    modload rollback --wait 100s v >one 3>&- &
    first=$!
    modload rollback --wait 100s v >two 3>&-
    wait $first
    assert_equal "$(cat one two | sort)" "$(printf '%s\n' "${bundle[3]}" "${bundle[2]}" | sort)"
    assert_equal "$(modload lookup v)" "${bundle[2]}"
}

@test "rollback: the origin comes back too" {
    printf 'int n(void) { return 1; }\n' >n.c
    key=$(modload uuid)
    modload register --name n "$key" n.c
    modload register n "${bundle[1]}"
    modload rollback n >/dev/null
    assert_equal "$(modload history --json n | jq -r '.data.generations[0].origin')" "$PWD/n.c"
    ml info n
    assert_stdout_has "$PWD/n.c"
}

@test "rollback: of what nobody registered, what is no key, and what is no number" {
    for word in nobody 01234567 "$(modload uuid)"; do
        refuses 66 "$word"
        refuses 66 "$word" 1
    done
    for word in a/b ../.. ''; do
        refuses 65 "$word"
    done
    for n in 0 -1 x 1x '' 1.0 0x1 ' 1' +1 00 99999999999999999999; do
        refuses 64 v -- "$n"
        assert_stderr_has "'$n' is not a whole number from 1 on"
    done
    refuses 64 v -1
    refuses 64
    refuses 64 v 1 2
    refuses 64 v --wait soon
    MODLOAD_HOME=$PWD/none ml rollback "$id"
    assert_exit 66
    [ ! -e none ]
}

@test "rollback: --json" {
    ml rollback --json v 2
    assert_ok
    assert_no_stderr
    assert_equal "$(json '.data|tojson')" \
        '{"uuid":"'"$id"'","bundle":"'"${bundle[2]}"'","name":"v","version":"0.0.0","generation":5,"changed":true}'
    ml rollback --json v 2
    assert_ok
    assert_equal "$(json '[.data.changed, .data.generation]|tojson')" '[false,5]'
}

@test "rollback: killed at any of its steps, it has gone back or not, and the next command sees to that" {
    cp -a "$MODLOAD_HOME" kept
    old=0 new=0
    for call in write fsync renameat symlinkat unlinkat; do
        for n in $some_steps; do
            rm -rf "$MODLOAD_HOME"
            cp -a kept "$MODLOAD_HOME"
            killed_at $call $n rollback v 2 || break
            case $(modload lookup v) in
            "${bundle[4]}") old=$((old + 1)) ;;
            "${bundle[2]}") new=$((new + 1)) ;;
            *) fail "at $call $n: neither" ;;
            esac
            assert_equal "$(modload history --json v | jq '.data.generations | map(select(.current)) | length')" 1
            assert_equal "$(modload history --json v | jq -r '.data.generations[0].bundle')" "$(modload lookup v)"
        done
    done
    echo "before: $old, after: $new"
    [ $old -gt 1 ]
    [ $new -gt 2 ]
}
