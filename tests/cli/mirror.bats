#!/usr/bin/env bats
# Goal of this test: what mirror has put into a directory is all that install and sync need where there is no network,
# also where that directory is only to be read; and whose it is decides whether it is believed.

load helpers
load plugins
load registry
load project

setup() {
    world_setup
    project_world
    published one 1.0.0
    published one 1.1.0
    published two 2.0.0
}

teardown() {
    project_end
    world_teardown
}

# no_server: from here on there is none
no_server() {
    kill "$server"
    wait "$server" 2>/dev/null || :
    server=
}

# mirrored: ./m has one and two of a server, which is gone then; $one and $two are their URLs
mirrored() {
    git_server
    one=git://127.0.0.1:$port/one two=git://127.0.0.1:$port/two
    ml mirror m $one $two
    assert_ok
    no_server
}

# picture: all of ./m, byte by byte
picture() {
    find m -printf '%p %y %m %l\n' | sort
    find m -type f -exec sha256sum {} + | sort
}

# installs ARG...: install --from m ARG... in a home of its own; it asks nobody else, and changes nothing in ./m
installs() {
    local before
    rm -rf "$MODLOAD_HOME"
    before=$(picture)
    ml install --yes --from m "$@"
    assert_ok
    assert_equal "$(picture)" "$before"
    [ ! -e home/.cache ]
}

@test "mirror: install and sync take from it what a server would give" {
    mirrored
    assert_stderr_has "modload: $one: "
    installs "$one"
    ml run --release one one
    assert_stdout 1
    installs "$one@^1.0 <1.1"
    assert_equal "$(modload list | awk '{print $NF}')" one@1.0.0 || :
    installs "$two@v2.0.0"
    ml verify
    assert_ok
    ml install --yes --from m "$one@v3"
    assert_exit 66
    ml install --yes --from m "git://127.0.0.1:$port/three"
    assert_exit 66
    assert_stderr_has "it is not in the mirror '$PWD/m'"
    assert_stderr_has "  hint: fill the mirror where there is a network: modload mirror DIR SRC"
    ml install --yes --from nowhere "$one"
    assert_exit 66
    assert_stderr_has "cannot open the mirror 'nowhere'"
    assert_stderr_has "  hint: make it where there is a network: modload mirror DIR SRC"
    MODLOAD_OFFLINE=1 ml install --yes git://127.0.0.1:1/none
    assert_exit 66
    assert_stderr_has "  hint: fetch it once without --offline and MODLOAD_OFFLINE=1"
}

@test "mirror: what the registry's entries came from" {
    git_server
    one=git://127.0.0.1:$port/one two=git://127.0.0.1:$port/two
    modload install --yes $one@v1.0.0 2>/dev/null
    modload install --yes $two 2>/dev/null
    modload register --name local "$(modload uuid)" -e 'int l(void) { return 1; }' 3>&-
    ml mirror --json m
    assert_ok
    assert_equal "$(json '.data.repositories|map(.source)|sort|join(" ")')" "$one $two"
    assert_equal "$(json '.data.repositories|map(.commit)|map(length)|join(" ")')" "40 40"
    no_server
    rm -rf home/.cache
    installs $one@v1.0.0
    installs $two
}

@test "mirror: what a project's lock names" {
    git_server
    project one "\"git\": \"git://127.0.0.1:$port/one\", \"version\": \"^1.0\"" two "\"git\": \"git://127.0.0.1:$port/two\""
    ml sync --yes p
    assert_ok
    ml mirror m --project p
    assert_ok
    no_server
    other_home
    before=$(picture)
    ml sync --frozen --yes --from m p
    assert_ok
    assert_equal "$(picture)" "$before"
    ml run --release one one
    assert_stdout 1
    ml mirror m --project nowhere
    assert_exit 66
    mkdir q
    ml mirror m --project q
    assert_exit 66
    assert_stderr_has "there is no 'q/modload.lock'"
    ml mirror m --project p "$one"
    assert_exit 64
}

