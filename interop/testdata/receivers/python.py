"""A receiver in Python. Its arguments are the version of HTTP, and the seconds after which it
closes a connection without a request; without them, it never does. It prints its address, and
ends with its standard input.

The response is the number of its connection. The path /chunked asks for chunks, and /close for
the end of the connection. /early is answered before the request is read.
"""

import http.server
import itertools
import os
import sys
import threading

numbers = itertools.count(1)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[1]
    timeout = float(sys.argv[2]) if len(sys.argv) > 2 else None
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.number = str(next(numbers)).encode()

    def do_POST(self):
        if self.path == "/early":
            self.send_response(413)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"413")
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        chunked = self.path == "/chunked" and self.protocol_version == "HTTP/1.1"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        if self.path == "/close":
            self.send_header("Connection", "close")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(self.number)))
        self.end_headers()
        if not chunked:
            self.wfile.write(self.number)
            return
        for digit in self.number:
            self.wfile.write(b"1\r\n%c\r\n" % digit)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


server = Server(("127.0.0.1", 0), Receiver)
print("127.0.0.1:%d" % server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
