# SPDX-License-Identifier: MIT
"""workload - what is produced, and what ought to become of each record, from a seed alone

The checker may not ask weir what a record was worth, so every record carries its own verdict: its kind, written to the plan
before it is sent. `chaos_n`, a header that is no attribute, names the line of the plan in the log of the topic, also where the
record is no event at all.

Keys      one key lies in one partition and is numbered (kseq), so the order of a key is defined; one key is hot.
Copies    the same id again: near, far, in another partition, with other bytes. The first one that is met takes effect.
Not here  events that kill or hang their process: a fault sends them (faults_data.py), otherwise every run would be about them.
"""
import hashlib
import random
import zlib

SOURCE = "/chaos"
# kind: how many of 10,000; the rest is good
WEIGHTS = {
    "near": 200, "far": 50, "cross": 20, "conflict": 20,
    "decode": 50, "reject": 20, "spoil": 5, "sql": 10,
    "retry": 20, "stubborn": 3, "skip": 30, "emit": 500, "slow": 5,
}
EFFECT = {"good", "emit", "slow", "retry"}  # a row, once
DEAD = {"decode": "decode", "reject": "reject", "spoil": "reject", "sql": "reject", "stubborn": "attempts",
        "segv": "crash", "hang": "crash"}
KEYS = 400


def hexed(data):
    return "-" if data is None else data.hex()


class Record:
    """One record, as it is sent: bytes only."""

    def __init__(self, partition, key, headers, value):
        self.partition, self.key, self.headers, self.value = partition, key, headers, value

    def line(self, number):
        headers = self.headers + [("chaos_n", b"%d" % number)]
        return "%d\t%d\t%s\t%s\t%s\n" % (number, self.partition, hexed(self.key),
                                         ",".join("%s=%s" % (n, hexed(v)) for n, v in headers), hexed(self.value))


class Workload:
    def __init__(self, seed, run, partitions):
        self.random = random.Random("workload %s" % seed)
        self.run, self.partitions = run, partitions
        self.number = 0
        self.new_partitions = []  # of a topic that grew: they have keys of their own
        self.kseq = {}
        self.recent, self.old = [], []  # (uid, key, kind, data, partition, structured)

    def next(self, kind=None):
        """The next record: (line for the producer, line for the plan)."""
        if kind is None:
            kind = self._draw()
        if kind in ("near", "far", "cross", "conflict"):
            made = self._copy(kind)
        elif kind == "decode":
            made = self._undecodable()
        else:
            made = self._fresh(kind)
        record, uid, key, kseq, kind, data = made
        number = self.number
        self.number += 1
        plan = "%d\t%s\t%s\t%d\t%s\t%d\t%s\n" % (number, uid, key, kseq, kind, record.partition,
                                                 hashlib.md5(data).hexdigest())
        return record.line(number), plan

    def _draw(self):
        at = self.random.randrange(10000)
        for kind, weight in WEIGHTS.items():
            at -= weight
            if at < 0:
                if kind in ("near", "far", "cross", "conflict") and not self.recent:
                    break
                return kind
        return "good"

    def _key(self):
        if self.new_partitions and self.random.random() < 0.2:
            return "new-%d" % self.random.choice(self.new_partitions)
        if self.random.random() < 0.05:
            return "hot"
        return "k%d" % min(int(self.random.paretovariate(0.6)), KEYS)

    def _place(self, key):
        if key.startswith("new-"):
            return int(key[4:])
        return zlib.crc32(key.encode()) % self.partitions

    def _fresh(self, kind):
        key = self._key()
        kseq = self.kseq[key] = self.kseq.get(key, 0) + 1
        uid = "%s-%d" % (self.run, self.number)
        data = ("%s %s %d " % (uid, key, kseq)).encode() + b"." * int(self.random.expovariate(1 / 60))
        structured = self.random.random() < 0.1
        partition = self._place(key)
        memory = (uid, key, kseq, kind, data, partition, structured)
        self.recent.append(memory)
        if len(self.recent) > 50:
            old = self.recent.pop(0)
            if len(self.old) < 2000:
                self.old.append(old)
            else:
                self.old[self.random.randrange(2000)] = old
        return self._event(*memory)

    def _event(self, uid, key, kseq, kind, data, partition, structured):
        if structured:
            value = ('{"specversion":"1.0","id":"%s","source":"%s","type":"ledger.%s","datacontenttype":"text/plain",'
                     '"data":"%s"}' % (uid, SOURCE, kind, data.decode())).encode()
            headers = [("content-type", b"application/cloudevents+json")]
        else:
            value = data
            headers = [("ce_specversion", b"1.0"), ("ce_id", uid.encode()), ("ce_source", SOURCE.encode()),
                       ("ce_type", b"ledger." + kind.encode()), ("content-type", b"text/plain")]
        return Record(partition, key.encode(), headers, value), uid, key, kseq, kind, data

    def _copy(self, how):
        memory = self.random.choice(self.old if how == "far" and self.old else self.recent)
        uid, key, kseq, kind, data, partition, structured = memory
        if how == "cross":
            partition = (partition + 1) % self.partitions
        if how == "conflict":
            data += b" other"
        return self._event(uid, key, kseq, kind, data, partition, structured)

    def _undecodable(self):
        """Bytes that are no event, each in another way; weir keeps them whole, as class decode."""
        uid = ("%s-%d" % (self.run, self.number)).encode()
        ce = [("ce_specversion", b"1.0"), ("ce_id", uid), ("ce_source", SOURCE.encode()), ("ce_type", b"ledger.good")]
        js = [("content-type", b"application/cloudevents+json")]
        whole = b'{"specversion":"1.0","id":"%s","source":"/chaos","type":"ledger.good"' % uid
        headers, value = self.random.choice([
            ([], b"neither headers nor JSON " + uid),
            ([], None),
            (js, b"no JSON " + uid),
            (js, whole),
            (js, whole + b"} garbage"),
            (js, whole + b',"id":"again"}'),
            (js, b'{"specversion":"1.0","id":"a\\u0000b","source":"/chaos","type":"t","x":"%s"}' % uid),
            (js, whole + b',"data":"\xff\xfe"}'),
            (js, b"[" * 3000 + uid),
            (ce[:1] + ce[2:], uid),
            (ce[1:], uid),
            ([("ce_specversion", b"9.9")] + ce[1:], uid),
            (ce[:1] + [("ce_id", b"a\x00" + uid)] + ce[2:], uid),
            (ce[:1] + [("ce_id", b"\xc3\x28" + uid)] + ce[2:], uid),
        ])
        key = self._key()
        # its id is its own: nobody's effect may be taken for it
        return Record(self._place(key), key.encode(), headers, value), uid.decode(), key, 0, "decode", value or b""
