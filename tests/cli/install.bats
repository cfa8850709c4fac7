#!/usr/bin/env bats
# Goal of this test: install brings in a plugin from wherever it is published, shows it before anything of it is built
# or run, and leaves nothing when it does not come to its end.

load helpers
load plugins
load registry
load repos

setup() {
    world_setup
    repos_setup
    servers=()
    plugin_repo calc
    plugin_commit calc 1.0.0
}

teardown() {
    serve_end
    world_teardown
}

# What nobody has agreed to leaves no trace but in the cache.
untouched() {
    [ ! -e "$MODLOAD_HOME" ] || assert_equal "$(litter)$(ls "$MODLOAD_HOME/bundles" "$MODLOAD_HOME/names")" \
        "$MODLOAD_HOME/bundles:

$MODLOAD_HOME/names:"
}

calls_run() {
    modload ps | grep -q running=
}

works() { # works ENTRY
    ml run --release "$1" twice 21
    assert_ok
    assert_stdout 42
}

@test "install: from a file URL, from git://, from https and from a path, and then it works" {
    serve_git
    git_url=$served
    serve_https
    for source in "file://$PWD/calc" "$git_url/calc" "$served/plain/calc"; do
        SSL_CERT_FILE=$PWD/ca.pem ml install --yes "$source"
        assert_ok
        [[ $output =~ ^[0-9a-f-]{36}$ ]]
        assert_stderr_has "modload: fetching $source"
        assert_stderr_has "modload: building calc"
        assert_stderr_has "modload: tested calc: 1 passed, 0 failed"
        assert_stderr_has "calc 1.0.0"
        works "$output"
    done
    for source in ./calc calc/ "$PWD/calc"; do
        ml install "$source" # the first of them again
        assert_ok
        works "$output"
    done
    assert_equal "$(modload list | grep -c .)" 3
    assert_equal "$(litter)" ""
}

@test "install: it is shown, in order, before it is agreed to, and nothing was built or run by then" {
    plugin_commit calc 1.1.0 '__attribute__((constructor)) static void run(void) { __builtin_abort(); }
int twice(int x) { return 2 * x; }'
    ml install "file://$PWD/calc@^1"
    assert_exit 77
    assert_no_stdout
    assert_stderr_has "calc 1.1.0"
    assert_stderr_has "  description   Doubles."
    assert_stderr_has "  from          file://$PWD/calc"
    assert_stderr_has "  version       tag v1.1.0 (asked for: ^1)"
    assert_stderr_has "  commit        $(git -C calc rev-parse HEAD) of 20"
    assert_stderr_has ", not signed"
    assert_stderr_has "  license       MIT"
    assert_stderr_has "  capabilities  none"
    assert_stderr_has "  files         2, "
    assert_stderr_has "modload: nobody has agreed to 'calc' from 'file://$PWD/calc'
  hint: look at what is shown, then add --yes; nothing was built or changed"
    [[ $stderr != *building* ]]
    untouched
}

@test "install: --dry-run stops when it was shown, as text and as JSON" {
    ml install --dry-run "./calc@v1.0.0"
    assert_ok
    assert_stdout_has "  version       tag v1.0.0"
    untouched
    ml install --dry-run --json "./calc@1.0.0"
    assert_ok
    assert_equal "$(json '.data.plugins[0]|[.plugin,.version,.tag,.ref,.license,.signature,.files,.bundle,.changed]|tojson')" \
        '["calc","1.0.0","v1.0.0","1.0.0","MIT","none",2,"",false]'
    assert_equal "$(json '.data.plugins[0].commit')" "$(git -C calc rev-parse HEAD)"
    assert_equal "$(json '.data.plugins[0].tree')" "$(git -C calc rev-parse 'HEAD^{tree}')"
    # golang.org/x/mod/sumdb/dirhash, by coreutils alone
    sums=$(cd calc && find . -path ./.git -prune -o -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum)
    assert_equal "$(json '.data.plugins[0].digest')" "h1:$(echo "$sums" | openssl dgst -sha256 -binary | base64)"
    untouched
}

