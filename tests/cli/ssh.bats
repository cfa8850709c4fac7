#!/usr/bin/env bats
# Goal of this test: over ssh a plugin comes from a server whose key is known, by a key file or by ssh-agent, and from no
# other. The server is OpenSSH's own.

load helpers
load plugins
load registry
load repos

# Root's sshd wants a directory that only a service makes, and no account that is locked.
setup() {
    world_setup
    repos_setup
    servers=() agent=
    [ -x /usr/sbin/sshd ] || skip "there is no sshd"
    [ "$(id -u)" -ne 0 ] || mkdir -p -m 755 /run/sshd || skip "no directory for sshd"
    [ "$(id -u)" -ne 0 ] || ! grep -q '^root:!' /etc/shadow || skip "root is locked"
    plugin_repo calc
    plugin_commit calc 1.0.0
    unset SSH_AUTH_SOCK
    mkdir -m 700 "$HOME/.ssh"
    key_make host
    key_make user
    serve_ssh host
}

teardown() {
    serve_end
    [ -z "$agent" ] || kill "$agent"
    world_teardown
}

# key_make FILE [PASSPHRASE [TYPE]]: a new one; RSA's of the least size, which is made at once
key_make() {
    local bits=()
    [ "${3:-}" != rsa ] || bits=(-b 1024)
    rm -f "$1" "$1.pub"
    ssh-keygen -q -t "${3:-ed25519}" "${bits[@]}" -N "${2:-}" -f "$1"
}

# serve_ssh KEY...: with these host keys, and the user's own
serve_ssh() {
    local key
    for key; do echo "HostKey $PWD/$key"; done >config
    cat >>config <<END
AuthorizedKeysFile $PWD/user.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
END
    serve "$MODLOAD_ROOT/tests/lib/ssh-server.py" "$PWD/config" "$PWD/sshd.log"
    served=ssh://$(id -un)@127.0.0.1:$served_port
}

# known KEY: that is the server's
known() {
    echo "[127.0.0.1]:$served_port $(cut -d' ' -f1,2 "$1.pub")" >"$HOME/.ssh/known_hosts"
}

shown() {
    ml install --dry-run "$served$PWD/calc"
}

@test "ssh: a key file, a server whose key is known, and then it works" {
    known host
    install -m 600 user "$HOME/.ssh/id_ed25519"
    ml install --yes --name calc "$served$PWD/calc@^1"
    assert_ok
    ml run --release calc twice 21
    assert_stdout 42
    plugin_commit calc 1.1.0
    ml update --yes
    assert_ok
    ml outdated
    assert_ok
    assert_no_stdout
    ml install --dry-run "$served$PWD/nowhere"
    assert_exit 66
    assert_stderr_has "'$PWD/nowhere' does not appear to be a git repository
  hint: is it the right URL?"
}

@test "ssh: a server whose key is not known, or is another one than before, is refused" {
    install -m 600 user "$HOME/.ssh/id_ed25519"
    for known in "" user; do
        [ -z "$known" ] || known "$known"
        shown
        assert_exit 77
        assert_stderr_has "the key of '127.0.0.1' is not the one in ~/.ssh/known_hosts, or there is none"
        assert_stderr_has "hint: "
    done
    run ! grep -q Accepted sshd.log
    known host
    shown
    assert_ok
    known=$(<"$HOME/.ssh/known_hosts")
    key_make host
    rm -rf "$HOME/.cache" "$XDG_CACHE_HOME"
    shown
    assert_exit 77
    assert_stderr_has "the key of '127.0.0.1' is not the one in ~/.ssh/known_hosts"
    assert_stderr_has "take it: ssh -p $served_port 127.0.0.1; where there was another one before, ask who runs it, and then: ssh-keygen -R '[127.0.0.1]:$served_port'"
    assert_equal "$(<"$HOME/.ssh/known_hosts")" "$known"
}

@test "ssh: of several keys that a server has, the one that is known counts" {
    install -m 600 user "$HOME/.ssh/id_ed25519"
    key_make host-ecdsa "" ecdsa
    key_make host-rsa "" rsa
    serve_ssh host host-ecdsa host-rsa
    for key in host host-ecdsa; do
        known $key
        shown
        assert_ok
    done
    known host-rsa # which takes SHA-1 with this libssh2, and no sshd does
    shown
    [ "$status" -eq 0 ] || assert_stderr_has "server and ~/.ssh/known_hosts need a kind of key in common, which RSA is not"
    [ "$status" -eq 0 ] || assert_exit 77
}

@test "ssh: a key that cannot be used keeps nobody from the next" {
    known host
    install -m 600 user "$HOME/.ssh/id_ecdsa"
    key_make locked sesame
    key_make pem "" ecdsa
    ssh-keygen -q -p -m PEM -P "" -N sesame -f pem >/dev/null
    for key in locked pem /dev/null; do
        install -m 600 $key "$HOME/.ssh/id_ed25519"
        shown
        assert_ok
    done
    printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n' >"$HOME/.ssh/id_ed25519"
    shown
    assert_exit 77
    assert_stderr_has "Failed to authenticate SSH session"
    assert_stderr_has "ssh-add"
}

@test "ssh: a key of the agent, also one with a passphrase" {
    known host
    shown
    assert_exit 77
    assert_stderr_has "'127.0.0.1' takes no key that there is"
    assert_stderr_has "ssh-add"
    key_make user sesame
    install -m 600 user "$HOME/.ssh/id_ed25519"
    shown
    assert_exit 77
    assert_stderr_has "'127.0.0.1' takes no key that there is"
    export SSH_AUTH_SOCK=$PWD/agent
    agent=$(ssh-agent -a "$SSH_AUTH_SOCK" -s 3>&- | sed -n 's/.*AGENT_PID=\([0-9]*\);.*/\1/p')
    shown
    assert_exit 77
    printf '#!/bin/sh\necho sesame\n' >askpass
    chmod 755 askpass
    SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force ssh-add -q user </dev/null 2>/dev/null
    shown
    assert_ok
    rm "$HOME/.ssh/id_ed25519"
    ml outdated
    shown
    assert_ok
}
