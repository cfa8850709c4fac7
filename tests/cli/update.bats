#!/usr/bin/env bats
# Goal of this test: what was installed by a branch or a range follows it when somebody agrees, all of it or nothing;
# outdated tells what there is, and uninstall takes it away.

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
    modload install --yes --name ranged "file://$PWD/calc@^1" 2>/dev/null 3>&-
    modload install --yes --name fixed --as "$(modload uuid)" "file://$PWD/calc@v1.0.0" 2>/dev/null 3>&-
    modload install --yes --name branch --as "$(modload uuid)" "file://$PWD/calc@main" 2>/dev/null 3>&-
    register_text other 'int f(void) { return 1; }'
}

teardown() {
    serve_end
    world_teardown
}

version() {
    modload info --json "$1" | jq -r .data.version
}

@test "update: nothing is newer" {
    ml outdated --exit-code
    assert_ok
    assert_no_stdout
    ml update --yes
    assert_ok
    assert_no_stdout
    assert_stderr "modload: nothing to update"
    ml update ranged
    assert_ok
    assert_stderr "modload: ranged is up to date: v1.0.0
modload: nothing to update"
}

@test "update: a repository on a server in which no tag is a version" {
    git -C calc tag -d v1.0.0 >/dev/null
    serve_git
    modload install --yes --name served "$served/calc@main" 2>/dev/null 3>&-
    ml outdated served
    assert_ok
    assert_no_stdout
    plugin_commit calc 1.1.0 'int twice(int x) { return x + x; }'
    git -C calc tag -d v1.1.0 >/dev/null
    ml update --yes served
    assert_ok
    assert_equal "$(modload info --json served | jq -r .data.commit)" "$(git -C calc rev-parse HEAD)"
}

@test "update: outdated tells what each would become, and exits with 0 unless it is asked for more" {
    plugin_commit calc 1.1.0
    plugin_commit calc 2.0.0
    head=$(git -C calc rev-parse --short=12 HEAD)
    ml outdated
    assert_ok
    assert_equal "$(sort <<<"$output")" "branch  $(git -C calc rev-parse --short=12 v1.0.0)  $head  2.0.0  file://$PWD/calc
fixed  v1.0.0  v1.0.0  2.0.0  file://$PWD/calc
ranged  v1.0.0  v1.1.0  2.0.0  file://$PWD/calc"
    ml outdated --exit-code ranged
    assert_exit 2
    ml outdated --json ranged
    assert_ok
    assert_equal "$(json '.data.outdated[0]|[.name,.ref,.tag,.wanted_tag,.latest,.update]|tojson')" \
        '["ranged","^1","v1.0.0","v1.1.0","2.0.0",true]'
    ml list --outdated
    assert_ok
    assert_equal "$(grep -c . <<<"$output")" 3
    ml outdated other
    assert_exit 65
    assert_stderr_has "'other' did not come from a git repository"
    assert_equal "$(version ranged)" 1.0.0
}

@test "update: what follows a range or a branch is shown, agreed to, and changes in one go" {
    plugin_commit calc 1.1.0 'int twice(int x) { return x + x; }'
    before=$(snapshot entries history)
    ml update
    assert_exit 77
    assert_stderr_has "now calc 1.0.0"
    assert_stderr_has "    ~ src/calc.c"
    assert_stderr_has "nobody has agreed to 'calc' from 'file://$PWD/calc' and others"
    ml update --dry-run
    assert_ok
    assert_stdout_has "tag v1.1.0 (asked for: ^1)"
    assert_equal "$(snapshot entries history)" "$before"
    ml update --yes
    assert_ok
    assert_equal "$(grep -c . <<<"$output")" 2
    assert_equal "$(version ranged) $(version branch) $(version fixed) $(version other)" "1.1.0 1.1.0 1.0.0 0.0.0"
    ml update fixed
    assert_ok
    assert_stderr_has "fixed stays at v1.0.0: that is what 'v1.0.0' asks for; there is 1.1.0"
    ml info ranged
    assert_stdout_has "git          file://$PWD/calc"
    assert_stdout_has "ref          ^1"
    assert_stdout_has "tag          v1.1.0"
    assert_stdout_has "commit       $(git -C calc rev-parse HEAD)"
    ml rollback ranged
    assert_ok
    ml outdated ranged
    assert_stdout_has "ranged  v1.0.0  v1.1.0"
}

