#!/usr/bin/env bats
# Goal of this test: every C type goes into a plugin and comes back as it was, at its limits too, and what does not fit
# is told before the plugin is entered.

load helpers
load plugins

setup_file() {
    given_plugins types
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    modload load types 3>&-
}

gives() { # gives FUNCTION ARG RESULT
    ml exec types "$1" "$2"
    assert_ok
    assert_stdout "$3"
    assert_no_stderr
}

same() { # same FUNCTION VALUE...
    local value
    for value in "${@:2}"; do
        gives "$1" "$value" "$value"
    done
}

refuses() { # refuses FUNCTION ARG WHY: and says how it is called
    ml exec types "$1" "$2"
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "modload: $1: argument 1 ("
    assert_stderr_has " $3"
    assert_stderr_has "  hint: usage: $1("
}

@test "types: signed integers hold all of their range and no more" {
    same i8 -128 127 0 -1
    refuses i8 128 "'128' is out of range: -128 to 127"
    refuses i8 -129 "is out of range"
    same sc -128 127
    same i16 -32768 32767
    refuses i16 32768 "is out of range: -32768 to 32767"
    refuses i16 -32769 "is out of range"
    same sh -32768 32767
    same i32 -2147483648 2147483647
    refuses i32 2147483648 "is out of range: -2147483648 to 2147483647"
    refuses i32 -2147483649 "is out of range"
    same degrees -2147483648
    same i64 -9223372036854775808 9223372036854775807 9007199254740993 -9007199254740993
    refuses i64 9223372036854775808 "is out of range: -9223372036854775808 to 9223372036854775807"
    refuses i64 -9223372036854775809 "is out of range"
    refuses i64 99999999999999999999999999 "is out of range"
    same lo -9223372036854775808 9223372036854775807
}

@test "types: unsigned integers hold all of their range and no more" {
    same u8 0 255
    refuses u8 256 "is out of range: 0 to 255"
    refuses u8 -1 "is out of range"
    same uc 0 255
    same u16 0 65535
    refuses u16 65536 "is out of range: 0 to 65535"
    same u32 0 4294967295
    refuses u32 4294967296 "is out of range: 0 to 4294967295"
    same u64 0 18446744073709551615 9223372036854775808
    refuses u64 18446744073709551616 "is out of range: 0 to 18446744073709551615"
    refuses u64 -1 "is out of range"
    same ull 18446744073709551615
    same size 18446744073709551615
}

@test "types: integers are read in the forms that people write, and in no other" {
    gives i32 +5 5
    gives i32 0x7f 127
    gives i32 -0x80 -128
    gives i32 007 7
    gives u8 -0 0
    for text in '' ' ' ' 5' '5 ' 5.0 1e3 five 0x 0xg - + -- '- 5' 5,0 1_000 ٥; do
        refuses i32 "$text" "is not an integer"
    done
}

@test "types: doubles come back as the same number, in the shortest text" {
    same f64 0 0.1 2.5 -2.5 1e+300 5e-324 1.7976931348623157e+308 -1.7976931348623157e+308 2.2250738585072014e-308 nan inf -inf
    gives f64 -0.0 -0
    ml exec types sign_bit -0.0
    assert_stdout 1
    gives f64 3.0000 3
    gives f64 0.30000000000000004 0.30000000000000004
    gives f64 9007199254740993 9007199254740992
    gives f64 INF inf
    gives f64 infinity inf
    gives f64 NaN nan
    gives f64 1e-400 0
    refuses f64 1e309 "is out of range"
    for text in '' ' 1' '1 ' 1,5 one 1e 0x; do
        refuses f64 "$text" "is not a number"
    done
}

@test "types: floats come back as the same number, in the shortest text" {
    same f32 0 0.1 -0.1 16777216 3.4028235e+38 1e-45 nan inf -inf
    gives f32 16777217 16777216
    gives f32 -0.0 -0
    refuses f32 1e39 "is out of range"
    refuses f32 x "is not a number"
}

