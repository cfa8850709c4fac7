# What files about projects share: `load helpers`, `load plugins`, `load registry`, then `load project`.
#
#   project_world             HOME, caches and git's words are the test's own; call it in setup
#   published NAME VERSION [BODY]   a release of the repository repos/NAME, which is made where it is missing: its one
#                             function, NAME(), returns the version's first number, or what BODY makes of it
#   project NAME MEMBERS...   writes p/modload.json: each plugin by its name and its members, without the braces
#   from NAME                 the member "git" for a repository on this disk
#   locked NAME MEMBER        what the lock says
#   relock JQ                 changes p/modload.lock, in its own form
#   git_server                the repositories of repos/ by git's protocol: sets $port; ended by project_end
#   connections               how many it has had
#   other_home                from here on another registry, and another cache
# shellcheck disable=SC2016,SC2034

project_world() {
    export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
    unset MODLOAD_OFFLINE
    mkdir home repos p
    server=
}

project_end() {
    [ -z "$server" ] || kill -CONT "$server"
    [ -z "$server" ] || kill "$server"
}

published() {
    local dir=repos/$1
    [ -d "$dir" ] || git init -q -b main "$dir"
    printf '{"name": "%s", "version": "%s", "tests": [{"call": "%s", "args": [], "expect": %d}]}\n' \
        "$1" "$2" "$1" "${2%%.*}" >"$dir/modload.json"
    echo "int $1(void) { ${3:-return ${2%%.*};} }" >"$dir/$1.c"
    git -C "$dir" add -A
    git -C "$dir" commit -q -m "$2"
    git -C "$dir" tag "v$2"
}

from() {
    printf '"git": "file://%s/repos/%s"' "$BATS_TEST_TMPDIR" "$1"
}

project() {
    local comma=
    {
        printf '{"plugins": {'
        while [ $# -gt 0 ]; do
            printf '%s"%s": {%s}' "$comma" "$1" "$2"
            comma=', '
            shift 2
        done
        printf '}}\n'
    } >p/modload.json
}

locked() {
    jq -r ".plugins[\"$1\"].$2" p/modload.lock
}

relock() {
    jq --indent 2 "$1" p/modload.lock >p/relocked
    mv p/relocked p/modload.lock
}

git_server() {
    local ready
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 30000))
        "$(git --exec-path)/git-daemon" --verbose --listen=127.0.0.1 --port=$port --reuseaddr --export-all \
            --base-path="$BATS_TEST_TMPDIR/repos" >/dev/null 2>"$BATS_TEST_TMPDIR/server.log" 3>&- &
        server=$!
        within server_has_begun
        ready=$(grep -c 'Ready to rumble' server.log) || :
        [ "$ready" -eq 0 ] || return 0
        wait "$server" || :
    done
    fail "no port for git-daemon"
}

server_has_begun() {
    grep -qs 'Ready to rumble' server.log || gone "$server"
}

connections() {
    grep -c 'Connection from' server.log || :
}

other_home() {
    export MODLOAD_HOME=$BATS_TEST_TMPDIR/h2 HOME=$BATS_TEST_TMPDIR/home2
    mkdir -p home2
}