@test "install: with --json somebody has to agree by --yes, also at a terminal" {
    script -qec "modload install --json ./calc" /dev/null >said </dev/null || :
    assert_equal "$(grep -o '"code":"[a-z_]*"' said)" '"code":"not_agreed"'
    ml install --json --yes ./calc
    assert_ok
    assert_equal "$(json '.data.plugins[0]|[.plugin,.version,.name,.changed]|tojson')" '["calc","1.0.0","calc",true]'
    works "$(json '.data.plugins[0].uuid')"
}

@test "install: on a terminal it asks, and what is no yes is a no" {
    for answer in n '' maybe; do
        answered "$answer" "modload install ./calc; echo status \$?"
        grep -q 'Install it? \[y/N\]' said
        grep -q 'status 77' said
        untouched
    done
    answered y "modload install ./calc; echo status \$?"
    grep -q 'status 0' said
    works calc
}

@test "install: what was typed before it asked is no answer" {
    mkfifo keys
    script -qefc "echo ready; until [ -e typed ]; do sleep 0.02; done; modload install ./calc; echo status \$?" said \
        <keys >/dev/null 3>&- &
    exec 8>keys
    within grep -qs ready said
    echo y >&8
    within grep -q '^y' said # the terminal has it
    : >typed
    within grep -q '\[y/N\]' said
    exec 8>&-
    wait $! || :
    grep -q 'status 77' said
    untouched
}

@test "install: a directory that is changed between the question and the answer is not built" {
    cp -r calc plain
    rm -rf plain/.git
    mkfifo keys
    script -qefc "modload install ./plain; echo status \$?" said <keys >/dev/null 3>&- &
    exec 8>keys
    within grep -qs '\[y/N\]' said
    echo 'int more(void) { return 1; }' >>plain/src/calc.c
    echo y >&8
    exec 8>&-
    wait $! || :
    grep -q "'$PWD/plain' was changed after it was shown" said
    grep -q 'status 75' said
    untouched
    answered y "modload install ./plain; echo status \$?"
    grep -q 'status 0' said
}

@test "install: a ref is a branch, a tag, a commit or a range of versions" {
    git -C calc branch old
    plugin_commit calc 1.2.0
    plugin_commit calc 2.0.0-rc.1
    plugin_commit calc 1.10.0
    plugin_commit calc 3.0.0
    for ref in old=1.0.0 v1.2.0=1.2.0 1.2.0=1.2.0 ^1.2=1.10.0 '~1.2'=1.2.0 '*'=3.0.0 main=3.0.0 \
        "$(git -C calc rev-parse v1.2.0)=1.2.0" "$(git -C calc rev-parse --short=10 v1.2.0)=1.2.0" '>=1 <2'=1.10.0; do
        ml install --yes "file://$PWD/calc@${ref%=*}"
        assert_ok
        assert_equal "$(modload info --json calc | jq -r .data.version)" "${ref##*=}"
    done
    ml install --yes "file://$PWD/calc@^4"
    assert_exit 66
    assert_stderr_has "its newest version is 3.0.0"
    ml install --yes "file://$PWD/calc@mian"
    assert_exit 66
    assert_stderr_has "did you mean 'main'?"
}

@test "install: the same source is the same entry, with a generation more, and what changed is shown" {
    ml install --yes "./calc@^1"
    first=$output
    plugin_commit calc 1.1.0 'int twice(int x) { return x + x; }'
    echo more >calc/README
    git -C calc rm -q --cached modload.json
    git -C calc checkout -q -f HEAD
    jq '.license = "GPL-3.0-or-later"' calc/modload.json >new && cp new calc/modload.json
    git -C calc add -A
    git -C calc commit -q --amend -m 1.1.0
    git -C calc tag -f v1.1.0 >/dev/null
    ml install --yes "file://$PWD/calc@^1"
    assert_ok
    assert_stdout "$first"
    assert_stderr_has "  entry         $first, now calc 1.0.0"
    assert_stderr_has "  new license   GPL-3.0-or-later, was MIT"
    assert_stderr_has "  changed       3 files since "
    assert_stderr_has "    + README"
    assert_stderr_has "    ~ modload.json"
    assert_stderr_has "    ~ src/calc.c"
    assert_equal "$(generations calc)" 2
    [[ $(modload history calc | head -n 1) == *" git+file://$PWD/calc?ref=^1&tag=v1.1.0#$(git -C calc rev-parse HEAD)" ]]
    ml install "./calc@^1" # agreed to already: nobody is asked
    assert_ok
    assert_stderr_has "modload: installed already: calc 1.1.0"
    assert_equal "$(generations calc)" 2
    ml rollback calc
    works calc
}

