# SPDX-License-Identifier: MIT
"""faults_base - what a fault is

A fault is a class of a few lines: inject() does it, heal() takes it back, proof() says by what it was seen to have happened, or
nothing. The proof never is that inject() was called: it is what somebody else shows, a process that is gone, a line in a server's
log, a count in the proxy, a row that waits for a lock.
"""


class NotHere(Exception):
    """This machine cannot make that fault, or there is none of that name."""


class Fault:
    name = ""
    needs = ()           # pg_proxy, kafka_proxy, three_brokers, standby, small_disk, small_wal, clock
    alive = False        # a part of weir must go on while it lasts
    alive_s = 10         # ... and has so long to show it
    hold_s = (1.0, 3.0)  # for so long, drawn from here
    within_s = 60        # after the healing everything is passed in so long
    alone = False        # changes the world for good, so it is not drawn in a mix
    area, pairs = "", ()  # where it is; the areas of those that may be drawn together with it
    why_not = None       # why this machine cannot make it

    def inject(self, world):
        raise NotImplementedError

    def heal(self, world):
        pass

    def proof(self, world):
        raise NotImplementedError
