"""ssh-server.py CONFIG LOG: sshd with that configuration on the loopback address, for tests: one for each connection, as
inetd does it, since it cannot choose a free port itself. Prints its port when it is ready.
"""

import socketserver
import subprocess
import sys

COMMAND = ["/usr/sbin/sshd", "-i", "-f", sys.argv[1], "-E", sys.argv[2]]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        subprocess.run(COMMAND, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
