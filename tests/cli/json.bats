#!/usr/bin/env bats
# Goal of this test: with --json every command prints one object, of one shape, whatever happens, that any parser reads.

load helpers
load plugins

setup_file() {
    given_plugins faults types streams
}

# envelope COMMAND EXIT [FILTER VALUE]...: the last answer is one object in one line, of that command and exit status.
# jq is asked once for all, since starting it takes longer than what is tested; what it says ends in NUL bytes.
envelope() {
    local command=$1 exit=$2 outcome=ok errors filters='length, (.[0] | (.errors|length)' i
    local -a expected said
    shift 2
    assert_exit "$exit"
    [ -n "$output" ] || fail "nothing on stdout"
    assert_equal "$(wc -l <.stdout | tr -d ' ')" 1
    errors=$(jq '.errors|length' .stdout)
    [ "$errors" -eq 0 ] || outcome=error
    expected=(1 "$errors")
    set -- '(keys_unsorted|join(" "))' "modload command status exit_code data errors" .modload 1 .command "$command" \
        .exit_code "$exit" .status "$outcome" "$@"
    if [ "$errors" -gt 0 ]; then
        set -- .data null '.errors[0]|[.code,.message,.hint]|map(type)|join(" ")' "string string string" \
            '.errors[0].code != ""' true '.errors[0].message != ""' true "$@"
        assert_stderr_has "modload: "
    fi
    while [ $# -gt 0 ]; do
        filters+=", ($1)"
        expected+=("$2")
        shift 2
    done
    mapfile -d '' -t said < <(jq -sj "($filters)) | (if type == \"string\" then . else tojson end) + \"\\u0000\"" .stdout)
    assert_equal "${#said[@]}" "${#expected[@]}"
    for i in "${!expected[@]}"; do
        assert_equal "${said[i]}" "${expected[i]}"
    done
}

@test "json: compile" {
    ml compile --json -e '/* doubles */
int twice(int n) { return 2 * n; } struct s { int x; }; void bad(struct s *p) { }' -n both
    envelope compile 0 .data.name both .data.version 0.0.0 \
        '.data.functions|tojson' '[{"name":"twice","signature":"twice(n: int32) -> int32","doc":"doubles"}]' \
        '.data.skipped[0].name' bad '.data.skipped|length' 1 '.data|keys|join(" ")' "bundle functions name skipped version"
    [[ $(json .data.bundle) =~ ^b-[a-z2-7]{32}$ ]]
    [[ $(json '.data.skipped[0].reason') == *"pointer to struct s"* ]]
    ml compile --json -e 'int f(void) { return x; }'
    envelope compile 65 '.errors[0].code' build_failed
    assert_stderr_has "error: "
    ml compile --json nowhere.c
    envelope compile 66
    ml compile --json
    envelope compile 64 '.errors[0].code' usage
}

@test "json: register and unregister" {
    id=$(modload uuid)
    ml register --json "$id" -e 'int one(void) { return 1; }' --name one
    envelope register 0 .data.uuid "$id" .data.name one .data.changed true .data.version 0.0.0
    bundle=$(json .data.bundle)
    ml register --json "$id" "$bundle" --name one
    envelope register 0 .data.changed false .data.bundle "$bundle"
    ml register --json xyz "$bundle"
    envelope register 65 '.errors[0].code' bad_key
    ml register --json "$id" b-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    envelope register 66 '.errors[0].code' no_such_bundle
    ml register --json "$id"
    envelope register 64
    ml unregister --json "$id"
    envelope unregister 0 .data.changed true
    ml unregister --json "$id"
    envelope unregister 0 .data.changed false
    ml unregister --json a/b
    envelope unregister 65
}

@test "json: reload" {
    ml reload --json faults
    envelope reload 0 '.data.workers[0]|keys|join(" ")' "pid uuid" '.data.workers[0].uuid' "$(key_of faults)"
    assert_equal "$(json '.data.workers[0].pid')" "$(modload pid faults)"
    ml reload --json nobody
    envelope reload 66 '.errors[0].code' no_such_name
}

@test "json: lookup, registered, list and info" {
    key=$(key_of faults)
    ml lookup --json faults
    envelope lookup 0 .data.uuid "$key" .data.bundle "$(modload lookup faults)"
    ml lookup --json nobody
    envelope lookup 66 '.errors[0].code' no_such_name
    ml lookup --json 00000000-0000-0000-0000-000000000000
    envelope lookup 66 '.errors[0].code' not_registered
    ml registered --json faults
    envelope registered 0 .data.registered true
    ml registered --json nobody
    envelope registered 1 .data.registered false
    ml registered --json a/b
    envelope registered 65
    ml list --json
    envelope list 0 '.data.entries|length' 3 ".data.entries[0]|[.uuid,.name,.plugin,.version,.loaded]|tojson" \
        "[\"$key\",\"faults\",\"faults\",\"1.2.3\",false]"
    ml list --json extra
    envelope list 64
    ml info --json faults
    envelope info 0 .data.uuid "$key" .data.name faults .data.version 1.2.3 .data.loaded false '.data.skipped|length' 0
    ml info --json faults fine
    envelope info 0 .data.signature "fine() -> int32"
    ml info --json faults none
    envelope info 127 '.errors[0].code' undefined_function
}

@test "json: load, loaded, pid, ps and release" {
    key=$(key_of faults)
    ml pid --json faults
    envelope pid 69 '.errors[0].code' not_loaded
    ml loaded --json faults
    envelope loaded 1 .data.loaded false
    ml ps --json
    envelope ps 0 '.data.workers|tojson' '[]'
    ml load --json faults types
    envelope load 0 '.data.workers|length' 2 '.data.workers[0].uuid' "$key" '.data.workers|map(.started)|tojson' '[true,true]'
    pid=$(json '.data.workers[0].pid')
    ml load --json faults
    envelope load 0 '.data.workers|tojson' "[{\"uuid\":\"$key\",\"pid\":$pid,\"started\":false}]"
    ml load --json nobody
    envelope load 66
    ml loaded --json faults
    envelope loaded 0 .data.loaded true
    ml loaded --json a/b
    envelope loaded 65
    ml pid --json faults
    envelope pid 0 .data.pid "$pid"
    ml ps --json
    envelope ps 0 '.data.workers|length' 2 ".data.workers|map(select(.uuid==\"$key\"))|.[0]|[.pid,.plugin,.version,.calls]|tojson" \
        "[$pid,\"faults\",\"1.2.3\",0]"
    ml list --json
    envelope list 0 '.data.entries|map(.loaded)|tojson' '[true,true,false]'
    ml release --json faults
    envelope release 0 '.data.released|tojson' "[\"$key\"]"
    ml release --json faults
    envelope release 69 '.errors[0].code' not_loaded
    ml release --json --all
    envelope release 0 '.data.released|length' 1
    ml release --json --all
    envelope release 0 '.data.released|length' 0
    ml release --json
    envelope release 64
}

@test "json: exec, with each outcome" {
    ml exec --json faults fine
    envelope exec 69 '.errors[0].outcome' not_loaded '.errors[0].code' not_loaded
    modload load faults 3>&-
    ml exec --json faults fine
    envelope exec 0 .data 7
    assert_no_stderr
    ml exec --json faults fails no_luck "why it failed"
    envelope exec 1 '.errors[0].code' no_luck '.errors[0].outcome' plugin_error '.errors[0].message' "fails: no_luck: why it failed"
    ml exec --json faults aborts
    envelope exec 134 '.errors[0].code' plugin_error '.errors[0].outcome' plugin_error
    ml exec --json faults exits 0
    envelope exec 1 '.errors[0].code' exited '.errors[0].outcome' plugin_error
    ml exec --json faults nope
    envelope exec 127 '.errors[0].code' undefined_function '.errors[0].outcome' undefined_function
    ml exec --json faults exits x
    envelope exec 65 '.errors[0].code' bad_argument '.errors[0].outcome' bad_argument
    ml exec --json -t 50ms faults hangs
    envelope exec 124 '.errors[0].code' timeout '.errors[0].outcome' timeout
    ml exec --json faults
    envelope exec 64
    ml exec --json -t soon faults fine
    envelope exec 64
}

@test "json: run" {
    ml run --json --release faults fine
    envelope run 0 .data 7
    ml run --json --release faults fails no_luck why
    envelope run 1 '.errors[0].code' no_luck
    ml run --json nobody fine
    envelope run 66
    printf 'int nine(void) { return 9; }\n' >nine.c
    ml run --json --release ./nine.c nine
    envelope run 0 .data 9
}

@test "json: uuid, help and version" {
    ml uuid --json
    envelope uuid 0
    ml uuid --json to-key x
    envelope uuid 65
    ml help --json
    envelope help 0
    ml help --json nope
    envelope help 64
    ml version --json
    envelope version 0
    ml version --json 1
    envelope version 64
}

@test "json: an option that nobody knows does not hide that JSON was asked for" {
    for words in "list --nonsense --json" "list --json --nonsense" "exec --json -t" "release --json --all=1"; do
        # shellcheck disable=SC2086
        ml $words
        envelope "${words%% *}" 64 '.errors[0].code' usage
    done
    ml nonsense --json
    envelope '' 64 '.errors[0].code' usage
}

@test "json: behind the function it is an argument, not an option" {
    modload load types 3>&-
    ml exec types text --json
    assert_ok
    assert_stdout --json
    assert_no_stderr
}

@test "json: control characters and quotes come through" {
    modload load types faults 3>&-
    all=$(printf '\\x%02x' {1..127})
    printf -v all "$all"
    ml exec --json types text "$all"
    envelope exec 0
    cmp <(jq -j .data .stdout) <(printf %s "$all")
    assert_equal "$(tr -d '\n' <.stdout | tr -dc '\001-\037\177' | wc -c | tr -d ' ')" 0
    ml exec --json faults fails code "$all"
    envelope exec 1 '.errors[0].code' code
    cmp <(jq -j '.errors[0].message' .stdout) <(printf 'fails: code: %s' "$all")
    ml lookup --json "$all"
    envelope lookup 65
    assert_equal "$(grep -c . <<<"$stderr")" 2
    assert_equal "$(tr -d '\n' <.stderr | tr -dc '\001-\037\177' | wc -c | tr -d ' ')" 0
}

@test "json: text that is no UTF-8 leaves the object valid, and a message a text" {
    modload load types faults 3>&-
    ml exec --json types text $'\xff'
    envelope exec 0 .data.base64 /w==
    ml exec --json faults fails code $'caf\xe9'
    envelope exec 1 '.errors[0].code' code
    [[ $(json '.errors[0].message') == *caf* ]]
    ml lookup --json $'\xff\xfe'
    envelope lookup 65
    ml exec --json types i8 $'\xe9'
    envelope exec 65
    ml exec --json types $'\xe9' 1
    envelope exec 127
    ml $'\xe9' --json
    envelope '' 64
}

@test "json: what the function prints is not in the way" {
    modload load faults streams 3>&-
    ml exec --json faults prints
    envelope exec 0 .data 1
    assert_equal "$(sort <<<"$stderr")" $'on stderr\nprinted, no newline: '
    ml exec --json streams copy <<<"from the input"
    envelope exec 0 .data 15
    assert_stderr "from the input"
}

@test "json: a large result is one object" {
    modload load types 3>&-
    ml exec --json types repeat '"' 1048576
    envelope exec 0 '.data|length' 1048576
}

@test "json: history, rollback, pin, unpin and gc" {
    key=$(key_of faults)
    ml history --json faults
    envelope history 0 .data.uuid "$key" '.data.generations|length' 1 '.data.generations[0].current' true
    modload register faults "$(modload lookup types)"
    ml rollback --json faults
    envelope rollback 0 .data.uuid "$key" .data.generation 3 .data.changed true .data.name faults .data.version 1.2.3
    ml rollback --json faults
    envelope rollback 66 '.errors[0].code' no_generation
    ml rollback --json faults x
    envelope rollback 64 '.errors[0].code' usage
    for command in pin unpin; do
        ml $command --json faults 1
        envelope $command 0 .data.uuid "$key" .data.generation 1 .data.changed true
        ml $command --json faults 1
        envelope $command 0 .data.changed false
        ml $command --json faults 9
        envelope $command 66 '.errors[0].code' no_generation
        ml $command --json nobody
        envelope $command 66
        ml $command --json
        envelope $command 64 '.errors[0].code' usage
    done
    ml history --json nobody
    envelope history 66
    ml history --json
    envelope history 64
    ml gc --json
    envelope gc 0 .data.bundles 0 .data.generations 0 '.data.freed|tojson' '[]' .data.dry_run false
    ml gc --json --older-than x
    envelope gc 64 '.errors[0].code' usage
}

@test "json: verify, export and import" {
    ml verify --json
    envelope verify 0 '.data|tojson' '{"problems":[],"bundles":3,"mended":0}'
    : >"$MODLOAD_HOME/diary"
    ml verify --json --repair
    envelope verify 0 '.data|tojson' \
        '{"problems":[{"path":"diary","problem":"does not belong there","mended":true}],"bundles":3,"mended":1}'
    ml verify --json nobody
    envelope verify 66 .data null
    ml export --json file
    envelope export 0 '.data|tojson' '{"entries":3,"bundles":3}'
    ml export --json -
    envelope export 64 '.errors[0].code' usage
    ml export --json nowhere/file
    envelope export 73 .data null
    ml import --json file
    envelope import 0 '.data|tojson' '{"entries":3,"changed":0,"bundles":0,"replaced":0,"names_taken":[]}'
    : >empty
    ml import --json empty
    envelope import 65 .data null
    ml import --json nowhere
    envelope import 66 .data null
    ml import --json
    envelope import 64 '.errors[0].code' usage
}

@test "json: list --removed" {
    key=$(key_of faults)
    ml list --json --removed
    envelope list 0 '.data.entries|tojson' '[]'
    modload unregister faults
    ml list --json --removed
    envelope list 0 '.data.entries|length' 1 '.data.entries[0]|[.uuid,.name,.plugin,.version,.loaded]|tojson' \
        "[\"$key\",\"faults\",\"faults\",\"1.2.3\",false]"
}

@test "json: register --many" {
    ml register --json --many /dev/null
    envelope register 0 '.data.entries|tojson' '[]'
    ml register --json --many - <<<'{"key":"11111111-1111-1111-1111-111111111111","bundle":"'"$(modload lookup types)"'","name":"a"}'
    envelope register 0 '.data.entries|map([.uuid,.name,.version,.changed])|tojson' \
        '[["11111111-1111-1111-1111-111111111111","a","0.0.0",true]]'
    ml register --json --many - <<<'{"key":"1"}'
    envelope register 65 '.errors[0].code' bad_list
    ml register --json --many nowhere
    envelope register 66
    ml register --json --many - types
    envelope register 64 '.errors[0].code' usage
}

@test "json: a registry that cannot be read, and a lock that another has: no data, and why" {
    exec {lock}>>"$MODLOAD_HOME/locks/write"
    flock "$lock"
    for words in "rollback types 1" "pin types" "unpin types" gc "unregister types" "register types $(modload lookup faults)"; do
        # shellcheck disable=SC2086
        ml $words --json --wait 0
        envelope "${words%% *}" 75 '.errors[0].code' busy
    done
    exec {lock}>&-
    chmod 777 "$MODLOAD_HOME"
    for words in list "list --removed" "history types" gc "rollback types"; do
        # shellcheck disable=SC2086
        ml $words --json
        envelope "${words%% *}" 77 '.errors[0].code' refused
    done
    chmod 700 "$MODLOAD_HOME"
}