@test "types: numbers do not depend on the caller's locale" {
    export LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8
    same f64 2.5
    refuses f64 2,5 "is not a number"
}

@test "types: bool" {
    gives flip true false
    gives flip 1 false
    gives flip false true
    gives flip 0 true
    for text in '' yes TRUE 2 -1 on; do
        refuses flip "$text" "is not a bool"
    done
}

@test "types: char is one byte" {
    same ch a A 7 - ' '
    gives ch $'\t' $'\t'
    refuses ch '' "is not a single character"
    refuses ch ab "is not a single character"
    refuses ch é "is not a single character of one byte"
    ml exec types ch $'\xe9'
    assert_ok
    cmp .stdout <(printf '\xe9\n')
}

@test "types: enums go by name or number, and come back by name where they have one" {
    same paint RED GREEN BLUE
    gives paint 5 GREEN
    gives paint 6 BLUE
    gives paint 7 7
    gives colour_number BLUE 6
    same level LOW HIGH
    gives level -1 LOW
    gives level -2147483648 -2147483648
    same wide ALL NONE
    gives wide 18446744073709551615 ALL
    refuses paint PURPLE "is none of RED, GREEN, BLUE"
    refuses paint '' "is none of RED, GREEN, BLUE"
    refuses paint 4294967296 "is none of"
    refuses paint red "is none of"
}

@test "types: strings are bytes, whatever they are" {
    same text abc 'a b  c' 'õäöü€' $'two\nlines' '  spaces ' "quote'\"\\" '$(touch x)`' '%s%n'
    gives text '' ''
    ml exec types text ''
    assert_equal "$(wc -c <.stdout)" 1
    ml exec types text $'\xff\xfe\x80 caf\xe9'
    assert_ok
    cmp .stdout <(printf '\xff\xfe\x80 caf\xe9\n')
    gives heap kept kept
    gives changed abc Xbc
}

@test "types: a string of 100 KiB goes in, and one of 1 MiB comes out" {
    long=$(printf '%102400s' '' | tr ' ' x)
    gives length "$long" 102400
    ml exec types text "$long"
    assert_ok
    assert_equal "$output" "$long" >/dev/null
    ml exec types repeat z 1048576
    assert_ok
    assert_no_stderr
    assert_equal "$(wc -c <.stdout)" 1048577
    assert_equal "$(tr -d 'z\n' <.stdout)" ""
}

@test "types: arguments of one call may be a megabyte together" {
    long=$(printf '%100000s' '' | tr ' ' x)
    ml exec types none "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long"
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "none: too many arguments: it takes 0, and got 10"
}

@test "types: a string that is none is null" {
    ml exec types no_text
    assert_ok
    assert_stdout null
    assert_no_stderr
    ml exec --json types no_text
    assert_ok
    assert_equal "$(json .data)" null
    ml exec --json types text null
    assert_equal "$(json '.data|tojson')" '"null"'
}

@test "types: bytes go in with their size and come out raw" {
    ml exec types backwards abc
    assert_ok
    assert_no_stderr
    cmp .stdout <(printf cba)
    ml exec types backwards ''
    assert_ok
    cmp .stdout /dev/null
    gives count_bytes 'õ' 2
    ml exec types all_bytes
    assert_ok
    assert_no_stderr
    assert_equal "$(wc -c <.stdout)" 256
    assert_equal "$(od -An -v -tu1 <.stdout | tr -s ' \n' ' ')" " $(seq -s ' ' 0 255) "
}

@test "types: who says the size of bytes may take fewer, not more" {
    ml exec types backwards abcdef 3
    assert_ok
    assert_stdout cba
    for size in 7 -1 x ''; do
        ml exec types backwards abcdef "$size"
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "argument 2"
    done
}

@test "types: void has no line" {
    ml exec types nothing
    assert_ok
    assert_no_stderr
    cmp .stdout /dev/null
    ml exec --json types nothing
    assert_ok
    assert_equal "$(json '[.status, .data]|tojson')" '["ok",null]'
}

