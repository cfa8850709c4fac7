#!/usr/bin/env bats
# Goal of this test: register --many takes a list whole or not at all, tells every line that is wrong, and builds a
# source once.

load helpers
load plugins
load registry

A=aaaaaaaa-0000-4000-8000-000000000001
B=bbbbbbbb-0000-4000-8000-000000000002
C=cccccccc-0000-4000-8000-000000000003

setup_file() {
    given_plugins math types
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    math=$(modload lookup math)
    types=$(modload lookup types)
}

# takes NOTE [ARG...]: the file `list`, in silence but for this note
takes() {
    ml register --many list "${@:2}"
    assert_ok
    assert_no_stdout
    assert_stderr "modload: $1"
}

# points KEY BUNDLE NAME
points() {
    assert_equal "$(modload list | grep "^$1" | cut -d ' ' -f 3,5)" "$3 $2"
    [ "$3" = - ] || assert_equal "$(modload lookup "$3")" "$2"
}

@test "many: a line for each entry: a bundle, a file, a directory, an object; both forms of keys; names or none" {
    echo 'int one(void) { return 1; }' >one.c
    echo 'int two(void) { return 2; }' >two.c
    cc -g -shared -fPIC -o two.so two.c
    hex=$(modload uuid to-key $B)
    {
        entry $A bundle "$types" name a
        entry "${hex^^}" path one.c name b
        entry $C path "$MODLOAD_BUILD/share/modload/math" name c
        entry dddddddd-0000-4000-8000-000000000004 path two.so
        entry EEEEEEEE-0000-4000-8000-000000000005 path one.c name ''
    } >list
    ml register --many list
    assert_ok
    assert_no_stdout
    assert_stderr "modload: registered 5"
    points $A "$types" a
    points $C "$math" c
    points eeeeeeee "$(modload lookup b)" -
    ml run --release b one
    assert_stdout 1
    ml run --release two two
    assert_stdout 2
    assert_equal "$(modload list | grep -c .)" 7
}

@test "many: one array is the same, however it is laid out" {
    printf '[\n  %s,\n\n  %s , %s\n]\n' "$(entry $A bundle "$math" name a)" \
        "$(entry $B bundle "$types" name b | sed 's/,/,\n\t/g')" "$(entry $C bundle "$math" name c)" >list
    ml register --many list
    assert_ok
    points $A "$math" a
    points $B "$types" b
    points $C "$math" c
}

@test "many: from standard input" {
    ml register --many - < <(entry $A bundle "$math" name a; entry $B bundle "$types" name b)
    assert_ok
    points $A "$math" a
    points $B "$types" b
    ml register --many - <<<'{"key":"x"}'
    assert_exit 65
    assert_stderr_has "standard input:1: "
}

@test "many: from a pipe that has a name, which is what <(...) gives" {
    ml register --many <(entry $A bundle "$math" name a)
    assert_ok
    points $A "$math" a
    mkfifo pipe
    entry $B bundle "$types" name b >pipe &
    ml register --many pipe
    wait
    assert_ok
    points $B "$types" b
    ml register --many /dev/null
    assert_ok
}

@test "many: ends of lines of another system, empty lines, and a last line without its end" {
    { echo; entry $A bundle "$math" name a; echo '   '; printf %s "$(entry $B bundle "$types" name b)"; } |
        sed 's/$/\r/' | head -c -1 >list
    ml register --many list
    assert_ok
    points $A "$math" a
    points $B "$types" b
    printf '[\r\n%s\r\n]\r\n' "$(entry $A bundle "$types" name a)" >list
    ml register --many list
    assert_ok
    points $A "$types" a
}

@test "many: nothing to register is fine, and nothing is made for it" {
    export MODLOAD_HOME=$PWD/none
    for text in '' '[]' ' [ ] ' $'\n\n' $'[\n]\n'; do
        printf %s "$text" >list
        ml register --many list
        assert_ok
        assert_no_stdout
        ml register --json --many - <list
        assert_ok
        assert_equal "$(json '.data.entries|tojson')" '[]'
    done
    [ ! -e none ]
}

