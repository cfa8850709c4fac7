#!/usr/bin/env bats
# Goal of this test: a project's plugins come into the registry all or not at all, and the lock makes them the same
# ones everywhere; what is not what it was is an error, and what is as it has to be costs nothing.

load helpers
load plugins
load registry
load project
load repos

setup() {
    world_setup
    project_world
    cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
    project_end
    world_teardown
}

# Two plugins, of which the registry and the lock know nothing yet.
two() {
    published one 1.0.0
    published two 2.0.0
    project one "$(from one), \"version\": \"^1\"" two "$(from two), \"ref\": \"main\""
}

synced() {
    two
    ml sync p --yes
    assert_ok
}

# Neither registry nor lock is any other than it was, but for bundles that nothing points at.
unchanged() {
    assert_equal "$(state)" "$before"
    assert_equal "$(find "$MODLOAD_HOME/tmp" -mindepth 1)" ""
    assert_equal "$(find p -name '.*' -type f)" ""
}

# A registry that was made, and has nothing in it, is as good as none.
state() {
    sum_of p/modload.lock
    [ ! -e "$MODLOAD_HOME/entries" ] || snapshot entries names history | grep -v ' d '
}

sum_of() {
    sha256sum "$1" 2>/dev/null || echo none
}

remember() {
    before=$(state)
}

# ---- what it does ----

@test "sync: registers what the project names, under its names, and locks it" {
    two
    ml sync p --yes
    assert_ok
    assert_equal "$(cut -d ' ' -f 3,7- <<<"$output")" "$(printf 'one 1.0.0  added\ntwo %.12s  added' "$(git -C repos/two rev-parse HEAD)")"
    assert_stderr_has "modload: registered 2 plugins"
    assert_stderr_has "modload: the lock was written"
    assert_equal "$(modload run --release one one 3>&-)$(modload run --release two two 3>&-)" 12
    assert_equal "$(locked one commit)" "$(git -C repos/one rev-parse HEAD)"
    assert_equal "$(locked one tree)" "$(git -C repos/one rev-parse HEAD^{tree})"
    assert_equal "$(locked one tag) $(locked one release) $(locked one version)" "v1.0.0 1.0.0 ^1"
    assert_equal "$(locked two ref)" main
    for name in one two; do
        assert_equal "$(locked $name 'bundles|.[]')" "$(modload lookup $name)"
        assert_equal "$(modload list --json | jq -r ".data.entries[]|select(.name == \"$name\").uuid")" "$(locked $name uuid)"
    done
}

@test "sync: the source digest is that of Go's dirhash" {
    two
    modload sync p --yes 3>&-
    digest=$(cd repos/one && find . -type f ! -path './.git/*' | sed 's,^\./,,' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d ' ' -f 1)
    assert_equal "$(locked one source)" "h1:$(printf %b "$(sed 's/../\\x&/g' <<<"$digest")" | base64)"
}

@test "sync: a UUID that the project gives is the key; one that it does not is made once" {
    published one 1.0.0
    published two 2.0.0
    uuid=0f8e1c52-7d1b-4c3a-9d60-1b2f6a7c8e01
    project one "$(from one), \"uuid\": \"${uuid^^}\"" two "$(from two)"
    modload sync p --yes 3>&-
    assert_equal "$(locked one uuid)" "$uuid"
    assert_equal "$(modload lookup $uuid)" "$(modload lookup one)"
    made=$(locked two uuid)
    published two 3.0.0
    project one "$(from one), \"uuid\": \"$uuid\"" two "$(from two), \"version\": \"^3\""
    ml sync p --yes
    assert_ok
    assert_equal "$(locked two uuid)" "$made"
    assert_equal "$(modload run --release two two 3>&-)" 3
}

@test "sync: a plugin in a directory of a repository, and two of one repository" {
    mkdir -p repos/both
    git init -q -b main repos/both
    for name in a b; do
        mkdir -p repos/both/x/$name
        echo "int $name(void) { return 7; }" >repos/both/x/$name/$name.c
    done
    git -C repos/both add -A
    git -C repos/both commit -q -m one
    project a "$(from both), \"path\": \"x/a\"" b "$(from both), \"path\": \"x/b\""
    ml sync p --yes
    assert_ok
    assert_equal "$(locked a tree)" "$(git -C repos/both rev-parse HEAD:x/a)"
    assert_equal "$(modload run --release a a 3>&-)$(modload run --release b b 3>&-)" 77
}

@test "sync: the working directory is the project where none is named" {
    two
    cd p
    ml sync --yes
    assert_ok
    ml sync
    assert_ok
    assert_stderr "modload: 2 plugins are as the lock says"
    assert_no_stdout
}

