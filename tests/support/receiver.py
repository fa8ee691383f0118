#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An HTTP receiver that writes down what came and answers as it is told; it verifies nothing itself.

usage: receiver.py LOG CONTROL [--port N] [--cert FILE --key FILE]
       prints its port, then serves until it is killed

LOG      a line of JSON for each request, written before the answer: n, at (seconds), port, connection, method,
         path, headers (list of [name, value] as they came), body (text, or null), body_base64, and answered:
         the status that follows, null where the connection is cut without one.
CONTROL  a file of JSON, read anew for each request: { "/path": behaviour, "*": behaviour }. The path is looked
         up as it came, without its query, and then as "*". A list of behaviours is used up one after the other,
         the last one stays. Without the file, or without an entry: 204. A behaviour is a group of
           status     status code (204)
           headers    { "Retry-After": "1", "Location": "/elsewhere" }
           body       text of the answer;  body_bytes: as many bytes of x instead
           event      a CloudEvent as answer, in binary mode: { "id": …, "source": …, "type": …, "data": … }
           delay_ms   wait before the answer
           until      wait before the answer until this file exists
           cut        "before": close without an answer; "head": after half of the head; "body": promise more
                      body than is sent; "reset": before, with RST
           options    behaviour for OPTIONS instead of this one; without it OPTIONS is answered with 405
           ids        { "e-7": behaviour }: for the events with these ids (ce-id) instead of this one
"""
import argparse
import base64
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("log")
arguments.add_argument("control")
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--cert")
arguments.add_argument("--key")
options = arguments.parse_args()

lock = threading.Lock()
used = {}  # how many behaviours of a list a path has used up
counts = {"requests": 0, "connections": 0}
log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def behaviour_for(path, method, event_id):
    """What to do with this request; moves on in a list."""
    try:
        with open(options.control, encoding="utf-8") as control:
            all_of_them = json.load(control)
    except FileNotFoundError:
        return {}
    path = path.split("?", 1)[0]
    key = path if path in all_of_them else "*"
    chosen = all_of_them.get(key, {})
    if isinstance(chosen, list):
        with lock:
            at = used.get((path, method), 0)
            used[(path, method)] = at + 1
        chosen = chosen[min(at, len(chosen) - 1)]
    if method == "OPTIONS":
        chosen = chosen.get("options", {"status": 405})
    return chosen.get("ids", {}).get(event_id, chosen)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self):
        super().setup()
        with lock:
            counts["connections"] += 1
            self.connection_number = counts["connections"]

    def log_message(self, *_):
        pass

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def write_down(self, body, answered):
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        with lock:
            counts["requests"] += 1
            line = {"n": counts["requests"], "at": time.time(), "port": self.server.server_address[1],
                    "connection": self.connection_number, "method": self.command, "path": self.path,
                    "headers": self.headers.items(), "body": text,
                    "body_base64": base64.b64encode(body).decode("ascii"), "answered": answered}
            os.write(log, json.dumps(line).encode("utf-8") + b"\n")

    def answer_of(self, behaviour):
        """Head and body as bytes."""
        headers = dict(behaviour.get("headers", {}))
        body = behaviour.get("body", "").encode("utf-8") + b"x" * behaviour.get("body_bytes", 0)
        event = behaviour.get("event")
        if event:
            event = dict(event)
            body = event.pop("data", "").encode("utf-8")
            headers.setdefault("Content-Type", event.pop("datacontenttype", "application/json"))
            headers["ce-specversion"] = "1.0"
            for name, value in event.items():
                headers["ce-" + name] = value
        status = behaviour.get("status", 200 if body else 204)
        if status != 204 and status >= 200:
            promised = len(body) + (1000 if behaviour.get("cut") == "body" else 0)
            headers.setdefault("Content-Length", str(promised))
        reason = self.responses.get(status, ("",))[0]
        head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        return head.encode("latin-1"), b"" if status == 204 else body

    def serve(self):
        body = self.read_body()
        behaviour = behaviour_for(self.path, self.command, self.headers.get("ce-id"))
        cut = behaviour.get("cut")
        head, answer = self.answer_of(behaviour)
        self.write_down(body, None if cut in ("before", "head", "reset") else int(head.split()[1]))
        time.sleep(behaviour.get("delay_ms", 0) / 1000)
        while behaviour.get("until") and not os.path.exists(behaviour["until"]):
            time.sleep(0.01)
        if cut == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if cut == "head":
            head, answer = head[: len(head) // 2], b""
        if cut not in ("before", "reset"):
            self.wfile.write(head + answer)
            self.wfile.flush()
        if cut:
            self.close_connection = True

    do_POST = do_OPTIONS = do_GET = do_PUT = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, client_address):
        if tls:  # here, in the thread of the connection: a slow handshake holds up nobody else
            request.settimeout(60)
            request = tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that went away is no error of ours
            super().handle_error(request, client_address)


tls = None
if options.cert:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.cert, options.key)
server = Server(("127.0.0.1", options.port), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
