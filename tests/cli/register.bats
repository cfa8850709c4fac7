#!/usr/bin/env bats
# Goal of this test: register points a key at a bundle, builds it first where needed, and changes all of it or nothing.

load helpers
load plugins
load registry

setup_file() {
    given_plugins math types
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    id=$(modload uuid)
    math=$(modload lookup math)
    types=$(modload lookup types)
}

# points KEY BUNDLE
points() {
    ml lookup "$1"
    assert_ok
    assert_stdout "$2"
}

# refuses EXIT ARG...: and the registry is as it was
refuses() {
    local before
    before=$(modload list)
    ml register "${@:2}"
    assert_exit "$1"
    assert_no_stdout
    assert_stderr_has "modload: "
    assert_equal "$(modload list)" "$before"
}

@test "register: a bundle under a new key, in silence" {
    ml register --name sums "$id" "$math"
    assert_ok
    assert_no_stdout
    assert_no_stderr
    points "$id" "$math"
    points sums "$math"
}

@test "register: both forms of a key, in any case, reach the same entry" {
    hex=$(modload uuid to-key "$id")
    ml register --name a "${hex^^}" "$math"
    assert_ok
    for form in "$id" "${id^^}" "$hex" "${hex^^}"; do
        points "$form" "$math"
    done
    ml register --name a "${id^^}" "$types"
    assert_ok
    for form in "$id" "$hex"; do
        points "$form" "$types"
    done
    assert_equal "$(modload list | grep -c .)" 3
    assert_equal "$(modload list | grep -o "^$id")" "$id"
}

@test "register: twice, and the last wins; there is one entry" {
    ml register --name a "$id" "$math"
    assert_ok
    ml register --name a "$id" "$types"
    assert_ok
    assert_no_stderr
    points "$id" "$types"
    assert_equal "$(modload list | grep -c "$id")" 1
}

@test "register: what is registered already stays, and that is told" {
    modload register --name a "$id" "$math"
    ml register --name a "$id" "$math"
    assert_ok
    assert_no_stdout
    assert_stderr "modload: $id is registered as $math already"
}

@test "register: any 128 bits are a key" {
    for key in 00000000-0000-0000-0000-000000000000 ffffffffffffffffffffffffffffffff; do
        ml register --name "n${key:0:1}" "$key" "$math"
        assert_ok
        points "$key" "$math"
    done
}

@test "register: a beginning of a bundle's id will do, if there is one such bundle" {
    ml register --name a "$id" "${math:0:10}"
    assert_ok
    points "$id" "$math"
    refuses 66 "$id" b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    assert_stderr_has "there is no bundle"
    refuses 66 "$id" b-aaaa
}

@test "register: builds from a file, a directory, an object, standard input and text" {
    echo 'int one(void) { return 1; }' >one.c
    ml register --name file "$id" one.c
    assert_ok
    assert_no_stdout
    assert_no_stderr
    ml run --release file one
    assert_stdout 1
    ml register --name dir "$(modload uuid)" "$MODLOAD_BUILD/share/modload/math"
    assert_ok
    assert_equal "$(modload lookup dir)" "$math"
    cc -g -shared -fPIC -o one.so one.c
    ml register --name object "$(modload uuid)" one.so
    assert_ok
    ml register --name input "$(modload uuid)" - <<<'int two(void) { return 2; }'
    assert_ok
    ml run --release input two
    assert_stdout 2
    ml register --name text "$(modload uuid)" -e 'int three(void) { return N; }' -D N=3
    assert_ok
    ml run --release text three
    assert_stdout 3
}

@test "register: does not load" {
    ml register --name a "$id" "$math"
    assert_ok
    ml loaded "$id"
    assert_exit 1
}

@test "register: the entry's name is the plugin's, unless another has it or one is asked for" {
    modload unregister math
    ml register "$id" "$math"
    assert_ok
    assert_no_stderr
    points math "$math"
    other=$(modload uuid)
    ml register "$other" "$math"
    assert_ok
    assert_stderr "modload: the name 'math' belongs to another entry: $other has none"
    points "$other" "$math"
    ml register "$id" "$types"
    assert_ok
    points math "$types"
    ml register --name '' "$id" "$math"
    assert_ok
    ml lookup math
    assert_exit 66
    points "$id" "$math"
}

@test "register: a name can be given up and taken by another" {
    modload register --name a "$id" "$math"
    ml register --name b "$id" "$math"
    assert_ok
    points b "$math"
    ml lookup a
    assert_exit 66
    other=$(modload uuid)
    ml register --name a "$other" "$types"
    assert_ok
    points a "$types"
    refuses 65 --name b "$other" "$types"
    assert_stderr_has "the name 'b' belongs to $id"
    assert_stderr_has "  hint: "
}

@test "register: an entry can be changed by its name" {
    modload register --name a "$id" "$math"
    ml register a "$types"
    assert_ok
    points "$id" "$types"
    points a "$types"
}

@test "register: a name is 64 of what names are made of, and never a key" {
    for name in a Z9 a.b_c-d "$(printf '%64s' | tr ' ' n)"; do
        ml register --name "$name" "$id" "$math"
        assert_ok
        points "$name" "$math"
    done
    for name in .hidden -dash ../up a/b 'a b' "$(printf '%65s' | tr ' ' n)" ä "$(modload uuid)" "$(modload uuid --key)" $'a\n' a@1; do
        refuses 65 "--name=$name" "$id" "$math"
        assert_stderr_has "cannot be a name"
    done
}

