#!/usr/bin/env bats
# Goal of this test: indexes are followed, kept up to date and left; and what is in one that is hostile, damaged or
# rewritten is not taken.

load helpers
load registry
load repos

setup() {
    world_setup
    repos_setup
    index_make i
}

@test "index: add, list, update, remove" {
    index_plugin i math 1.0.0
    ml index add i
    assert_ok
    assert_stdout main
    assert_stderr "modload: main: 1 plugin, 1 new, 0 changed"
    ml index list
    assert_ok
    assert_no_stderr
    assert_stdout "main  $PWD/i  1  $(git -C i rev-parse HEAD)"
    index_plugin i math 1.0.0 1.1.0
    index_plugin i text 1.0.0
    ml index update
    assert_ok
    assert_stderr "modload: main: 2 plugins, 1 new, 1 changed"
    ml index update main
    assert_ok
    assert_stderr "modload: main: 2 plugins, 0 new, 0 changed"
    ml index remove main
    assert_ok
    ml index list
    assert_ok
    assert_no_stdout
    assert_equal "$(ls -A "$HOME/.cache/modload/index")" ""
}

@test "index: in JSON" {
    index_plugin i math 1.0.0
    ml index add i --name mine --json
    assert_ok
    assert_equal "$(json '.data|[.name, .url, .plugins, .added, .changed]|tojson')" "[\"mine\",\"$PWD/i\",1,1,0]"
    ml index list --json
    assert_equal "$(json '.data.indexes|map(.name, .commit)|join(" ")')" "mine $(git -C i rev-parse HEAD)"
    ml index update --json
    assert_equal "$(json '.data.indexes[0]|keys|join(" ")')" "added changed commit name plugins url"
}

@test "index: one is followed in its own name or in another, and by one name" {
    index_make j main
    ml index add i
    assert_ok
    ml index add j
    assert_exit 77
    assert_stderr_has "an index is called 'main' already: $PWD/i"
    assert_stderr_has "--name N"
    ml index add j --name MAIN
    assert_exit 77
    ml index add j --name second
    assert_ok
    ml index list
    assert_equal "${#lines[@]}" 2
    ml index add j --name ../x
    assert_exit 65
    ml index remove nobody
    assert_exit 66
    assert_stderr_has "there are: main, second"
    ml index update nobody
    assert_exit 66
}

@test "index: by a URL, and where it is refused" {
    ml index add "file://$PWD/i"
    assert_ok
    ml index list
    assert_stdout_has "file://$PWD/i"
    ml index add i@main
    assert_exit 65
    assert_stderr_has "without a ref"
    ml index add http://example.org/i
    assert_exit 77
    ml index add none
    assert_exit 66
    ml index list
    assert_equal "${#lines[@]}" 1
}

@test "index: with no HOME, and with files that are no list" {
    HOME='' ml index add "$PWD/i"
    assert_exit 78
    mkdir -p "$HOME/.config/modload"
    for text in '[' '{}' '{"indexes":[{"name":"a"}]}' '{"indexes":[{"name":"../a","url":"x"}]}'; do
        echo "$text" >"$HOME/.config/modload/indexes.json"
        ml index list
        assert_exit 78
        assert_stderr_has indexes.json
    done
}

@test "index: a repository that is none, or of another format" {
    git init -q -b main r
    git -C r commit -q --allow-empty -m empty
    ml index add r
    assert_exit 65
    assert_stderr_has "it is no index of plugins"
    echo '{"format": 2, "name": "main"}' >i/index.json
    git -C i commit -q -a -m newer
    ml index add i
    assert_exit 78
    assert_stderr_has "a newer modload may know it"
    ml index list
    assert_no_stdout
}