@test "mirror: a repository is asked once, whatever is wanted of it" {
    git_server
    one=git://127.0.0.1:$port/one
    modload install --yes --name a $one@v1.0.0 2>/dev/null 3>&-
    modload install --yes --name b --as "$(modload uuid)" $one 2>/dev/null 3>&-
    rm -r home/.cache
    before=$(connections)
    ml mirror --json m
    assert_ok
    assert_equal "$(($(connections) - before))" 1
    assert_equal "$(json '.data.repositories|map(.commit)|join(" ")')" \
        "$(git -C repos/one rev-parse v1.0.0 v1.1.0 | sort | paste -sd ' ')"
    assert_equal "$(grep -c came <<<"$stderr")" 1
    ml mirror --json m $one@v9 $one@v1.0.0 $one/ $one
    assert_exit 66
    assert_stderr_has "there is no branch, tag or commit 'v9'"
    assert_equal "$(($(connections) - before))" 2
    assert_equal "$(json '.data.repositories|map(.source)|unique|length')" 3
    no_server
    ml mirror m
    [ "$status" -ne 0 ]
    assert_equal "$(grep -c 'cannot fetch' <<<"$stderr")" 1
    installs $one@v1.0.0
    installs $one
}

@test "mirror: again, it fetches what is new" {
    git_server
    one=git://127.0.0.1:$port/one
    ml mirror m $one
    assert_ok
    ml mirror --json m $one
    assert_ok
    assert_equal "$(json '.data.repositories[0].received')" 0
    published one 1.2.0
    ml mirror m "$one@v1.2.0"
    assert_ok
    no_server
    installs "$one@v1.2.0"
    ml mirror m $one "file://$PWD/repos/two" # what can be had is there
    [ "$status" -ne 0 ]
    assert_stderr_has "cannot fetch '$one'"
    installs "file://$PWD/repos/two"
    ml mirror --json m $one "file://$PWD/repos/two" # and is told
    [ "$status" -ne 0 ]
    assert_equal "$(json '.data.repositories|map(.source)|join(" ")')" "file://$PWD/repos/two"
    ml mirror --json m $one
    [ "$status" -ne 0 ]
    assert_equal "$(json .data)" null
}

@test "mirror: a place on this machine is known by its name, when it is gone" {
    ml mirror m "file://$PWD/repos/one" repos/two
    assert_ok
    mv repos gone
    installs "file://$PWD/repos/one"
    ml run --release one one
    assert_stdout 1
    mkdir plain
    ml mirror m plain
    assert_exit 65
    assert_stderr_has "'plain' is no git repository"
}

@test "mirror: one that is only to be read" {
    mirrored
    unprivileged
    chmod -R a-w m
    ! "${bare[@]}" touch m/x 2>/dev/null || skip "this user can write to what is read-only"
    installs $one
    ml run --release one one
    assert_stdout 1
    ml mirror m $one
    [ "$status" -ne 0 ]
    chmod -R u+w m
}

@test "mirror: one on a file system that is only to be read" {
    unshare -rm true 2>/dev/null || skip "no namespaces here"
    mirrored
    status=0
    unshare -rm sh -c 'mount --bind m m && mount -o remount,ro,bind m || exit 99
        ! touch m/x 2>/dev/null && exec modload install --yes --from m "$1"' sh "$one" >out 2>err 3>&- || status=$?
    [ "$status" -ne 99 ] || skip "nothing can be mounted here"
    cat err
    assert_ok
    ml run --release one one
    assert_stdout 1
}

# The place of a test is closed to others.
@test "mirror: one of root's, for another user" {
    [ "$(id -u)" -eq 0 ] || skip "only root can be two users"
    mirrored
    place=$(mktemp -d)
    mkdir "$place/other"
    cp -a m "$place"
    chmod 755 "$place"
    chown 65534 "$place/other"
    other=(setpriv --reuid=65534 --regid=65534 --clear-groups -- env -C "$place" HOME="$place/other"
        MODLOAD_HOME="$place/other/h" MODLOAD_RUNTIME_DIR="$place/other/r")
    "${other[@]}" modload version >/dev/null 2>&1 || {
        rm -rf "$place"
        skip "another user cannot run modload"
    }
    closed=0 open=0 theirs=0
    "${other[@]}" modload install --yes --from m $one >out 2>closed 3>&- || closed=$?
    chmod -R a+rX "$place/m"
    "${other[@]}" modload install --yes --from m $one >out 2>open 3>&- || open=$?
    chown -R 65533 "$place/m" # of neither
    "${other[@]}" modload install --yes --from m $two >out 2>theirs 3>&- || theirs=$?
    rm -rf "$place"
    cat closed open theirs
    assert_equal "$closed $open $theirs" "77 0 77"
    grep -q "can be written to by others than you and root" theirs
}

