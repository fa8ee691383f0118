# SPDX-License-Identifier: MIT
"""faults_process - what happens to weir's own processes: killed, stopped, told to end, ended at a named place, their clock moved

A worker that was killed with events in its hands makes them suspects; crash.attempts kills with the same one in hand make it a dead
letter of class crash, and that is weir's word, not a mistake. So each kill is counted (world.kills): without one, no good event may
end so.
"""
import os
import signal
import struct
import threading
import time

from faults_base import Fault
from world import FACTOR, SESSION_MS, Broken, alive, state, within

# those that the workload passes by itself; others in the mode in which a failed event is parked: its tries are counted where it
# is parked, and in weir.attempt ("attempt.saved") only where the park is full, which this workload does not bring about
POINTS = ("apply.begun", "apply.handled", "apply.kept", "apply.committed", "dead.kept", "attempt.failed", "attempt.saved",
          "retry.turn", "spare.condemned", "spare.unclaimed")
POINTS_PARK = ("apply.begun", "apply.handled", "apply.kept", "apply.committed", "dead.kept", "park.kept", "aside.handled",
               "aside.failed", "aside.settled", "aside.committed")
POINTS_SINGLE = tuple(name for name in POINTS if not name.startswith("spare."))  # these spare the others of a batch


def points(world):
    return POINTS_PARK if world.options.park else POINTS_SINGLE if world.options.single else POINTS


class Kill(Fault):
    """SIGKILL of a worker process; its supervisor starts it again"""

    area, pairs = "weir", ("pg", "kafka", "net")
    name, alive = "kill", True

    def inject(self, world):
        self.weir, self.pid = world.any_worker()
        self.mark = self.weir.mark()
        world.kills += 1
        os.kill(self.pid, signal.SIGKILL)

    def proof(self, world):
        seen = within(10, lambda: self.weir.said("event=process.died", self.mark))
        return seen and not alive(self.pid) and "process %d is gone, process.died in %s" % (self.pid, self.weir.name)


class KillAll(Fault):
    """SIGKILL of a weir run with all its processes; started again"""

    area, pairs = "weir", ("pg", "kafka", "net")
    name, alive = "kill-all", True

    def inject(self, world):
        self.weir = world.any_weir()
        world.kills += 1
        self.status = self.weir.kill()

    def heal(self, world):
        self.weir.start()

    def proof(self, world):
        return self.status == -signal.SIGKILL and "%s ended by signal 9" % self.weir.name


class KillAgain(Fault):
    """SIGKILL of a worker process twenty times in a row, as soon as there is one again"""

    name, hold_s, within_s = "kill-again", (0.1, 0.5), 90
    times = 20

    def inject(self, world):
        self.gone, self.marks = 0, {w: w.mark() for w in world.weirs}
        for _ in range(self.times):
            world.kills += 1
            _, pid = world.any_worker()
            time.sleep(world.random.uniform(0.05, 0.5))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.gone += bool(within(5, lambda: not alive(pid)))

    def proof(self, world):
        died = sum(w.count("event=process.died", mark) for w, mark in self.marks.items())
        return self.gone >= self.times / 2 and died >= self.gone / 2 and \
            "%d of %d are gone, %d times process.died" % (self.gone, self.times, died)


class Stop(Fault):
    """SIGSTOP of a worker process past its session, then SIGCONT: a zombie with work in hand"""

    area, pairs = "weir", ("pg",)
    name, alive, hold_s = "stop", True, (SESSION_MS / 1000 + 1, SESSION_MS / 1000 + 3)

    def inject(self, world):
        self.before = world.generation()
        self.weir, self.pid = world.any_worker()
        world.kills += 1  # past handler.deadline its supervisor ends it: a death
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = within(5, lambda: state(self.pid) == "T")
        self.after = 0

    def heal(self, world):
        within(10, lambda: world.generation() > self.before)
        self.after = world.generation()
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def proof(self, world):
        return (self.stopped and self.after > self.before
                and "state T, the group went from generation %d to %d meanwhile" % (self.before, self.after))