@test "update: a commit that makes the same bundle is taken once" {
    echo "Doubles." >calc/README
    git -C calc add README
    git -C calc commit -q -m 'a text'
    bundle=$(modload lookup branch)
    ml update --yes branch
    assert_ok
    assert_equal "$(modload lookup branch)" "$bundle"
    modload info branch | grep -q "^commit *$(git -C calc rev-parse HEAD)"
    ml update --yes branch
    assert_ok
    assert_stderr_has "branch is up to date"
    ml outdated branch
    assert_no_stdout
}

@test "update: what somebody else does to an entry meanwhile is not lost" {
    other=$(modload lookup fixed)
    plugin_commit calc 1.1.0 "#include <stdlib.h>
int twice(int x) { return system(\"exec >/dev/null 2>&1; sh $PWD/meanwhile\") == 0 ? 2 * x : 0; }"
    printf 'export PATH=%q HOME=%q MODLOAD_HOME=%q MODLOAD_RUNTIME_DIR=%q\n' "$PATH" "$HOME" "$MODLOAD_HOME" "$MODLOAD_RUNTIME_DIR" >meanwhile
    echo "modload unregister ranged" >>meanwhile
    ml update --yes ranged branch
    assert_exit 75
    assert_stderr_has "was changed by somebody else meanwhile"
    ml registered ranged
    assert_exit 1
    assert_equal "$(modload lookup branch)" "$other"
}

@test "update: one that fails keeps all of them as they are" {
    plugin_commit calc 1.1.0
    plugin_repo bad
    plugin_commit bad 1.0.0
    modload install --yes --name bad "file://$PWD/bad@^1" 2>/dev/null 3>&-
    plugin_commit bad 1.1.0 'int twice(int x) { return 3 * x; }'
    before=$(snapshot entries history)
    ml update --yes
    assert_exit 65
    assert_stderr_has "'calc' fails 1 of its own 1 tests"
    assert_equal "$(snapshot entries history)" "$before"
    mv bad gone
    ml update --yes
    assert_exit 66
    assert_stderr_has "modload: bad: "
    assert_equal "$(snapshot entries history)" "$before"
    ml update --yes ranged
    assert_ok
    assert_equal "$(version ranged)" 1.1.0
}

@test "update: a tag that was moved, or is gone, is an error that says so" {
    old=$(git -C calc rev-parse --short=12 HEAD)
    plugin_commit calc 1.1.0
    git -C calc tag -f v1.0.0 >/dev/null
    new=$(git -C calc rev-parse --short=12 HEAD)
    for command in "update --yes" outdated; do
        # shellcheck disable=SC2086
        ml $command ranged
        assert_exit 77
        assert_stderr_has "the tag 'v1.0.0' of '$PWD/calc' was moved: it was $old, and now is $new"
    done
    git -C calc tag -d v1.0.0 >/dev/null
    ml update --yes ranged
    assert_exit 77
    assert_stderr_has "the tag 'v1.0.0' of '$PWD/calc' is gone: it was $old"
    assert_stderr_has "to take what is there now: modload install 'file://$PWD/calc@^1' --as ranged"
    assert_equal "$(version ranged)" 1.0.0
    ml install --yes "file://$PWD/calc@^1" --as ranged
    assert_ok
    ml update ranged
    assert_ok
}

# The branch of calc loses its last commit, and gets another one.
rewrite() {
    echo "/* $1 */" >>calc/src/calc.c
    git -C calc commit -q -a --amend -m "$1"
}

@test "update: a branch that was rewritten is an error that names both commits, and hides nothing of the others" {
    git -C calc branch kept
    modload install --yes --name kept --as "$(modload uuid)" "file://$PWD/calc@kept" 2>/dev/null 3>&-
    modload install --yes --submodules --name head --as "$(modload uuid)" "file://$PWD/calc" 2>/dev/null 3>&-
    old=$(git -C calc rev-parse --short=12 HEAD)
    rewrite other
    new=$(git -C calc rev-parse --short=12 HEAD)
    git -C calc branch -f kept v1.0.0
    git -C calc checkout -q kept
    plugin_commit calc 1.1.0
    git -C calc checkout -q main
    told="branch: cannot fetch '$PWD/calc': 'main' was rewritten: it was at $old, and now is at $new, which does not come after that"
    before=$(snapshot entries history)
    for command in update "update --yes branch" outdated "list --outdated"; do
        # shellcheck disable=SC2086
        ml $command
        assert_exit 77
        assert_stderr_has "modload: $told"
    done
    assert_equal "$(snapshot entries history)" "$before"
    ml outdated
    assert_exit 77
    assert_equal "$(sort <<<"$output" | cut -d' ' -f1)" "fixed
kept
ranged"
    assert_stderr_has "modload: head: cannot fetch '$PWD/calc': 'main' was rewritten"
    ml outdated --json
    assert_exit 77
    assert_equal "$(json '.errors[].hint' | sort)" "ask its author; to take what is there now: modload install file://$PWD/calc --submodules --as head
ask its author; to take what is there now: modload install file://$PWD/calc@main --as branch"
    assert_equal "$(json '[.data.outdated[].name]|sort|join(" ")')" "fixed kept ranged"
    assert_equal "$(json '[.errors[].code]|join(" ")')" "rewritten rewritten"
    ml outdated --json branch
    assert_exit 77
    assert_equal "$(json .data)" null
    ml update --yes kept
    assert_ok
    assert_equal "$(version kept)" 1.1.0
    ml install "file://$PWD/calc@main" --as branch
    assert_exit 77
    assert_stderr_has "nobody has agreed"
    ml install --yes "file://$PWD/calc@main" --as branch
    assert_ok
    ml outdated branch
    assert_ok
    ml install --yes "file://$PWD/calc" --as head
    assert_ok
    ml update --yes branch head
    assert_ok
    assert_stderr_has "nothing to update"
}

@test "update: a branch whose commit is gone, or that is a tag of another history now, was rewritten" {
    old=$(git -C calc rev-parse --short=12 HEAD)
    git -C calc tag -d v1.0.0 >/dev/null
    rewrite other
    git -C calc reflog expire --expire=now --all
    git -C calc gc -q --prune=now
    rm -rf "$HOME/.cache" "$XDG_CACHE_HOME"
    ml outdated branch
    assert_exit 77
    assert_stderr_has "'main' was rewritten: it was at $old, which is not in the repository any more, and now is at "
    ml outdated --offline branch
    assert_exit 77
    git -C calc tag main
    git -C calc checkout -q --detach
    git -C calc branch -D main >/dev/null
    ml update --yes branch
    assert_exit 77
    assert_stderr_has "'main' was rewritten"
    assert_equal "$(version branch)" 1.0.0
}

@test "update: --offline knows what was fetched" {
    serve_git
    modload install --yes --name served "$served/calc@^1" 2>/dev/null 3>&-
    plugin_commit calc 1.1.0
    serve_end
    ml outdated --offline served
    assert_ok
    assert_no_stdout
    ml outdated served
    assert_exit 74
    assert_stderr_has "modload: served: cannot fetch '$served/calc': "
}

@test "uninstall: entry and worker go, and a rollback brings it back until gc" {
    modload load ranged 3>&-
    key=$(key_of ranged)
    ml uninstall --json ranged fixed
    assert_ok
    assert_equal "$(json '.data.uninstalled[0]')" "$key"
    assert_equal "$(modload ps)" ""
    assert_equal "$(modload list | grep -c .)" 2
    ml uninstall ranged # as unregister has it
    assert_ok
    assert_stderr "modload: nothing is registered as 'ranged'"
    ml uninstall --json "$key" branch
    assert_ok
    assert_equal "$(json '.data.uninstalled|length')" 1
    assert_equal "$(modload list | grep -c .)" 1
    ml rollback "$key"
    assert_ok
    ml run --release "$key" twice 4
    assert_stdout 8
    ml uninstall "$key"
    modload gc >/dev/null
    ml rollback "$key"
    assert_exit 66
}
