# SPDX-License-Identifier: MIT
"""faults_command - an operator's command is killed at a failpoint of its own, and given once more

What is asked of each: killed before its COMMIT it has done nothing; killed behind it, the same command, or the one that goes on, brings
it to its end; and what the workers do meanwhile is judged by the checker as ever. The commands are chosen so that a sound one has no
effect on the workload: a move that never comes to be, offsets of a group that nobody is in, letters that are refused again, a replay
of what is all claimed.
"""
import os
import subprocess

from faults_base import Fault
from world import WORKER, Broken, within


class Command(Fault):
    """(base) a command of weir dies at the failpoint `point`"""

    area, pairs, alive, hold_s = "command", ("weir", "pg", "kafka"), True, (0.1, 0.3)
    point = ""

    def die(self, world, *words):
        """True: it said that it is there, and ended by signal 9."""
        world.commands += 1
        self.reason = "chaos-%d" % world.commands
        words = [word.replace("REASON", self.reason) for word in words]
        with open(os.path.join(world.folder, "command.log"), "a") as log:
            mark = log.tell()
            status = subprocess.run([world.test_binary, *words, "-c", world.config], stdout=log, stderr=log, timeout=120,
                                    env=dict(os.environ, WEIR_FAILPOINT="%s:kill" % self.point)).returncode
        with open(os.path.join(world.folder, "command.log")) as log:
            log.seek(mark)
            said = log.read()
        return status == -9 and "event=failpoint.reached name=%s signal=Killed" % self.point in said

    def count(self, world, query):
        return int(world.psql(query).strip())

    def proof(self, world):
        return self.died and self.after and "failpoint.reached %s, ended by signal 9; %s" % (self.point, self.after)


class PositionMoved(Command):
    """weir position set is killed before its COMMIT: nothing is moved"""

    name, point = "position-kill", "position.moved"

    def inject(self, world):
        self.died = self.die(world, "position", "set", WORKER, "%s/0" % world.topic, "earliest", "--reason", "REASON")

    def heal(self, world):
        rows = self.count(world, "select count(*) from weir.position_change where reason like '%%%s%%'" % self.reason)
        self.after = rows == 0 and "no move is written down"


class PositionWritten(Command):
    """weir position export is killed when it has written; the same command again writes all"""

    name, point = "export-kill", "position.written"

    def inject(self, world):
        words = ("position", "export", WORKER, "--group", "%s-copy" % world.group, "--yes", "--force", "--partial", "--reason",
                 "REASON")
        self.died = self.die(world, *words)
        world.weir(*words)

    def heal(self, world):
        copied = world.pairs(world.kafkactl("committed", world.topic, "%s-copy" % world.group)) or {}
        there = sum(1 for offset in copied.values() if offset >= 0)
        self.after = there and "given again, %d partitions of the group have offsets" % there


class RequeueMarked(Command):
    """weir dlq requeue is killed before its COMMIT: no letter is marked"""

    name, point = "requeue-kill", "requeue.marked"

    def inject(self, world):
        world.feeder.put(5, "reject")
        if not within(20, lambda: self.count(world, "select count(*) from weir.dead_letter where class = 'reject'")):
            raise Broken("there is no dead letter of class reject")
        self.died = self.die(world, "dlq", "requeue", "--worker", WORKER, "--class", "reject", "--limit", "50", "--note", "REASON")

    def marked(self, world):
        return self.count(world, "select count(*) from weir.dead_letter where note = '%s'" % self.reason)

    def heal(self, world):
        self.after = self.marked(world) == 0 and "no letter is marked"


class RequeueCommitted(RequeueMarked):
    """weir dlq requeue is killed behind its COMMIT: the letters are run again by the workers, refused again, and kept"""

    name, point = "requeue-late", "requeue.committed"

    def heal(self, world):
        marked = self.marked(world)
        rest = "select count(*) from weir.dead_letter where state = 'requeue'"
        self.after = marked and within(60, lambda: self.count(world, rest) == 0) and "%d letters were run again" % marked


class ReplayPlanned(Command):
    """weir replay start is killed before its plan is there: there is no replay"""

    name, point = "replay-kill", "replay.planned"

    def inject(self, world):
        # only what has passed: a replay beside the live worker may not be before it. A good event that kills condemned has no
        # claim, so where processes were killed the replay passes all and runs nothing
        kind = "ledger.none" if world.kills else "ledger.good"
        at = (world.positions() or {}).get(0, 0)
        self.died = self.die(world, "replay", "start", WORKER, "--policy", "missing", "--partition", "%s/0" % world.topic,
                             "--to", str(at), "--type", kind, "--quiet", "--reason", "REASON")
        self.of = "select count(*) from weir.replay where reason = '%s'" % self.reason

    def heal(self, world):
        self.after = self.count(world, self.of) == 0 and "no plan is there"


class ReplayBegun(ReplayPlanned):
    """weir replay start is killed before its first lane; weir replay resume brings it to its end"""

    name, point = "replay-begun", "replay.begun"

    def heal(self, world):
        number = world.psql(self.of.replace("count(*)", "id")).strip()
        if number:
            world.weir("replay", "resume", number, "--quiet")
        done = self.count(world, self.of + " and state = 'done'")
        self.after = done == 1 and "replay %s resumed and done" % number


class ReplayEnding(ReplayBegun):
    """weir replay start is killed at its end, before that is written down; weir replay resume finds it done"""

    name, point = "replay-ending", "replay.ending"
