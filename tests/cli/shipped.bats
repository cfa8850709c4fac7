#!/usr/bin/env bats
# Goal of this test: the plugins that ship count and spell as people expect.

load helpers
load plugins

setup_file() {
    given_plugins math text
}

setup() {
    world_setup
    cp -a "$BATS_FILE_TMPDIR/home" "$MODLOAD_HOME"
    modload load math text 3>&-
}

# gives PLUGIN FUNCTION ARG... RESULT
gives() {
    ml exec "${@:1:$#-1}"
    assert_ok
    assert_stdout "${*: -1}"
    assert_no_stderr
}

# fails CODE PLUGIN FUNCTION ARG...
fails() {
    ml exec "${@:2}"
    assert_exit 1
    assert_no_stdout
    [[ $stderr == "modload: $3: $1: "* ]]
}

@test "math: add, subtract, multiply, divide" {
    gives math add 2 3 5
    gives math add 0.1 0.2 0.30000000000000004
    gives math add -1 -2 -3
    gives math subtract 2 3 -1
    gives math multiply 4 2.5 10
    gives math divide 5 2 2.5
    gives math divide 6 3 2
    gives math divide -1 3 -0.3333333333333333
    gives math divide 0 5 0
}

@test "math: division by zero is an error, whatever its sign" {
    fails division_by_zero math divide 1 0
    fails division_by_zero math divide 1 -0.0
    fails division_by_zero math divide 0 0
}

@test "math: takes numbers, and two of them" {
    for words in "add 2" "add 2 3 4" "add two 3" "add '' 3"; do
        # shellcheck disable=SC2086
        ml exec math $words
        assert_exit 65
        assert_no_stdout
        assert_stderr_has "hint: usage: add(a: double, b: double) -> double"
    done
}

@test "text: length counts what people see, not bytes" {
    gives text length õäöü€ 5
    gives text length '' 0
    gives text length abc 3
    gives text length $'e\u0301' 1
    gives text length $'\U0001F468\u200D\U0001F469\u200D\U0001F467' 1
    gives text length $'\U0001F1EA\U0001F1EA' 1
    gives text length $'a\nb' 3
}

@test "text: upcase and downcase know all letters" {
    gives text upcase õäß ÕÄSS
    gives text upcase 'abc 123 é' 'ABC 123 É'
    gives text downcase ÕÄÖÜ õäöü
    gives text downcase 'ΟΔΟΣ' 'οδος'
    gives text upcase '' ''
    gives text downcase '' ''
}

@test "text: reverse keeps together what belongs together" {
    gives text reverse abc cba
    gives text reverse õäöü€ €üöäõ
    gives text reverse $'noe\u0308l' $'le\u0308on'
    gives text reverse $'a\U0001F1EA\U0001F1EAb' $'b\U0001F1EA\U0001F1EAa'
    gives text reverse $'x\U0001F468\u200D\U0001F469\u200D\U0001F467y' $'y\U0001F468\u200D\U0001F469\u200D\U0001F467x'
    gives text reverse '' ''
}

@test "text: trim takes white space of any kind off both ends" {
    gives text trim '  a b  ' 'a b'
    gives text trim $'\t\n a \r\n' a
    gives text trim $'\u2003 a b\u00a0' 'a b'
    gives text trim '   ' ''
    gives text trim '' ''
    gives text trim abc abc
}

@test "text: what is no UTF-8 is an error, not a crash" {
    for function in upcase downcase reverse length trim; do
        fails invalid_utf8 text $function $'caf\xe9'
    done
}

@test "text: long texts" {
    long=$(printf '%40000s' | sed 's/ /ä/g')
    gives text length "$long" 40000
    ml exec text upcase "$long"
    assert_ok
    assert_equal "$(wc -c <.stdout | tr -d ' ')" 80001
}

@test "shipped: their own tests hold" {
    for plugin in math text; do
        while IFS= read -r test; do
            mapfile -t args < <(jq -r '.args[]|tojson' <<<"$test" | while read -r a; do jq -r 'tostring' <<<"$a" | tr '\n' '\001'; echo; done)
            args=("${args[@]%$'\001'}")
            args=("${args[@]//$'\001'/$'\n'}")
            ml exec "$plugin" "$(jq -r .call <<<"$test")" "${args[@]}"
            if [ "$(jq 'has("error")' <<<"$test")" = true ]; then
                assert_exit 1
                assert_stderr_has "$(jq -r .error <<<"$test")"
            else
                assert_ok
                assert_stdout "$(jq -r '.expect|tostring' <<<"$test")"
            fi
        done < <(jq -c '.tests[]' "$MODLOAD_BUILD/share/modload/$plugin/modload.json")
    done
}
