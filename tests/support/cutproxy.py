#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TCP proxy in front of PostgreSQL that cuts connections around COMMIT.

Every N-th COMMIT that a client sends is cut, by turns in three ways:
  unsent    the connection dies before the server sees the COMMIT       (it did not happen)
  unheard   the server answers, the answer is thrown away                (it happened)
  unwaited  the COMMIT is passed on and the client cut at once           (nobody knows yet)
The counts go to a file, so that a test can show that the fault took effect.

usage: cutproxy.py SERVER_PORT EVERY STATE_FILE   (prints the port it listens on, then serves until killed)
"""
import json
import os
import selectors
import socket
import sys
import threading

server_port, every, state_file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()
counts = {"commits": 0, "unsent": 0, "unheard": 0, "unwaited": 0}
WAYS = ("unsent", "unheard", "unwaited")


def decide():
    """Which way to cut this COMMIT, or None."""
    with lock:
        counts["commits"] += 1
        if counts["commits"] % every:
            return None
        way = WAYS[(counts["commits"] // every) % 3]
        counts[way] += 1
        with open(state_file + ".new", "w") as out:
            json.dump(counts, out)
        os.replace(state_file + ".new", state_file)
        return way


def serve(client):
    server = socket.create_connection(("127.0.0.1", server_port))
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    chooser = selectors.DefaultSelector()
    chooser.register(client, selectors.EVENT_READ)
    chooser.register(server, selectors.EVENT_READ)
    try:
        while True:
            for key, _ in chooser.select():
                data = key.fileobj.recv(65536)
                if not data:
                    return
                if key.fileobj is server:
                    client.sendall(data)
                    continue
                # a COMMIT is a short message of its own: never part of copied rows
                way = decide() if len(data) < 200 and b"COMMIT" in data.upper() else None
                if way == "unsent":
                    return
                server.sendall(data)
                if way == "unheard":
                    server.recv(65536)
                    return
                if way == "unwaited":
                    return
    except OSError:
        pass
    finally:
        client.close()
        server.close()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