@test "sync: without a project it says how to write one" {
    ml sync p
    assert_exit 66
    assert_stderr_has "modload: there is no 'p/modload.json'"
    assert_stderr_has '  hint: write one: {"plugins": '
    echo '{"name": "x"}' >p/modload.json
    ml sync p
    assert_exit 78
    assert_stderr_has "modload: p/modload.json: there is no key 'plugins'"
    ml sync nowhere
    assert_exit 66
}

@test "sync: a fault in the project is told with file, plugin and key" {
    project one '"gti": "https://h/r"'
    ml sync p
    assert_exit 78
    assert_stderr "modload: p/modload.json: plugin 'one': unknown key 'gti'
  hint: did you mean 'git'?"
    project one '"git": "https://h/r@v1"'
    ml sync p
    assert_exit 78
    assert_stderr_has "p/modload.json: plugin 'one': key 'git' must be a URL without what follows its @"
}

@test "sync: an archive is no git repository, and refused before anything is built" {
    published one 1.0.0
    published two 2.0.0
    tar -C repos/two --exclude=.git -czf two.tar.gz .
    project one "$(from one)" two "\"git\": \"file://$PWD/two.tar.gz\""
    remember
    CC=$PWD/nowhere ml sync p --yes
    assert_exit 78
    assert_stderr "modload: two: 'file://$PWD/two.tar.gz' is no git repository
  hint: \"git\" of a project names repositories; what is none is for: modload install"
    unchanged
}

@test "sync: --json tells of each what it is, what it was, and what became of it" {
    synced
    published one 1.5.0
    project one "$(from one), \"version\": \"^1.1\""
    ml sync p --yes --json
    assert_ok
    assert_equal "$(json '.data.plugins[]|[.name,.state,.release_before,.release,.unregistered]|tojson')" \
        '["one","changed","1.0.0","1.5.0",null]
["two","gone","","",false]'
    assert_equal "$(json .data.lock_written)" true
    assert_equal "$(json '.data.plugins[0].bundle')" "$(modload lookup one)"
    ml sync p --json
    assert_equal "$(json '.data.plugins[0]|[.state,.bundle]|tojson')" "[\"same\",\"$(modload lookup one)\"]"
}

# ---- the lock ----

@test "sync: the same lock gives the same bundles in another home, and stays as it is" {
    synced
    published one 1.1.0
    published two 2.1.0
    entries=$(modload list)
    lock=$(<p/modload.lock)
    other_home
    ml sync p --frozen
    assert_ok
    assert_equal "$(modload list)" "$entries"
    assert_equal "$(<p/modload.lock)" "$lock"
}

@test "sync: --frozen twice moves no byte, starts no compiler and writes nothing" {
    published one 1.0.0
    published two 2.0.0
    git_server
    project one "\"git\": \"git://127.0.0.1:$port/one\", \"version\": \"^1\"" \
        two "\"git\": \"git://127.0.0.1:$port/two\""
    modload sync p --yes 3>&-
    other_home
    ml sync p --frozen
    assert_ok
    n=$(connections)
    [ "$n" -ge 4 ]
    before=$(snapshot; find p home2 -printf '%p %T@ %C@\n' | sort)
    CC=$PWD/nowhere ml sync p --frozen
    assert_ok
    assert_equal "$(connections)" "$n"
    assert_equal "$(snapshot; find p home2 -printf '%p %T@ %C@\n' | sort)" "$before"
    kill "$server"
    server=
    CC=$PWD/nowhere ml sync p
    assert_ok
}

@test "sync: a newer release is taken only where the project asks for it" {
    synced
    published one 1.1.0
    published two 2.1.0
    ml sync p
    assert_ok
    assert_equal "$(locked one release)" 1.0.0
    project one "$(from one), \"version\": \"^1.1\"" two "$(from two), \"ref\": \"main\""
    ml sync p
    assert_exit 77
    ml sync p --yes
    assert_ok
    assert_equal "$(locked one release)" 1.1.0
    assert_equal "$(locked two commit)" "$(git -C repos/two rev-parse v2.0.0)"
    assert_equal "$(generations one)" 2
}

