#!/usr/bin/env bats
# Goal of this test: a plugin is installed by its name, from what an index says of it and from nothing else; and of what
# is retired everybody is warned who takes or has it.

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
    release p math 1.1.0 clone
    release p math 2.0.0 clone
}

# retire VERSION REASON MESSAGE
retire() {
    ml retire math "$1" --reason "$2" --message "$3" --index clone
    assert_ok
    git -C clone push -q
    modload index update 2>/dev/null
}

@test "install NAME@RANGE: the newest version in it, from where the index says" {
    ml install math@^1 --yes
    assert_ok
    assert_stderr_has "math 1.1.0, by the index main: file://$PWD/p"
    assert_equal "$(modload list | cut -d ' ' -f 3,7)" "math math@1.1.0"
    ml run math add 2 3
    assert_stdout 5
    assert_equal "$(modload info math --json | jq -r .data.origin)" \
        "git+file://$PWD/p?ref=^1&tag=v1.1.0&index=main&name=math#$(git -C p rev-parse v1.1.0)"
    ml install math@1.0.0 --yes
    assert_ok
    assert_equal "$(modload list | cut -d ' ' -f 7)" math@1.0.0
    ml install MATH --yes
    assert_ok
    assert_equal "$(modload list | cut -d ' ' -f 7)" math@2.0.0
    ml install math --dry-run --json
    assert_ok
}

@test "install NAME: what there is not" {
    ml install maths --yes
    assert_exit 66
    assert_stderr_has "there is no 'maths' here, and: no index has a plugin 'maths'"
    ml install math@^7 --yes
    assert_exit 66
    assert_stderr_has "its newest version is 2.0.0"
    ml install math@main --yes
    assert_exit 65
    assert_stderr_has "'main' is no range of versions"
    ml install math --path x --yes
    assert_exit 64
    ml install ./math --yes
    assert_exit 66
    ml install git@localhost:maths.git --offline --yes # no name, but a place
    assert_exit 66
    assert_stderr_has "cannot fetch 'git@localhost:maths.git'"
    ml install "file://$PWD/p" --index main --yes
    assert_exit 64
    modload index remove main
    ml install math --yes
    assert_exit 66
    assert_stderr_has "modload index add URL"
    assert_equal "$(modload list)" ""
}

@test "install NAME: what lies here goes first" {
    plugin_make math other
    ml install math --yes
    assert_ok
    assert_equal "$(modload list | cut -d ' ' -f 7)" other@1.0.0
}

@test "install NAME: in two indexes it is not guessed" {
    index_make j second
    index_plugin j math 9.0.0
    modload index add j >/dev/null 2>&1
    ml install math --yes
    assert_exit 65
    assert_stderr_has "'math' is in two indexes: main and second"
    ml install math --index main --yes
    assert_ok
    ml install math --index third --yes
    assert_exit 66
}

@test "install NAME: what is not what the index says is refused" {
    commit=$(git -C p rev-parse v2.0.0)
    for change in '.commit = ("f" * 40)' '.tree = ("f" * 40)' '.source = ("h1:" + "A" * 43 + "=")'; do
        index_make j second
        index_plugin j other 2.0.0 -- ".git = \"file://$PWD/p\" | .versions[0] |= (.commit = \"$commit\" |
            .tree = \"$(git -C p rev-parse 'v2.0.0^{tree}')\" | .source = \"$(jq -r '.versions[2].source' clone/ma/th/math.json)\" |
            $change)"
        modload index add j >/dev/null 2>&1
        ml install other --yes
        assert_exit 77
        modload index remove second
        rm -rf j
    done
    for other in "other 2.0.0 name: math, and not other" "math 3.0.0 version: 2.0.0, and not 3.0.0"; do
        read -r name version what why <<<"$other" # what is retired goes by these
        index_make j second
        index_plugin j "$name" "$version" -- ".git = \"file://$PWD/p\" |
            .versions[0] = ($(jq -c '.versions[2]' clone/ma/th/math.json) | .version = \"$version\")"
        modload index add j >/dev/null 2>&1
        ml install "$name" --index second --yes
        assert_exit 77
        assert_stderr_has "the ${what%:} is not that of the index: $why"
        modload index remove second
        rm -rf j
    done
    git -C p tag -f v2.0.0 v1.0.0
    ml install math --yes
    assert_exit 77
    assert_stderr_has "was moved"
    assert_equal "$(modload list)" ""
}

