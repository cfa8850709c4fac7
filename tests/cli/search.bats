#!/usr/bin/env bats
# Goal of this test: search finds what is in the copies, in an order that people expect, without a network.

load helpers
load repos

setup() {
    world_setup
    repos_setup
    index_make i
    index_plugin i json 1.0.0 1.10.0 1.9.0-rc.1 -- '.versions |= [.[0], .[2], .[1]] | .description = "Reads JSON."'
    index_plugin i json-path 0.1.0 -- '.description = "Looks into documents."'
    index_plugin i Fast_Json 2.0.0 -- '.description = "Quick."'
    index_plugin i yaml 1.0.0 -- '.description = "Like json, with blanks."'
    index_plugin i math 1.0.0 2.0.0 3.0.0-rc.1 -- '.versions[1].retired =
        {reason: "invalid", message: "It does not build.", date: "2026-11-27T00:00:00Z"} | .description = "Adds."'
    modload index add i >/dev/null 2>&1
}

@test "search: the exact name first, names that begin with it, names that have it, descriptions" {
    for word in json JSON; do
        ml search $word
        assert_ok
        assert_no_stderr
        assert_stdout "json  1.10.0  main  Reads JSON.
json-path  0.1.0  main  Looks into documents.
Fast_Json  2.0.0  main  Quick.
yaml  1.0.0  main  Like json, with blanks."
    done
}

@test "search: the newest version that is not retired" {
    ml search math
    assert_ok
    assert_stdout "math  1.0.0  main  Adds."
}

@test "search: - and _ are one, and what is between the fields is not found" {
    ml search fast-json
    assert_stdout_has Fast_Json
    ml search FAST_J
    assert_stdout_has Fast_Json
    ml search 'documents.'
    assert_ok
    for word in 1.10.0 'JSON. json' main; do
        ml search "$word"
        assert_exit 1
        assert_no_stdout
    done
}

@test "search: nothing found is 1, as with grep" {
    ml search nothing
    assert_exit 1
    assert_no_stdout
    assert_no_stderr
    ml search nothing --json
    assert_exit 1
    assert_equal "$(json '[.status, .data.plugins]|tojson')" '["ok",[]]'
}

@test "search --json: the shape that scripts rely on" {
    ml search json --json
    assert_ok
    assert_equal "$(json '.data.plugins[0]|tojson')" \
        '{"name":"json","version":"1.10.0","index":"main","description":"Reads JSON."}'
    assert_equal "$(json '.data.plugins|length')" 4
}

@test "search: in all indexes, the exact name of each first" {
    index_make j second
    index_plugin j json 0.1.0
    index_plugin j jsonb 0.1.0
    modload index add j >/dev/null 2>&1
    ml search json
    assert_equal "$(cut -d ' ' -f 1,5 .stdout | head -n 4)" "json main
json second
json-path main
jsonb second"
}

@test "search: without an index, and for what is no word" {
    ml search ''
    assert_exit 65
    ml search $'\033'
    assert_exit 65
    ml search
    assert_exit 64
    modload index remove main
    ml search json
    assert_exit 66
    assert_stderr_has "modload index add URL"
}

@test "search: reads the copies alone" {
    rm -rf i "$HOME/.cache/modload/git"
    ml search json
    assert_ok
    assert_equal "${#lines[@]}" 4
}

@test "search: lines that are more than a block" {
    index_make j second
    for n in {1..40}; do
        long=$(printf "%0$((n * 12))d" 0 | tr 0 x)
        file=j/$(index_file "p$n")
        mkdir -p "${file%/*}"
        jq -c --arg n "p$n" --arg d "$long end" '.name = $n | .description = $d' "i/$(index_file json)" >"$file"
    done
    text=$(<"i/$(index_file json)")
    mkdir -p j/q{1..9}/{00..99}
    for n in {100..999}; do
        printf '%s\n' "${text/\"json\"/\"q$n\"}" >"j/q${n:0:1}/${n:1}/q$n.json"
    done
    git -C j add -A
    git -C j commit -q -m many
    modload index add j >/dev/null 2>&1
    ml search 'x end'
    assert_equal "${#lines[@]}" 40
    ml search q
    assert_equal "${#lines[@]}" 901 # and "Quick"
    ml search 'reads json'
    assert_equal "${#lines[@]}" 901
}
