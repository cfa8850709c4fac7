#!/usr/bin/env bats
# Goal of this test: what a plugin asks to be allowed is shown in one form and kept, and one that asks for more than was
# agreed to before needs a new yes, in so many words.

load helpers
load plugins
load registry
load project
load repos

setup() {
    world_setup
    project_world
}

teardown() {
    project_end
    world_teardown
}

# asks VERSION JSON: a release of the repository repos/one, which asks for these
asks() {
    published one "$1"
    jq --argjson asked "$2" '.capabilities = $asked' repos/one/modload.json >changed
    mv changed repos/one/modload.json
    git -C repos/one commit -q -a --amend -m "$1"
    git -C repos/one tag -f "v$1" >/dev/null
}

source_url() {
    echo "file://$PWD/repos/one@^1"
}

installed() { # installed JSON
    asks 1.0.0 "$1"
    ml install --yes "$(source_url)"
    assert_ok
}

info() {
    modload info --json one | jq -c "$1"
}

# more CAPABILITIES: the last command refused these, and nothing was changed
more() {
    assert_exit 77
    assert_stderr_has "modload: 'one' asks for more than was agreed to: $1"
    [[ $stderr != *building* ]]
    assert_equal "$(info .data.version)" '"1.0.0"'
}

@test "capabilities: what a first install shows, its --yes is for; they are in the bundle, sorted, each thing once" {
    asks 1.0.0 '["net=tcp:443", "fs:write=/data", "net", "fs:read=/data/in", "env=HOME", "net"]'
    ml install "$(source_url)"
    assert_exit 77
    assert_stderr_has "  capabilities  env=HOME
                fs:write=/data
                net
  files "
    [[ $stderr != *"new capability"* ]]
    ml install --json --yes "$(source_url)"
    assert_ok
    assert_equal "$(json '.data.plugins[0]|[.capabilities,.capability_changes]|tojson')" \
        '[["env=HOME","fs:write=/data","net"],null]'
    assert_equal "$(info .data.capabilities)" '["env=HOME","fs:write=/data","net"]'
    ml info one
    assert_stdout_has "capabilities env=HOME
             fs:write=/data
             net"
    assert_equal "$(jq -c .capabilities "$MODLOAD_HOME/bundles/$(modload lookup one)/manifest.json")" \
        '["env=HOME","fs:write=/data","net"]'
    ml verify
    assert_ok
}

@test "capabilities: what is none is refused, wherever it stands" {
    asks 1.0.0 '["net=tpc:443"]'
    ml install --yes "$(source_url)"
    assert_exit 78
    assert_stderr_has "key 'capabilities': 'net=tpc:443' is no capability
  hint: did you mean 'net=tcp:PORT'?"
    asks 1.0.1 '["env=LD_PRELOAD"]'
    ml install --yes "$(source_url)"
    assert_exit 78
    assert_stderr_has "key 'capabilities': 'env=LD_PRELOAD' is never granted"
    ml install --yes --accept nte "$(source_url)"
    assert_exit 65
    assert_stderr "modload: --accept: 'nte' is no capability
  hint: did you mean 'net'?"
}

@test "capabilities: without a terminal an update that asks for more needs --accept for each, beside --yes" {
    installed '["net=tcp:443", "env=HOME"]'
    asks 1.1.0 '["net", "fs:read=/a b"]'
    ml update
    assert_exit 77
    assert_stderr_has "  capabilities  fs:read=/a b
                net
  new capability fs:read=/a b
  new capability net
  gone capability env=HOME"
    assert_stderr_has "then add --yes --accept 'fs:read=/a b' --accept net; nothing was built or changed"
    ml update --yes
    more "'fs:read=/a b', 'net'"
    assert_stderr_has "hint: look at what is shown, then add --accept 'fs:read=/a b' --accept net; nothing was built"
    ml update --yes --accept net --accept fs:read=/a
    more "'fs:read=/a b'"
    ml update --json --yes
    assert_exit 77
    assert_equal "$(json '.errors[0].code')" more_capabilities
    ml update --json --dry-run
    assert_equal "$(json '.data.plugins[0].capability_changes|tojson')" \
        '{"added":["fs:read=/a b","net"],"removed":["env=HOME"]}'
    ml update --yes --accept net --accept 'fs:write=/a b' --accept env=UNASKED # by what they mean
    assert_ok
    assert_equal "$(info .data.capabilities)" '["fs:read=/a b","net"]'
}

@test "capabilities: what asks for no more, by its meaning, needs no more than --yes" {
    installed '["net", "fs:write=/data"]'
    asks 1.1.0 '["net=tcp:443", "fs:read=/data/in"]'
    ml update --yes
    assert_ok
    assert_stderr_has "  gone capability fs:write=/data
  gone capability net"
    [[ $stderr != *"new capability"* ]]
    # and what was agreed to is now this
    asks 1.2.0 '["net"]'
    ml update --yes
    assert_exit 77
    assert_stderr_has "asks for more than was agreed to: 'net'"
}

@test "capabilities: as many as a plugin may have can be agreed to one by one" {
    installed '[]'
    mapfile -t all < <(printf -- 'env=V%d\n' {1..64})
    asks 1.1.0 "$(printf '"%s"\n' "${all[@]}" | jq -cs .)"
    mapfile -t accepted < <(printf -- '--accept=%s\n' "${all[@]}")
    ml update --yes "${accepted[@]:1}"
    assert_exit 77
    assert_stderr_has "asks for more than was agreed to: 'env=V1'"
    ml update --yes "${accepted[@]}"
    assert_ok
}