@test "many: a beginning of a bundle's id will do, as for one entry" {
    entry $A bundle "${math:0:10}" name a >list
    ml register --many list
    assert_ok
    points $A "$math" a
}

@test "many: paths count from the working directory, whatever they are made of" {
    mkdir -p 'in here/deep'
    cd 'in here'
    for file in 'a b.c' 'quo"te.c' 'back\slash.c' 'ä.c' "it's,[{}].c" '-n.c'; do
        echo 'int one(void) { return 1; }' >"$file"
        jq -cn --arg file "./$file" --arg key "$(modload uuid)" '{key: $key, path: $file, name: ""}'
    done >list
    ml register --many list
    assert_ok
    assert_stderr "modload: registered 6"
    modload list --json | jq -r '.data.entries[] | select(.name == "").uuid' | while read -r key; do
        modload history --json "$key" | jq -r '.data.generations[0].origin'
    done | sort >origins
    assert_equal "$(grep -c "^$PWD/[^/]*\.c$" origins)" 6
    jq -cs 'map(.key |= (.[0:35] + "0"))' list >array
    ml register --many array
    assert_ok
    assert_stderr_has "modload: registered "
    cd deep
    entry $A path "../a b.c" name up >list
    ml register --many list
    assert_ok
    ml run --release up one
    assert_stdout 1
}

@test "many: of a key that is there twice, in either form, the last counts" {
    hex=$(modload uuid to-key $A)
    {
        entry $A bundle "$math" name first
        entry "${hex^^}" bundle "$types" name last
    } >list
    ml register --many list
    assert_ok
    points $A "$types" last
    assert_equal "$(generations $A)" 1
    ml lookup first
    assert_exit 66
}

@test "many: an entry that is there gets a new generation, the others nothing" {
    modload register --name a $A "$math"
    {
        entry $A bundle "$types"
        entry $B bundle "$types" name b
        entry "$(key_of math)" bundle "$math"
    } >list
    ml register --many list
    assert_ok
    assert_stderr "modload: registered 2 of 3: the others were so already"
    points $A "$types" a
    assert_equal "$(generations a)" 2
    assert_equal "$(generation a 1)" "$math"
    assert_equal "$(generations b)" 1
    assert_equal "$(generations math)" 1
}

@test "many: what is so already changes nothing, and that is told" {
    {
        entry $A bundle "$math" name a
        entry $B bundle "$types" name b
    } >list
    modload register --many list
    before=$(snapshot)
    ml register --many list
    assert_ok
    assert_no_stdout
    assert_stderr_has "registered 0 of 2"
    assert_equal "$(snapshot)" "$before"
    ml register --json --many list
    assert_equal "$(json '.data.entries|map(.changed)|tojson')" '[false,false]'
}

@test "many: names change hands within one list" {
    modload register --name a $A "$math"
    modload register --name b $B "$math"
    { entry $A bundle "$math" name b; entry $B bundle "$math" name a; } >list
    ml register --many list
    assert_ok
    points $A "$math" b
    points $B "$math" a
    { entry $C bundle "$types" name b; entry $A bundle "$math" name ''; } >list
    ml register --many list
    assert_ok
    points $A "$math" -
    points $C "$types" b
}

@test "many: a name that is asked for comes before the plugin's own, wherever it stands; who has none is told" {
    modload unregister math
    { entry $A bundle "$math"; entry $B bundle "$types" name math; } >list
    ml register --many list
    assert_ok
    points $A "$math" -
    points $B "$types" math
    assert_stderr_has "no name"
    modload unregister $B
    ml register --json --many list
    assert_ok
    assert_equal "$(json '.data.entries|map([.name, .name_taken])|tojson')" '[["",true],["math",false]]'
}

@test "many: a source is built once, however many entries want it" {
    given_compiler <<<'echo "$file" >>built'
    echo 'int one(void) { return 1; }' >one.c
    echo 'int two(void) { return 2; }' >two.c
    for key in $A $B $C; do
        entry $key path one.c name "${key:0:3}"
    done >list
    entry "$(modload uuid)" path two.c >>list
    ml register --many list
    assert_ok
    assert_equal "$(grep -c '^one.c$' built)" 1
    assert_equal "$(grep -c '^two.c$' built)" 1
    assert_equal "$(modload lookup aaa)" "$(modload lookup ccc)"
}