@test "sync: --update takes newer commits, of one plugin or of all, and what is the newest stays" {
    synced
    published one 1.1.0
    published two 2.1.0
    ml sync p --update one
    assert_exit 77
    assert_stderr_has "nobody has agreed to 'one'"
    ml sync p -u one --yes
    assert_ok
    assert_equal "$(locked one release)" 1.1.0
    assert_equal "$(locked two commit)" "$(git -C repos/two rev-parse v2.0.0)"
    published one 2.0.0
    ml sync p -u '*' --yes --json
    assert_ok
    assert_equal "$(json '.data.plugins[]|[.name,.state]|tojson')" '["one","same"]
["two","changed"]'
    assert_equal "$(locked one release)" 1.1.0
    assert_equal "$(locked two commit)" "$(git -C repos/two rev-parse v2.1.0)"
    lock=$(sum_of p/modload.lock)
    CC=$PWD/nowhere ml sync p -u '*'
    assert_ok
    assert_stderr "modload: 2 plugins are as the lock says"
    assert_equal "$(sum_of p/modload.lock)" "$lock"
    ml sync p -u tow
    assert_exit 66
    assert_stderr "modload: p/modload.json: there is no plugin 'tow'
  hint: did you mean 'two'?"
    ml sync p -u one --frozen
    assert_exit 64
}

@test "sync: other words for what is locked are written down, and nothing is fetched for them" {
    synced
    commit=$(locked one commit)
    rm -rf repos home/.cache
    project one "$(from one), \"version\": \">=1 <2\"" two "$(from two), \"ref\": \"main\""
    CC=$PWD/nowhere ml sync p
    assert_ok
    assert_equal "$(locked one version) $(locked one commit)" ">=1 <2 $commit"
    assert_stderr_has "modload: the lock was written"
}

@test "sync: an entry that is not what the lock says becomes it again" {
    synced
    good=$(modload lookup one)
    published one 1.1.0
    modload install "file://$PWD/repos/one" --yes --as "$(locked one uuid)" 3>&-
    [ "$(modload lookup one)" != "$good" ]
    modload unregister two
    ml sync p --frozen
    assert_ok
    assert_equal "$(modload lookup one)" "$good"
    modload lookup two
    modload install "file://$PWD/repos/one@v1.0.0" --yes --as "$(locked one uuid)" --name renamed 3>&-
    assert_equal "$(modload lookup renamed)" "$good"
    ml sync p --frozen
    assert_ok
    assert_equal "$(modload lookup one)" "$good"
}

# One that its owner has from somewhere else, and whose UUID the lock gives to `one`.
mine() {
    published mine 7.0.0
    uuid=$(modload install "file://$PWD/repos/mine" --yes 3>&- 2>/dev/null)
    relock ".plugins.one.uuid = \"$uuid\""
}

@test "sync: a lock does not replace what came from elsewhere, unless somebody agrees" {
    synced
    other_home
    mine
    for forged in . ".plugins.one.bundles.m68k = \"$(modload lookup mine)\""; do
        relock "$forged"
        remember
        ml sync p
        assert_exit 77
        assert_stderr_has "modload: 'one' replaces another entry: $uuid is 'mine' 7.0.0 ($(modload lookup mine)) from git+"
        assert_stderr_has "/repos/mine#"
        assert_stderr_has "nobody has agreed to 'one'"
        unchanged
        CC=$PWD/nowhere ml sync p --frozen
        assert_exit 77
        assert_stderr_has "modload: one: the entry that has its UUID came from elsewhere: $uuid is 'mine' 7.0.0 ($(modload lookup mine)) from git+"
        assert_stderr_has "  hint: to replace that entry all the same add --yes; to keep it give 'one' another \"uuid\" in the project, and run modload sync p"
        unchanged
    done
    ml sync p --dry-run --json
    assert_ok
    assert_equal "$(json '.data.plugins[]|[.name,.asks,.other.name]|tojson')" '["one",true,"mine"]
["two",false,null]'
    ml sync p --frozen --yes
    assert_ok
    assert_equal "$(modload lookup "$uuid")" "$(modload lookup one)"
    assert_equal "$(modload run --release one one 3>&-)" 1
}

@test "sync: a lock does not replace what came from no repository either, unless somebody agrees" {
    synced
    good=$(modload lookup one)
    register_text other 'int other(void) { return 1; }'
    modload register "$(locked one uuid)" "$bundle" 3>&-
    remember
    ml sync p --frozen
    assert_exit 77
    assert_stderr_has "is 'one' "
    assert_stderr_has " ($bundle), nobody knows where from"
    unchanged
    ml sync p --yes
    assert_ok
    assert_equal "$(modload lookup one)" "$good"
}

