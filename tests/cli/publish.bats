#!/usr/bin/env bats
# Goal of this test: a tag of a repository becomes a version in an index when all is well with it, and otherwise nothing
# of the index has changed.

load helpers
load repos

setup() {
    world_setup
    repos_setup
    index_make i
    git clone -q i clone
    plugin_make p math
    repo_commit p v1.0.0
    url=file://$PWD/p
}

file_of() {
    cat "clone/$(index_file "$1")"
}

# refused STATUS WORDS ARG...: publish is refused, and the clone is as it was
refused() {
    local before after
    before=$(git -C clone rev-parse HEAD)
    ml publish --index clone "${@:3}"
    assert_exit "$1"
    assert_stderr_has "$2"
    assert_no_stdout
    after=$(git -C clone rev-parse HEAD)
    assert_equal "$after" "$before"
    assert_equal "$(git -C clone status --porcelain)" ""
}

@test "publish: the tag of the version is fetched, built, tested and committed" {
    echo 'not C' >p/src/math.c # what lies there does not count
    ml publish p --index clone --url "$url"
    assert_ok
    assert_stdout "$(git -C clone rev-parse HEAD)"
    assert_stderr_has "git -C clone push"
    assert_equal "$(file_of math | jq -r '.name, .description, .license, .git, .path' | tr '\n' '|')" \
        "math|Adds numbers.|MIT|$url||"
    assert_equal "$(file_of math | jq -r '.versions[0]|.version, .tag, .commit, .tree' | tr '\n' '|')" \
        "1.0.0|v1.0.0|$(git -C p rev-parse v1.0.0)|$(git -C p rev-parse 'v1.0.0^{tree}')|"
    git -C p restore .
    sum=$(cd p && find . -path ./.git -prune -o -type f -print | sed 's:^\./::' | LC_ALL=C sort | xargs sha256sum |
        openssl dgst -sha256 -binary | base64)
    assert_equal "$(file_of math | jq -r '.versions[0].source')" "h1:$sum"
    # one commit, by whom the environment says, of this file alone, which git finds unchanged
    assert_equal "$(git -C clone log -1 --format='%an <%ae> %cn %s' --name-only | tr '\n' '|')" \
        "A <a@example.org> A math 1.0.0||ma/th/math.json|"
    assert_equal "$(git -C clone rev-parse 'HEAD^')" "$(git -C i rev-parse HEAD)"
    assert_equal "$(git -C clone status --porcelain)" ""
    assert_equal "$(stat -c %a clone/ma/th/math.json)" 644
    git -C clone fsck --strict
    # it is what an index takes
    git -C clone push -q origin HEAD:new
    git -C i checkout -q new
    ml index add i
    assert_ok
    ml search add
    assert_stdout "math  1.0.0  main  Adds numbers."
}

@test "publish: a later version, in order, whose lines are the only ones that change" {
    ml publish p --index clone --url "$url"
    for version in 2.0.0-rc.1 1.10.0 1.9.0; do
        plugin_make p math $version '.description = "Adds, '$version'."'
        repo_commit p $version # a tag without v as well
        ml publish p --index clone
        assert_ok
    done
    assert_equal "$(file_of math | jq -r '.versions|map(.version)|join(" ")')" "1.0.0 1.9.0 1.10.0 2.0.0-rc.1"
    assert_equal "$(file_of math | jq -r .description)" "Adds, 2.0.0-rc.1."
    assert_equal "$(git -C clone show --format= --numstat | tr '\t' ' ')" "1 0 ma/th/math.json"
}

@test "publish: one of several plugins of a repository, and by URL@TAG" {
    plugin_make p/plugins/lamp lamp 0.2.0
    repo_commit p v0.2.0
    ml publish p/plugins/lamp --index clone --url "$url" --json
    assert_ok
    assert_equal "$(json '.data|[.name, .version, .tag, .path, .tests, .dry_run]|tojson')" \
        '["lamp","0.2.0","v0.2.0","la/mp/lamp.json",1,false]'
    assert_equal "$(file_of lamp | jq -r .path)" plugins/lamp
    assert_equal "$(file_of lamp | jq -r '.versions[0].tree')" "$(git -C p rev-parse v0.2.0:plugins/lamp)"
    ml publish "$url@v1.0.0" --index clone
    assert_ok
    assert_equal "$(file_of math | jq -r .git)" "$url"
}

