# SPDX-License-Identifier: MIT
"""faults_data - what producers and plugins do: poison, floods of copies, events that end or hang their process"""
import time

from faults_base import Fault
from world import within


def letters(world, what):
    return int(world.psql("select count(*) from weir.dead_letter where %s" % what).strip())


class Burst(Fault):
    """(base) many records of some kinds at once"""

    kinds, times, hold_s = (), 100, (1, 2)
    what = "true"

    def inject(self, world):
        self.before = letters(world, self.what)
        for _ in range(self.times):
            for kind in self.kinds:
                world.feeder.put(1, kind)

    def heal(self, world):
        def grown():
            return letters(world, self.what) - self.before
        self.grown = within(60, lambda: grown() >= self.least() and grown())

    def least(self):
        return self.times * len(self.kinds)

    def proof(self, world):
        return self.grown and "%d dead letters more" % self.grown


class Poison(Burst):
    """a mass of records that are no events, or that the plugin rejects, among good ones"""

    name, kinds, times = "poison", ("decode", "reject", "sql", "spoil", "good"), 60

    def least(self):
        return self.times * 4


class Copies(Burst):
    """a storm of duplicates: near, far, in other partitions, with other bytes"""

    name, kinds, times = "copies", ("near", "far", "cross", "conflict"), 300
    count = "select coalesce(sum(events - fresh), 0) from weir.batch"

    def inject(self, world):
        self.before = int(world.psql(self.count))
        for _ in range(self.times):
            for kind in self.kinds:
                world.feeder.put(1, kind)

    def heal(self, world):
        self.grown = within(60, lambda: int(world.psql(self.count)) - self.before >= self.times * 3
                            and int(world.psql(self.count)) - self.before)

    def proof(self, world):
        return self.grown and "%d events were met whose key was claimed" % self.grown


class Crash(Burst):
    """two events that break their process: SIGSEGV in the plugin"""

    name, kinds, times, within_s = "plugin-crash", ("segv",), 2, 90
    what = "class = 'crash' and reason = 'SIGSEGV'"

    def inject(self, world):
        world.signals.add("SIGSEGV")
        world.kills += 6  # who is in a handler beside it is suspected too
        self.marks = {w: w.mark() for w in world.weirs}
        super().inject(world)

    def proof(self, world):
        died = sum(w.count("event=process.died", mark) for w, mark in self.marks.items())
        return self.grown and died >= 3 and "%d times process.died, %d dead letters more" % (died, self.grown)


class Hang(Burst):
    """an event at which the plugin hangs, past handler.deadline"""

    name, kinds, times, within_s, hold_s = "plugin-hang", ("hang",), 1, 120, (4, 5)
    what = "class = 'crash' and reason = 'stuck'"

    def inject(self, world):
        world.kills += 3
        self.marks = {w: w.mark() for w in world.weirs}
        super().inject(world)

    def proof(self, world):
        stuck = sum(w.count("event=handler.stuck", mark) for w, mark in self.marks.items())
        return self.grown and stuck and "%d times handler.stuck, %d dead letters more" % (stuck, self.grown)


class Slow(Fault):
    """every event takes its time in the handler: 300 slow ones among the others"""

    name, alive, hold_s, within_s = "slow-handler", True, (2, 3), 90

    def inject(self, world):
        self.before = self.count(world)
        began = time.monotonic()
        world.feeder.put(100, "slow")
        self.seen = within(60, lambda: self.count(world) - self.before >= 100 and time.monotonic() - began)

    @staticmethod
    def count(world):
        return int(world.psql("select count(*) from ledger.effect where type = 'ledger.slow'").strip())

    def proof(self, world):
        return self.seen and "100 events took %.1f s" % self.seen
