"""An upstream that says how Python reads the path it was sent. It prints its port, then serves."""

import json
import posixpath
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

requests = 0


class Reader(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global requests
        requests += 1
        parts = urlsplit(self.path)
        decoded = unquote(parts.path, errors="strict")
        slash = "/" if decoded.endswith("/") and decoded != "/" else ""
        body = json.dumps(
            {
                "number": requests,
                "raw": self.requestline.split(" ")[1],
                "path": parts.path,
                "query": parts.query,
                "decoded": decoded,
                "resolved": posixpath.normpath(decoded) + slash,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Reader)
print(server.server_address[1], flush=True)
sys.stdout.close()
server.serve_forever()