# hostile: the index i is not taken (STATUS, words, hint), and the copy that there is stays
hostile() {
    local before
    before=$(sha256sum "$HOME/.cache/modload/index/main.copy")
    ml index update
    assert_exit "$1"
    assert_stderr_has "$2"
    assert_stderr_has "${3:-}"
    assert_equal "$(sha256sum "$HOME/.cache/modload/index/main.copy")" "$before"
    assert_equal "$(ls -A "$HOME/.cache/modload/index")" main.copy
    ml search math
    assert_ok
}

@test "index: what was published is changed or gone: told loudly, and the copy from before stays" {
    index_plugin i math 1.0.0 1.1.0
    index_plugin i text 1.0.0
    ml index add i
    assert_ok
    index_plugin i math 1.0.0
    hostile 77 "THE INDEX WAS REWRITTEN: what was published is changed or gone: math@1.1.0"
    index_plugin i math 1.0.0 1.1.0 -- '.versions[0].commit = ("f" * 40)'
    hostile 77 "math@1.0.0"
    git -C i rm -q "$(index_file math)"
    git -C i commit -q -m gone
    hostile 77 "math@1.0.0"
    # a history that has nothing in common with what was, whose files have
    index_plugin i math 1.0.0 1.1.0 1.2.0
    git -C i checkout -q --orphan other
    git -C i commit -q -m other
    git -C i branch -q -M other main
    ml index update
    assert_ok
    assert_stderr_has "1 changed"
    # and one whose files have not
    git -C i rm -q "$(index_file text)"
    git -C i checkout -q --orphan third
    git -C i commit -q -m third
    git -C i branch -q -M third main
    rm -rf "$HOME/.cache/modload/git"
    hostile 77 "text@1.0.0"
    # who wants it as it is now says so
    ml index remove main
    ml index add i
    assert_ok
    ml search text
    assert_exit 1
}

@test "index: what is retired may change, and so may what is said of a plugin" {
    index_plugin i math 1.0.0
    ml index add i
    index_plugin i math 1.0.0 -- '.versions[0].retired = {reason: "other", message: "m", date: "2026-11-27T00:00:00Z"}'
    ml index update
    assert_ok
    ml search math
    assert_stdout "math  -  main  Does math."
    index_plugin i math 1.0.0 -- '.description = "Other." | .git = "https://example.org/moved"'
    ml index update
    assert_ok
    ml search math
    assert_stdout "math  1.0.0  main  Other."
}

@test "index: names that lead out, that are two, and files that are none" {
    index_plugin i math 1.0.0
    ml index add i
    git -C i branch good
    back() {
        git -C i checkout -q -f main
        git -C i reset -q --hard good
        git -C i clean -qfd
    }
    mkdir -p i/ab/cd && echo x >i/ab/cd/run.sh
    git -C i add -A && git -C i commit -q -m none
    hostile 65 "'ab/cd/run.sh' is no place for a plugin"
    back
    mkdir -p i/ma/th && cp i/ma/th/math.json i/ma/th/MATH.json
    git -C i add -A && git -C i commit -q -m case
    hostile 65 "'ma/th/MATH.json' is no place for a plugin"
    back
    index_plugin i text 1.0.0 -- '.name = "math"'
    mend="  hint: who keeps the index has to mend that; the copy from before is kept and used"
    hostile 65 "te/xt/text.json: it is the file of 'math'" "$mend"
    back
    index_plugin i text 1.0.0 -- '.name = "../../etc/passwd"'
    hostile 65 "key 'name'"
    back
    index_plugin i text 1.0.0 -- '.description = "\u001b[2J"'
    hostile 65 "key 'description'"
    back
    index_plugin i text 1.0.0 -- '.git = "ext::sh -c id"'
    hostile 65 "key 'git'"
    back
    shard="i/te/xt"
    mkdir -p "$shard" && ln -s /etc/passwd "$shard"/text.json
    git -C i add -A && git -C i commit -q -m link
    hostile 77 "is a symbolic link" "$mend"
    back
    mkdir -p "$shard"/more && echo '{}' >"$shard"/more/x.json
    git -C i add -A && git -C i commit -q -m deep
    hostile 77 "deeper"
    back
    index_plugin i text 1.0.0
    head -c 1100000 /dev/zero | tr '\0' ' ' >>"$shard"/text.json
    git -C i commit -q -a -m huge
    hostile 71 "te/xt/text.json" "$mend"
    back
    git -C i rm -q index.json && git -C i commit -q -m none
    hostile 65 "its index.json has gone"
}

