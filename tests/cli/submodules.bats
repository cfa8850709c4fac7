#!/usr/bin/env bats
# Goal of this test: submodules are fetched where they are asked for, from servers of https alone and at the commit that
# is said, and are remembered; whatever a repository writes about them.

load helpers
load plugins
load registry
load repos

# One server for all of them: each has a directory of its own in what it serves.
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    servers=()
    serve_https
    export served server=${servers[0]} SSL_CERT_FILE=$PWD/ca.pem
}

teardown_file() {
    servers=("$server")
    serve_end
}

setup() {
    world_setup
    repos_setup
    unset MODLOAD_OFFLINE
    ln -s "$PWD" "$BATS_FILE_TMPDIR/$BATS_TEST_NUMBER"
    at=$served/plain/$BATS_TEST_NUMBER
    library lib 2
    plugin_repo calc
    super calc lib "$at/lib"
    calc=$at/calc
}

teardown() {
    world_teardown
}

# asked: what the server was asked for by now
asked() {
    grep "/$BATS_TEST_NUMBER/" "$BATS_FILE_TMPDIR/requests" || :
}

# library DIR FACTOR: a repository with a header, FACTOR times
library() {
    [ -d "$1" ] || git init -q -b main "$1"
    echo "static inline int times(int x) { return $2 * x; }" >"$1/times.h"
    git -C "$1" add -A
    git -C "$1" commit -q -m "$2"
}

# module DIR PATH URL COMMIT: a submodule as git writes it, which is not committed yet
module() {
    printf '[submodule "%s"]\n\tpath = %s\n\turl = %s\n' "$2" "$2" "$3" >>"$1/.gitmodules"
    git -C "$1" add .gitmodules
    git -C "$1" update-index --add --cacheinfo "160000,$4,$2"
}

# super DIR LIBRARY URL: a plugin that is made with the library at its newest commit, in third/lib
super() {
    mkdir -p "$1/src"
    printf '#include "../third/lib/times.h"\nint twice(int x) { return times(x); }\n' >"$1/src/calc.c"
    printf '{"name": "calc", "version": "1.0.0", "sources": ["src/*.c"]}\n' >"$1/modload.json"
    git -C "$1" add src modload.json
    rm -f "$1/.gitmodules"
    module "$1" third/lib "$3" "$(git -C "$2" rev-parse HEAD)"
    git -C "$1" commit -q -m change
}

# gitmodules: stdin is the .gitmodules of calc now
gitmodules() {
    cat >calc/.gitmodules
    git -C calc commit -q -m change .gitmodules
}

# tree "MODE KIND ID" NAME...: a tree of calc with these entries
tree() {
    printf '%s\t%s\n' "$@" | git -C calc mktree --missing
}

# top "MODE KIND ID" NAME: the last commit of calc with that entry at its top, in the place of the one of that name
top() {
    local at
    at=$({
        git -C calc ls-tree kept | grep -v -P "\t\Q$2\E$"
        printf '%s\t%s\n' "$1" "$2"
    } | git -C calc mktree --missing)
    git -C calc update-ref refs/heads/main "$(git -C calc commit-tree -p kept -m top "$at")"
}

refused() { # refused STATUS WORDS
    ml install --yes --submodules "$calc"
    assert_exit "$1"
    assert_stderr_has "$2"
    untouched
}

untouched() {
    assert_equal "$(modload list)$(litter)" ""
}

works() { # works RESULT
    ml run --release calc twice 21
    assert_ok
    assert_stdout "$1"
}

@test "submodules: without the flag one is refused, and the flag is named" {
    ml install --yes "$calc"
    assert_exit 77
    assert_stderr_has "'third/lib' is a submodule, and nobody has asked for these"
    assert_stderr_has "  hint: to fetch submodules as well: --submodules"
    assert_equal "$(modload list)$(litter)" ""
    ml install --yes --submodules ./calc/src
    assert_exit 65
    assert_stderr_has "leave out --submodules"
}

