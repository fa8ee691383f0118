#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""proxy - a TCP proxy that spoils what goes through it, in ways that can be told to it and counted

A process of its own, so that its work and the driver's do not wait for each other: a line of JSON on standard input sets what it
does from now on and is answered by a line with all counts, which are the proof that a fault took effect.

  port     where to lead to (null: refuse)               refuse   close what comes, and what is there
  delay    seconds that every piece waits                 stall    nothing goes through; nobody is told
  slice    pieces of 1 to so many bytes                   rate     bytes a second and connection, from the server
  flip     one bit in about so many bytes from the server reset    {"every": bytes}: RST after about so many
  commit   every N-th COMMIT is cut: unsent (the server never sees it), unheard (its answer is dropped), unwaited (cut at once)
  cut      every N-th message of a client is cut in its middle, and the connection with it

usage: proxy.py PORT     (0: any; prints the port, serves until standard input ends)
"""
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

PIECE = 65536
WAYS = ("unsent", "unheard", "unwaited")


class Rules:
    """What is told, and what was done. One lock; nobody holds it while he sends."""

    def __init__(self):
        self.lock = threading.Lock()
        self.told = {}
        self.counts = {}
        self.open = set()

    def get(self, name):
        return self.told.get(name)

    def count(self, name, by=1):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + by
            return self.counts[name]

    def tell(self, told):
        with self.lock:
            self.told = dict(self.told, **told)
        if self.told.get("refuse"):
            for link in list(self.open):
                link.reset()
        with self.lock:
            return dict(self.counts)


class Link:
    """One connection: two threads, each of which carries one way."""

    def __init__(self, rules, client):
        self.rules, self.client = rules, client
        self.server = socket.create_connection(("127.0.0.1", rules.get("port")), 5)
        self.server.settimeout(None)
        for side in (self.client, self.server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.drop_answers = False
        self.random = random.Random()
        rules.open.add(self)
        rules.count("connections")
        threading.Thread(target=self.carry, args=(self.client, self.server, False), daemon=True).start()
        threading.Thread(target=self.carry, args=(self.server, self.client, True), daemon=True).start()

    def reset(self):
        """RST both ways: nobody gets an orderly end."""
        self.rules.open.discard(self)
        for side in (self.client, self.server):
            try:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
                side.close()
            except OSError:
                pass

    def carry(self, source, target, from_server):
        try:
            while True:
                data = source.recv(PIECE)
                if not data or not self.spoil(data, target, from_server):
                    break
        except OSError:
            pass
        finally:
            self.reset()

    def spoil(self, data, target, from_server):
        """False: the connection ends here."""
        rules = self.rules
        while rules.get("stall"):
            rules.count("stalled")
            time.sleep(0.05)
            if self not in rules.open:
                return False
        told = rules.told  # one view of it: it may change at any time
        if told.get("delay"):
            rules.count("delayed")
            time.sleep(told["delay"])
        if told.get("reset") and self.random.random() < len(data) / told["reset"]:
            rules.count("resets")
            return False
        if from_server:
            if self.drop_answers:
                rules.count("unheard")
                return False
            if told.get("flip"):
                data = self.flip(data, told["flip"])
            if told.get("rate"):
                rules.count("slowed")
                time.sleep(len(data) / told["rate"])
        else:
            if told.get("commit") and len(data) < 200 and b"COMMIT" in data.upper():
                number = rules.count("commits")
                if number % told["commit"] == 0:
                    return self.cut_commit(data, target, WAYS[number // told["commit"] % 3])
            if told.get("cut") and rules.count("messages") % told["cut"] == 0:
                rules.count("cuts")
                target.sendall(data[:len(data) // 2])
                return False
        if told.get("slice"):
            rules.count("sliced")
            at = 0
            while at < len(data):
                size = self.random.randint(1, told["slice"])
                target.sendall(data[at:at + size])
                at += size
        else:
            target.sendall(data)
        return True

    def cut_commit(self, data, target, way):
        if way == "unsent":
            self.rules.count("unsent")
            return False
        target.sendall(data)
        if way == "unwaited":
            self.rules.count("unwaited")
            return False
        self.drop_answers = True
        return True

    def flip(self, data, mean):
        if self.random.random() >= len(data) / mean:
            return data
        at = self.random.randrange(len(data))
        self.rules.count("flips")
        return data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1:]


def serve(listener, rules):
    while True:
        client, _ = listener.accept()
        if rules.get("refuse") or rules.get("port") is None:
            rules.count("refused")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            continue
        try:
            Link(rules, client)
        except OSError:
            client.close()


class Proxied:
    """A proxy as the driver sees it."""

    def __init__(self, log, port=0):
        with open(log, "a") as errors:
            self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(port)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        self.port = int(self.process.stdout.readline())

    def tell(self, **told):
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def counts(self):
        return self.tell()

    def lead_to(self, port):
        self.tell(port=port)

    def end(self):
        self.process.kill()
        self.process.wait()


def main():
    rules = Rules()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=serve, args=(listener, rules), daemon=True).start()
    for line in sys.stdin:
        print(json.dumps(rules.tell(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