class Term(Fault):
    """SIGTERM of a weir run, and its start: an orderly stop under load"""

    area, pairs = "weir", ("pg", "kafka", "net")
    name, alive = "term", True

    def inject(self, world):
        self.weir = world.any_weir()
        began = time.monotonic()
        self.status = self.weir.stop()
        self.took_s = time.monotonic() - began

    def heal(self, world):
        if not self.weir.running():
            self.weir.start()

    def proof(self, world):
        return self.status == 0 and "exit status 0 after %.1f s" % self.took_s


class Point(Fault):
    """(base of those that take hold of a weir at a failpoint)"""

    alive, hold_s, within_s = True, (0.5, 1.5), 90
    action = ""
    point = None  # another one each time

    def start_at(self, world):
        """One weir is replaced by one that is alone in its process and knows the failpoint."""
        self.at = self.point or world.random.choice(points(world))
        hit = world.random.choice((1, 2, 17)) if self.at.startswith("apply") else 1
        self.weir = world.any_weir()
        if self.weir.stop() != 0:
            raise Broken("%s does not stop" % self.weir.name)
        self.mark = self.weir.mark()
        self.weir.start("--alone", WEIR_FAILPOINT="%s:%s:%d" % (self.at, self.action, hit))
        self.reached = False
        end = time.monotonic() + 40 * FACTOR
        while not self.reached and time.monotonic() < end:
            # what brings a process there: an event that fails, among good ones
            for kind in ("reject", "sql", "retry", "stubborn", "decode", "good", "good"):
                world.feeder.put(1, kind)
            self.reached = within(0.5, lambda: self.weir.said("event=failpoint.reached name=" + self.at, self.mark))

    def start_again(self):
        if self.weir.running():
            self.weir.kill()
        self.weir.start()


class PointKill(Point):
    """SIGKILL at a named failpoint, another one each time"""

    name, action = "point-kill", "kill"

    def inject(self, world):
        world.kills += 1
        self.start_at(world)
        self.status = self.weir.process.wait(20) if self.reached else None

    def heal(self, world):
        self.start_again()

    def proof(self, world):
        return self.reached and self.status == -9 and "failpoint.reached %s, ended by signal 9" % self.at


class PointStorm(Fault):
    """at each weir a named failpoint kills every worker process that passes it, until twenty are dead; another name each time"""

    name, needs, hold_s, within_s = "point-storm", ("quick_restart",), (0.1, 0.2), 120
    wanted = 20
    kinds = ("reject", "sql", "retry", "stubborn", "decode", "good", "good", "good")

    def inject(self, world):
        self.storms = []
        for weir in world.weirs:
            # the name that has killed least so far: each has its turn, by its name
            names = list(points(world))
            world.random.shuffle(names)
            name = min(names, key=lambda n: world.point_kills[n])
            hit = world.random.choice((1, 3, 17)) if name.startswith("apply") else 1
            if weir.stop() != 0:
                raise Broken("%s does not stop" % weir.name)
            self.storms.append((weir, name, weir.mark()))
            world.point_kills[name] += 1  # its turn
            weir.start(WEIR_FAILPOINT="%s:kill:%d" % (name, hit))
        world.kills += 1
        end = time.monotonic() + 90 * FACTOR
        while time.monotonic() < end and any(self.dead(*storm) < self.wanted for storm in self.storms):
            for kind in self.kinds:
                world.feeder.put(1, kind)
            time.sleep(0.2)

    @staticmethod
    def dead(weir, name, mark):
        """Each by the word of the one that died and by its supervisor's."""
        return min(weir.count("event=failpoint.reached name=%s signal=Killed" % name, mark),
                   weir.count("event=process.died worker=ledger", mark))

    def heal(self, world):
        self.counts = []
        for storm in self.storms:
            weir, name, _ = storm
            weir.stop()
            if weir.running():
                weir.kill()
            dead = self.dead(*storm)
            world.point_kills[name] += dead - 1
            self.counts.append((name, dead))
            weir.start()

    def proof(self, world):
        return all(dead for _, dead in self.counts) and "failpoint.reached and process.died: %s" % ", ".join(
            "%d at %s" % (dead, name) for name, dead in self.counts)


