# SPDX-License-Identifier: MIT
"""faults_kafka - what happens to brokers, groups and topics, by faults and by operators

Where weir halts a partition and names the command that resolves it, the driver does what an operator would: it runs that command, as it
stands in the log. A fault that is healed by anything else would prove nothing about the way out.
"""
import os
import re
import signal
import time

from dump import dump_topic
from faults_base import Fault
from world import Broken, alive, state, within

WAY_OUT = re.compile(r"weir (position set [a-z0-9_]+ [a-zA-Z0-9._-]+/([0-9]+) [0-9a-z:+-]+ --reason [a-z]+)")


class Broker(Fault):
    """(base) the broker, or one of three, is away for a while"""

    area, pairs = "kafka", ("weir", "pg")
    way, line = "", ""
    within_s = 90

    def directory(self, world):
        return world.broker_dirs[0]

    def inject(self, world):
        self.dir = self.directory(world)
        with open(os.path.join(self.dir, "pid")) as file:
            self.pid = int(file.read())
        self.led = self.leaders(world)
        world.script("kafka.sh", self.way, self.dir)
        self.gone = not alive(self.pid)
        self.moved = len(world.broker_dirs) > 1 and within(20, lambda: self.is_moved(world))

    def leaders(self, world):
        return None

    def is_moved(self, world):
        now = self.leaders(world)
        return now and -1 not in now.values() and now != self.led and now

    def heal(self, world):
        world.script("kafka.sh", "start", self.dir)

    def proof(self, world):
        return self.gone and "broker process %d is gone" % self.pid


class Restart(Broker):
    """the broker is stopped in order and started"""

    name, way = "broker-restart", "stop"


class Kill(Broker):
    """SIGKILL of the broker, and its start"""

    name, way = "broker-kill", "kill"


class Away(Kill):
    """SIGKILL of the broker, and its start when sessions and requests have timed out"""

    name, hold_s = "broker-away", (7, 18)


class Freeze(Fault):
    """SIGSTOP of the broker past the sessions, then SIGCONT"""

    area, pairs = "kafka", ("weir", "pg")
    name, hold_s, within_s = "broker-freeze", (5, 8), 90

    def inject(self, world):
        with open(os.path.join(world.broker_dirs[0], "pid")) as file:
            self.pid = int(file.read())
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = within(5, lambda: state(self.pid) == "T")

    def heal(self, world):
        os.kill(self.pid, signal.SIGCONT)

    def proof(self, world):
        return self.stopped and "broker process %d was in state T" % self.pid


class Leader(Broker):
    """(base) the broker that leads most partitions of the topic"""

    needs, alive, alive_s, hold_s = ("three_brokers",), True, 20, (1, 3)

    def leaders(self, world):
        return world.pairs(world.kafkactl("leaders", world.topic, check=False, seconds=20))

    def directory(self, world):
        led = list((self.leaders(world) or {0: 1}).values())
        return world.broker_dirs[max(set(led), key=led.count) - 1]

    def proof(self, world):
        return self.gone and self.moved and "leaders of the partitions were %s, became %s" % (
            list(self.led.values()), list(self.moved.values()))


class LeaderStop(Leader):
    """the broker that leads most partitions is stopped in order: its leaders move"""

    name, way = "leader-stop", "stop"


class LeaderKill(Leader):
    """SIGKILL of the broker that leads most partitions: they get other leaders"""

    name, way = "leader-kill", "kill"


class CoordinatorKill(Leader):
    """SIGKILL of the broker that coordinates the group: another one does it"""

    name, way = "coordinator-kill", "kill"

    def leaders(self, world):
        return world.pairs(world.kafkactl("leaders", "__consumer_offsets", check=False, seconds=20))


# --- groups and topics -----------------------------------------------------------------------------------------------


def stop_all(world):
    for weir in world.weirs:
        if weir.running() and weir.stop() != 0:
            raise Broken("%s does not stop" % weir.name)


def start_all(world):
    for weir in world.weirs:
        if not weir.running():
            weir.start()


class GroupDeleted(Fault):
    """the group is deleted while weir is down: Kafka knows no offset of it"""

    name = "group-deleted"

    def inject(self, world):
        stop_all(world)
        self.before = world.committed()
        world.kafkactl("delete-group", world.group)
        self.after = world.committed()
        start_all(world)

    def proof(self, world):
        return (max(self.before.values()) > 0 and set(self.after.values()) == {-1}
                and "committed was %s, then nothing" % list(self.before.values()))