@test "submodules: with it they are fetched by https, shown, and part of what is built" {
    ml install --submodules "$calc"
    assert_exit 77
    assert_stderr_has "  submodules    third/lib: $at/lib at $(git -C lib rev-parse HEAD)"
    ml install --yes --submodules --json "$calc"
    assert_ok
    assert_equal "$(json '.data.plugins[0].submodules|map([.path,.url,.commit])|tojson')" \
        "[[\"third/lib\",\"$at/lib\",\"$(git -C lib rev-parse HEAD)\"]]"
    assert_equal "$(json '.data.plugins[0].files')" 4
    digest=$(json '.data.plugins[0].digest')
    works 42
    modload info calc | grep -q "submodules=1#$(git -C calc rev-parse HEAD)"
    # the digest is that of the files, whichever way they came
    mkdir plain
    git -C calc archive HEAD | tar x -C plain
    git -C lib archive --prefix third/lib/ HEAD | tar x -C plain
    ml install --dry-run --json ./plain
    assert_equal "$(json '.data.plugins[0].digest')" "$digest"
}

@test "submodules: in one another, by URLs that are relative to those of what they are in" {
    mkdir deep
    for i in 1 2 3 4 5; do # each is in the next
        [ $i = 1 ] && library deep/1 3 || git init -q -b main deep/$i
        [ $i = 1 ] || module deep/$i "in" "../$((i - 1))" "$(git -C deep/$((i - 1)) rev-parse HEAD)"
        git -C deep/$i commit -q --allow-empty -m $i
    done
    super calc deep/4 ../deep/4
    sed -i 's|third/lib/times.h|third/lib/in/in/in/times.h|' calc/src/calc.c
    git -C calc add src
    git -C calc commit -q -m deep
    ml install --yes --submodules "$calc"
    assert_ok
    assert_stderr_has "  submodules    third/lib: $at/deep/4 at "
    assert_stderr_has "                third/lib/in/in/in: $at/deep/1 at $(git -C deep/1 rev-parse HEAD)"
    works 63
    modload unregister calc
    super calc deep/5 ../deep/5
    refused 71 "it has more than 4 submodules in one another"
}

@test "submodules: what is no https is refused by name, and nobody is asked" {
    before=$(asked)
    while read -r url why; do
        printf '[submodule "x"]\n\tpath = third/lib\n\turl = %s\n' "$url" | gitmodules
        ml install --yes --submodules "file://$PWD/calc"
        assert_exit 77
        assert_stderr_has "submodule 'third/lib': $why"
        assert_stderr_has "  hint: submodules come by https alone"
        [[ $stderr != *secret* ]]
    done <<URLS
git@127.0.0.1:lib its URL 'git@127.0.0.1:lib' is not of https
file://$PWD/lib its URL 'file://$PWD/lib' is not of https
ext::sh its URL 'ext::sh' is not taken: it names a transport helper
https://me:secret@127.0.0.1/lib its URL is not taken: there is a password in it
../lib its URL '../lib' is relative to one that is not of https
URLS
    assert_equal "$(asked)" "$before"
    untouched
}

@test "submodules: what .gitmodules says that is hostile is refused, and what else it says is passed over" {
    printf '[submodule "a\nb"]\n\tpath = third/lib\n\turl = %s\n' "$at/lib" | gitmodules
    refused 77 "submodule 'third/lib': line 1 of its .gitmodules is no section as git writes one"
    printf '[submodule "a"]\n\tpath = third/lib\n\turl = --upload-pack=x\n' | gitmodules
    refused 77 "line 3 of its .gitmodules has a URL that begins with a dash"
    git -C calc branch kept
    top "120000 blob $(git -C calc rev-parse HEAD:src/calc.c)" .gitmodules
    refused 77 "'.gitmodules' is no plain file"
    git -C calc update-ref refs/heads/main kept
    printf '# one\n[Submodule "a b"]\n  PATH = "third/lib" \n  url = %s ; its place\n  update = !touch %s\n  branch = -x\n' \
        "$at/lib" "$PWD/hooked" | gitmodules
    ml install --yes --submodules "$calc"
    assert_ok
    works 42
    [ ! -e hooked ]
}