@test "register: what is no key is refused" {
    for key in '' '{8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f}' urn:uuid:8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f \
        8c1f0a524-b7d-4e6a-9f3b-2d1c0e9a8b7f 8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7g abcdefghijklmnop 'sixteen chars !!' \
        $'8c1f0a52-4b7d-4e6a-9f3b-2d1c0e9a8b7f\n' ../.. a/b /etc xyz; do
        refuses 65 "$key" "$math"
    done
}

@test "register: source that does not compile leaves the entry as it was" {
    modload register --name a "$id" "$math"
    echo 'int f(void) { return x; }' >bad.c
    refuses 65 "$id" bad.c
    assert_stderr_has "bad.c:1:"
    points "$id" "$math"
    refuses 65 "$(modload uuid)" bad.c
}

@test "register: called wrongly" {
    refuses 64
    refuses 64 "$id"
    refuses 64 "$id" -e 'int one(void) { return 1; }' one.c
    refuses 64 --wait soon "$id" "$math"
    refuses 66 "$id" nowhere.c
}

@test "register: ten at once on one key leave one whole entry" {
    for i in {1..10}; do
        [ $((i % 2)) = 0 ] && bundle=$math || bundle=$types
        modload register --name a "$id" "$bundle" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {1..10}; do
        wait "${jobs[i]}"
    done
    ml lookup "$id"
    assert_ok
    [ "$output" = "$math" ] || [ "$output" = "$types" ]
    assert_equal "$(modload lookup a)" "$output"
    assert_equal "$(ls -A "$MODLOAD_HOME/tmp")" ""
}

@test "register: on many keys at once nothing is lost" {
    for i in {1..20}; do
        modload register --name "n$i" "$(modload uuid)" "$math" 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {1..20}; do
        wait "${jobs[i]}"
        assert_equal "$(<"err$i")" ""
    done
    assert_equal "$(modload list | grep -c .)" 22
    points n20 "$math"
}

@test "register: a loaded entry goes on with its code until it is loaded anew" {
    modload register --name a "$id" -e 'int v(void) { return 1; }'
    modload load a 3>&-
    ml register a -e 'int v(void) { return 2; }'
    assert_ok
    ml exec a v
    assert_ok
    assert_stdout 1
    modload release a
    ml run --release a v
    assert_stdout 2
}

@test "register: the registry is private" {
    umask 000
    export MODLOAD_HOME=$PWD/new/home
    ml register "$id" -e 'int one(void) { return 1; }'
    assert_ok
    assert_equal "$(find new ! -type l -perm /077)" ""
}

@test "register: a relative home, and one that others' variables give" {
    MODLOAD_HOME=here ml register --name a "$id" -e 'int one(void) { return 1; }'
    assert_ok
    [ -f here/FORMAT ]
    export XDG_DATA_HOME=$PWD/data HOME=$PWD/me
    MODLOAD_HOME='' ml register --name a "$id" -e 'int one(void) { return 1; }'
    assert_ok
    [ -f data/modload/FORMAT ]
    unset XDG_DATA_HOME
    MODLOAD_HOME='' ml register --name a "$id" -e 'int one(void) { return 1; }'
    assert_ok
    [ -f me/.local/share/modload/FORMAT ]
}

@test "register: what is current is no new generation, by whichever word; what differs is one" {
    modload register --name a "$id" "$math"
    before=$(snapshot entries history names bundles)
    for words in "$id $math" "a $math" "--name a $id $math" "${id^^} ${math:0:10}" "a $MODLOAD_BUILD/share/modload/math"; do
        # shellcheck disable=SC2086
        ml register $words
        assert_ok
        assert_stderr "modload: $id is registered as $math already"
        assert_equal "$(snapshot entries history names bundles)" "$before"
    done
    ml register --json a "$math"
    assert_equal "$(json '[.data.generation, .data.changed]|tojson')" '[1,false]'
    ml register --json a "$types"
    assert_equal "$(json '[.data.generation, .data.changed]|tojson')" '[2,true]'
    ml register --json --name b a "$types"
    assert_equal "$(json '[.data.generation, .data.changed]|tojson')" '[3,true]'
    assert_equal "$(generations "$id")" 3
}

@test "register: what was taken out goes on with its numbers, and its name is asked for anew" {
    modload register --name a "$id" "$math"
    modload unregister a
    ml register --json --name '' "$id" "$types"
    assert_ok
    assert_equal "$(json '[.data.generation, .data.name]|tojson')" '[3,""]'
    ml lookup a
    assert_exit 66
}

@test "register: a name of an entry that was taken out is free, and goes with who has it" {
    modload register --name a "$id" "$math"
    modload unregister a
    other=$(modload uuid)
    ml register --name a "$other" "$types"
    assert_ok
    assert_no_stderr
    points a "$types"
    modload rollback "$id" >/dev/null 2>&1
    points a "$types"
    points "$id" "$math"
}

@test "register: killed at any of its steps, the entry is what it was or what it was to be" {
    modload register --name a "$id" "$math"
    cp -a "$MODLOAD_HOME" kept
    old=0 new=0
    for call in write fsync renameat symlinkat unlinkat; do
        for n in $some_steps; do
            rm -rf "$MODLOAD_HOME"
            cp -a kept "$MODLOAD_HOME"
            killed_at $call $n register --name b "$id" "$types" || break
            case $(modload lookup "$id") in
            "$math") old=$((old + 1)) ;;
            "$types")
                new=$((new + 1))
                points b "$types"
                ml lookup a
                assert_exit 66
                ;;
            *) fail "at $call $n: neither" ;;
            esac
            points types "$types"
            ml register --name b "$id" "$types"
            assert_ok
            points b "$types"
            assert_equal "$(litter)" ""
        done
    done
    echo "before: $old, after: $new"
    [ $old -gt 1 ]
    [ $new -gt 2 ]
}
