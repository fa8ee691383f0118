# SPDX-License-Identifier: MIT
"""faults_postgres - what happens to the database: stopped in every way, locked, full, slow, cut off, replaced"""
import os
import subprocess
import time

from faults_base import Fault
from world import Broken, alive, within


def since(path, mark):
    with open(path, "rb") as file:
        file.seek(mark)
        return file.read().decode(errors="replace")


class Restart(Fault):
    """(base of those that stop the server)"""

    area, pairs = "pg", ("weir", "kafka", "net")
    way, words, line = "", (), ""

    def inject(self, world):
        with open(os.path.join(world.pg_dir, "pid")) as file:
            self.pid = int(file.read())
        self.log = os.path.join(world.pg_dir, "log")
        self.mark = os.path.getsize(self.log)
        world.script("pg.sh", *self.words, world.pg_dir, *([self.way] if self.way else []))
        self.gone = not alive(self.pid)

    def heal(self, world):
        world.start_pg()

    def proof(self, world):
        return self.gone and self.line in since(self.log, self.mark) and "server %d is gone; its log: %s" % (self.pid, self.line)


class Fast(Restart):
    """PostgreSQL is stopped (fast) and started"""

    name, way, words, line = "pg-fast", "fast", ("stop",), "received fast shutdown request"


class Immediate(Restart):
    """PostgreSQL is stopped (immediate) and recovers"""

    name, way, words, line = "pg-immediate", "immediate", ("stop",), "database system was not properly shut down"


class Killed(Restart):
    """SIGKILL of the postmaster; the server recovers"""

    name, words, line = "pg-kill", ("kill",), "database system was not properly shut down"


class Backend(Fault):
    """SIGKILL of one backend, in a transaction where there is one: all connections are lost, the server recovers by itself"""

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
        def seen():
            said = since(self.log, self.mark)
            return "was terminated by signal 9" in said and "ready to accept connections" in said

        return within(30, seen) and "its log: terminated by signal 9, ready again"


class Failover(Fault):
    """SIGKILL of the primary, and its standby is promoted; weir has both in its url"""

    name, needs, within_s, hold_s = "pg-failover", ("standby",), 90, (0.5, 2)

    def inject(self, world):
        world.psql("alter system set synchronous_standby_names = ''")
        world.script("pg.sh", "standby", world.standby_dir, world.pg_dir)
        # from here on nothing is committed that the standby has not got: no tail is lost with the primary
        world.psql("alter system set synchronous_standby_names = '*'")
        world.psql("select pg_reload_conf()")
        self.synced = within(20, lambda: (world.psql("select sync_state from pg_stat_replication") or "").strip() == "sync")
        self.old_port = world.pg_port
        time.sleep(1)
        world.script("pg.sh", "kill", world.pg_dir)

    def heal(self, world):
        world.pg_dir, world.standby_dir = world.standby_dir, world.pg_dir
        world.pg_port = world.port_of(world.pg_dir)
        self.promoted = world.psql("select pg_promote()").strip()
        world.psql("alter system set synchronous_standby_names = ''")
        world.psql("select pg_reload_conf()")
        self.timeline = world.psql("select timeline_id from pg_control_checkpoint()", check=False)

    def proof(self, world):
        return self.synced and self.promoted == "t" and "streamed in sync, promoted: port %d instead of %d" % (
            world.pg_port, self.old_port)


class Lock(Fault):
    """(base of those that hold a lock)"""

    hold_s, statement = (2, 6), ""

    def inject(self, world):
        self.holder = subprocess.Popen(world.psql_words() + ["-f", "-"], env=world.env, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.holder.stdin.write("begin;\n%s;\n\\echo held\n" % self.statement)
        self.holder.stdin.flush()
        if self.holder.stdout.readline().strip() == "":
            raise Broken("the lock could not be taken: %s" % self.statement)
        self.waiters = within(5, lambda: int(world.psql(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'weir'")))

    def heal(self, world):
        try:
            self.holder.communicate("commit;\n", 20)
        except (OSError, subprocess.TimeoutExpired):
            self.holder.kill()  # weir may have ended its session: that is its right
            self.holder.wait()

    def proof(self, world):
        return self.waiters and "%d sessions waited for it" % self.waiters


class TableLock(Lock):
    """a session holds ACCESS EXCLUSIVE on the table of effects"""

    name = "pg-lock-table"
    statement = "lock table ledger.effect in access exclusive mode; select 1"


class RowLock(Lock):
    """a session holds the row of one position; the others go on"""

    name, alive = "pg-lock-row", True
    statement = "select id from weir.position where topic = 'chaos' order by id limit 1 for update"


class Full(Fault):
    """the disk of the table of effects is full (a small tmpfs as tablespace)"""

    name, needs, hold_s = "pg-full", ("small_disk",), (2, 4)
    why_not = None if os.geteuid() == 0 else "only root can mount a small file system"

    def inject(self, world):
        self.log = os.path.join(world.pg_dir, "log")
        self.mark = os.path.getsize(self.log)
        world.fill_disk(True)
        self.said = within(20, lambda: "No space left on device" in since(self.log, self.mark))

    def heal(self, world):
        world.fill_disk(False)

    def proof(self, world):
        dead = world.psql("select count(*) from weir.dead_letter where reason like '53%'").strip()
        return self.said and dead == "0" and "its log: No space left on device; nothing was condemned for it"


class WalFull(Fault):
    """the disk of the write-ahead log is full: PostgreSQL panics, and cannot start before there is room"""

    name, needs, hold_s, within_s = "pg-wal-full", ("small_wal",), (1, 3), 90
    why_not = None if os.geteuid() == 0 else "only root can mount a small file system"

    def inject(self, world):
        self.log = os.path.join(world.pg_dir, "log")
        self.mark = os.path.getsize(self.log)
        world.fill_disk(True)
        # the segment at hand is there already: the next one is not to be had
        world.psql("select pg_logical_emit_message(false, 'chaos', repeat('x', 40000000))", check=False)
        self.said = within(20, lambda: "PANIC" in since(self.log, self.mark))

    def heal(self, world):
        world.script("pg.sh", "stop", world.pg_dir, "immediate", check=False)
        world.fill_disk(False)
        world.start_pg()

    def proof(self, world):
        said = since(self.log, self.mark)
        return self.said and "No space left on device" in said and "its log: PANIC, No space left on device"