@test "submodules: a submodule's place is a name like any other's, and what is in it obeys the rules of the whole" {
    hash=$(git -C lib rev-parse HEAD)
    blob=$(git -C calc rev-parse HEAD:modload.json)
    for path in .GIT git~1 .git/hooks third/LIB; do
        printf '[submodule "a"]\n\tpath = %s\n\turl = %s\n' "$path" "$at/lib" >>calc/.gitmodules
    done
    git -C calc add .gitmodules
    git -C calc commit -q -m all
    git -C calc branch kept
    top "160000 commit $hash" .GIT
    refused 77 "'.GIT' is git's own"
    top "160000 commit $hash" git~1
    refused 77 "'git~1' is git's own"
    top "040000 tree $(tree "160000 commit $hash" hooks)" .git
    refused 77 "'.git/hooks' is git's own"
    top "040000 tree $(tree "160000 commit $hash" LIB "160000 commit $hash" lib)" third
    refused 77 "differ in case"
    before=$(asked | grep -c /lib) || :
    top "040000 tree $(tree "160000 commit $hash" LIB "100644 blob $blob" lib)" third
    refused 77 "differ in case"
    assert_equal "$(asked | grep -c /lib)" "$before"
    # what is in it counts from the top
    mkdir -p "lib/$(printf 'd/%.0s' {1..31})"
    touch "lib/$(printf 'd/%.0s' {1..31})x"
    library lib 2
    git -C calc reset -q --hard kept
    super calc lib "$at/lib"
    refused 77 "' is deeper than 32 directories"
    rm -r lib/d
    ln -s times.h lib/link
    library lib 2
    super calc lib "$at/lib"
    refused 77 "'third/lib/link' is a symbolic link"
}

@test "submodules: a commit that its server does not have, and a server that has nothing" {
    git -C lib commit -q --allow-empty -m lost
    super calc lib "$at/lib"
    lost=$(git -C lib rev-parse HEAD)
    git -C lib reset -q --hard HEAD~1
    refused 66 "submodule 'third/lib': "
    assert_stderr_has "'$at/lib' does not have commit ${lost:0:12}"
    super calc lib "$at/none"
    refused 66 "submodule 'third/lib': cannot fetch '$at/none'"
}

@test "submodules: only those beneath --path are fetched" {
    mkdir calc/plugin
    git -C calc mv src modload.json plugin
    git -C calc update-index --add --cacheinfo "160000,$(git -C lib rev-parse HEAD),plugin/third/lib"
    printf '[submodule "a"]\n\tpath = plugin/third/lib\n\turl = ../lib\n' >>calc/.gitmodules
    sed -i 's|^\turl = https.*|\turl = git@127.0.0.1:lib|' calc/.gitmodules
    git -C calc add .gitmodules
    git -C calc commit -q -m moved
    ml install --yes --submodules --path plugin "$calc"
    assert_ok
    assert_stderr_has "  submodules    third/lib: $at/lib at "
    works 42
}

@test "submodules: update remembers them" {
    ml install --yes --submodules "$calc@main"
    assert_ok
    library lib 3
    super calc lib "$at/lib"
    ml outdated
    assert_ok
    assert_stdout_has calc
    ml update --yes
    assert_ok
    assert_stderr_has "    ~ third/lib/times.h"
    assert_stderr_has "  submodules    third/lib: $at/lib at $(git -C lib rev-parse HEAD)"
    works 63
    ml install --submodules "$calc@main" # agreed to already
    assert_ok
    assert_stderr_has "installed already"
}

@test "submodules: of a repository on this disk, and update fetches theirs" {
    ml install --yes --submodules "file://$PWD/calc@main"
    assert_ok
    library lib 3
    super calc lib "$at/lib"
    ml update --yes --offline
    assert_exit 66
    assert_stderr_has "submodule 'third/lib': "
    ml update --yes
    assert_ok
    works 63
}

@test "submodules: update takes them where they are new and it is told so" {
    git -C calc rm -q -f --cached third/lib
    echo 'int twice(int x) { return 2 * x; }' >calc/src/calc.c
    git -C calc add src
    git -C calc commit -q -m none
    ml install --yes "$calc@main"
    assert_ok
    super calc lib "$at/lib"
    ml update --yes
    assert_exit 77
    assert_stderr_has "--submodules"
    ml update --yes --submodules
    assert_ok
    modload info calc | grep -q '^submodules *yes'
    works 42
}