@test "many: -j builds that many at once, and no more" {
    for name in a b c d; do
        echo "int $name(void) { return 1; }" >$name.c
        entry "$(modload uuid)" path $name.c
    done >list
    # each waits for another one to begin
    given_compiler <<'SH'
case $file in [a-d].c)
    echo "$file" >>begun
    within eval '[ "$(grep -c . begun)" -gt 1 ]'
esac
SH
    ml register --many list -j 2 --build-timeout 30s
    assert_ok
    # one that finds another at it says so
    for name in a b c d; do
        echo "int $name(void) { return 2; }" >$name.c
    done
    given_compiler <<'SH'
case $file in [a-d].c)
    mkdir alone || echo "$file" >>together
    cc "$@"
    rmdir alone
    exit
esac
SH
    ml register --many list --jobs=1
    assert_ok
    [ ! -e together ]
    ml run --release d d
    assert_stdout 2
}

@test "many: options of the build are those of each source" {
    echo 'int n(void) { return N; }' >n.c
    echo 'int m(void) { return N + 1; }' >m.c
    { entry $A path n.c name n; entry $B path m.c name m; } >list
    ml register --many list -D N=3
    assert_ok
    ml run --release n n
    assert_stdout 3
    ml run --release m m
    assert_stdout 4
}

@test "many: what is not callable in a source is told, as for one" {
    echo 'struct s { int x; }; void f(struct s *p) { } int one(void) { return 1; }' >one.c
    entry $A path one.c name a >list
    ml register --many list
    assert_ok
    assert_stderr_has "not callable: f: "
}

@test "many: --json tells each line in the order of the list, and all of what went wrong" {
    echo 'int one(void) { return 1; }' >one.c
    modload register --name a $A "$math"
    { entry $B path one.c; entry $A bundle "$math"; entry $C bundle "$types" name ''; } >list
    ml register --json --many list
    assert_ok
    assert_equal "$(json '.data.entries|map(.uuid)|tojson')" "[\"$B\",\"$A\",\"$C\"]"
    assert_equal "$(json '.data.entries|map(.changed)|tojson')" '[true,false,true]'
    assert_equal "$(json '.data.entries|map(.name)|tojson')" '["one","a",""]'
    assert_equal "$(json '.data.entries[0].bundle')" "$(modload lookup one)"
    assert_equal "$(json '.data.entries[2].version')" 0.0.0
    { echo nonsense; entry x bundle "$math"; } >list
    ml register --json --many list
    assert_exit 65
    assert_equal "$(json '[.status, .data, .exit_code]|tojson')" '["error",null,65]'
    assert_equal "$(json '.errors|map(.code)|tojson')" '["bad_list","bad_list"]'
    assert_equal "$(json '.errors|map(.message|split(":")[1])|tojson')" '["1","2"]'
    assert_stderr_has list:1:
    assert_stderr_has list:2:
}

@test "many: 5000 lines are one change" {
    many 5000 "$math" >list
    takes "registered 5000"
    assert_equal "$(modload list | grep -c "  $math  ")" 5001
    assert_equal "$(modload lookup n4999)" "$math"
    key=$(key_of n1234)
    assert_equal "$(generations n1234)" 1
    # the same as an array, with one entry that is new
    { echo '['; sed '$!s/$/,/; 777s/'"$math"'/'"$types"'/' list; echo ']'; } >array
    ml register --many - <array
    assert_ok
    assert_stderr "modload: registered 1 of 5000: the others were so already"
    assert_equal "$(modload lookup n776)" "$types"
    assert_equal "$(modload lookup "$key")" "$math"
    # all of them or none: the last line is wrong
    sed "s/$math/$types/" list >other
    entry $A bundle b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >>other
    ml register --many other
    assert_exit 66
    assert_stderr_has other:5001:
    assert_equal "$(modload list | grep -c "  $math  ")" 5000
}

