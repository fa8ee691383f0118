# SPDX-License-Identifier: MIT
"""truth - what a folder of evidence holds, read into memory: nothing is judged here

The folder is made by dump.py and driver.py: the plan, the producer's reports, each generation of the topic, the tables. A topic
that was deleted and made again has the same offsets twice, so a record is known by (generation, partition, offset), and what
PostgreSQL calls (partition, offset) is looked for in all of them, by its id or its bytes.
"""
import collections
import csv
import json
import os
import re
import sys

csv.field_size_limit(sys.maxsize)
Planned = collections.namedtuple("Planned", "number uid key kseq kind partition md5")
Entry = collections.namedtuple("Entry", "generation partition offset number key headers value")


class Evidence(Exception):
    """Something is missing or cannot be read: no verdict."""


def unhex(text):
    return None if text == "-" else bytes.fromhex(text)


def read_headers(text):
    found = []
    for item in text.split(",") if text else []:
        name, _, value = item.partition("=")
        found.append((name, unhex(value)))
    return found


class Truth:
    def __init__(self, folder):
        self.folder = folder
        try:
            self._read()
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise Evidence("%s: %r" % (folder, error)) from error

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _table(self, name):
        with open(self._path(name + ".csv"), newline="") as file:
            return list(csv.DictReader(file))

    def _lines(self, name):
        with open(self._path(name)) as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # whoever wrote it was killed
                yield line[:-1]

    def _pairs(self, name):
        return {int(line.split()[0]): int(line.split()[1]) for line in self._lines(name)}

    def _read(self):
        with open(self._path("run.json")) as file:
            self.run = json.load(file)
        self.plan = {}
        for line in self._lines("plan.tsv"):
            number, uid, key, kseq, kind, partition, md5 = line.split("\t")
            self.plan[int(number)] = Planned(int(number), uid, key, int(kseq), kind, int(partition), md5)
        self.reports = {}  # number -> acked / failed / unknown
        self.acks = {}     # number -> (partition, offset)
        for line in self._lines("produced.log"):
            words = line.split()
            if words[0] == "flushed":
                continue
            if int(words[0]) in self.reports:
                raise ValueError("record %s is reported twice" % words[0])
            self.reports[int(words[0])] = words[1]
            if words[1] == "acked":
                self.acks[int(words[0])] = (int(words[2]), int(words[3]))
        self.logs, self.starts, self.ends = [], [], []
        for generation in range(int(self.run["generations"])):
            self.logs.append(self._read_log(generation))
            self.starts.append(self._pairs("log-%d-starts.txt" % generation))
            self.ends.append(self._pairs("log-%d-ends.txt" % generation))
        self.effects, self.batches, self.changes = self._table("effect"), self._table("batch"), self._table("change")
        self.claims, self.dead, self.left = self._table("claim"), self._table("dead"), self._table("left")
        self.positions = {int(r["id"]): r for r in self._table("position")  # those of replays are none of the worker's
                          if (r["topic"], r["worker"]) == (self.run["topic"], self.run["worker"])}
        self.out = self._read_out()
        # the processes at the end, and those that died: a run of before has neither
        self.processes = [line.split("\t") for line in self._lines("processes.tsv")] if "signals" in self.run else []
        self.deaths = [line.split("\t") for line in self._lines("deaths.tsv")] if "signals" in self.run else []
        self.samples = [tuple(int(v) for v in line.split()[1:]) for line in self._lines("samples.tsv")]
        self.committed = self._pairs("committed.txt")

    def _read_log(self, generation):
        found = {}
        for line in self._lines("log-%d.tsv" % generation):
            partition, offset, _, key, headers, value = line.split("\t")
            number = None
            match = re.search(r"(?:^|,)chaos_n=([0-9a-f]*)$", headers)
            if match:
                number = int(bytes.fromhex(match.group(1)))
            found[int(partition), int(offset)] = Entry(generation, int(partition), int(offset), number, key, headers, value)
        return found

    def _read_out(self):
        found = collections.defaultdict(list)
        for line in self._lines("out.tsv"):
            partition, offset, _, _, headers, value = line.split("\t")
            uid = dict(read_headers(headers)).get("ce_id")
            found[uid.decode() if uid else ""].append((int(partition), int(offset), value))
        return found

    def entries(self):
        for log in self.logs:
            yield from log.values()
