#!/usr/bin/env bats
# Goal of this test: list has a line for each entry, in the order of the keys, and says what is loaded.

load helpers
load plugins
load registry

setup_file() {
    given_plugins faults types
}

@test "list: an empty registry, and one that is not there, have no line" {
    MODLOAD_HOME=$PWD/none ml list
    assert_ok
    assert_no_stdout
    assert_no_stderr
    [ ! -e none ]
    MODLOAD_HOME=$PWD/none ml list --json
    assert_equal "$(json '.data.entries|tojson')" '[]'
}

@test "list: key, name, bundle, plugin@version, and whether it is loaded" {
    modload load types 3>&-
    ml list
    assert_ok
    assert_no_stderr
    assert_stdout "$(key_of faults)  faults  $(modload lookup faults)  faults@1.2.3  -
$(key_of types)  types  $(modload lookup types)  types@0.0.0  loaded"
}

@test "list: in the order of the keys, an entry without a name too" {
    bundle=$(modload lookup types)
    for key in ffffffff-ffff-ffff-ffff-ffffffffffff 00000000-0000-0000-0000-000000000000 00ffffff-0000-0000-0000-000000000000; do
        modload register --name '' $key "$bundle"
    done
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 5
    assert_equal "$(cut -d ' ' -f 1 .stdout)" "$(cut -d ' ' -f 1 .stdout | sort)"
    assert_equal "${lines[0]}" "00000000-0000-0000-0000-000000000000  -  $bundle  types@0.0.0  -"
}

@test "list --json: the shape that scripts rely on" {
    ml list --json
    assert_ok
    assert_equal "$(json '.data.entries[0]|keys|join(" ")')" "bundle loaded name plugin uuid version"
    assert_equal "$(json '.data.entries|map(.uuid)|join(" ")')" "$(key_of faults) $(key_of types)"
}

@test "list: what others put into the registry is not listed" {
    key=$(key_of types)
    mkdir -p "$MODLOAD_HOME/entries/zz/not-a-key" "$MODLOAD_HOME/entries/${key:0:2}/${key:0:35}"
    : >"$MODLOAD_HOME/entries/${key:0:2}/file"
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 2
}

@test "list: an entry whose bundle is gone is listed as what it was registered as" {
    bundle=$(modload lookup types)
    chmod -R u+w "$MODLOAD_HOME/bundles/$bundle"
    rm -r "${MODLOAD_HOME:?}/bundles/$bundle"
    ml list
    assert_ok
    assert_equal "${#lines[@]}" 2
    assert_stdout_has "$(key_of types)  types  $bundle  types@0.0.0  -"
}

@test "list, history: what a line does not know of its plugin is read from the bundle" {
    key=$(key_of types)
    bundle=$(modload lookup "$key")
    rm "$MODLOAD_HOME/history/"*
    chmod u+w "$MODLOAD_HOME/bundles/$bundle"
    mv "$MODLOAD_HOME/bundles/$bundle/name" "$MODLOAD_HOME/bundles/$bundle/aside"
    ml verify --repair # makes a line, and does not know what to write there; then builds the bundle again
    ml verify
    assert_ok
    ml list
    assert_stdout_has "types@0.0.0"
    ml history "$key"
    assert_stdout_has "types@0.0.0"
}

@test "list: takes no argument" {
    ml list types
    assert_exit 64
    assert_no_stdout
}