@test "types: many arguments of mixed types each reach their place" {
    ml exec types mixed 1 2.5 3 0.5 four -5 true -6 7.25 8
    assert_ok
    assert_stdout 16.25
    assert_no_stderr
}

@test "types: too few or too many arguments show the signature" {
    ml exec types i8
    assert_exit 65
    assert_no_stdout
    assert_stderr $'modload: i8: too few arguments: it takes 1, and got 0\n  hint: usage: i8(n: int8) -> int8'
    ml exec types i8 1 2
    assert_exit 65
    assert_no_stdout
    assert_stderr $'modload: i8: too many arguments: it takes 1, and got 2\n  hint: usage: i8(n: int8) -> int8'
}

@test "types: a bad argument is told by its number and name" {
    ml exec types mixed 1 2.5 3 0.5 four five true -6 7.25 8
    assert_exit 65
    assert_no_stdout
    assert_stderr_has "modload: mixed: argument 6 (f): 'five' is not an integer"
    assert_stderr_has "hint: usage: mixed(a: int8, b: double, c: uint64, d: float, e: string, f: int16, g: bool, h: int64, i: double, j: uint8) -> double"
}

@test "types: what looks like an option behind the function is an argument" {
    gives i32 -1 -1
    for text in --help -h --json -t --timeout=1 -- - --nonsense -1; do
        gives text "$text" "$text"
    done
    ml exec types text -- --
    assert_exit 65
    assert_stderr_has "it takes 1, and got 2"
    ml exec -- types text --help
    assert_ok
    assert_stdout --help
}

@test "types: signatures name the types" {
    ml info --json types
    assert_ok
    for signature in "flip(b: bool) -> bool" "ch(c: char) -> char" "sc(n: int8) -> int8" "u64(n: uint64) -> uint64" \
        "lo(n: int64) -> int64" "size(n: uint64) -> uint64" "degrees(n: int32) -> int32" "f32(x: float) -> float" \
        "paint(c: enum colour) -> enum colour" "text(s: string) -> string" "changed(s: string) -> string" \
        "backwards(p: bytes) -> bytes" "all_bytes() -> bytes" "nothing() -> void" "none() -> int32"; do
        jq -e --arg s "$signature" '.data.functions|map(.signature)|index($s)' <<<"$output" >/dev/null || fail "no '$signature'"
    done
}

@test "types --json: 64 bits keep all their digits" {
    for value in -9223372036854775808 9007199254740993; do
        ml exec --json types i64 "$value"
        assert_ok
        assert_stdout_has "\"data\":$value,"
    done
    ml exec --json types u64 18446744073709551615
    assert_stdout_has '"data":18446744073709551615,'
}

@test "types --json: every kind of result has its kind of value" {
    for case in 'f64 2.5|2.5' 'f64 -0.0|-0' 'f64 nan|"nan"' 'f64 -inf|"-inf"' 'flip 0|true' 'ch x|"x"' 'paint 5|"GREEN"' \
        'paint 7|7' 'text |""' 'text õ|"õ"' 'i8 -1|-1'; do
        call=${case%|*}
        ml exec --json types "${call%% *}" "${call#* }"
        assert_ok
        assert_no_stderr
        assert_stdout_has "\"data\":${case##*|},"
        json . >/dev/null
    done
}

@test "types --json: bytes, and text that is no UTF-8, are base64" {
    ml exec --json types all_bytes
    assert_ok
    assert_equal "$(json .data.base64 | base64 -d | od -An -v -tu1 | tr -s ' \n' ' ')" " $(seq -s ' ' 0 255) "
    ml exec --json types backwards ab
    assert_equal "$(json .data.base64)" YmE=
    ml exec --json types text $'caf\xe9'
    assert_ok
    assert_equal "$(json .data.base64 | base64 -d | od -An -tx1)" " 63 61 66 e9"
    for text in $'\xc0\x80' $'\xed\xa0\x80' $'\xf4\x90\x80\x80' $'\xe2\x82' $'\x80'; do
        ml exec --json types text "$text"
        assert_ok
        assert_equal "$(json '.data|type')" object
    done
}
