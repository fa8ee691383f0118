# SPDX-License-Identifier: MIT
"""world - the servers, the weir processes and the folder of one chaos run

Everything is started by the scripts of tests/support and ended by number; nothing is found by name. The folder is the evidence:
what a process wrote stays in it, each in its own file, and the time line has a line for all that was done to them.

Questions go to the servers directly (`psql`, `kafkactl`), never through the proxies that weir is led through, so that a fault
of the network does not blind the driver.
"""
import collections
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

from proxy import Proxied

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SUPPORT = os.path.join(ROOT, "tests", "support")
FACTOR = float(os.environ.get("TIMEOUT_FACTOR", "1"))
SESSION_MS = 3000
WORKER = "ledger"


class Broken(Exception):
    """The run itself cannot go on: no verdict about weir."""


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def state(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return "gone"


def within(seconds, condition, *args):
    """Until the condition holds; what it returned, or what it returned last."""
    end = time.monotonic() + seconds * FACTOR
    pause = 0.03
    while True:
        held = condition(*args)
        if held or time.monotonic() > end:
            return held
        time.sleep(pause)
        pause = min(pause * 1.2, 0.4)  # a question is a process: many of them would be the load that is measured


class Weir:
    """One `weir run` and its log."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.log = os.path.join(world.folder, name + ".log")
        self.process = None
        self.config = world.config
        open(self.log, "a").close()

    def start(self, *words, **env):
        if self.running():
            raise Broken("%s runs already" % self.name)
        environment = dict(os.environ, **self.world.weir_env)
        environment.update(env)
        binary = self.world.test_binary if "WEIR_FAILPOINT" in env else self.world.binary
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([binary, "run", "-c", self.config, *words], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=environment, start_new_session=True)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def children(self):
        try:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as file:
                return [int(pid) for pid in file.read().split()]
        except OSError:
            return []

    def workers(self):
        """The processes in which handlers run."""
        found = []
        for pid in self.children():
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(words[i] == "--as" and words[i + 1].split(":")[0] == WORKER for i in range(len(words) - 1)):
                found.append(pid)
        return found

    def family(self):
        return [self.process.pid, *self.children()] if self.running() else []

    def kill(self):
        """SIGKILL, all of it; its exit status."""
        for pid in self.family():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return self.process.wait() if self.process else None

    def holds(self):
        """Of each of its processes: number, which it is, file descriptors, threads."""
        found = []
        for pid in self.family():
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
                name = words[words.index("--as") + 1] if "--as" in words else "supervisor"
                found.append((pid, name or "relay", len(os.listdir("/proc/%d/fd" % pid)), len(os.listdir("/proc/%d/task" % pid))))
            except OSError:
                pass  # it has just ended
        return found

    def stop(self, seconds=30):
        """SIGTERM; the exit status, or None when it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds * FACTOR)
        except subprocess.TimeoutExpired:
            return None

    def mark(self):
        return os.path.getsize(self.log)

    def said(self, text, since=0):
        with open(self.log, "rb") as file:
            file.seek(since)
            return text.encode() in file.read()

    def count(self, text, since=0):
        with open(self.log, "rb") as file:
            file.seek(since)
            return file.read().count(text.encode())