@test "many: killed at any of its steps, it has changed all or nothing, and the next command sees to that" {
    plain_only
    modload register --name a $A "$math"
    modload register --name b $B "$math"
    # another bundle, other names, one that is new
    { entry $A bundle "$types" name b; entry $B bundle "$types" name c; entry $C bundle "$types" name a; } >list
    cp -a "$MODLOAD_HOME" kept
    old=$(modload list)
    modload register --many list 2>/dev/null
    new=$(modload list)
    none=0 all=0
    for call in write fsync ftruncate renameat symlinkat unlinkat; do
        for n in $some_steps; do
            rm -rf "$MODLOAD_HOME"
            cp -a kept "$MODLOAD_HOME"
            killed_at $call $n register --many list || break
            modload lookup $A >/dev/null
            now=$(modload list)
            if [ "$now" = "$old" ]; then
                none=$((none + 1))
                ml history $C
                assert_exit 66
            else
                all=$((all + 1))
                assert_equal "$call $n: $now" "$call $n: $new"
                assert_equal "$(generations $A) $(generations $B) $(generations $C)" "2 2 1"
                [ ! -e "$MODLOAD_HOME/journal/apply" ]
            fi
            assert_equal "$(modload lookup math)" "$math"
            ml register --many list
            assert_ok
            assert_equal "$(modload list)" "$new"
            assert_equal "$(litter)" ""
        done
    done
    echo "killed before it was written down: $none, after that: $all"
    [ $none -gt 1 ]
    [ $all -gt 5 ]
}

@test "many: killed at a moment that nobody chose, it has changed all or nothing" {
    bundles=("$math" "$types")
    few 1000 "$math" >list0
    sed "s/$math/$types/" list0 >list1
    modload register --many list0 2>/dev/null
    for round in {1..4}; do
        timeout -s KILL "$(printf 0.%03d $((RANDOM % 100 + 1)))" modload register --many list$((round % 2)) 2>/dev/null 3>&- || :
        modload list | grep '  n[0-9]' | cut -d ' ' -f 5 | sort | uniq -c >found
        assert_equal "$(wc -l <found)" 1
        read -r count bundle <found
        assert_equal "$count" 1000
        [ "$bundle" = "$math" ] || assert_equal "$bundle" "$types"
        # what it was before this round, or what it was to be
        modload register --many list$((round % 2)) 2>/dev/null
        assert_equal "$(modload list | grep -c "${bundles[round % 2]}")" 1001
    done
    assert_equal "$(litter)" ""
}

@test "many: interrupted while it builds, it ends with 130 and has changed nothing" {
    plain_only
    echo 'int one(void) { return 1; }' >one.c
    { entry $A bundle "$math" name a; entry $B path one.c; } >list
    before=$(snapshot entries history names)
    given_compiler <<<'echo >begun; exec sleep 60'
    env --default-signal=INT modload register --many list >said 2>err 3>&- &
    job=$!
    within test -e begun
    kill -INT $job
    status=0
    wait $job || status=$?
    assert_exit 130
    assert_equal "$(<said)" ""
    assert_equal "$(snapshot entries history names)" "$before"
    assert_equal "$(litter)" ""
}

@test "many: beside another one on the same keys, each is whole" {
    few 300 "$math" >list0
    sed "s/$math/$types/; s/\"n\([0-9]\)/\"m\1/" list0 >list1
    for i in {0..7}; do
        modload register --wait 100s --many list$((i % 2)) 2>"err$i" 3>&- &
        jobs[i]=$!
    done
    for i in {0..7}; do
        wait "${jobs[i]}"
    done
    modload list | grep -E '  [nm][0-9]+  ' | sed 's/^[^ ]*  \([nm]\)[0-9]*  \([^ ]*\) .*/\1 \2/' | sort | uniq -c >found
    assert_equal "$(wc -l <found)" 1
    read -r count name bundle <found
    assert_equal "$count" 300
    case $name in
    n) assert_equal "$bundle" "$math" ;;
    m) assert_equal "$bundle" "$types" ;;
    esac
    assert_equal "$(find "$MODLOAD_HOME/names" -type l | grep -c .)" 302
}