class PointStop(Point):
    """SIGSTOP at a named failpoint past the session, then SIGCONT: the zombie goes on in the middle of a step"""

    name, action = "point-stop", "stop"

    def inject(self, world):
        world.kills += 1
        self.before = world.generation()
        self.start_at(world)
        self.stopped = self.reached and within(5, lambda: state(self.weir.process.pid) == "T")
        within(SESSION_MS / 1000 * 3, lambda: world.generation() > self.before + 1)

    def heal(self, world):
        if self.stopped:
            os.kill(self.weir.process.pid, signal.SIGCONT)
            time.sleep(1)
        self.start_again()

    def proof(self, world):
        return self.stopped and "failpoint.reached %s, state T, then it went on" % self.at


class PointTerm(Point):
    """SIGTERM while it is held at a named failpoint; it goes on, and has to end in order"""

    name, action = "point-term", "stop"

    def inject(self, world):
        self.start_at(world)
        self.stopped = self.reached and within(5, lambda: state(self.weir.process.pid) == "T")
        self.status = None
        if self.stopped:
            self.weir.process.send_signal(signal.SIGTERM)
            os.kill(self.weir.process.pid, signal.SIGCONT)
            self.status = self.weir.stop(20)

    def heal(self, world):
        self.start_again()

    def proof(self, world):
        return self.stopped and self.status == 0 and "failpoint.reached %s, SIGTERM, exit status 0" % self.at


class Reload(Fault):
    """a storm of SIGHUP: 50 reloads of the same file under load"""

    name, alive, hold_s = "reload", True, (1, 2)

    def inject(self, world):
        self.weir = world.any_weir()
        self.mark = self.weir.mark()
        for _ in range(50):
            self.weir.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)

    def proof(self, world):
        done = within(10, lambda: self.weir.count("event=reload.done", self.mark))
        return done and "%d times reload.done" % self.weir.count("event=reload.done", self.mark)


class Clock(Fault):
    """the wall clock of all weir processes jumps: an hour, a day, ahead and back"""

    name, needs, alive, hold_s = "clock", ("clock",), True, (3, 5)

    def inject(self, world):
        self.jump_s = world.random.choice((3600, -3600, 86400, -86400, -30))
        self.marks = {w: w.mark() for w in world.weirs}
        with open(world.clock_file, "r+b") as file:
            file.write(struct.pack("<q", self.jump_s * 10 ** 9))

    def heal(self, world):
        # the stamps in the logs show it; a reload makes each say something
        for weir in world.weirs:
            if weir.running():
                weir.process.send_signal(signal.SIGHUP)
        wanted = time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() + self.jump_s))
        self.seen = [w.name for w, mark in self.marks.items()
                     if abs(self.jump_s) < 3600 or within(5, lambda: w.said(wanted, mark))]
        with open(world.clock_file, "r+b") as file:
            file.write(struct.pack("<q", 0))

    def proof(self, world):
        if abs(self.jump_s) < 3600:
            return "by %d s" % self.jump_s if world.clock_file else None
        return self.seen and "by %d s, as the stamps of %s show" % (self.jump_s, " ".join(self.seen))


class Rebalance(Fault):
    """a rebalance storm: another member joins and leaves as fast as it can, for 10 s and five generations"""

    name, alive, hold_s, least = "rebalance", True, (0.1, 0.2), 5

    def inject(self, world):
        self.before = self.after = world.generation()
        self.members = 0
        begun = time.monotonic()
        while time.monotonic() < begun + 10 or (self.after - self.before < self.least
                                                and time.monotonic() < begun + 30 * FACTOR):
            with open(os.path.join(world.folder, "member.log"), "a") as log:
                member = world.spawn("consume", world.topic, world.group, "0", stdout=log)
            time.sleep(world.random.uniform(0.1, 0.6))
            member.send_signal(signal.SIGTERM)
            # one that has not joined yet may wait for others; nobody waits for it here
            threading.Thread(target=member.wait, daemon=True).start()
            self.members += 1
            if time.monotonic() > begun + 10:
                self.after = world.generation()
        self.after = world.generation()

    def heal(self, world):
        world.end_spawned()

    def proof(self, world):
        return self.after - self.before >= self.least and "%d members came and went, %d generations" % (
            self.members, self.after - self.before)