class World:
    def __init__(self, folder, options, needs):
        self.folder, self.options, self.needs = folder, options, needs
        self.random = random.Random("faults %s" % options.seed)
        self.build = os.path.realpath(os.environ.get("B", os.path.join(ROOT, "build")))
        self.binary = os.path.join(self.build, "weir")
        self.test_binary = self.binary + "-test"
        self.objects = os.path.join(self.build, "obj", "release")
        self.pg_dir, self.kafka_dir = os.path.join(folder, "pg"), os.path.join(folder, "kafka")
        self.config = os.path.join(folder, "weir.cfg")
        self.topic, self.out_topic, self.group = "chaos", "chaos-out", "chaos"
        self.partitions = options.partitions
        self.generations = 0
        self.began = time.monotonic()
        self.timeline = open(os.path.join(folder, "timeline.jsonl"), "a")
        self.lock = threading.Lock()
        self.weirs, self.weir_env, self.kills, self.commands = [], {}, 0, 0
        self.signals = set()  # that processes may die of here, beside SIGKILL where the driver killed
        self.point_kills = collections.Counter()  # by name of the failpoint
        self.proxies, self.spawned, self.broker_dirs = {}, [], []
        self.producer, self.clock_file, self.mounted = None, None, False
        self.standby_dir = os.path.join(folder, "standby")
        self.env = dict(os.environ, B=self.build, LC_ALL="C")

    # --- what happened -------------------------------------------------------------------------------------------

    def note(self, what, **fields):
        line = dict(t=round(time.monotonic() - self.began, 2), what=what, **fields)
        with self.lock:
            self.timeline.write(json.dumps(line) + "\n")
            self.timeline.flush()
            print("%7.2f  %-9s %s" % (line["t"], what, " ".join("%s=%s" % f for f in fields.items())), flush=True)

    # --- servers -------------------------------------------------------------------------------------------------

    def script(self, name, *words, check=True):
        done = subprocess.run(["bash", os.path.join(SUPPORT, name), *words], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if check and done.returncode:
            raise Broken("%s %s: %s" % (name, " ".join(words), done.stderr.strip()[-600:]))
        return done.stdout.strip()

    def start_servers(self):
        for word in ("pg", "kafka"):
            if word + "_proxy" in self.needs:
                self.proxies[word] = Proxied(os.path.join(self.folder, word + "-proxy.log"))
        other = threading.Thread(target=self.script, args=("pg.sh", "start", self.pg_dir), kwargs={"check": False})
        other.start()
        weir_brokers = self.start_kafka()
        other.join()
        self.start_pg()
        port = str(self.pg_port)
        if "small_wal" in self.needs:
            self.move_wal()
        if "standby" in self.needs:
            # its port is known before it is: weir has both in its url
            self.standby_port = self.script_port()
            os.makedirs(self.standby_dir)
            with open(os.path.join(self.standby_dir, "port"), "w") as file:
                file.write("%d\n" % self.standby_port)
            port = "%s,127.0.0.1:%d" % (port, self.standby_port)
        if "pg" in self.proxies:
            self.proxies["pg"].lead_to(self.pg_port)
            port = str(self.proxies["pg"].port)
        self.configure(weir_brokers, "postgresql://weir@127.0.0.1:%s/weir" % port)
        for topic, count in ((self.topic, self.partitions), (self.out_topic, 1)):
            self.kafkactl("create", topic, str(count))
        within(10, lambda: self.kafkactl("ends", self.topic, check=False))
        self.weir("migrate", "up")
        if "small_disk" in self.needs:
            self.small_disk(128)
            self.psql("create tablespace small location '%s'" % self.disk)
            self.psql("alter table ledger.effect set tablespace small")
        if "clock" in self.needs:
            self.clock_file = os.path.join(self.folder, "clock")
            with open(self.clock_file, "wb") as file:
                file.write(bytes(8))
            self.weir_env = {"LD_PRELOAD": os.path.join(self.build, "clockshift.so"), "CLOCKSHIFT": self.clock_file}

    def start_kafka(self):
        """What weir is told."""
        if "three_brokers" in self.needs:
            self.brokers = self.script("kafka.sh", "cluster", self.kafka_dir, "3")
            self.broker_dirs = [os.path.join(self.kafka_dir, str(i)) for i in (1, 2, 3)]
            return self.brokers
        self.broker_dirs = [self.kafka_dir]
        words = [str(self.proxies["kafka"].port)] if "kafka" in self.proxies else []
        self.brokers = self.script("kafka.sh", "start", self.kafka_dir, *words)
        if not words:
            return self.brokers
        with open(os.path.join(self.kafka_dir, "behind")) as file:
            self.proxies["kafka"].lead_to(int(file.read()))
        return "127.0.0.1:%d" % self.proxies["kafka"].port

    def script_port(self):
        return int(subprocess.run(["bash", "-c", '. "$0" && free_port', os.path.join(SUPPORT, "common.sh")],
                                  capture_output=True, text=True, check=True).stdout)

    @staticmethod
    def port_of(directory):
        with open(os.path.join(directory, "port")) as file:
            return int(file.read())

    def start_pg(self):
        if not self.is_up(self.pg_dir):
            self.script("pg.sh", "start", self.pg_dir)
        self.pg_port = self.port_of(self.pg_dir)
        self.env["PGPASSFILE"] = os.path.join(self.folder, "pgpass")
        with open(os.path.join(self.pg_dir, "pgpass")) as file:
            line = file.read().rsplit(":", 1)[1]
        with open(os.open(self.env["PGPASSFILE"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("127.0.0.1:*:*:weir:" + line)

    @staticmethod
    def is_up(directory):
        try:
            with open(os.path.join(directory, "pid")) as file:
                return alive(int(file.read()))
        except OSError:
            return False

    def small_disk(self, megabytes):
        """A file system of our own that PostgreSQL may write to, and that can be filled."""
        self.disk = os.path.join(self.folder, "disk")
        os.makedirs(self.disk)
        self.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=0755" % megabytes, "chaos", self.disk])
        self.mounted = True
        owner = os.stat(os.path.join(self.pg_dir, "data"))
        self.disk = os.path.join(self.disk, "pg")
        os.makedirs(self.disk, 0o700)
        os.chown(self.disk, owner.st_uid, owner.st_gid)

    def move_wal(self):
        self.script("pg.sh", "stop", self.pg_dir, "fast")
        self.small_disk(700)
        data = os.path.join(self.pg_dir, "data", "pg_wal")
        self.run(["cp", "-a", data + "/.", self.disk])
        self.run(["rm", "-rf", data])
        os.symlink(self.disk, data)
        self.start_pg()

    def fill_disk(self, full):
        path = os.path.join(os.path.dirname(self.disk), "filler")
        if not full:
            os.remove(path)
            return
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass

    def configure(self, brokers, url):
        with open(os.path.join(self.pg_dir, "password")) as file, \
                open(os.open(os.path.join(self.folder, "password"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as copy:
            copy.write(file.read())
        batch = 'max_events = 1; linger = "0ms";' if self.options.single else ""
        restart = 'first_delay = "20ms"; max_delay = "100ms";' if "quick_restart" in self.needs else 'max_delay = "1s";'
        with open(self.config, "w") as file:
            file.write("""kafka = { brokers = "%s"; properties = [ "session.timeout.ms=%d", "heartbeat.interval.ms=500",
  "fetch.wait.max.ms=20", "topic.metadata.refresh.interval.ms=2000"%s ]; };
log = { level = "%s"; };
store = { url = "%s"; password_file = "password"; };
plugin_path = [ "%s/plugins" ];
handler = { deadline = "4s"; };
restart = { limit = 10000; %s };
workers = ( {
  name = "%s"; plugin = "ledger"; group = "%s"; topics = [ "%s" ]; start = "earliest";
  batch = { %s };
  retry = { attempts = 3; first_delay = "20ms"; max_delay = "200ms"; %s };
  dead = { max_share = 100; };
  options = { topic = "%s"; };
} );
""" % (brokers, SESSION_MS, "".join(', "%s"' % p for p in self.options.property), self.options.log, url, self.objects, restart, WORKER, self.group, self.topic, batch,
       'order = "park";' if self.options.park else "", self.out_topic))

    def stop_all(self):
        for weir in self.weirs:
            if weir.running():
                weir.kill()
        if self.producer:
            self.producer.kill()
        for proxy in self.proxies.values():
            proxy.end()
        self.end_spawned()
        for directory in self.broker_dirs or [self.kafka_dir]:
            self.script("kafka.sh", "kill", directory, check=False)
        for directory in (self.pg_dir, self.standby_dir):
            if os.path.exists(directory):
                self.script("pg.sh", "stop", directory, "immediate", check=False)
        if self.mounted:
            self.run(["umount", "-l", os.path.join(self.folder, "disk")], check=False)
        self.timeline.close()

    # --- questions -----------------------------------------------------------------------------------------------

    def run(self, words, stdout=None, check=True, seconds=60, stdin=None):
        try:
            done = subprocess.run(words, env=self.env, stdin=subprocess.DEVNULL if stdin is None else None, input=stdin,
                                  stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            if check:
                raise Broken("%s: no end after %d s" % (" ".join(words)[:200], seconds)) from None
            return None
        if done.returncode:
            if check:
                raise Broken("%s: %s" % (" ".join(words)[:200], done.stderr.strip()[-400:]))
            return None
        return done.stdout if stdout is None else ""

    def psql_words(self):
        return ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.pg_port), "-U", "weir", "-d", "weir"]

    def psql(self, query, stdout=None, check=True, seconds=600):
        return self.run(self.psql_words() + ["-c", query], stdout, check, seconds)

    def kafkactl(self, *words, stdout=None, check=True, stdin=None, seconds=600):
        return self.run([os.path.join(self.build, "kafkactl"), self.brokers, *words], stdout, check, seconds, stdin)

    def spawn(self, *words, stdout):
        """A kafkactl in the background."""
        self.spawned.append(subprocess.Popen([os.path.join(self.build, "kafkactl"), self.brokers, *words], stdout=stdout,
                                             stderr=stdout, stdin=subprocess.DEVNULL, start_new_session=True))
        return self.spawned[-1]

    def end_spawned(self):
        for process in self.spawned:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.spawned = []

    def weir(self, *words, check=True):
        return self.run([self.binary, *words, "-c", self.config], None, check)

    def pairs(self, text):
        """"partition number" lines as a table; None where there was no answer."""
        return None if text is None else {int(l.split()[0]): int(l.split()[1]) for l in text.splitlines()}

    def committed(self):
        return self.pairs(self.kafkactl("committed", self.topic, self.group))

    def ends(self):
        return self.pairs(self.kafkactl("ends", self.topic, check=False, seconds=20))

    def positions(self):
        return self.pairs((self.psql("select partition, coalesce(next_offset, 0) from weir.position where worker = '%s' and"
                                     " topic = '%s'" % (WORKER, self.topic), check=False, seconds=20) or "").replace("|", " ") or None)

    def passed(self):
        """How far all positions are together, or None while nobody answers."""
        at = self.positions()
        return sum(at.values()) if at else None

    def generation(self):
        """How often the group was made anew, as its coordinator wrote down."""
        said = self.kafkactl("ledger", self.group, check=False, seconds=20) or ""
        return max([int(l.split()[1]) for l in said.splitlines() if l.startswith("generation")], default=0)

    # --- weir ----------------------------------------------------------------------------------------------------

    def add_weir(self, name):
        weir = Weir(self, name)
        self.weirs.append(weir)
        weir.start()
        return weir

    def any_weir(self):
        return self.random.choice([w for w in self.weirs if w.running()])

    def any_worker(self):
        """(weir, process) of one that handles events just now."""
        found = within(20, lambda: [(w, p) for w in self.weirs if w.running() for p in w.workers()])
        if not found:
            raise Broken("no worker process is there")
        return self.random.choice(found)


def say(text):
    print(text, file=sys.stderr, flush=True)
