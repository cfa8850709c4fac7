#!/usr/bin/env bats
# Goal of this test: what was installed by its name follows the index, and not the tags of its repository; and what is
# retired there is told, gone around, and keeps nobody else from what is new.

load helpers
load repos

setup() {
    world_setup
    repos_setup
    index_make origin
    git clone -q --bare origin i.git
    git clone -q i.git clone
    modload index add "file://$PWD/i.git" >/dev/null 2>&1
    release p math 1.0.0 clone
    modload install math@^1 --yes >/dev/null 2>&1 3>&-
}

# retire VERSION REASON MESSAGE
retire() {
    ml retire math "$1" --reason "$2" --message "$3" --index clone
    assert_ok
    git -C clone push -q
    modload index update 2>/dev/null
}

# tag DIR VERSION: in the repository, and in no index
tag() {
    plugin_make "$1" math "$2"
    repo_commit "$1" "v$2"
}

version() {
    modload info --json "$1" | jq -r .data.version
}

@test "update: what is in the repository and not in the index is not taken" {
    tag p 1.5.0
    ml outdated --exit-code
    assert_ok
    assert_no_stdout
    ml update math
    assert_ok
    assert_stderr "modload: math is up to date: v1.0.0
modload: nothing to update"
    release p math 1.6.0 clone
    tag p 1.7.0
    release p math 2.0.0 clone
    ml outdated
    assert_ok
    assert_stdout "math  v1.0.0  v1.6.0  2.0.0  file://$PWD/p"
    ml outdated --json
    assert_equal "$(json '.data.outdated[0]|[.index,.wanted_tag,.latest,.update,.retired]|tojson')" \
        '["main","v1.6.0","2.0.0",true,null]'
    ml update --yes
    assert_ok
    assert_stderr_has "math 1.6.0, by the index main: file://$PWD/p"
    assert_stderr_has "  changed       1 file since"
    assert_equal "$(modload info math --json | jq -r .data.origin)" \
        "git+file://$PWD/p?ref=^1&tag=v1.6.0&index=main&name=math#$(git -C p rev-parse v1.6.0)"
    ml info math
    assert_stdout_has "index        main"
}

@test "update: an entry follows what was asked for last, though it has that already" {
    ml install math@1.0.0 --yes
    assert_ok
    release p math 1.1.0 clone
    ml update math
    assert_ok
    assert_stderr_has "math stays at v1.0.0: that is what '=1.0.0' asks for; there is 1.1.0"
    tag p 1.2.0
    ml install "file://$PWD/p@v1.0.0" --yes
    assert_ok
    ml install "file://$PWD/p@v1.0.0" --yes # once more is nothing new
    assert_stderr_has "installed already"
    ml outdated
    assert_stdout "math  v1.0.0  v1.0.0  1.2.0  file://$PWD/p"
    assert_equal "$(modload history math | wc -l)" 3
    ml rollback math 1
    assert_ok
    ml outdated
    assert_stdout "math  v1.0.0  v1.1.0  1.1.0  file://$PWD/p"
}

@test "update: what the index has is made sure of to the byte" {
    release p math 1.1.0 clone
    git -C p tag -f v1.1.0 v1.0.0
    ml update --yes
    assert_exit 77
    assert_stderr_has "was moved"
    modload index remove main
    git -C p tag -f v1.1.0 main
    index_make main
    index_plugin main math 1.1.0 -- ".git = \"file://$PWD/p\" | .versions[0] |= (.commit = \"$(git -C p rev-parse v1.1.0)\" |
        .tree = \"$(git -C p rev-parse 'v1.1.0^{tree}')\")"
    ml update --yes
    assert_exit 66
    assert_stderr_has "modload: math: no index is called 'main'"
    modload index add main >/dev/null 2>&1
    ml update --yes
    assert_exit 77
    assert_stderr_has "the source is not that of the index"
    assert_equal "$(version math)" 1.0.0
}

@test "update: an index that is behind takes nothing back" {
    release p math 1.1.0 clone
    ml update --yes
    assert_ok
    git clone -q --bare i.git old.git
    git -C old.git update-ref refs/heads/main main~1
    modload index remove main
    modload index add "file://$PWD/old.git" >/dev/null 2>&1
    ml update --yes
    assert_ok
    assert_stderr "modload: nothing to update"
    assert_equal "$(version math)" 1.1.0
}

@test "update: what an entry has and is retired is warned of, and a range leads to what is left" {
    retire 1.0.0 deprecated "Old."
    warning="modload: warning: math@1.0.0 is retired (deprecated): Old."
    ml update --yes
    assert_ok
    assert_stderr "$warning
modload: nothing to update"
    ml outdated
    assert_ok
    assert_no_stdout
    assert_stderr "$warning"
    release p math 1.1.0 clone
    release p math 1.2.0 clone
    retire 1.2.0 security "It reads."
    ml outdated --json
    assert_equal "$(json '.data.outdated[0]|[.wanted_tag,.retired.reason]|tojson')" '["v1.1.0","deprecated"]'
    ml update --yes
    assert_ok
    assert_stderr_has "$warning"
    assert_equal "$(version math)" 1.1.0
    release p math 1.3.0 clone
    ml update --yes
    assert_ok
    retire 1.3.0 security "It writes."
    ml update --yes # from what is retired back to what is not
    assert_ok
    assert_equal "$(version math)" 1.1.0
}

@test "update: one whose newer versions are retired stays, and the others go on" {
    release q other 1.0.0 clone
    modload install other@^1 --yes >/dev/null 2>&1 3>&-
    modload install "file://$PWD/p@^1" --name direct --as "$(modload uuid)" --yes >/dev/null 2>&1 3>&-
    release p math 1.1.0 clone
    release q other 1.1.0 clone
    retire 1.0.0 renamed "It is maths."
    retire 1.1.0 security "It reads."
    ml update --yes
    assert_ok
    assert_stderr_has "direct stays at v1.0.0: math@1.1.0 is retired (security): It reads."
    assert_equal "$(version math) $(version direct) $(version other)" "1.0.0 1.0.0 1.1.0"
    retire 1.1.0 deprecated "Old."
    ml update math
    assert_ok
    assert_stderr_has "math stays at v1.0.0: math@1.1.0 is retired (deprecated): Old."
    retire 1.0.0 security "It runs."
    ml update math --yes # from what is worse
    assert_ok
    retire 1.1.0 security "It reads."
    ml update --yes --allow-retired
    assert_ok
    assert_equal "$(version math) $(version direct)" "1.1.0 1.1.0"
}