@test "mirror: one that others can write to is not believed" {
    mirrored
    repo=$(find m -mindepth 1 -maxdepth 1 -type d | head -1)
    mkdir -p "$repo/refs/heads/deep/er"
    git -C "$repo" rev-parse HEAD >"$repo/refs/heads/deep/er/one"
    for place in m "$repo" "$repo/refs" "$repo/objects" "$repo/HEAD" "$repo/refs/heads" "$repo/refs/heads/deep/er/one"; do
        chmod o+w "$place"
        for url in $one $two; do
            ml install --yes --from m "$url"
            [ "$status" -eq 77 ] || [ "$place" != m ]
            [ "$status" -ne 77 ] || break
        done
        assert_exit 77
        assert_stderr_has "can be written to by others than you and root"
        assert_stderr_has "  hint: chmod -R go-w it"
        chmod o-w "$place"
    done
    mv "$repo" aside
    ln -s "$PWD/aside" "$repo"
    for url in $one $two; do
        ml install --yes --from m "$url"
        [ "$status" -eq 0 ] || break
    done
    [ "$status" -ne 0 ]
}

@test "mirror: a repository that leads to another one is not believed" {
    mirrored
    for repo in m/*/; do
        echo "$PWD/repos/one/.git" >"$repo/commondir"
    done
    ml install --yes --from m "$one"
    assert_exit 77
    assert_stderr_has "leads to another repository ('commondir')"
    rm m/*/commondir
    for repo in m/*/; do
        mkdir -p "$repo/objects/info"
        echo "$PWD/repos/one/.git/objects" >"$repo/objects/info/alternates"
    done
    ml install --yes --from m "$one"
    assert_exit 77
    assert_stderr_has "leads to another repository ('objects/info/alternates')"
    rm m/*/objects/info/alternates
    installs "$one"
}

@test "mirror: a commit that is not there any more is told, and the rest is fetched" {
    git_server
    one=git://127.0.0.1:$port/one
    modload install --yes $one 2>/dev/null
    git -C repos/one tag -d v1.0.0 v1.1.0 >/dev/null
    git -C repos/one checkout -q --orphan fresh
    git -C repos/one commit -q -m fresh
    git -C repos/one branch -q -D main
    git -C repos/one branch -q -m main
    git -C repos/one reflog expire --expire=now --all
    git -C repos/one gc -q --prune=now
    ml mirror m
    assert_exit 77
    assert_stderr_has "does not have commit "
    assert_stderr_has "any more: its branches were rewritten"
    no_server
    rm -rf home/.cache
    installs $one@main
}

@test "mirror: killed in the midst, the next one does it" {
    killed=0
    for call in mkdir openat renameat2 execve; do
        for n in 1 3; do
            rm -rf m
            killed_at $call $n mirror m "file://$PWD/repos/one" || break
            killed=$((killed + 1))
            ml mirror m "file://$PWD/repos/one"
            assert_ok
        done
    done
    [ $killed -ge 2 ] || fail "killed $killed times only"
    installs "file://$PWD/repos/one"
}

@test "MODLOAD_OFFLINE: the same as --offline, wherever there would be a network" {
    git_server
    one=git://127.0.0.1:$port/one
    export MODLOAD_OFFLINE=1
    ml install --yes $one
    assert_exit 66
    assert_stderr_has "not in the cache"
    for words in "mirror m $one" "index add $one" "index update"; do
        # shellcheck disable=SC2086
        ml $words
        assert_exit 78
        assert_stderr_has "MODLOAD_OFFLINE says that there is no network"
    done
    project one "\"git\": \"$one\""
    ml sync --yes p
    assert_exit 66
    assert_equal "$(connections)" 0
    for value in 0 ''; do
        MODLOAD_OFFLINE=$value ml install --yes $one
        assert_ok
    done
    [ "$(connections)" -gt 0 ]
    had=$(connections)
    rm -rf "$MODLOAD_HOME"
    ml install --yes $one
    assert_ok
    assert_equal "$(connections)" "$had"
    for value in yes 2 ' 1' 01; do
        MODLOAD_OFFLINE=$value ml install --yes $one
        assert_exit 78
        assert_stderr_has "MODLOAD_OFFLINE is '$value'"
    done
}
