"""https-server.py DIRECTORY: git repositories in DIRECTORY, by https, for tests. Prints its port when it is ready, and
writes a line for each request into DIRECTORY/requests: host, path, and whether it had a password.

  /plain/REPO    as git http-backend answers          /moved/REPO    a redirect to /plain on this host
  /auth/REPO     the same, for me and secret alone    /away/REPO     a redirect to /plain on another host (localhost)
  /late/REPO     as /auth, then a redirect away       /down/REPO     a redirect to http
  /silent/REPO   nothing, and the connection stays    /port/REPO     a redirect to /auth on another port of this host
  anything else  404

While somebody waits for an answer to a password, the arguments and the variables of what runs in DIRECTORY are written into
DIRECTORY/processes.
"""

import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading

ROOT = sys.argv[1]
WANTED = "Basic " + base64.b64encode(b"me:secret").decode()


def look_around():
    with open(ROOT + "/processes", "ab") as seen:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as words, open(f"/proc/{pid}/environ", "rb") as variables:
                    said = words.read() + b"\n" + variables.read() + b"\n"
            except OSError:
                continue
            if ROOT.encode() in said:
                seen.write(said)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def say(self, status, headers, content=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def backend(self, path, body):
        path, _, query = path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": ROOT,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.say(status, [f for f in fields if f[0] != "Status"], content)

    def answer(self):
        _, mode, rest = self.path.split("/", 2)
        given = self.headers.get("Authorization")
        host = self.headers.get("Host", "").split(":")[0]
        with open(ROOT + "/requests", "a") as log:
            log.write(f"{host} {self.path} {'password' if given else 'nobody'}\n")
        if given == WANTED:
            look_around()
        body, port = self.body(), self.server.server_address[1]
        if mode == "silent":
            threading.Event().wait()
        elif mode in ("auth", "late") and given != WANTED:
            self.say(401, [("WWW-Authenticate", 'Basic realm="test"')])
        elif mode in ("away", "late"):
            self.say(302, [("Location", f"https://localhost:{port}/plain/{rest}")])
        elif mode == "down":
            self.say(302, [("Location", f"http://127.0.0.1:{port}/plain/{rest}")])
        elif mode == "port":
            self.say(302, [("Location", f"https://127.0.0.1:{other.server_address[1]}/auth/{rest}")])
        elif mode == "moved":
            self.say(301, [("Location", f"https://127.0.0.1:{port}/plain/{rest}")])
        elif mode in ("plain", "auth"):
            self.backend("/" + rest, body)
        else:
            self.say(404, [])

    do_GET = do_POST = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def listen():
    listening = Server(("127.0.0.1", 0), Handler)
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    return listening


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(ROOT + "/server.pem", ROOT + "/server.key")
server, other = listen(), listen()
threading.Thread(target=other.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