@test "install: --as and --name choose the entry and what it is called" {
    key=$(modload uuid)
    ml install --yes --as "$key" --name mine ./calc
    assert_ok
    assert_stdout "$key"
    assert_stderr_has "modload: installed calc 1.0.0 as mine"
    works mine
    plugin_commit calc 1.1.0
    ml install --yes --as mine ./calc
    assert_ok
    assert_stdout "$key"
    assert_equal "$(modload info --json mine | jq -r .data.version)" 1.1.0
    ml install --yes --as nobody ./calc
    assert_exit 65
    [[ $stderr != *fetching* ]]
    ml install --yes --name -x ./calc
    assert_exit 64
    ml install --yes ./calc # of its own key, so the name is free
    assert_ok
    register_text calc 'int f(void) { return 1; }' || :
    ml install --yes --as "$(modload uuid)" ./calc
    assert_ok
    assert_stderr_has "the name 'calc' belongs to another entry"
}

@test "install: one repository holds many plugins, and --path chooses" {
    mkdir -p many/plugins
    git init -q -b main many
    cp -r calc many/plugins/one
    cp -r calc many/plugins/two
    rm -rf many/plugins/*/.git
    git -C many add -A
    git -C many commit -q -m all
    ml install --yes ./many
    assert_exit 65
    assert_stderr "modload: fetching file://$PWD/many
modload: there is no plugin in 'many': no modload.json, and no C source
  hint: it has 2 in its directories, give one of them by --path: plugins/one, plugins/two"
    ml install --yes --path plugins/one ./many
    assert_ok
    one=$output
    ml install --yes --path plugins/two --name two ./many
    assert_ok
    [ "$output" != "$one" ]
    works two
    for path in ../calc /etc plugins/../x plugins/none; do
        ml install --yes --path "$path" ./many
        [ "$status" -ge 65 ]
        [ "$status" -le 66 ]
    done
}

@test "install: archives of each kind, and directories that are no repositories" {
    cp -r calc calc-1.0.0
    rm -rf calc-1.0.0/.git
    tar cf a.tar calc-1.0.0
    tar czf a.tar.gz calc-1.0.0
    tar cJf a.tar.xz calc-1.0.0
    tar --zstd -cf a.tar.zst calc-1.0.0
    python3 -m zipfile -c a.zip calc-1.0.0
    for source in a.tar a.tar.gz a.tar.xz a.tar.zst a.zip calc-1.0.0; do
        ml install --yes --as "$(modload uuid)" $source
        assert_ok
        assert_stderr_has "  from          $PWD/$source"
        works "$output"
    done
    mkdir x
    mv calc-1.0.0 x/inner
    tar czf b.tgz x
    ml install --yes --path inner b.tgz
    assert_ok
    ml install --yes a.tar@v1
    assert_exit 65
    assert_stderr_has "a.tar' is no git repository: it has no branches and tags"
    ml install --yes x@main --path inner
    assert_exit 65
    assert_stderr_has "is no git repository: it has no branches and tags"
    echo text >text
    ml install --yes text
    assert_exit 65
    ln -s /etc/passwd x/inner/src/link.c
    tar czf evil.tgz x
    ml install --yes --path inner evil.tgz
    assert_exit 77
    assert_equal "$(litter)" ""
}

@test "install: what fails to build or its own tests changes nothing, and says where in the plugin it is" {
    plugin_commit calc 1.1.0 'int twice(int x) { return 2 * y; }'
    ml install --yes ./calc
    assert_exit 65
    assert_stderr_has "calc/src/calc.c:1:31: error: "
    [[ $stderr != *"$MODLOAD_HOME/tmp"* ]]
    plugin_commit calc 1.2.0 'int twice(int x) { return 3 * x; }'
    ml install --yes ./calc
    assert_exit 65
    assert_stderr_has "modload: calc: test 1 of 1 failed: twice [21]: expected 42, got 63"
    assert_stderr_has "modload: 'calc' fails 1 of its own 1 tests"
    plugin_commit calc 1.3.0 'int twice(int x) { __builtin_trap(); }'
    ml install --yes ./calc
    assert_exit 65
    assert_stderr_has "twice [21]: expected 42, got twice: it crashed: SIGILL"
    plugin_commit calc 1.4.0 '__attribute__((constructor)) static void run(void) { __builtin_trap(); }
int twice(int x) { return 2 * x; }'
    ml install --yes ./calc
    assert_exit 132
    assert_stderr_has "cannot test 'calc'"
    assert_equal "$(find "$MODLOAD_RUNTIME_DIR" -name '*.log*')" ""
    assert_equal "$(modload list)$(litter)" ""
    modload gc >/dev/null
    assert_equal "$(ls "$MODLOAD_HOME/bundles")" ""
}

@test "install: tests compare every kind of value" {
    cat >calc/src/calc.c <<'C'
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <modload/plugin.h>
bool yes(void) { return true; }
int64_t low(void) { return INT64_MIN; }
uint64_t high(void) { return UINT64_MAX; }
float tenth(void) { return 0.1f; }
double none(void) { return 0.0 / 0.0; }
const char *word(const char *x) { return x; }
const char *null(void) { return 0; }
void nothing(void) {}
const uint8_t *bytes(size_t *n) { *n = 3; return (const uint8_t *)"\0\1\377"; }
void fails(void) { ml_fail("mine", "no"); }
C
    expect() { # expect STATUS TEST...
        jq -n "{name: \"calc\", version: \"1.0.0\", sources: [\"src/*.c\"], tests: []}" |
            sed "s|\"tests\": \[\]|\"tests\": [$2]|" >calc/modload.json
        git -C calc commit -q -a -m x
        ml install --yes ./calc
        assert_exit "$1"
    }
    expect 0 '{"call":"yes","expect":true},{"call":"low","expect":-9223372036854775808},{"call":"high","expect":18446744073709551615}'
    assert_stderr_has "3 passed, 0 failed"
    expect 0 '{"call":"tenth","expect":0.1},{"call":"none","expect":"nan"},{"call":"word","args":["a\\u00e4"],"expect":"aä"}'
    expect 0 '{"call":"null","expect":null},{"call":"nothing","expect":null},{"call":"bytes","expect":{"base64":"AAH/"}},{"call":"fails","error":"mine"},{"call":"yes"}'
    expect 65 '{"call":"word","args":["a"],"expect":"b\\u00e4c"}'
    assert_stderr_has 'word ["a"]: expected "b\u00e4c", got "a"'
    while read -r test; do
        expect 65 "$test"
        assert_stderr_has "expected"
    done <<'T'
{"call":"yes","expect":false}
{"call":"high","expect":18446744073709551614}
{"call":"low","expect":-9223372036854775807}
{"call":"tenth","expect":0.2}
{"call":"word","args":["a"],"expect":"b"}
{"call":"null","expect":""}
{"call":"bytes","expect":{"base64":"AAH+"}}
{"call":"fails","error":"other"}
{"call":"yes","error":"mine"}
{"call":"none_such","expect":1}
{"call":"word","args":[1,2],"expect":1}
T
}

@test "install: what was fetched goes with gc --cache, when nobody has used it for so long" {
    modload install --yes "file://$PWD/calc" 2>/dev/null
    cache=("$HOME"/.cache/modload/git/*[0-9a-f])
    [ -d "${cache[0]}" ]
    ml gc
    assert_ok
    ml gc --cache 1d
    assert_ok
    assert_stderr_has "modload: removed 0 repositories from the cache"
    touch -d '2 days ago' "${cache[0]}.lock"
    ml gc --cache 1d --dry-run --json
    assert_equal "$(json '.data.cache.repositories')" 1
    [ "$(json '.data.cache.bytes')" -gt 100 ]
    [ -d "${cache[0]}" ]
    exec 9<>"${cache[0]}.lock"
    flock 9
    ml gc --cache 1d
    assert_stderr_has "modload: 1 more: somebody is fetching"
    exec 9<&-
    [ -d "${cache[0]}" ]
    modload outdated 2>/dev/null # uses it
    ml gc --cache 1d
    [ -d "${cache[0]}" ]
    rm "${cache[0]}.lock" # then nobody knows, and it counts as used now
    ml gc --cache 1d
    [ -d "${cache[0]}" ]
    ml gc --cache 0s
    assert_ok
    assert_stderr_has "modload: removed 1 repository from the cache"
    [ ! -e "${cache[0]}" ]
    ml install --yes "file://$PWD/calc"
    assert_ok
}

@test "install: how many functions cannot be called is told, and info says which" {
    plugin_commit calc 1.1.0 'int twice(int x) { return 2 * x; }
long double half(long double x) { return x / 2; }'
    ml install --yes ./calc
    assert_ok
    assert_stderr_has "modload: calc: 1 of its functions cannot be called; which, and why: modload info $output"
    [[ "$stderr" != *half* ]]
    ml info "$output"
    assert_stdout_has "half: "
}

@test "install: a second fetch moves only what is new, and --offline uses what is there" {
    head -c 300000 /dev/urandom >calc/noise
    plugin_commit calc 1.0.1
    serve_git
    ml install --yes --json "$served/calc@^1"
    assert_ok
    received=$(json '.data.plugins[0].received')
    [ "$received" -gt 300000 ]
    commit=$(json '.data.plugins[0].commit')
    connections=$(grep -c . connections)
    ml install --yes --offline "$served/calc@^1"
    assert_ok
    ml install --yes "$served/calc@$commit"
    assert_ok
    assert_equal "$(grep -c . connections)" "$connections"
    plugin_commit calc 1.1.0
    ml install --yes --offline --json "$served/calc@^1"
    assert_equal "$(json '.data.plugins[0].version')" 1.0.1
    ml install --yes --json "$served/calc@^1"
    assert_equal "$(json '.data.plugins[0].version')" 1.1.0
    received=$(json '.data.plugins[0].received')
    [ "$received" -gt 0 ] && [ "$received" -lt 10000 ]
    ml install --yes --offline "$served/other"
    assert_exit 66
    assert_stderr_has "modload: cannot fetch '$served/other': "
}

@test "install: a cache that has grown by hundreds of fetches is read as any other" {
    mkdir calc/data
    for i in {1..70}; do echo "$i" >"calc/data/$i"; done
    git -C calc add -A
    git -C calc commit -q -m data
    ml install --dry-run ./calc
    assert_ok
    cache=$(echo "$HOME"/.cache/modload/git/*/objects/pack)
    mv "$cache" packs # each object in a pack of its own, as if each had come alone
    mkdir "$cache"
    for pack in packs/*.pack; do
        git -C "$cache/../.." unpack-objects -q <"$pack"
    done
    git -C "$cache/../.." cat-file --batch-all-objects --batch-check='%(objectname)' >objects
    while read -r object; do
        git -C "$cache/../.." pack-objects -q "$cache/pack" <<<"$object" >/dev/null
    done <objects
    rm -r "$cache"/../??
    ulimit -n 64 # as many of them as there are descriptors
    ml install --dry-run ./calc
    assert_ok
    assert_stdout_has "  files         72"
}

@test "install: while it fetches, a terminal has a bar with objects and bytes, and a file has lines" {
    for i in 1 2 3 4 5 6 7 8 9; do
        head -c 100000 /dev/urandom >"calc/noise$i"
    done
    git -C calc add -A
    git -C calc commit -q -m noise
    serve_git 500000
    TERM=xterm script -qec "modload install --yes --fetch-timeout 1500ms $served/calc" said >/dev/null || [ $? = 124 ]
    grep -Eq 'receiving \[=+> *\] [0-9]+/[0-9]+  [0-9.]+ KiB' said
    ml install --yes --fetch-timeout 700ms "$served/calc"
    assert_exit 124
    assert_stderr_has "fetching $served/calc"
    [[ "$stderr" != *$'\033'* && "$stderr" != *receiving* ]]
    serve_end
    untouched
}

@test "install: a server that goes silent, or is not there, is given up in words" {
    serve_git 4
    ml install --yes --fetch-timeout 500ms "$served/calc"
    assert_exit 124
    assert_stderr_has "cannot fetch '$served/calc'"
    serve_end
    ml install --yes "$served/calc"
    assert_exit 74
    assert_stderr_has "Connection refused"
    untouched
}

@test "install: a path is a path, whatever is in its name" {
    mkdir me@127.0.0.1:x
    for path in me@127.0.0.1:x/calc 127.0.0.1:calc 'a b' 'a%41#?'; do
        mv calc "$path"
        for source in "./$path@" "file://$PWD/$(printf %s "$path" | jq -Rr @uri)@"; do
            ml install --yes --as "$(modload uuid)" "$source"
            assert_ok
        done
        mv "$path" calc
    done
}

@test "install: another fetch of the same repository is not waited for without end" {
    ml install --dry-run ./calc
    assert_ok
    exec {held}<"$(echo "$HOME"/.cache/modload/git/*.lock)"
    flock "$held"
    ml install --dry-run --fetch-timeout 200ms ./calc
    exec {held}<&-
    assert_exit 75
    assert_stderr_has "another modload is fetching it, and has not come to an end"
}

@test "install: what is hostile is refused whole: links, .git, names that are options, transports, secrets" {
    (cd calc && ln -s /etc/passwd src/link && git add -A && git commit -q -m link)
    ml install --yes ./calc
    assert_exit 77
    for source in 'ext::sh -c id' 'http://127.0.0.1/x' 'https://me:secret@127.0.0.1/x' '--upload-pack=x' './calc@--x'; do
        ml install --yes -- "$source"
        [ "$status" -eq 77 ] || [ "$status" -eq 65 ]
        [[ $stderr != *secret* ]]
    done
    untouched
}

@test "install: a repository of this machine that is not whole is told as that, and an archive of it is taken" {
    plugin_commit calc 1.1.0
    git -C calc worktree add -q ../tree v1.0.0
    git clone -q --shared calc shared
    git clone -q --depth 1 "file://$PWD/calc" shallow
    while read -r source told; do
        ml install --yes "./$source"
        assert_exit 65
        assert_stderr_has "cannot fetch '$PWD/$source': it $told"
        assert_stderr_has "hint: write a commit of it to an archive, and give that: git archive -o NAME.tar.gz HEAD"
        git -C "$source" archive -o "../$source.tar.gz" HEAD
        ml install --dry-run "$source.tar.gz"
        assert_ok
    done <<'END'
tree is a work tree of a repository that is elsewhere
shared takes objects from a repository that is elsewhere
shallow is a shallow clone, which does not have all of its commits
END
}

@test "install: what is refused can be taken as the hint says" {
    (cd calc && ln -s calc.c src/link && git add -A && git commit -q -m link)
    ml install --yes ./calc
    assert_exit 77
    assert_stderr_has "if you trust it: clone it, remove its .git, and give the directory"
    git clone -q calc clone
    rm -rf clone/.git
    ml install --yes ./clone
    assert_ok
    works "$output"
}

@test "install: a repository in git's SHA-256 format is told as one, and an archive of it is taken" {
    git init -q -b main --object-format=sha256 other
    plugin_commit other 1.0.0
    serve_git
    git_url=$served
    serve_https
    for source in ./other "$git_url/other" "$served/plain/other"; do
        SSL_CERT_FILE=$PWD/ca.pem ml install --yes "$source"
        assert_exit 65
        assert_stderr_has "': it seems to be in git's SHA-256 format, which libgit2 does not read ("
        assert_stderr_has "hint: clone it with git, write a commit of it to an archive (git archive -o NAME.tar.gz HEAD)"
        untouched
    done
    git -C other archive -o ../other.tar.gz HEAD
    ml install --yes other.tar.gz
    assert_ok
    works "$output"
}

@test "install: what is shown cannot be made to look like something else" {
    jq '.description = "\u001b[2J\u009b1A\u202eevil\u200b"' calc/modload.json >new && cp new calc/modload.json
    git -C calc commit -q -a -m x
    for to in "" --dry-run; do
        # shellcheck disable=SC2086
        ml install $to ./calc
        [[ $output$stderr == *'description   \x1b[2J\xc2\x9b1A\xe2\x80\xaeevil\xe2\x80\x8b'* ]]
    done
}

@test "install: --min-age refuses what is younger" {
    GIT_COMMITTER_DATE="2020-01-01T00:00:00Z" plugin_commit calc 1.1.0
    plugin_commit calc 1.2.0 'int twice(int x) { return x + x; }'
    ml install --yes --min-age 3d "./calc@1.2.0"
    assert_exit 77
    [[ $stderr == *"modload: 'calc' 1.2.0 is of 20"*"Z, and that is younger than --min-age 3d"* ]]
    untouched
    ml install --yes --min-age 3d "./calc@1.1.0"
    assert_ok
    commit=$(git -C calc cat-file commit HEAD | sed 's/^committer.*/committer A <a@example.org> 9223372036854775807 +0000/' |
        git -C calc hash-object -t commit -w --stdin --literally)
    git -C calc branch never "$commit"
    ml install --yes --min-age 3d ./calc@never
    assert_exit 77
    assert_stderr_has "'calc' 1.2.0 is of 9999-12-31T23:59:59Z, and that is younger than --min-age 3d"
}