@test "submodules: --offline and a mirror have them" {
    ml install --yes --submodules "$calc"
    assert_ok
    rm -rf m2
    ml mirror m1 --submodules "$calc"
    assert_ok
    ml mirror m2 # what the entry came from
    assert_ok
    ml mirror m3 "$calc"
    assert_ok
    git -C calc branch good
    git -C calc checkout -q -b bad
    printf '[submodule "a"]\n\tpath = third/lib\n\turl = git@127.0.0.1:lib\n' | gitmodules
    ml mirror m5 --submodules "$calc@bad" "$calc@good" # one of them has what is needed
    assert_exit 77
    assert_stderr_has "is not of https"
    git -C calc checkout -q main
    rm "$BATS_FILE_TMPDIR/$BATS_TEST_NUMBER" # the server has nothing any more
    before=$(asked)
    modload unregister calc
    ml install --yes --offline --submodules "$calc"
    assert_ok
    works 42
    rm -rf home/.cache
    for mirror in m1 m2 m5; do
        modload unregister calc
        ml install --yes --from $mirror --submodules "$calc@$(git -C calc rev-parse good)"
        assert_ok
        works 42
    done
    modload unregister calc
    ml install --yes --from m3 --submodules "$calc"
    assert_exit 66
    assert_stderr_has "submodule 'third/lib': cannot fetch '$at/lib': it is not in the mirror"
    assert_stderr_has "modload mirror --submodules DIR SRC"
    ml install --yes --offline --submodules "$calc"
    assert_exit 66
    assert_equal "$(asked)" "$before"
    ml mirror m4 --submodules
    assert_exit 64
}

@test "submodules: a project asks for them, its lock keeps that, and two homes get the same bundle" {
    mkdir p
    printf '{"plugins": {"calc": {"git": "%s", "ref": "main"}}}\n' "$calc" >p/modload.json
    ml sync p --yes
    assert_exit 77
    assert_stderr_has '"submodules": true'
    jq '.plugins.calc.submodules = true' p/modload.json >new && mv new p/modload.json
    ml sync p
    assert_exit 77
    assert_stderr_has "  submodules    third/lib: $at/lib at "
    ml sync p --dry-run --json
    assert_equal "$(json '.data.plugins[0].submodules|map([.path,.url,.commit])|tojson')" \
        "[[\"third/lib\",\"$at/lib\",\"$(git -C lib rev-parse HEAD)\"]]"
    ml sync p --yes
    assert_ok
    works 42
    assert_equal "$(jq -c .plugins.calc.submodules p/modload.lock)" true
    bundle=$(modload lookup calc)
    library lib 3
    super calc lib "$at/lib"
    ml mirror m --project p
    assert_ok
    modload release --all
    export MODLOAD_HOME=$PWD/h2 HOME=$PWD/home2
    mkdir home2
    ml sync p --frozen --from m
    assert_ok
    assert_equal "$(modload lookup calc)" "$bundle"
    ml sync p --frozen
    assert_ok
    ml sync p --update calc --yes
    assert_ok
    works 63
    # without them it is another plugin
    jq 'del(.plugins.calc.submodules)' p/modload.json >new && mv new p/modload.json
    ml sync p --frozen
    assert_exit 78
    assert_stderr_has "has another 'submodules'"
    ml sync p --yes
    assert_exit 77
}

@test "submodules: a lock of a plugin without any stays as it was, to the byte" {
    mkdir p
    git -C calc rm -q -f --cached third/lib
    echo 'int twice(int x) { return 2 * x; }' >calc/src/calc.c
    git -C calc add src
    git -C calc commit -q -m none
    printf '{"plugins": {"calc": {"git": "%s", "ref": "main"}}}\n' "$calc" >p/modload.json
    ml sync p --yes
    assert_ok
    ! grep submodules p/modload.lock
    cp p/modload.lock before
    jq '.plugins.calc.submodules = true' p/modload.json >new && mv new p/modload.json
    ml sync p # nobody is asked: nothing of it is other than it was
    assert_ok
    diff before p/modload.lock >differs || :
    assert_equal "$(grep -c '^[<>]' differs)" 1
    jq '.plugins.calc.submodules = 1' p/modload.json >new && mv new p/modload.json
    ml sync p
    assert_exit 78
    assert_stderr_has "key 'submodules' must be true or false"
}

@test "submodules: publish refuses a plugin that has any" {
    jq '.description = "Doubles." | .license = "MIT"' calc/modload.json >new && mv new calc/modload.json
    git -C calc add modload.json
    git -C calc commit -q -m described
    git -C calc tag v1.0.0
    index_make index
    ml publish calc --index index --url "$calc"
    assert_exit 77
    assert_stderr_has "'third/lib' is a submodule"
    assert_stderr_has "  hint: an index has one commit of one repository for a version, and no submodules"
}