@test "index: what is at the top beside the plugins does not matter" {
    mkdir -p i/.github i/scripts
    head -c 3000000 /dev/urandom >i/logo.png
    ln -s README.md i/LIESMICH
    echo x >i/scripts/check.sh
    echo x >i/.github/x
    index_plugin i math 1.0.0
    ml index add i
    assert_ok
    assert_stderr_has "1 plugin, 1 new"
}

@test "index: a copy that is damaged is told, and made anew by an update" {
    index_plugin i math 1.0.0
    ml index add i
    truncate -s 5000 "$HOME/.cache/modload/index/main.copy"
    ml search math
    assert_exit 65
    assert_stderr_has "the local copy of the index is damaged"
    assert_stderr_has "modload index update"
    index_plugin i math 1.0.0 -- '.versions[0].commit = ("f" * 40)'
    ml index update
    assert_ok
    assert_stderr_has "main: its copy was damaged"
    assert_stderr_has "whether the index was rewritten since cannot be told"
    ml index update
    assert_ok
    assert_stderr "modload: main: 1 plugin, 0 new, 0 changed"
    ml search math
    assert_ok
    rm "$HOME/.cache/modload/index/main.copy" # it is a cache
    ml index list
    assert_stdout_has "  0  -"
    ml index update
    assert_ok
    chmod 777 "$HOME/.cache/modload/index"
    ml search math
    assert_exit 77
    assert_stderr_has "not yours alone"
}

@test "index update: one that cannot be reached keeps none of the others from what is new" {
    index_make j second
    ml index add i
    ml index add j
    mv i away
    index_plugin j math 1.0.0
    ml index update
    assert_exit 66
    assert_stderr_has "index 'main'"
    assert_stderr_has "second: 1 plugin, 1 new"
    ml search math
    assert_ok
}

@test "index update: however many there are" {
    mkdir -p "$HOME/.config/modload"
    jq -n --arg url "$PWD/i" '{indexes: [range(70) | {name: "i\(.)", url: $url}]}' >"$HOME/.config/modload/indexes.json"
    index_plugin i math 1.0.0
    ml index update --json
    assert_ok
    assert_equal "$(json '.data.indexes|map(.name)|.[0], .[69], length' | tr '\n' ' ')" "i0 i69 70 "
    # shellcheck disable=SC2046
    ml index update --json $(seq -f i%g 0 69)
    assert_ok
    assert_equal "$(json '.data.indexes|map(.name)|.[69], length' | tr '\n' ' ')" "i69 70 "
}

@test "index: what a killed update has left is swept, and two at a time wait for each other" {
    ml index add i
    mkdir "$HOME/.cache/modload/index/.0123456789abcdef"
    ml index update
    assert_ok
    assert_equal "$(ls -A "$HOME/.cache/modload/index")" main.copy
    mkfifo held
    flock "$HOME/.cache/modload/index" sh -c 'echo >held; read -r x <held' &
    read -r <held
    ml index update --wait 50ms
    assert_exit 75
    assert_stderr_has "another modload is updating indexes"
    echo >held
    wait
}

