#!/usr/bin/env bats
# Goal of this test: a list with a mistake in it changes nothing, and every line that is wrong is told.

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

# refuses EXIT WORDS...: the file `list`; all of the words are told, and the registry is as it was
refuses() {
    local before words
    before=$(snapshot entries history names)
    ml register --many list
    assert_exit "$1"
    assert_no_stdout
    for words in "${@:2}"; do
        assert_stderr_has "$words"
    done
    assert_equal "$(snapshot entries history names)" "$before"
    assert_equal "$(litter)" ""
}

@test "many: each kind of mistake is told with its line, and changes nothing" {
    good=$(entry $A bundle "$math" name a)
    for bad in '{"bundle":"'"$math"'"}' '{"key":"'$B'"}' "$(entry x bundle "$math")" "$(entry ${B}0 bundle "$math")" \
        "$(entry '' bundle "$math")" "$(entry math bundle "$math")" '{"key":7,"bundle":"'"$math"'"}' \
        "$(entry $B bundle "$math" path one.c)" "$(entry $B bundel "$math")" "$(entry $B bundle "$math" extra 1)" \
        "$(entry $B bundle '')" "$(entry $B bundle B-AAAA)" "$(entry $B bundle ../bundles)" "$(entry $B path '')" \
        "$(entry $B bundle "$math" name a/b)" "$(entry $B bundle "$math" name $C)" "$(entry $B bundle "$math" name ..)" \
        '{"key":"'$B'","bundle":"'"$math"'","name":null}' '{"key":"'$B'","bundle":["'"$math"'"]}' \
        "$(entry $B bundle "$math" key $C)" "$(entry $B bundle "$math") ." "$(entry $B bundle "$math")," \
        null 7 '"text"' '{}' '{' '}' 'key,bundle' "$(entry $B path 'a\u0000b')" $'{"key":"\xff"}' \
        "$(entry $B path $'a\x01b')" "[$(entry $B bundle "$math")]"; do
        printf '%s\n%s\n%s\n' "$good" "$bad" "$(entry $C bundle "$types" name c)" >list
        refuses 65 "list:2:"
        assert_equal "$(grep -c '^modload: ' <<<"$stderr")" 1
    done
}

@test "many: what is not there is 66, what does not compile 65, a bad manifest 78, each with its line" {
    good=$(entry $A bundle "$math" name a)
    printf '%s\n%s\n' "$good" "$(entry $B bundle b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)" >list
    refuses 66 "list:2: there is no bundle 'b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
    printf '%s\n%s\n' "$good" "$(entry $B path nowhere.c)" >list
    refuses 66 "list:2: " "'nowhere.c'"
    echo 'int f(void) { return x; }' >bad.c
    printf '%s\n%s\n' "$good" "$(entry $B path bad.c)" >list
    refuses 65 "list:2: 'bad.c' does not compile" "bad.c:1:"
    mkdir dir
    printf '{"nmae": "one"}' >dir/modload.json
    printf '%s\n%s\n' "$good" "$(entry $B path dir)" >list
    refuses 78 "list:2: " "nmae"
}

@test "many: a name of another entry, and one that is there twice, are refused with their line" {
    printf '%s\n%s\n' "$(entry $A bundle "$math" name a)" "$(entry $B bundle "$math" name types)" >list
    refuses 65 "list:2: the name 'types' belongs to $(key_of types)"
    printf '%s\n%s\n' "$(entry $A bundle "$math" name a)" "$(entry $B bundle "$math" name a)" >list
    refuses 65 ": the name 'a' belongs to "
    [[ $stderr =~ list:[12]: ]]
}

@test "many: all mistakes are told at once, of whatever kind" {
    echo 'int f(void) { return x; }' >bad.c
    {
        entry $A bundle "$math" name a
        echo nonsense
        entry x bundle "$math"
        entry $B "nmae" b bundle "$math"
        entry $C bundle "$math" path bad.c
    } >list
    refuses 65 list:2: list:3: "list:4: unknown key: 'nmae'" list:5: "nothing was changed"
    assert_equal "$(grep -c '^modload: ' <<<"$stderr")" 4
    sed 's/$/,/; 1s/^/[/; $s/,$/]/' list >array
    mv array list
    refuses 65 list:2: list:3: list:4: list:5:
    {
        entry $A bundle b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        entry $B bundle "$math" name b
        entry $C bundle b-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    } >list
    refuses 66 "list:1: there is no bundle" "list:3: there is no bundle" "nothing was changed"
    {
        entry $A path bad.c
        entry $B path nowhere.c
        entry $C path bad.c
    } >list
    refuses 66 "list:1: 'bad.c' does not compile" "list:2: " "list:3: 'bad.c' does not compile" "nothing was changed"
}

@test "many: of a file that is no list, the first lines are told, and how many there are" {
    yes nonsense | head -n 1000 >list
    refuses 65 list:1: list:2: list:3: list:1000: "nothing was changed"
    assert_equal "$(grep -c . <<<"$stderr")" 22
    [[ $stderr =~ " and "9[0-9][0-9]" more" ]]
    head -c 100000 /dev/urandom >list
    refuses 65
    [ "$(grep -c . <<<"$stderr")" -le 22 ]
}

@test "many: an array that is cut short is told as that, beside what is wrong in it" {
    printf '[%s,\n{"key":"x"},\n%s\n' "$(entry $A bundle "$math")" "$(entry $B bundle "$math")" >list
    refuses 65 "list:2: " "the array does not end"
    for text in '[' "[$(entry $A bundle "$math")" "[$(entry $A bundle "$math"),]" "[,$(entry $A bundle "$math")]" \
        "[$(entry $A bundle "$math")] $(entry $B bundle "$math")" '[]]' "[$(entry $A bundle "$math") $(entry $B bundle "$math")]"; do
        printf '%s\n' "$text" >list
        refuses 65 list:
    done
}

@test "many: a bundle that is not there is found before anything is built" {
    given_compiler <<<'echo "$file" >>built'
    echo 'int one(void) { return 1; }' >one.c
    printf '%s\n%s\n' "$(entry $A path one.c)" "$(entry $B bundle b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)" >list
    refuses 66 list:2:
    [ ! -e built ]
}

@test "many: called wrongly" {
    entry $A bundle "$math" name a >list
    for words in "--many" "--many list $A" "--many list $A $math" "--many list one.c" "--many list --name b" \
        "--many list -e text" "--many list -j 0" "--many list -j x" "--many list -j -1" "--many list -j" "--many list --wait x"; do
        # shellcheck disable=SC2086
        ml register $words
        assert_exit 64
        assert_no_stdout
        assert_stderr_has "modload: "
        ml registered $A
        assert_exit 1
    done
}

@test "many: a list that is not there, or is none" {
    ml register --many nowhere
    assert_exit 66
    assert_stderr_has "cannot read 'nowhere': No such file or directory"
    mkdir dir
    ml register --many dir
    assert_exit 65
    assert_stderr_has "'dir' is a directory"
    ml register --many "$MODLOAD_BUILD/bin/modload"
    assert_exit 65
    assert_no_stdout
}