@test "install: Ctrl-C in any phase ends it with 130, and nothing is left" {
    serve_git 4
    for phase in fetch build test; do
        case $phase in
        fetch) begin_words=("$served/calc") wait_for=fetching ;;
        build)
            given_compiler <<<"echo building >'$PWD/began'; exec sleep 1000"
            begin_words=(--yes ./calc) wait_for=building
            ;;
        test)
            unset CC
            plugin_commit calc 1.9.0 '#include <unistd.h>
int twice(int x) { sleep(1000); return x; }'
            begin_words=(--yes ./calc) wait_for=building
            ;;
        esac
        env --default-signal=INT modload install "${begin_words[@]}" >said 2>err 3>&- &
        job=$!
        within grep -q "$wait_for" err
        [ $phase != build ] || within test -e began
        [ $phase != test ] || within calls_run
        kill -INT $job
        status=0
        wait $job || status=$?
        echo "$phase: $status $(<err)"
        assert_exit 130
        assert_equal "$(<said)" ""
        assert_equal "$(modload list)$(litter)" ""
        assert_equal "$(modload ps)" ""
    done
}

@test "install: killed at any of its steps, it has changed all or nothing, and the next command sees to that" {
    plain_only
    ml install --yes ./calc
    assert_ok
    plugin_commit calc 1.1.0
    before=$(modload lookup calc)
    cp -a "$MODLOAD_HOME" kept
    for call in mkdirat openat renameat renameat2 unlinkat fsync symlinkat flock; do
        for n in $some_steps; do
            killed_at $call $n install --yes ./calc || break
            ml list
            assert_ok
            [ "$(modload lookup calc)" = "$before" ] || [ "$(modload list | grep -c 'calc@1.1.0')" = 1 ]
            modload gc >/dev/null
            ml verify
            assert_ok
            assert_equal "$(litter)" ""
            rm -rf "$MODLOAD_HOME"
            cp -a kept "$MODLOAD_HOME"
        done
    done
    modload release --all
}