class GroupRewound(Fault):
    """the group's offsets are set to 0 while weir is down"""

    name = "group-rewound"

    def inject(self, world):
        stop_all(world)
        self.before = world.committed()
        for partition in self.before:
            world.kafkactl("commit", world.topic, world.group, str(partition), "0")
        self.after = world.committed()
        start_all(world)

    def proof(self, world):
        return (max(self.before.values()) > 0 and set(self.after.values()) == {0}
                and "committed was %s, then 0" % list(self.before.values()))


class Halting(Fault):
    """(base) partitions halt, and are resolved by the command that the log names"""

    within_s = 120

    def note_marks(self, world):
        self.marks = {weir: weir.mark() for weir in world.weirs}
        self.halted, self.resolved = set(), []

    def halts(self, world):
        """partition -> the last way out that was named since."""
        found = {}
        for weir, mark in self.marks.items():
            with open(weir.log, "rb") as file:
                file.seek(mark)
                for line in file.read().decode(errors="replace").splitlines():
                    way = "event=lane.halted" in line and WAY_OUT.search(line)
                    if way:
                        found[int(way.group(2))] = way.group(1)
        return found

    def resolve(self, world, wanted):
        """Each of the partitions is halted and set right, once."""
        def try_all():
            for partition, words in self.halts(world).items():
                if partition in wanted and partition not in self.halted:
                    world.weir(*words.split())
                    self.halted.add(partition)
                    self.resolved.append(words)
            return self.halted >= wanted
        within(60, try_all)

    def proof(self, world):
        return self.resolved and "; ".join(self.resolved)


class Truncated(Halting):
    """records that were not handled are deleted (DeleteRecords): the partition halts, the others go on"""

    alone = True
    name, alive = "topic-truncated", True

    def inject(self, world):
        stop_all(world)
        at = world.positions()
        self.partition = world.random.choice(sorted(at))
        within(30, lambda: world.ends()[self.partition] >= at[self.partition] + 20)
        world.feeder.flush()  # what is deleted was acked, so what was lost is known
        before = world.ends()[self.partition] - 5
        self.note_marks(world)
        world.kafkactl("delete-records", world.topic, str(self.partition), str(before))
        self.gap = at[self.partition], before
        world.feeder.paused = False
        start_all(world)

    def heal(self, world):
        self.resolve(world, {self.partition})

    def proof(self, world):
        return self.resolved and "partition %d lost %d..%d; %s" % (self.partition, *self.gap, self.resolved[0])


class Recreated(Halting):
    """the topic is deleted and made again under the running weir; what was not handled is gone with it"""

    alone = True
    name, hold_s = "topic-recreated", (2, 4)

    def inject(self, world):
        world.sampler.muted = True
        world.feeder.flush()
        self.note_marks(world)
        ends = world.ends()
        self.nonempty = {p for p, end in ends.items() if end > 0}
        dump_topic(world, world.topic, "log-%d" % world.generations)
        world.generations += 1
        world.kafkactl("delete", world.topic)
        within(10, lambda: world.kafkactl("create", world.topic, str(len(ends)), check=False) is not None)
        within(10, world.ends)
        world.feeder.paused = False

    def heal(self, world):
        self.resolve(world, self.nonempty)

    def proof(self, world):
        return self.resolved and "generation %d; %s" % (world.generations, "; ".join(self.resolved))


class Grown(Fault):
    """the topic gets two partitions more, and keys that lie in them"""

    alone = True
    name, within_s = "topic-grown", 90

    def inject(self, world):
        self.before = len(world.ends())
        world.kafkactl("grow", world.topic, str(self.before + 2))
        self.after = within(10, lambda: len(world.ends() or ()) == self.before + 2)
        world.feeder.workload.new_partitions += [self.before, self.before + 1]

    def heal(self, world):
        self.seen = within(60, lambda: all((world.positions() or {}).get(p, 0) > 0
                                           for p in (self.before, self.before + 1)))

    def proof(self, world):
        return self.after and self.seen and "%d partitions instead of %d, both new ones have a position" % (
            self.before + 2, self.before)
