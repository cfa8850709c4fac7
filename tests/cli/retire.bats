#!/usr/bin/env bats
# Goal of this test: versions are retired in an index, and taken back; who would take one is warned, and who has one keeps
# it.

load helpers
load repos

setup() {
    world_setup
    repos_setup
    index_make i
    index_plugin i math 1.0.0 1.1.0 1.2.0 2.0.0
    git clone -q i clone
}

file_of() {
    cat "clone/$(index_file "$1")"
}

@test "retire: one version, or a range, with a reason and a message" {
    ml retire math 1.1.0 --reason security --message "It reads too far." --index clone
    assert_ok
    assert_stdout "$(git -C clone rev-parse HEAD)"
    assert_stderr_has "git -C clone push"
    assert_equal "$(file_of math | jq -c '.versions[1].retired|[.reason, .message]')" '["security","It reads too far."]'
    assert_equal "$(git -C clone log -1 --format=%s)" "math 1.1.0: retired, security"
    # the file of this test was one line; from now on each version has its own
    ml retire math '<1.2' --reason deprecated --message Old. --index clone --json
    assert_ok
    assert_equal "$(json '.data|[.name, .versions, .path, .dry_run]|tojson')" '["math",2,"ma/th/math.json",false]'
    assert_equal "$(file_of math | jq -c '[.versions[]|.retired.reason]')" '["deprecated","deprecated",null,null]'
    assert_equal "$(git -C clone show --format= --numstat | tr '\t' ' ')" "2 2 ma/th/math.json"
}

@test "retire --undo, --dry-run, and what is so already" {
    ml retire math '*' --reason other --message m --index clone --dry-run
    assert_ok
    assert_equal "$(grep -c '"retired":{"reason":"other","message":"m"' .stdout)" 4
    assert_equal "$(git -C clone rev-parse HEAD)" "$(git -C i rev-parse HEAD)"
    ml retire math '*' --reason other --message m --index clone
    before=$(git -C clone rev-parse HEAD)
    ml retire math '^1' --reason other --message m --index clone
    assert_ok
    assert_no_stdout
    assert_stderr_has "nothing to change"
    assert_equal "$(git -C clone rev-parse HEAD)" "$before"
    ml retire math '^1' --undo --index clone
    assert_ok
    assert_equal "$(file_of math | jq -c '[.versions[]|.retired.reason]')" '[null,null,null,"other"]'
    git -C clone fsck --strict
}

@test "retire --dry-run: what the file had before is shown, and does nothing to a terminal" {
    sed -i 's/^{/{\t/' "clone/$(index_file math)"
    git -C clone commit -q -a -m tab
    ml retire math 1.0.0 --reason other --message m --index clone --dry-run
    assert_ok
    assert_stdout_has '-{\x09"name"'
    sed -i 's/^{/{\x1b[2J/' "clone/$(index_file math)"
    git -C clone commit -q -a -m escape
    ml retire math 1.0.0 --reason other --message m --index clone --dry-run
    assert_exit 65
    assert_stderr_has "a control character"
}

@test "retire: what there is not, and what is not said" {
    for words in "1.0.0 --message m" "1.0.0 --reason whim --message m" "1.0.0 --reason other" "1.0.0 --reason other --message="; do
        # shellcheck disable=SC2086
        ml retire math $words --index clone
        assert_exit 64
        assert_stderr_has "hint: --"
    done
    ml retire math 1.0.0 --reason other --message $'a\033b' --index clone
    assert_exit 64
    ml retire math 1.0.0 --reason other --message m
    assert_exit 64
    ml retire math 7.0.0 --reason other --message m --index clone
    assert_exit 66
    assert_stderr_has "its newest version is 2.0.0"
    ml retire maths 1.0.0 --reason other --message m --index clone
    assert_exit 66
    ml retire math '?' --reason other --message m --index clone
    assert_exit 65
    ml retire ../x 1.0.0 --reason other --message m --index clone
    assert_exit 65
    assert_equal "$(git -C clone rev-parse HEAD)" "$(git -C i rev-parse HEAD)"
    GIT_AUTHOR_EMAIL='' ml retire math 1.0.0 --reason other --message m --index clone
    assert_exit 64
}
