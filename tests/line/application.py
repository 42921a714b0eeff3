"""Plays the application on the AGI port, in a process of its own that can be killed or stopped.

    python application.py PORT [COMMAND ...]

For each call it sends the AGI commands in turn, waiting for each reply, prints "at <index>"
before each, and then keeps the call without another word. "{id}" in a command stands for the
call's id. `silent`: say nothing from here on; `bye`: end the session as a finished
application does. The port is taken before "ready" is printed.
"""

from __future__ import annotations

import socketserver
import sys
import threading


class Call(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        call_id = ""
        for line in iter(self.rfile.readline, b"\n"):
            if line.startswith(b"agi_uniqueid: "):
                call_id = line.split()[1].decode()
        for index, command in enumerate(sys.argv[2:]):
            print(f"at {index}", flush=True)
            if command == "silent":
                break
            if command == "bye":
                return
            self.wfile.write(command.replace("{id}", call_id).encode() + b"\n")
            self.rfile.readline()
        threading.Event().wait()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Call) as server:
        print("ready", flush=True)
        server.serve_forever()