@test "capabilities: on a terminal the question says that it asks for more" {
    installed '[]'
    asks 1.1.0 '["net"]'
    answered n "modload update; echo status \$?"
    grep -q 'It asks for more than before. Install it? \[y/N\]' said
    grep -q 'status 77' said
    answered y "modload update; echo status \$?"
    grep -q 'status 0' said
    assert_equal "$(info .data.capabilities)" '["net"]'
}

@test "capabilities: a directory that asks for more when it is built than when it was shown" {
    mkdir calc
    echo 'int two(void) { return 2; }' >calc/two.c
    echo '{"name": "calc", "capabilities": ["env=HOME"]}' >calc/modload.json
    mkfifo answer
    script -qfec "modload install ./calc; echo status \$?" said <answer >/dev/null 3>&- &
    exec 4>answer
    within grep -qs 'Install it?' said
    echo '{"name": "calc", "capabilities": ["env=HOME", "net"]}' >calc/modload.json
    echo y >&4
    exec 4>&-
    wait $!
    grep -q "'$PWD/calc' was changed after it was shown" said
    grep -q 'status 75' said
    assert_equal "$(modload list)" ""
}

@test "capabilities: each of several that ask for more is told" {
    asks 1.0.0 '[]'
    published two 1.0.0
    for name in one two; do
        ml install --yes "file://$PWD/repos/$name@main"
        assert_ok
    done
    asks 1.1.0 '["net"]'
    published two 1.1.0
    ml update --yes
    assert_exit 77
    assert_stderr_has "modload: 'one' asks for more than was agreed to: 'net'"
    [[ $stderr != *"'two' asks"* ]]
    jq '.capabilities = ["env=A", "env=B"]' repos/two/modload.json >changed
    mv changed repos/two/modload.json
    git -C repos/two commit -q -a -m more
    ml update --yes
    assert_exit 77
    hint=${stderr##*, then add}
    assert_equal "$(tr -s ' ' '\n' <<<"${hint%;*}" | sort | xargs)" "--accept --accept --accept env=A env=B net"
    ml update --json --yes --accept env=B
    assert_exit 77
    [[ $(json '.errors[-1].hint') =~ add(\ --accept\ (net|env=A)){2}\; ]]
    assert_equal "$(json '[.errors[].message]|sort|tojson')" \
        "[\"'one' asks for more than was agreed to: 'net'\",\"'two' asks for more than was agreed to: 'env=A'\"]"
    answered y "modload update; echo status \$?"
    grep -q 'Some of them ask for more than before. Install them? \[y/N\]' said
    grep -q 'status 0' said
}

@test "capabilities: an install over an entry is an update, and a rollback was agreed to" {
    installed '["net=tcp:443"]'
    asks 1.1.0 '["net=tcp:443", "exec=/usr/bin/git"]'
    ml install --yes "$(source_url)"
    more "'exec=/usr/bin/git'"
    ml install --yes --accept exec=/usr/bin/git "$(source_url)"
    assert_ok
    modload pack one -o one.pack --binary
    modload rollback one
    ml install --as one one.pack
    assert_exit 77
    assert_stderr_has "  capabilities  exec=/usr/bin/git
                net=tcp:443
  new capability exec=/usr/bin/git"
    ml install --yes --as one one.pack
    more "'exec=/usr/bin/git'"
    ml install --json --yes --as one --accept exec=/usr/bin/git one.pack
    assert_ok
    assert_equal "$(json '.data.plugins[0].capability_changes|tojson')" '{"added":["exec=/usr/bin/git"],"removed":[]}'
    modload rollback one
    ml rollback one 2
    assert_ok
    assert_equal "$(info .data.capabilities)" '["exec=/usr/bin/git","net=tcp:443"]'
}

@test "capabilities: what a project's lock agrees to, and what it does not" {
    asks 1.0.0 '["net=tcp:443"]'
    project one "$(from one), \"version\": \"^1\""
    ml sync p
    assert_exit 77
    assert_stderr_has "  capabilities  net=tcp:443"
    ml sync p --yes
    assert_ok
    assert_equal "$(locked one 'capabilities|tojson')" '["net=tcp:443"]'
    asks 1.1.0 '["net"]'
    ml sync p --yes --update one
    more "'net'"
    assert_equal "$(locked one 'capabilities|tojson')" '["net=tcp:443"]'
    ml sync p --json --dry-run --update one
    assert_equal "$(json '.data.plugins[0]|[.asks_for,.capabilities,.capabilities_before]|tojson')" \
        '[["net"],["net"],["net=tcp:443"]]'
    ml sync p --yes --update one --accept net
    assert_ok
    assert_equal "$(locked one 'capabilities|tojson')" '["net"]'
    other_home
    ml sync p --frozen # the lock has agreed
    assert_ok
    assert_equal "$(info .data.capabilities)" '["net"]'
}

@test "capabilities: a lock that agrees to less is no yes" {
    asks 1.0.0 '["net"]'
    project one "$(from one), \"version\": \"^1\""
    ml sync p --yes
    assert_ok
    relock '.plugins.one.capabilities = ["net=tcp:443"] | .plugins.one.bundles = {}'
    ml sync p --yes # though the entry is of this very commit
    assert_exit 77
    assert_stderr_has "'one' asks for more than was agreed to: 'net'"
    other_home
    ml sync p --frozen --yes
    assert_exit 77
    assert_stderr_has "one: it asks for 'net', which 'p/modload.lock' does not agree to"
    ml sync p --yes
    assert_exit 77
    assert_stderr_has "'one' asks for more than was agreed to: 'net'"
    ml sync p --yes --accept net
    assert_ok
    assert_equal "$(locked one 'capabilities|tojson')" '["net"]'
}