@test "index update: who waited goes by what is followed then" {
    modload index add i >/dev/null 2>&1
    copies=$HOME/.cache/modload/index
    mkfifo held
    flock "$copies" sh -c 'echo >held; read -r x <held' 3>&- &
    read -r <held
    modload index update main --wait 1m 2>said 3>&- &
    pid=$!
    until [ -n "$(find "/proc/$pid/fd" -lname "$copies" 2>/dev/null)" ]; do
        kill -0 "$pid"
    done
    echo '{"indexes":[]}' >"$HOME/.config/modload/indexes.json" # as remove does, which has the lock
    rm "$copies/main.copy"
    echo >held
    status=0
    wait "$pid" || status=$?
    assert_exit 66
    assert_equal "$(head -n 1 said)" "modload: no index is called 'main'"
    assert_equal "$(ls -A "$copies")" ""
}

@test "index: what is retired is known again after an update that was killed" {
    index_plugin i math 1.0.0
    ml index add i
    assert_ok
    index_plugin i math 1.0.0 -- '.versions[0].retired = {reason: "other", message: "m", date: "2026-11-27T00:00:00Z"}'
    ml index update
    assert_ok
    cp "$HOME/.cache/modload/index/retired" whole
    rm "$HOME/.cache/modload/index/retired" # as before the copy that says so
    ml index update
    assert_ok
    cmp "$HOME/.cache/modload/index/retired" whole
    echo stale >"$HOME/.cache/modload/index/retired"
    chmod 600 "$HOME/.cache/modload/index/retired"
    ml index update
    assert_ok
    cmp "$HOME/.cache/modload/index/retired" whole
}

@test "index add: killed in the midst, it has followed nothing, or an index with its copy" {
    index_plugin i math 1.0.0
    killed=0
    for call in renameat fsync; do
        for n in 1 2 3 4; do
            rm -rf "$HOME"
            mkdir "$HOME"
            killed_at $call $n index add i || break
            killed=$((killed + 1))
            ml index list
            [ -z "$output" ] || assert_stdout "main  $PWD/i  1  $(git -C i rev-parse HEAD)"
            [ -n "$output" ] || ml index add i
            assert_ok
            ml search math
            assert_ok
        done
    done
    [ $killed -ge 3 ] || fail "killed $killed times only"
}

@test "index add: the copy of one that has the name stays" {
    index_make j main
    index_plugin i math 1.0.0
    ml index add i
    before=$(sha256sum "$HOME/.cache/modload/index/main.copy")
    ml index add j
    assert_exit 77
    assert_equal "$(sha256sum "$HOME/.cache/modload/index/main.copy")" "$before"
}

@test "index: verbs and their arguments" {
    for words in '' add 'add a b' 'list x' remove 'remove a b' frobnicate; do
        # shellcheck disable=SC2086
        ml index $words
        assert_exit 64
        assert_no_stdout
    done
    ml index add none
    assert_exit 66
    assert_stderr_has "  hint: give the URL of a git repository, or a directory with one"
    ml index update
    assert_ok
    assert_stderr_has "no index is followed"
}

# interrupted ARG...: runs modload ARG..., which gets a SIGINT when it has merged a new copy and finishes that
interrupted() {
    status=0
    traced -e trace=pwrite64 -e inject=pwrite64:signal=SIGINT:when=1 modload "$@" >out 2>err 3>&- || status=$?
    stderr=$(<err)
}

@test "index: Ctrl-C while a new copy is made ends it, and leaves what was" {
    index_make j second
    index_plugin i math 1.0.0
    interrupted index add i
    assert_exit 130
    assert_equal "$(ls -A "$HOME/.cache/modload/index")" ""
    ml index add i
    assert_ok
    ml index add j
    assert_ok
    index_plugin i math 1.0.0 1.1.0
    index_plugin j text 1.0.0
    before=$(sha256sum "$HOME"/.cache/modload/index/*)
    interrupted index update
    assert_exit 130
    assert_equal "$(sha256sum "$HOME"/.cache/modload/index/*)" "$before"
    assert_equal "$(ls -A "$HOME/.cache/modload/index")" "main.copy
second.copy"
    assert_equal "$stderr" "modload: index 'main': it was cancelled"
    ml index update
    assert_ok
}
