"""git-server.py DIRECTORY [SILENT-AFTER]: the git repositories in DIRECTORY by git's own protocol on the loopback
address, for tests. Prints its port when it is ready, and writes a line into DIRECTORY/connections for each that comes.
After SILENT-AFTER bytes nothing more is sent, and the connection stays.
"""

import socketserver
import subprocess
import sys
import threading

ROOT = sys.argv[1]
SILENT_AFTER = int(sys.argv[2]) if len(sys.argv) > 2 else None


class Handler(socketserver.BaseRequestHandler):
    def send(self, program):
        left = SILENT_AFTER
        while block := program.stdout.read1(65536):
            if left is not None and len(block) > left:
                self.request.sendall(block[:left])
                threading.Event().wait()
            self.request.sendall(block)
            left = None if left is None else left - len(block)

    def receive(self, program):
        try:
            while block := self.request.recv(65536):
                program.stdin.write(block)
                program.stdin.flush()
            program.stdin.close()
        except (OSError, ValueError):
            pass  # it has ended

    def handle(self):
        with open(ROOT + "/connections", "a") as log:
            log.write("one\n")
        command = ["git", "daemon", "--inetd", "--export-all", "--base-path=" + ROOT]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            threading.Thread(target=self.receive, args=[program], daemon=True).start()
            self.send(program)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