@test "publish: all versions are in one directory and at one URL, which changes only when that is said" {
    ml publish p --index clone --url "$url"
    assert_ok
    plugin_make p/moved math 1.1.0
    repo_commit p v1.1.0
    refused 77 "'math' is in '.' of its repository, and this version is in 'moved'" p/moved
    assert_stderr_has "  hint: who installs another version"
    refused 77 "this version is in 'moved'" "$url@v1.1.0" --path moved
    plugin_make p math 1.2.0
    repo_commit p v1.2.0
    git clone -q p fork
    fork=file://$PWD/fork
    ml publish "$fork@v1.2.0" --index clone
    assert_ok
    assert_stderr_has "others get math from $url as before; to change that: --url $fork"
    assert_equal "$(file_of math | jq -r .git)" "$url"
    plugin_make p math 1.3.0
    repo_commit p v1.3.0
    git -C fork pull -q --tags
    ml publish "$fork@v1.3.0" --index clone --url "$fork"
    assert_ok
    assert_stderr_has "all versions of math are at $fork from now on, where they were at $url"
    assert_equal "$(file_of math | jq -r '.git, (.versions|length)' | tr '\n' ' ')" "$fork 3 "
}

@test "publish --dry-run: all checks, the change, and nothing else" {
    refused_nothing=$(git -C clone rev-parse HEAD)
    ml publish p --index clone --url "$url" --dry-run
    assert_ok
    assert_equal "$(grep -c '^+' .stdout)" "${#lines[@]}"
    assert_stdout_has '+{"version":"1.0.0","tag":"v1.0.0"'
    assert_equal "$(git -C clone rev-parse HEAD)$(git -C clone status --porcelain)" "$refused_nothing"
    plugin_make p math 1.1.0 '.tests[0].expect = 6'
    repo_commit p v1.1.0
    refused 65 "1 of its 1 tests failed" p --url "$url" --dry-run
}

@test "publish: a version that is published is never changed" {
    ml publish p --index clone --url "$url"
    assert_ok
    refused 77 "math@1.0.0 was published on $(date -u +%Y-)" p
    echo '/* other */' >>p/src/math.c
    repo_commit p
    git -C p tag -f v1.0.0
    refused 77 "cannot be changed" p
    plugin_make p math 1.0.0+build
    repo_commit p v1.0.0+build
    refused 77 "math@1.0.0 was published" p
}

@test "publish: what is missing is said before anything is built" {
    echo 'not C' >p/src/math.c
    repo_commit p
    git -C p tag -f v1.0.0
    refused 64 "where others can get it is not known" p
    ml publish p
    assert_exit 64
    assert_stderr_has "--index CLONE"
    (
        unset GIT_AUTHOR_NAME
        refused 64 "GIT_AUTHOR_NAME is not set" p --url "$url"
    )
    refused 64 "is not 'Name <mail>'" p --url "$url" --author me
    refused 65 "math.c:1:" p --url "$url"
    for key in description license; do
        plugin_make p math 1.1.0 "del(.$key)"
        repo_commit p
        git -C p tag -f v1.1.0
        refused 78 "modload.json has no '$key'" p --url "$url"
        plugin_make p math 1.1.0 ".$key = \"\u202etext\""
        repo_commit p
        git -C p tag -f v1.1.0
        refused 78 "modload.json: '$key' is no line" p --url "$url"
    done
    plugin_make p math 1.1.0 'del(.version)'
    refused 78 "has no version" p --url "$url"
    rm p/modload.json
    refused 78 "has no modload.json" p --url "$url"
    mkdir q
    plugin_make q math
    refused 66 "is in no git repository" q --url "$url"
    refused 66 "none" none --url "$url"
}

@test "publish: the tag, and what it has" {
    plugin_make p math 1.1.0
    repo_commit p
    refused 66 "1.1.0" p --url "$url"
    assert_stderr_has "git tag v1.1.0"
    git -C p branch 1.1.0
    refused 66 "'1.1.0' is no tag" p --url "$url"
    git -C p branch -D 1.1.0
    git -C p tag v1.1.0 v1.0.0
    refused 65 "the tag 'v1.1.0' has version '1.0.0'" p --url "$url"
    refused 65 "names none" "$url"
    ln -s /etc/passwd p/link
    git -C p tag -d v1.1.0
    repo_commit p v1.1.0
    refused 77 "symbolic link" p --url "$url"
}

