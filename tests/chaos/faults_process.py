# SPDX-License-Identifier: MIT
"""faults_process - what happens to weir's own processes: killed, stopped, told to end, ended at a named place"""
import os
import signal
import time

from faults_base import Fault
from world import SESSION_MS, alive, state, within


class Kill(Fault):
    """SIGKILL of a worker process; its supervisor starts it again"""

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

    name, alive = "kill-all", True

    def inject(self, world):
        self.weir = world.any_weir()
        world.kills += 1
        self.status = self.weir.kill()

    def heal(self, world):
        self.weir.start()

    def proof(self, world):
        return self.status == -signal.SIGKILL and "%s ended by signal 9" % self.weir.name


class Stop(Fault):
    """SIGSTOP of a worker process past its session, then SIGCONT: a zombie with work in hand"""

    name, alive, hold_s = "stop", True, (SESSION_MS / 1000 + 1, SESSION_MS / 1000 + 3)

    def inject(self, world):
        self.before = world.generation()
        self.weir, self.pid = world.any_worker()
        world.kills += 1  # stuck past handler.deadline it may be ended: a death
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

    name, alive = "term", True

    def inject(self, world):
        self.weir = world.any_weir()
        self.began = time.monotonic()
        self.status = self.weir.stop()
        self.took_s = time.monotonic() - self.began

    def heal(self, world):
        if not self.weir.running():
            self.weir.start()

    def proof(self, world):
        return self.status == 0 and "exit status 0 after %.1f s" % self.took_s
