# SPDX-License-Identifier: MIT
"""faults_net - the ways between weir and its servers: late, silent, cut, sliced, bent; the proof is what the proxy counted

The proxy stands between weir and the server only: the driver, the producer and the checker ask the servers directly.
"""
from faults_base import Fault
from world import within


class Net(Fault):
    """(base) tell the proxy of `way` something, and take it back"""

    area, pairs = "net", ("weir", "pg")
    way, told, counter, least = "", {}, "", 1
    hold_s = (3, 6)

    def inject(self, world):
        self.before = world.proxies[self.way].tell(**self.told).get(self.counter, 0)

    def heal(self, world):
        self.after = world.proxies[self.way].tell(**{name: None for name in self.told}).get(self.counter, 0)

    def proof(self, world):
        count = self.after - self.before
        return count >= self.least and "%s: %d" % (self.counter, count)


class PgCommit(Net):
    """every fifth COMMIT is cut: before it, before its answer, at once after it"""

    name, way, needs, alive, hold_s = "pg-commit", "pg", ("pg_proxy",), True, (6, 10)
    told, counter = {"commit": 5}, "commits"

    def heal(self, world):
        counts = world.proxies["pg"].tell(commit=None)
        self.cuts = [counts.get(name, 0) for name in ("unsent", "unheard", "unwaited")]

    def proof(self, world):
        return min(self.cuts) >= 1 and "COMMITs cut so far: unsent %d, unheard %d, unwaited %d" % tuple(self.cuts)


class CommitStorm(PgCommit):
    """every third COMMIT is cut, in one of the three ways, until 120 are"""

    name, hold_s, within_s, wanted = "commit-storm", (0.1, 0.2), 90, 120
    told = {"commit": 3}

    def inject(self, world):
        proxy = world.proxies["pg"]

        def cuts():
            counts = proxy.counts()
            return sum(counts.get(name, 0) for name in ("unsent", "unheard", "unwaited"))

        before = cuts()
        super().inject(world)
        within(90, lambda: cuts() - before >= self.wanted)


class PgCut(Net):
    """connections are cut in the middle of a client's message"""

    name, way, needs, told, counter = "pg-cut", "pg", ("pg_proxy",), {"cut": 40}, "cuts"


class PgSlow(Net):
    """every piece between weir and PostgreSQL takes 50 ms"""

    name, way, needs, alive, told, counter = "pg-slow", "pg", ("pg_proxy",), True, {"delay": 0.05}, "delayed"
    within_s = 90


class PgStall(Net):
    """nothing comes through between weir and PostgreSQL, and nobody is told"""

    name, way, needs, told, counter = "pg-stall", "pg", ("pg_proxy",), {"stall": True}, "stalled"


class PgRefuse(Net):
    """PostgreSQL's port refuses, and what was connected is reset"""

    name, way, needs, told, counter = "pg-refuse", "pg", ("pg_proxy",), {"refuse": True}, "refused"


class PgSlice(Net):
    """what weir and PostgreSQL say arrives in pieces of 1 to 7 bytes"""

    name, way, needs, alive, told, counter = "pg-slice", "pg", ("pg_proxy",), True, {"slice": 7}, "sliced"
    within_s = 90


class NetLatency(Net):
    """every piece between weir and the broker takes 100 ms"""

    name, way, needs, alive, told, counter = "net-latency", "kafka", ("kafka_proxy",), True, {"delay": 0.1}, "delayed"


class NetStall(Net):
    """nothing comes through between weir and the broker, past the session"""

    name, way, needs, told, counter = "net-stall", "kafka", ("kafka_proxy",), {"stall": True}, "stalled"
    hold_s = (5, 8)


class NetReset(Net):
    """connections to the broker are reset, each after about 20,000 bytes"""

    name, way, needs, told, counter, least = "net-reset", "kafka", ("kafka_proxy",), {"reset": 20000}, "resets", 3


class NetRefuse(Net):
    """the broker's port refuses, and what was connected is reset"""

    name, way, needs, told, counter = "net-refuse", "kafka", ("kafka_proxy",), {"refuse": True}, "refused"


class NetSlice(Net):
    """what weir and the broker say arrives in pieces of 1 to 7 bytes"""

    name, way, needs, alive, told, counter = "net-slice", "kafka", ("kafka_proxy",), True, {"slice": 7}, "sliced"
    within_s = 90


class NetNarrow(Net):
    """20,000 bytes a second from the broker"""

    name, way, needs, told, counter = "net-narrow", "kafka", ("kafka_proxy",), {"rate": 20000}, "slowed"
    within_s = 90


class NetFlip(Net):
    """a bit in about 30,000 from the broker is another one"""

    name, way, needs, told, counter, least = "net-flip", "kafka", ("kafka_proxy",), {"flip": 30000}, "flips", 3
    hold_s, within_s = (6, 10), 120
