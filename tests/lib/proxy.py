"""proxy.py LOG NAME:PASSWORD [CERTIFICATE KEY]: a proxy for https (CONNECT, RFC 9110 section 9.3.6) on the loopback address, for tests; for
those alone who have that name and password, if there is one, and by https itself, with a certificate. Prints its port when it is ready, and writes a line into LOG
for each request: the method, to where, and what came of it. It reaches 127.0.0.1 alone, whatever host is asked for.
"""

import base64
import http.server
import select
import socket
import ssl
import sys

WANTED = "Basic " + base64.b64encode(sys.argv[2].encode()).decode() if sys.argv[2] else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, status):
        with open(sys.argv[1], "a") as log:
            log.write(f"{self.command} {self.path} {status}\n")

    def refuse(self, status, *headers):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self):
        if WANTED and self.headers.get("Proxy-Authorization") != WANTED:
            return self.refuse(407, ("Proxy-Authenticate", 'Basic realm="proxy"'))
        try:
            there = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])))
        except OSError:
            return self.refuse(502)
        self.note(200)
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with there:
            self.pass_on(there)

    def pass_on(self, there):
        other = {self.connection: there, there: self.connection}
        while True:
            for end in select.select(list(other), [], [])[0]:
                block = end.recv(65536)
                if not block:
                    return
                other[end].sendall(block)

    def do_GET(self):
        self.refuse(400)

    do_POST = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