@test "list --removed: what was taken out, as it was last, in the order of the keys, until it is back or gc was there" {
    types=$(modload lookup types) faults=$(modload lookup faults)
    ml list --removed
    assert_ok
    assert_no_stdout
    for key in 7a000000-0000-0000-0000-000000000003 7a000000-0000-0000-0000-000000000001 01000000-0000-0000-0000-000000000000 \
        7a000000-0000-0000-0000-000000000002; do
        modload register --name "n${key:35}${key:0:1}" $key "$faults"
        modload register $key "$types"
        modload unregister $key
    done
    ml list --removed
    assert_ok
    assert_no_stderr
    assert_stdout "01000000-0000-0000-0000-000000000000  n00  $types  types@0.0.0  -
7a000000-0000-0000-0000-000000000001  n17  $types  types@0.0.0  -
7a000000-0000-0000-0000-000000000002  n27  $types  types@0.0.0  -
7a000000-0000-0000-0000-000000000003  n37  $types  types@0.0.0  -"
    assert_equal "$(modload list | grep -c .)" 2
    modload rollback n27 >/dev/null
    ml list --removed
    assert_equal "${#lines[@]}" 3
    modload unregister n27 # once more, and it is still one line
    ml list --removed
    assert_equal "${#lines[@]}" 4
    ml list --removed --json
    assert_ok
    assert_equal "$(json '.data.entries[0]|keys|join(" ")')" "bundle loaded name plugin uuid version"
    assert_equal "$(json '.data.entries|map(.name)|join(" ")')" "n00 n17 n27 n37"
    modload gc >/dev/null 2>&1
    ml list --removed
    assert_ok
    assert_no_stdout
    MODLOAD_HOME=$PWD/none ml list --removed
    assert_ok
    assert_no_stdout
    [ ! -e none ]
}

@test "list --removed: a worker that goes on shows" {
    modload load types 3>&-
    modload unregister types
    ml list --removed
    assert_ok
    [[ $output == *"  types@0.0.0  loaded" ]]
}

# limited SIZE ARG...: modload with no more memory than that, its environment included
limited() {
    env -i MODLOAD_HOME="$MODLOAD_HOME" MODLOAD_RUNTIME_DIR="$MODLOAD_RUNTIME_DIR" \
        prlimit --as="$1" "$MODLOAD_BUILD/bin/modload" "${@:2}"
}

@test "list: 20000 entries are a stream: whole, in order, of any length, in the memory of a few" {
    bundle=$(modload lookup types)
    many 20000 "$bundle" >many
    modload register --many many 2>/dev/null
    modload load n7 3>&-
    modload list >said
    assert_equal "$(wc -l <said)" 20002
    cut -d ' ' -f 1 said >keys
    sort -cu keys
    assert_equal "$(grep -vcE "^[0-9a-f-]{36}  [a-z0-9]+  b-[a-z2-7]{32}  (types|faults)@[0-9.]+  (-|loaded)$" said)" 0
    assert_equal "$(grep -c '  loaded$' said)" 1
    modload list --json >said.json
    assert_equal "$(wc -l <said.json)" 1
    jq -r '.data.entries[].uuid' said.json | cmp - keys
    assert_equal "$(jq -c '[.modload, .command, .status, .exit_code, .errors, (.data.entries|map(select(.loaded))|map(.name))]' said.json)" \
        '[1,"list","ok",0,[],["n7"]]'
    if ! grep -q __asan_init "$MODLOAD_BUILD/bin/modload"; then # that alone needs terabytes of addresses
        # What two entries take, and a megabyte for how long a line may be; 20000 that were kept would be three.
        size=$((4 << 20))
        until MODLOAD_HOME=$BATS_FILE_TMPDIR/home limited $size list --json >/dev/null 2>&1; do
            size=$((size + (256 << 10)))
            [ $size -lt $((256 << 20)) ]
        done
        limited $((size + (1 << 20))) list | cmp - said
        limited $((size + (1 << 20))) list --json | cmp - said.json
    fi
    # a reader that has enough
    { status=0; env --default-signal=PIPE modload list 2>err || status=$?; echo $status >ended; } | head -n 1 >first
    assert_equal "$(<first)" "$(head -n 1 said)"
    assert_equal "$(<ended)$(<err)" 141
    { status=0; env --default-signal=PIPE modload list --json 2>err || status=$?; echo $status >ended; } | head -c 100 >first
    assert_equal "$(<first)" "$(head -c 100 said.json)"
    assert_equal "$(<ended)$(<err)" 141
    { status=0; env --ignore-signal=PIPE modload list 2>err || status=$?; echo $status >ended; } | head -n 1 >first
    assert_equal "$(<ended)" 74
    grep -q "cannot write to standard output: Broken pipe" err
    status=0
    modload list >/dev/full 2>err || status=$?
    assert_exit 74
    # those that were taken out as well
    jq -r '.data.entries[].uuid' said.json | head -n 100 | while read -r key; do modload unregister "$key"; done
    modload list --removed | cut -d ' ' -f 1 | cmp - <(head -n 100 keys)
}
