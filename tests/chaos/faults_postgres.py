# SPDX-License-Identifier: MIT
"""faults_postgres - what happens to the database: stopped in every way, locked, full, slow, cut off, replaced"""
import os

from faults_base import Fault
from world import Broken, alive


class Restart(Fault):
    """(base of those that stop the server)"""

    way, words = "", ()
    within_s = 60

    def inject(self, world):
        with open(os.path.join(world.pg_dir, "pid")) as file:
            self.pid = int(file.read())
        self.mark = os.path.getsize(os.path.join(world.pg_dir, "log"))
        world.script("pg.sh", *self.words, world.pg_dir, *([self.way] if self.way else []))
        self.gone = not alive(self.pid)

    def heal(self, world):
        world.start_pg()

    def proof(self, world):
        with open(os.path.join(world.pg_dir, "log"), "rb") as file:
            file.seek(self.mark)
            said = file.read().decode(errors="replace")
        line = next((text for text in self.lines if text in said), None)
        return self.gone and line and "server %d is gone; its log: %s" % (self.pid, line)


class Fast(Restart):
    """PostgreSQL is stopped (fast) and started"""

    name, way, words, lines = "pg-fast", "fast", ("stop",), ["received fast shutdown request"]


class Immediate(Restart):
    """PostgreSQL is stopped (immediate) and recovers"""

    name, way, words, lines = "pg-immediate", "immediate", ("stop",), ["database system was not properly shut down"]


class Killed(Restart):
    """SIGKILL of the postmaster; the server recovers"""

    name, words, lines = "pg-kill", ("kill",), ["database system was not properly shut down"]


class Backend(Fault):
    """SIGKILL of one backend in a transaction: all connections are lost, the server recovers by itself"""

    name = "pg-backend"

    def inject(self, world):
        self.log = os.path.join(world.pg_dir, "log")
        self.mark = os.path.getsize(self.log)
        pid = world.psql("select pid from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"
                         " order by xact_start is null, random() limit 1").strip()
        if not pid:
            raise Broken("nobody is connected to PostgreSQL")
        os.kill(int(pid), 9)

    def proof(self, world):
        with open(self.log, "rb") as file:
            file.seek(self.mark)
            said = file.read()
        return b"was terminated by signal 9" in said and b"ready to accept connections" in said and \
            "its log: terminated by signal 9, ready again"