@test "publish: names that people take for one, and names that cannot be" {
    ml publish p --index clone --url "$url"
    plugin_make p Math 1.1.0
    repo_commit p v1.1.0
    refused 77 "'Math' is the name of 'math'" p --url "$url"
    plugin_make p a.b 1.2.0
    repo_commit p v1.2.0
    refused 65 "'a.b' cannot be the name of a plugin" p --url "$url"
    plugin_make p nul 1.3.0
    repo_commit p v1.3.0
    refused 65 "'nul' cannot be" p --url "$url"
    for description in '"\u001b[2J"' '"x" * 513' '"a\nb"'; do
        plugin_make p other 1.4.0 ".description = ($description)"
        repo_commit p
        git -C p tag -f v1.4.0
        refused 78 "'description' is no line" p --url "$url"
    done
    for bad in /srv/p 'ext::sh -c id' http://example.org/x https://me:secret@example.org/x -x; do
        plugin_make p third 1.5.0
        repo_commit p
        git -C p tag -f v1.5.0
        refused 65 "'third' cannot be got by others from such a place" p "--url=$bad"
        assert_stderr_has "  hint: --url takes"
    done
}

@test "publish: --author, and what else is staged or changed stays so" {
    echo staged >clone/staged && git -C clone add staged
    echo changed >>clone/README.md
    ml publish p --index clone --url "$url" --author 'Ada Lovelace <ada@example.org>'
    assert_ok
    assert_equal "$(git -C clone log -1 --format='%an <%ae> %cn')" "Ada Lovelace <ada@example.org> Ada Lovelace"
    assert_equal "$(git -C clone status --porcelain | tr '\n' '|')" " M README.md|A  staged|"
    assert_equal "$(git -C clone show --format= --name-only)" ma/th/math.json
}

@test "publish: no hook and no filter of the clone is run, and no configuration of the user's read" {
    for hook in pre-commit commit-msg post-commit post-index-change reference-transaction prepare-commit-msg; do
        printf '#!/bin/sh\ntouch "%s/hooked"\n' "$PWD" >clone/.git/hooks/$hook
        chmod +x clone/.git/hooks/$hook
    done
    git -C clone config filter.evil.clean "touch $PWD/filtered"
    echo '*.json filter=evil text eol=crlf' >clone/.git/info/attributes
    printf '[user]\n\tname = Config\n\temail = c@example.org\n' >"$HOME/.gitconfig"
    ml publish p --index clone --url "$url"
    assert_ok
    [ ! -e hooked ]
    [ ! -e filtered ]
    ! grep -q $'\r' clone/ma/th/math.json
    unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL
    plugin_make p math 1.1.0
    GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x repo_commit p v1.1.0
    ml publish p --index clone
    assert_exit 64
}

@test "publish: who was not the first to push begins from what is pushed" {
    git clone -q i second
    ml publish p --index second --url "$url"
    assert_ok
    git -C second push -q origin HEAD:new
    git -C i checkout -q new
    git -C clone branch -q -u origin/main
    plugin_make p math 1.1.0
    repo_commit p v1.1.0
    ml publish p --index clone --url "$url"
    assert_ok
    git -C clone fetch -q
    git -C clone branch -q -u origin/new
    ! git -C clone rebase -q
    ml publish p --index clone --url "$url"
    assert_exit 65
    assert_stderr_has "End it (--abort), begin from what is pushed (git fetch, git reset --hard @{upstream}), and run"
    git -C clone rebase --abort
    git -C clone fetch -q
    git -C clone reset -q --hard '@{upstream}'
    ml publish p --index clone
    assert_ok
    assert_equal "$(file_of math | jq -r '.versions|map(.version)|join(" ")')" "1.0.0 1.1.0"
}

@test "publish: to what is no clone of an index, or is not clean" {
    ml publish p --index none --url "$url"
    assert_exit 66
    git init -q -b main empty
    ml publish p --index empty --url "$url"
    assert_exit 65
    assert_stderr_has "it is no index of plugins"
    mkdir plain && cp clone/index.json plain
    ml publish p --index plain --url "$url"
    assert_exit 66
    assert_stderr_has "no clone to commit to"
    ml publish p --index clone --url "$url"
    plugin_make p math 1.1.0
    repo_commit p v1.1.0
    sed -i 's/Adds numbers/Changed/' clone/ma/th/math.json
    ml publish p --index clone
    assert_exit 65
    assert_stderr_has "has changes that are not committed"
    git -C clone add -A
    ml publish p --index clone
    assert_exit 65
    git -C clone reset -q --hard
    git -C clone checkout -q --detach
    ml publish p --index clone
    assert_exit 66
    assert_stderr_has "it is on no branch"
    git -C clone checkout -q main
    echo junk >clone/ma/th/math.json
    ml publish p --index clone
    assert_exit 65
}