@test "retire: a range leads to what is left; a retired version is taken with a warning, and for security not at all" {
    retire 1.1.0 deprecated "Old."
    ml install math@^1 --yes
    assert_ok
    assert_equal "$(modload list | cut -d ' ' -f 7)" math@1.0.0
    [[ $stderr != *warning* ]]
    retire 1.0.0 renamed "It is called maths."
    ml install math@^1 --yes # only such are left
    assert_ok
    assert_stderr_has "warning: math@1.1.0 is retired (deprecated): Old."
    retire 1.1.0 security "It reads."
    ml install math@^1 --dry-run # what is only renamed is rather taken
    assert_ok
    assert_stderr_has "warning: math@1.0.0 is retired (renamed)"
    retire '^1' security "It reads too far."
    modload unregister math
    ml install math@^1 --yes
    assert_exit 77
    assert_stderr_has "math@1.1.0 is retired (security): It reads too far."
    assert_stderr_has --allow-retired
    ml install "file://$PWD/p@v1.1.0" --yes # by its URL as well
    assert_exit 77
    assert_stderr_has "is retired (security)"
    assert_equal "$(modload list)" ""
    ml install math@^1 --yes --allow-retired
    assert_ok
    assert_stderr_has "warning: math@1.1.0 is retired (security): It reads too far."
    ml search math
    assert_stdout_has "math  2.0.0"
}

@test "retire: who has it keeps it, and is warned by load and list" {
    ml install math@1.0.0 --yes
    retire 1.0.0 security "It reads too far."
    ml list
    assert_ok
    assert_stderr "modload: warning: math@1.0.0 is retired (security): It reads too far."
    assert_equal "${#lines[@]}" 1
    ml list --json
    assert_equal "$(json '.data.entries[0].retired|tojson')" '{"reason":"security","message":"It reads too far."}'
    ml load math
    assert_ok
    assert_stderr "modload: warning: math@1.0.0 is retired (security): It reads too far."
    ml load math --json
    assert_equal "$(json '.data.workers[0].retired.reason')" security
    ml exec math add 2 3
    assert_ok
    assert_stdout 5
    assert_no_stderr
    ml install math@1.0.0 --yes # the same commit again
    assert_ok
    modload register --name '' "$(modload uuid)" p # of this name and another place
    ml retire math 1.0.0 --undo --index clone
    git -C clone push -q
    modload index update 2>/dev/null
    ml list
    assert_no_stderr
    [ ! -e "$HOME/.cache/modload/index/retired" ]
}

@test "retire: a version of another origin is not meant" {
    git clone -q p q
    git -C q commit -q --allow-empty -m other
    git -C q tag -f v1.0.0
    ml install "file://$PWD/q@v1.0.0" --yes
    retire 1.0.0 security m
    ml list
    assert_no_stderr
    ml install "file://$PWD/p@v1.0.0" --yes --name second
    assert_exit 77
}

@test "retire: its commit is meant wherever it came from, also where the plugin has moved since" {
    git clone -q p copy
    ml install math@1.0.0 --yes
    ml install "file://$PWD/copy@v1.0.0" --yes --name copy
    git clone -q p moved
    plugin_make moved math 3.0.0
    repo_commit moved v3.0.0
    ml publish moved --index clone --url "file://$PWD/moved"
    assert_ok
    retire '<3' security "It reads too far."
    for word in math copy; do
        ml load $word
        assert_ok
        assert_stderr "modload: warning: math@1.0.0 is retired (security): It reads too far."
    done
    ml install "file://$PWD/p@v1.1.0" --yes --as "$(modload uuid)"
    assert_exit 77
}

@test "retire: the list of what is retired is damaged, or others can write to it" {
    ml install math@1.0.0 --yes
    retire 1.0.0 security m
    list=$HOME/.cache/modload/index/retired
    for text in 'math@1.0.0' $'math@1.0.0\t' $'math@1.0.0\tx' $'\n\n\n' $'a\nmath@1.0.0\tsecurity\t\t\t'; do
        printf %s "$text" >"$list"
        ml list
        assert_ok
        assert_equal "${#lines[@]}" 1
        assert_no_stderr
    done
    printf 'math@1.0.0\tother\tfile://%s/p\t\t\033[2J\nx' "$PWD" >"$list"
    ml load math
    assert_ok
    assert_stderr 'modload: warning: math@1.0.0 is retired (other): \x1b[2J'
    chmod 666 "$list"
    ml load math
    assert_ok
    assert_stderr_has "not yours alone"
}