@test "sync: what is not a lock is told as what it is, and nothing is done" {
    synced
    lock=$(<p/modload.lock)
    cases=(
        '.plugins.one.commit = "x"' "plugin 'one': key 'commit' must be one of git's ids: 40 digits of 0-9a-f"
        'del(.plugins.two.tree)' "plugin 'two': key 'tree' is missing"
        '.plugins.one.commit_id = "x"' "plugin 'one': unknown key 'commit_id'"
        '.plugins.one.release = "1.5.0"' "plugin 'one': keys 'tag' and 'release' are of two versions"
        '.version = 2' "a later modload has written it: it has version 2, and this one knows 1"
    )
    for ((i = 0; i < ${#cases[@]}; i += 2)); do
        echo "$lock" >p/modload.lock
        relock "${cases[i]}"
        remember
        ml sync p --yes
        assert_exit 78
        assert_stderr_has "modload: p/modload.lock: ${cases[i + 1]}"
        unchanged
    done
    echo "$lock" >p/modload.lock
    relock 'del(.plugins.two.tree)'
    ml sync p --yes
    assert_stderr_has "  hint: it is not for editing: have it as it was"
    sed '3i <<<<<<< HEAD' <<<"$lock" >p/modload.lock
    ml sync p --yes
    assert_exit 78
    assert_stderr_has "modload: p/modload.lock:3: two versions of the file were merged, and differ here"
    assert_stderr_has "  hint: take either side whole"
    head -c 200 <<<"$lock" >p/modload.lock
    ml sync p --yes
    assert_exit 78
    assert_stderr_has "modload: p/modload.lock:"
}

@test "sync: --frozen says what is not as the lock has it, and changes nothing" {
    two
    ml sync p --frozen
    assert_exit 78
    assert_stderr "modload: there is no 'p/modload.lock'
  hint: make it, and keep it with the project: modload sync p"
    modload sync p --yes 3>&-
    remember
    project one "$(from one), \"version\": \"^1.0\"" three "$(from two)"
    ml sync p --frozen --yes
    assert_exit 78
    assert_stderr "modload: p/modload.lock: the project asks for something else: 'one' has another 'version', 'three' is not in it, 'two' is in it and not in the project
  hint: bring it up to date, and keep it with the project: modload sync p"
    unchanged
}

@test "sync: --frozen takes a platform that the lock does not have, and no other bundle for one that it has" {
    synced
    relock '.plugins.one.bundles = {} | .plugins.two.bundles = {"m68k": "b-mhnjnscxmjexyqhz27mecdz6wxhtfcmf"}'
    other_home
    lock=$(sum_of p/modload.lock)
    ml sync p --frozen
    assert_ok
    assert_equal "$(sum_of p/modload.lock)" "$lock"
    CC=$PWD/nowhere ml sync p --frozen
    assert_ok
    assert_stderr "modload: 2 plugins are as the lock says"
    good=$(modload lookup one)
    published one 1.1.0
    modload install "file://$PWD/repos/one" --yes --as "$(locked one uuid)" 3>&-
    ml sync p --frozen
    assert_ok
    assert_equal "$(modload lookup one)" "$good"
    assert_equal "$(sum_of p/modload.lock)" "$lock"
    ml sync p
    assert_ok
    assert_equal "$(locked two 'bundles|length')" 2
    platform=$(locked one 'bundles|keys[0]')
    relock ".plugins.one.bundles[\"$platform\"] = \"b-mhnjnscxmjexyqhz27mecdz6wxhtfcmf\""
    remember
    ml sync p --frozen
    assert_exit 77
    assert_stderr_has "modload: one: its source is that of the lock, and became bundle '$(modload lookup one)', not 'b-mhnjnscxmjexyqhz27mecdz6wxhtfcmf'"
    unchanged
    ml sync p
    assert_ok
    assert_equal "$(locked one 'bundles|.[]')" "$(modload lookup one)"
}

# ---- what is not what it was ----

@test "sync: a tag that was moved is refused, with both commits" {
    synced
    was=$(locked one commit)
    echo '/* more */' >>repos/one/one.c
    git -C repos/one commit -qam 'the same release, they say'
    git -C repos/one tag -f v1.0.0 2>/dev/null
    now=$(git -C repos/one rev-parse HEAD)
    other_home
    remember
    ml sync p --frozen
    assert_exit 77
    assert_stderr_has "${was:0:12}"
    assert_stderr_has "${now:0:12}"
    assert_stderr_has "moved"
    unchanged
    assert_equal "$(modload list)" ""
    ml sync p -u one --yes
    assert_exit 77
    assert_stderr_has "modload: one: the tag 'v1.0.0' was moved: it was ${was:0:12}, as 'p/modload.lock' says, and now is ${now:0:12}"
    unchanged
    taken_anew one "$(locked one uuid)"
    ml sync p --yes
    assert_ok
    assert_equal "$(locked one commit)" "$now"
}

@test "sync: a commit that a branch has lost is refused" {
    synced
    was=$(locked two commit)
    git -C repos/two commit -q --amend -m 'another history'
    git -C repos/two tag -d v2.0.0 >/dev/null
    git -C repos/two reflog expire --expire=now --all
    git -C repos/two gc -q --prune=now
    other_home
    remember
    ml sync p --frozen
    assert_exit 77
    assert_stderr_has "two: "
    assert_stderr_has "${was:0:12}"
    unchanged
}

# What the hint says: the block goes, and the UUID that it had is the project's.
taken_anew() {
    relock 'del(.plugins["'"$1"'"])'
    jq ".plugins[\"$1\"].uuid = \"$2\"" p/modload.json >p/changed
    mv p/changed p/modload.json
}

@test "sync: --update of a branch that was rewritten is refused, and taken when its block is gone" {
    two
    mkdir repos/two/sub
    cp repos/two/{modload.json,two.c} repos/two/sub
    repo=repos/two && git -C $repo add -A && git -C $repo commit -q -m 'the same again'
    ml sync p --yes
    assert_ok
    uuid=$(locked two uuid)
    was=$(locked two commit)
    echo '/* another */' >>repos/two/two.c
    git -C repos/two commit -q -a --amend -m 'another history'
    now=$(git -C repos/two rev-parse HEAD)
    remember
    ml sync p
    assert_ok
    ml sync p -u '*' --yes
    assert_exit 77
    assert_stderr_has "modload: two: cannot fetch '$PWD/repos/two': 'main' was rewritten: it was at ${was:0:12}, and now is at ${now:0:12}, which does not come after that"
    assert_stderr_has "now: give it \"uuid\": \"$uuid\" in the project, remove its block from 'p/modload.lock', and run modload sync p"
    unchanged
    project one "$(from one), \"version\": \"^1\"" two "$(from two), \"ref\": \"main\", \"path\": \"sub\""
    ml sync p --yes # another directory of the same branch
    assert_exit 77
    assert_stderr_has "'main' was rewritten"
    project one "$(from one), \"version\": \"^1\"" two "$(from two), \"ref\": \"main\""
    taken_anew two "$uuid"
    ml sync p --yes
    assert_ok
    assert_equal "$(locked two commit)" "$now"
    assert_equal "$(key_of two)" "$uuid"
    ml sync p -u two
    assert_ok
    git -C repos/two checkout -q -b other "$was"
    project one "$(from one), \"version\": \"^1\"" two "$(from two), \"ref\": \"other\", \"uuid\": \"$uuid\""
    ml sync p --yes
    assert_ok
    assert_equal "$(locked two commit)" "$was"
}

@test "sync: a tree or a source that is not that of the lock is refused, and not built" {
    synced
    lock=$(<p/modload.lock)
    for change in '.plugins.one.tree = "89abcdef0123456789abcdef0123456789abcdef"' \
        '.plugins.one.source = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="'; do
        echo "$lock" >p/modload.lock
        relock "$change"
        export MODLOAD_HOME=$PWD/h2
        rm -rf h2
        CC=$PWD/nowhere ml sync p
        assert_exit 77
        assert_stderr_has "is not that of the lock"
        assert_equal "$(modload list)" ""
    done
}

# ---- without a network ----

@test "sync: --offline uses what was fetched, and says of each plugin what is missing" {
    published one 1.0.0
    published two 2.0.0
    git_server
    project one "\"git\": \"git://127.0.0.1:$port/one\", \"version\": \"^1\"" \
        two "\"git\": \"git://127.0.0.1:$port/two\""
    ml sync p --yes --offline
    assert_exit 66
    assert_stderr_has "modload: one: cannot fetch 'git://127.0.0.1:$port/one'"
    assert_stderr_has "modload: two: cannot fetch 'git://127.0.0.1:$port/two'"
    assert_equal "$(connections)" 0
    modload sync p --yes 3>&-
    n=$(connections)
    export MODLOAD_HOME=$PWD/h2
    ml sync p --frozen --offline
    assert_ok
    assert_equal "$(connections)" "$n"
    modload lookup two
}

# ---- agreeing ----

@test "sync: what nobody has agreed to is shown, and refused; what is locked is not asked about" {
    two
    remember
    ml sync p
    assert_exit 77
    assert_stderr_has "$(git -C repos/one rev-parse HEAD)"
    assert_stderr_has "add --yes"
    unchanged
    modload sync p --yes 3>&-
    published three 3.0.0
    project one "$(from one), \"version\": \"^1\"" three "$(from three)" two "$(from two), \"ref\": \"main\""
    modload unregister one
    remember
    ml sync p
    assert_exit 77
    [[ $stderr != *"$(locked one commit)"* ]] || fail "it asks about what is locked"
    assert_stderr_has "nobody has agreed to 'three'"
    unchanged
}

@test "sync: what is retired is told, and refused for its security where it is not locked" {
    two
    index_make i
    index_plugin i one 1.0.0 -- ".git = \"file://$PWD/repos/one\" | .versions[0].retired = {reason: \"security\", message: \"It leaks.\", date: \"2026-11-26T15:00:00Z\"}"
    modload index add "file://$PWD/i" 3>&-
    remember
    ml sync p --yes
    assert_exit 77
    assert_stderr_has "one@1.0.0 is retired (security): It leaks."
    unchanged
    ml sync p --yes --allow-retired
    assert_ok
    export MODLOAD_HOME=$PWD/h2
    ml sync p --frozen
    assert_ok
    assert_stderr_has "It leaks."
}

@test "sync: --min-age refuses what is newer, and lets be what is locked" {
    two
    remember
    ml sync p --yes --min-age 1d
    assert_exit 77
    assert_stderr_has "--min-age"
    unchanged
    modload sync p --yes 3>&-
    modload unregister one
    ml sync p --yes --min-age 1d
    assert_ok
    modload lookup one
}

@test "sync: --dry-run shows what would come, and builds and changes nothing" {
    two
    remember
    CC=$PWD/nowhere ml sync p --dry-run
    assert_ok
    assert_stdout_has "$(git -C repos/two rev-parse HEAD)"
    unchanged
}

# ---- all or nothing ----

@test "sync: one that cannot be fetched, built or tested, and none of them comes" {
    synced
    published three 3.0.0
    published four 4.0.0
    git -C repos/one tag v1.2.0
    broken() { # broken STATUS TEXT MEMBERS: two good ones, of which one is new, and a bad one
        project one "$(from one), \"version\": \"^1.2\"" three "$(from three)" four "$3" two "$(from two), \"ref\": \"main\""
        remember
        ml sync p --yes
        assert_exit "$1"
        assert_stderr_has "$2"
        unchanged
    }
    broken 66 "modload: four: there is no '$PWD/repos/nowhere'" "$(from nowhere)"
    broken 66 "no tag is a version in '^9'" "$(from four), \"version\": \"^9\""
    published four 4.1.0 'return 4'
    broken 65 "modload: four: " "$(from four), \"version\": \"^4.1\""
    published four 4.2.0 'return 5;'
    broken 65 "modload: four: it fails 1 of its own 1 tests" "$(from four), \"version\": \"^4.2\""
    published four 4.3.0 'return 4; }
__attribute__((constructor)) static void begin(void) { __builtin_trap();'
    broken 65 "modload: four: it cannot be tested: the plugin crashed the worker while it was mapped: " "$(from four), \"version\": \"^4.3\""
    published four 4.4.0 'return 4; }
#include <signal.h>
__attribute__((constructor)) static void begin(void) { raise(SIGINT);'
    broken 65 "modload: four: it cannot be tested: " "$(from four), \"version\": \"^4.4\""
    register_text four 'int four(void) { return 1; }'
    broken 65 "modload: four: the name 'four' belongs to $id" "$(from four), \"version\": \"=4.0\""
    modload unregister "$id"
    ml sync p --yes
    assert_ok
    assert_equal "$(modload run --release four four 3>&-)$(locked one release)" 41.2.0
}

@test "sync: a lock that cannot be written keeps the registry as it is" {
    two
    unprivileged
    chmod a-w p
    remember
    ml sync p --yes
    assert_exit 73
    assert_stderr_has "modload: cannot write 'p/modload.lock': Permission denied"
    unchanged
    chmod u+w p
    ml sync p --yes
    assert_ok
}

@test "sync: two syncs of one project at once: one waits for the other, and then has nothing to do" {
    two
    given_compiler <<'X'
touch "${0%/*}/compiling"
while [ -e "${0%/*}/hold" ]; do sleep 0.05; done
X
    touch hold
    modload sync p --yes >first.out 2>first.err 3>&- &
    first=$!
    within test -e compiling
    ml sync p --yes --wait 1ms
    assert_exit 75
    assert_stderr "modload: another modload is changing 'p/modload.lock'
  hint: try again, or wait longer: --wait 60s"
    modload sync p --yes >second.out 2>second.err 3>&- &
    second=$!
    rm hold
    wait "$first"
    wait "$second"
    assert_equal "$(<second.err)" "modload: 2 plugins are as the lock says"
    assert_equal "$(generations one)$(generations two)" 11
}

@test "sync: -j says how many come at once" {
    two
    ml sync p --yes -j 1
    assert_ok
    other_home
    ml sync p --frozen -j 8
    assert_ok
    ml sync p -j 0
    assert_exit 64
}

# ---- what goes ----

@test "sync: what the project names no more is told, or taken out with --prune" {
    two
    mkdir repos/two/sub
    cp repos/two/{modload.json,two.c} repos/two/sub
    repo=repos/two && git -C $repo add -A && git -C $repo commit -q -m 'the same again'
    ml sync p --yes
    assert_ok
    uuid=$(locked two uuid)
    project one "$(from one), \"version\": \"^1\""
    cp p/modload.lock both.lock
    ml sync p
    assert_ok
    assert_stderr_has "modload: the project does not name 'two' ($uuid) any more; if it is registered, it stays: modload unregister $uuid"
    modload lookup two
    assert_equal "$(locked two uuid)" null
    cp both.lock p/modload.lock
    ml sync p --prune
    assert_ok
    assert_equal "$(cut -d ' ' -f 1,3 <<<"$output")" "$uuid two"
    ml lookup "$uuid"
    assert_exit 66
    modload lookup one
    assert_equal "$(locked two uuid)" null
}

@test "sync: --prune --dry-run says what would be taken out, and --prune that its worker goes on" {
    synced
    id=$(locked one uuid)
    modload load one
    remember
    project two "$(from two), \"ref\": \"main\""
    ml sync p --prune --dry-run
    assert_ok
    assert_stdout_has "$id  one  -  1.0.0  gone"
    assert_equal "$(state)" "$before"
    ml sync p --prune
    assert_ok
    assert_stdout_has "$id  one  -  1.0.0  gone"
    assert_stderr_has "modload: 'one' is taken out, and its worker goes on: modload release $id"
    ml release "$id"
    assert_ok
    ml sync p --prune --dry-run
    assert_no_stdout
}

@test "sync: --prune leaves what only has the UUID of what is named no more" {
    synced
    project one "$(from one), \"version\": \"^1\""
    cp p/modload.lock both.lock
    other_home
    mine
    relock "[(.plugins.two.uuid, .plugins.one.uuid)] as [\$two, \$one] | .plugins.two.uuid = \$one | .plugins.one.uuid = \$two"
    relock ".plugins.two.bundles.m68k = \"$(modload lookup mine)\""
    ml sync p --prune --json
    assert_ok
    assert_stderr_has "modload: the project does not name 'two' any more, and what has its UUID is another's and stays: $uuid is 'mine' 7.0.0 "
    assert_stderr_has "; to take it out: modload unregister $uuid"
    assert_equal "$(json '.data.plugins[]|[.name,.unregistered,.other.name]|tojson')" '["one",null,null]
["two",false,"mine"]'
    assert_equal "$(modload lookup "$uuid")" "$(modload lookup mine)"
    cp both.lock p/modload.lock
    uuid=$(locked two uuid)
    modload install "file://$PWD/repos/two" --yes 3>&-
    bundle=$(modload lookup two)
    modload uninstall two
    modload register "$uuid" "$bundle" 3>&-
    ml sync p --prune
    assert_ok
    ml lookup "$uuid"
    assert_exit 66
}

@test "sync: a plugin that gets another UUID has its name with --prune" {
    synced
    old=$(locked one uuid)
    new=$(modload uuid)
    project one "$(from one), \"version\": \"^1\", \"uuid\": \"$new\"" two "$(from two), \"ref\": \"main\""
    remember
    ml sync p
    assert_exit 65
    assert_stderr_has "modload: one: the name 'one' belongs to $old"
    assert_stderr_has "run modload sync p --prune"
    unchanged
    ml sync p --prune
    assert_ok
    assert_equal "$(modload lookup one)" "$(modload lookup "$new")"
    ml lookup "$old"
    assert_exit 66
}

# ---- when it is ended ----

# But for keys, which are made for what is new: two syncs make two.
entries() {
    modload list | cut -d " " -f 3- | sort
}

without_keys() {
    jq -c 'del(.plugins[].uuid)' "$1"
}

@test "sync: killed at any step, registry and lock are each old or new, and the next sync does the rest" {
    plain_only
    published one 1.0.0
    published two 2.0.0
    project one "$(from one), \"version\": \"^1\""
    modload sync p --yes 3>&-
    published one 1.1.0
    project one "$(from one), \"version\": \"^1.1\"" two "$(from two)"
    cp -a "$MODLOAD_HOME" h.old
    cp p/modload.lock lock.old
    modload sync p --yes 3>&-
    cp p/modload.lock lock.new
    old=$(MODLOAD_HOME=$PWD/h.old entries) new=$(entries)
    for call in renameat:1 renameat2:1 fsync:3; do # of the last each third
        step=${call#*:} call=${call%:*}
        for ((n = 1; ; n += step)); do
            rm -rf "$MODLOAD_HOME"
            cp -a h.old "$MODLOAD_HOME"
            cp lock.old p/modload.lock
            killed_at "$call" "$n" sync p --yes || break
            state=$(entries)
            [ "$state" = "$old" ] || [ "$state" = "$new" ] || fail "at $call $n: half a change: $state"
            cmp -s p/modload.lock lock.old || assert_equal "$(without_keys p/modload.lock)" "$(without_keys lock.new)"
            ml sync p --yes
            assert_ok
            assert_equal "$(entries)" "$new"
            assert_equal "$(without_keys p/modload.lock)" "$(without_keys lock.new)"
            assert_equal "$(modload list | cut -d ' ' -f 1 | sort)" "$(jq -r '.plugins[].uuid' p/modload.lock | sort)"
            ml gc
            ml verify
            assert_ok
            assert_equal "$(find p -type f | sort)" "$(printf 'p/modload.json\np/modload.lock')"
            assert_equal "$(litter)" ""
        done
    done
}

@test "sync: an entry is of the commit that the lock has, though its files are those of another one" {
    synced
    generations=$(modload history two | wc -l)
    git -C repos/two commit -q --allow-empty -m "nothing of it"
    ml sync p --yes --update two
    assert_ok
    assert_equal "$(commit_of two)" "$(locked two commit)"
    ml outdated
    assert_stdout ""
    assert_equal "$(modload history two | wc -l)" $((generations + 1))
    ml sync p --frozen
    assert_stderr "modload: 2 plugins are as the lock says"
    ml rollback two 1
    ml sync p --frozen
    assert_ok
    assert_equal "$(commit_of two)" "$(locked two commit)"
}

commit_of() {
    modload info --json "$1" | jq -r .data.origin | sed 's/.*#//'
}

@test "sync: a bundle that is gone is built again, and a worker on older code is told" {
    synced
    modload load one
    published one 1.1.0 'return 3 - 2;'
    ml sync p --yes --update one
    assert_ok
    assert_stderr_has "modload: its worker goes on with the code that it has: modload reload one"
    modload reload one
    rm -rf "${MODLOAD_HOME:?}/bundles/$(modload lookup one)"
    ml sync p --frozen
    assert_ok
    assert_stdout_has "  locked"
    assert_stderr "modload: registered 1 of 2 plugins: the others were so already"
    ml exec one one
    assert_stdout 1
    ml verify
    assert_ok
}

# interrupted CONDITION...: sync is there when that is so
interrupted() {
    env --default-signal=INT modload sync p --yes >said 2>err 3>&- &
    job=$!
    within "$@"
    kill -INT $job
    status=0
    wait $job || status=$?
    assert_exit 130
    [ ! -s said ]
    assert_equal "$(state)" "$before"
    assert_equal "$(find p -name '.*' -type f)" ""
}

@test "sync: Ctrl-C while it fetches, builds, or waits leaves all as it was" {
    two
    remember
    git_server
    project one "\"git\": \"git://127.0.0.1:$port/one\"" two "$(from two)"
    kill -STOP "$server"
    interrupted fetching
    kill -CONT "$server"
    given_compiler <<'X'
touch "${0%/*}/compiling"
sleep 60
X
    interrupted test -e compiling
    exec 9<p
    flock 9
    interrupted waits_at_project
    flock -u 9
    exec 9<&-
    unset CC
    register_text v 'int v(void) { return 1; }'
    remember
    stopped_writer fsync unregister v
    interrupted waits_for_writer
    writer_goes_on
    assert_ok
    ml sync p --yes
    assert_ok
}

@test "sync: Ctrl-C is no timeout when a fetch has said all and its process has not ended" {
    cp -a "$MODLOAD_BUILD"/{bin,libexec,include} .
    mv libexec/modload/modload-fetch{,.real}
    cat >libexec/modload/modload-fetch <<X
#!/bin/sh
"\$0.real"
exec >&-
: >$PWD/answered
sleep 60
X
    chmod +x libexec/modload/modload-fetch
    PATH=$PWD/bin:$PATH
    two
    remember
    interrupted test -e answered
}

waits_for_writer() {
    [ -e p/modload.lock ] && waits_for_lock "$job"
}

fetching() {
    pgrep -P "$job" -f modload-fetch >/dev/null
}

# By a descriptor of its own: 9 is the test's, which it is given, and has before it is modload.
waits_at_project() {
    [ -n "$(find "/proc/$job/fd" ! -name 9 -lname "$PWD/p" 2>/dev/null)" ]
}
