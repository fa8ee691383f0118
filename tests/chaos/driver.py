#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""driver - one chaos run: a workload, weir, faults by seed, healing, and the checker's word on it

usage: driver.py [--seed N] [--events N] [--faults NAME,NAME+NAME,..|all|mix|mix:NAME,..] [--list] [..]      (make chaos)

A run proves something only if three things hold, and each has its own way to fail:
  safety       the checker finds nothing                                                          FAIL-safety
  liveness     while a fault leaves a part alive, that part goes on; and after each fault everything that was in the
               topic when it was healed is passed within a stated time                             FAIL-liveness
  took effect  each fault has shown that it happened: what is looked at is named in the time line. A fault that cannot show it is
               tried twice more; then the run does not count                                       UNKNOWN
The fourth outcome is PASS, the only one with exit status 0.

Seeds     The workload and the choice of faults, victims and moments come from the seed. What the machine's scheduler adds cannot be had
          again, so a failing run is kept whole instead: its folder can be judged again, and says how to run the same once more.
Calm      Between two faults a second passes, so that what is seen is the fault's.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import dump
import faults
from faults_base import NotHere
from workload import Workload
from world import Broken, FACTOR, World, WORKER, within


class Feeder(threading.Thread):
    """Produces at a rate until it is told to end. What is planned is on the disk before it is sent."""

    def __init__(self, world, rate):
        super().__init__(daemon=True)
        self.world, self.rate = world, rate
        self.workload = Workload(world.options.seed, "r%s" % world.options.seed, world.partitions)
        self.plan = open(os.path.join(world.folder, "plan.tsv"), "w")
        self.log = os.path.join(world.folder, "produced.log")
        world.producer = self.process = subprocess.Popen(
            [os.path.join(world.build, "kafkactl"), world.brokers, "load", world.topic, str(world.options.message_ms)],
            stdin=subprocess.PIPE, stdout=open(self.log, "w"), stderr=open(self.log + ".err", "w"), text=True,
            start_new_session=True)
        self.lock = threading.Lock()  # of the plan and the pipe: a line of each belongs together
        self.paused = self.ending = False
        self.backlog, self.counted = 0, 0  # not passed yet when that was looked at, and what was produced by then

    def put(self, count, kind=None):
        with self.lock:
            made = [self.workload.next(kind) for _ in range(count)]
            self.plan.write("".join(plan for _, plan in made))
            self.plan.flush()
            self.process.stdin.write("".join(line for line, _ in made))
            self.process.stdin.flush()

    def run(self):
        due = time.monotonic()
        try:
            while not self.ending:
                time.sleep(max(0.0, due - time.monotonic()))
                due = max(due + 0.02, time.monotonic() - 0.2)
                if not self.paused and self.backlog + self.count() - self.counted < self.world.options.backlog:
                    self.put(max(1, round(self.rate * 0.02)))
        except OSError:
            if not self.ending:
                self.world.note("broken", what_is="the producer has died, see produced.log.err")

    def count(self):
        return self.workload.number

    def flush(self):
        """Everything that was sent is reported; the producer stays paused."""
        self.paused = True
        with self.lock:
            before = self.flushed()
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        if not within(60, lambda: self.flushed() > before):
            raise Broken("the producer does not flush")

    def flushed(self):
        with open(self.log) as file:
            return sum(1 for line in file if line == "flushed\n")

    def end(self):
        self.ending = True
        self.join()
        self.process.stdin.close()
        if self.process.wait(120):
            raise Broken("the producer ended with status %d, see produced.log.err" % self.process.returncode)
        self.plan.close()


class Sampler(threading.Thread):
    """Once a second: never is more committed than the position says. Committed is read first: positions only grow."""

    def __init__(self, world, feeder):
        super().__init__(daemon=True)
        self.world, self.feeder = world, feeder
        self.ending = threading.Event()
        self.muted = False  # a position was set back by an operator

    def run(self):
        with open(os.path.join(self.world.folder, "samples.tsv"), "w") as out:
            while not self.ending.wait(1):
                committed = self.world.pairs(self.world.kafkactl("committed", self.world.topic, self.world.group, check=False,
                                                                 seconds=20))
                positions = self.world.positions()
                produced = self.feeder.count()
                ends = self.world.ends()
                if positions and ends:
                    self.feeder.backlog, self.feeder.counted = sum(ends.values()) - sum(positions.values()), produced
                if self.muted or not committed or not positions:
                    continue
                now = time.monotonic() - self.world.began
                for partition, offset in committed.items():
                    if offset >= 0 and partition in positions:
                        out.write("%.2f %d %d %d\n" % (now, partition, offset, positions[partition]))

    def end(self):
        self.ending.set()
        self.join()


class Run:
    def __init__(self, options, chosen, folder):
        self.options, self.chosen, self.folder = options, chosen, folder
        needs = {need for combination in chosen for fault in combination for need in fault.needs}
        self.world = World(folder, options, needs)
        self.liveness, self.unproved, self.table = [], [], []

    def go(self):
        world, options = self.world, self.options
        try:
            world.start_servers()
            world.feeder = self.feeder = Feeder(world, options.rate)
            world.sampler = self.sampler = Sampler(world, self.feeder)
            self.feeder.start()
            for number in range(options.workers):
                world.add_weir("weir-%d" % number)
            self.sampler.start()
            if not within(60, lambda: (world.passed() or 0) > 0):
                raise Broken("nothing is passed at the start, see weir-0.log")
            world.note("warm", passed=world.passed(), folder=self.folder)
            self.faults()
            self.finish()
            return self.verdict(self.check())
        except (Broken, subprocess.SubprocessError, OSError) as why:
            world.note("broken", why=str(why))
            return "UNKNOWN"
        finally:
            world.stop_all()

    # --- faults --------------------------------------------------------------------------------------------------

    def plan(self):
        """Without an end: the chosen ones in turn, or drawn."""
        while True:
            if self.options.faults.startswith("mix"):
                yield self.world.random.choice(self.chosen)
            else:
                yield from self.chosen

    def faults(self):
        least = len(self.chosen) if not self.options.faults.startswith("mix") else self.options.count
        for done, combination in enumerate(self.plan()):
            if done >= least and self.feeder.count() >= self.options.events or self.liveness:
                return
            for _ in range(3):
                if self.one(combination) or self.liveness:
                    break
            else:
                self.unproved.append("+".join(f.name for f in combination))
            time.sleep(1)

    def one(self, combination):
        """Inject, hold, heal, prove, converge. False: it did not take effect."""
        world = self.world
        name = "+".join(f.name for f in combination)
        made = [f() for f in combination]
        before = world.passed() or 0
        began = time.monotonic()
        world.note("inject", fault=name, passed=before)
        for fault in made:
            fault.inject(world)
        time.sleep(max(world.random.uniform(*f.hold_s) for f in made))
        alive = all(f.alive for f in made) and len(made) == 1
        progress = ((within(made[0].alive_s, lambda: (world.passed() or 0) > before) and world.passed() or before) - before
                    if alive else None)
        if alive and not progress:
            self.liveness.append("%s: nothing is passed while it lasts" % name)
        for fault in sorted(reversed(made), key=lambda f: f.area == "net"):
            if fault.area == "net" and len(made) > 1:
                time.sleep(fault.hold_s[0])  # whose server was gone had nothing to bend until now
            fault.heal(world)
        healed = time.monotonic()
        proofs = [fault.proof(world) for fault in made]
        caught_up = self.converge(max(f.within_s for f in made), name, before)
        proved = all(proofs)
        self.table.append({"fault": name, "proof": " | ".join(p or "NONE" for p in proofs), "proved": proved,
                           "held_s": round(healed - began, 1), "progress": progress, "caught_up_s": caught_up})
        world.note("healed" if proved else "UNPROVED", fault=name, progress=progress, caught_up_s=caught_up,
                   proof=self.table[-1]["proof"])
        return proved

    def converge(self, seconds, name, before=0):
        """What is in the topic now, and something that was not before the fault, is passed in time; the seconds that took, or None."""
        world = self.world
        began = time.monotonic()
        if world.generations:
            before = 0  # a topic that was made again begins at 0
        ends = within(seconds, world.ends)
        if ends and within(seconds, lambda: self.reached(world.positions(), ends) and (world.passed() or 0) > before):
            return round(time.monotonic() - began, 1)
        self.liveness.append("%s: not passed %d s after it was healed: topic %s, positions %s"
                             % (name, seconds * FACTOR, ends, world.positions()))
        return None

    @staticmethod
    def reached(positions, ends):
        return positions is not None and all(positions.get(p, 0) >= end for p, end in ends.items() if end > 0)

    # --- the end -------------------------------------------------------------------------------------------------

    def left(self):
        """Rows that somebody still has to do something about; more than there can be, where nobody answers."""
        count = self.world.psql("select (select count(*) from weir.outbox) + (select count(*) from weir.attempt)"
                                " + (select count(*) from weir.parked)", check=False)
        return int(count) if count and count.strip().isdigit() else 1 << 30

    def finish(self):
        world = self.world
        self.feeder.end()
        world.note("produced", records=self.feeder.count())
        if not self.liveness:
            self.converge(120, "the end")
        left = self.left()
        while left and not self.liveness:  # events behind one key go one after the other: as long as they go
            before = left
            if not within(60, lambda: self.left() < before):
                self.liveness.append("%d rows of the outbox, the park or the attempts, and none less after 60 s" % before)
            left = self.left()
        self.sampler.end()
        with open(os.path.join(self.folder, "processes.tsv"), "w") as out:
            for weir in world.weirs:
                for held in weir.holds():
                    out.write("%s\t%d\t%s\t%d\t%d\n" % (weir.name, *held))
        for weir in world.weirs:
            if weir.running() and weir.stop() != 0:
                self.liveness.append("%s: exit status %s at the end" % (weir.name, weir.process.poll()))
        world.note("stopped", passed=world.passed())

    def check(self):
        world = self.world
        dump.dump_tables(world)
        dump.dump_deaths(world)
        # by the driver, or by a supervisor whose handler was past its deadline
        killed = world.kills or any(weir.said("event=handler.stuck") for weir in world.weirs)
        dump.dump_topic(world, world.topic, "log-%d" % world.generations)
        dump.dump_topic(world, world.out_topic, "out")
        with open(os.path.join(self.folder, "committed.txt"), "w") as out:
            world.kafkactl("committed", world.topic, world.group, stdout=out)
        with open(os.path.join(self.folder, "run.json"), "w") as out:
            json.dump({"seed": self.options.seed, "topic": world.topic, "worker": WORKER, "kills": world.kills, "park": self.options.park,
                       "signals": sorted(world.signals | ({"SIGKILL"} if killed else set())), "generations": world.generations + 1}, out)
        done = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "checker.py"), self.folder],
                              capture_output=True, text=True)
        with open(os.path.join(self.folder, "checker.txt"), "w") as out:
            out.write(done.stdout + done.stderr)
        print(done.stdout + done.stderr, end="", flush=True)
        return done.returncode

    def verdict(self, checked):
        for text in self.liveness:
            print("liveness: %s" % text)
        for text in self.unproved:
            print("unproved: %s: it did not take effect in three tries" % text)
        if checked == 1:
            return "FAIL-safety"
        if self.liveness or checked == 3:
            return "FAIL-liveness"
        return "UNKNOWN" if checked or self.unproved else "PASS"


def print_table(rows):
    print("%-34s %7s %9s %10s  %s" % ("fault", "held s", "progress", "caught up", "proof"))
    for row in rows:
        print("%-34s %7s %9s %10s  %s" % (row["fault"], row["held_s"], "-" if row["progress"] is None else row["progress"],
                                          row["caught_up_s"], row["proof"]))


README = """A chaos run of weir that did not pass: %s

again      %s
judge      python3 tests/chaos/checker.py %s
verdict    checker.txt, and the closing lines of out.txt
faults     timeline.jsonl: what was done when, and the proof
weir       weir-*.log, weir.cfg
producer   plan.tsv (number, id, key, number in its key, kind, partition, md5), produced.log (what became of each)
topics     log-N.tsv (each generation), out.tsv; -starts and -ends
tables     effect batch position change claim dead left .csv
servers    pg.log kafka*.log
"""


def leave(run, verdict, command):
    """What is worth keeping of a run that failed; nothing of one that passed."""
    folder = run.folder
    for name in ("pg", "kafka", "standby"):
        path = os.path.join(folder, name)
        for base, _, files in os.walk(path):
            if "log" in files:
                kept = name if base == path else "%s-%s" % (name, os.path.basename(base))
                shutil.copy(os.path.join(base, "log"), os.path.join(folder, kept + ".log"))
        shutil.rmtree(path, ignore_errors=True)
    if verdict == "PASS" and not run.options.keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with open(os.path.join(folder, "results.json"), "w") as out:
        json.dump({"verdict": verdict, "faults": run.table, "liveness": run.liveness, "unproved": run.unproved}, out, indent=1)
    with open(os.path.join(folder, "README"), "w") as out:
        out.write(README % (verdict, command, folder))
    print("evidence: %s (README)" % folder)


def parse():
    parser = argparse.ArgumentParser(prog="driver.py")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--events", type=int, default=3000, help="produce so many at least")
    parser.add_argument("--faults", default="kill,pg-immediate", help="names, a+b for both at once; all; mix, or mix:names to draw from")
    parser.add_argument("--count", type=int, default=5, help="of a mix: faults at least")
    parser.add_argument("--rate", type=int, default=300, help="events a second")
    parser.add_argument("--backlog", type=int, default=20000, help="events that are not passed yet: at so many no more are produced")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--message-ms", type=int, default=8000, help="after so long the producer gives a record up")
    parser.add_argument("--single", action="store_true", help="a transaction for each event")
    parser.add_argument("--park", action="store_true", help='retry.order = "park"')
    parser.add_argument("--property", action="append", default=[], help="one more of kafka.properties, as debug=cgrp")
    parser.add_argument("--log", default="info", help="weir's log.level; debug shows what --property debug=cgrp asks for")
    parser.add_argument("--keep", action="store_true", help="the folder stays, also of a run that passed")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def obey(number, _):
    """SIGTERM ends the run as Ctrl-C does: what was started is stopped."""
    raise KeyboardInterrupt(number)


def main():
    options = parse()
    signal.signal(signal.SIGTERM, obey)
    if options.list:
        for fault in faults.ALL.values():
            print("%-20s %s" % (fault.name, fault.__doc__.strip().splitlines()[0]))
        return 0
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    try:
        chosen = faults.choose(options.faults, random.Random(options.seed))
    except NotHere as why:
        print("driver: %s" % why, file=sys.stderr)
        return 2
    words = ["SEED=%d" % options.seed, "EVENTS=%d" % options.events, "FAULTS=%s" % options.faults]
    command = "make chaos %s" % " ".join(words)
    more = [w for w in sys.argv[1:] if w in ("--single", "--park")]
    more += ["--%s=%s" % (n.replace("_", "-"), getattr(options, n)) for n in ("rate", "backlog", "workers", "partitions", "count")]
    command += ' MORE="%s"' % " ".join(more)
    print("chaos: %s" % command, flush=True)
    base = os.path.join(os.path.realpath(os.environ.get("B", os.path.join(os.path.dirname(__file__), "../../build"))), "chaos")
    verdicts, rows = [], []
    for number, combinations in enumerate(chosen):
        folder = os.path.join(base, "%d-%d-%d" % (options.seed, os.getpid(), number))
        os.makedirs(folder)
        run = Run(options, combinations, folder)
        verdict = "UNKNOWN"
        try:
            verdict = run.go()
        finally:
            rows += run.table
            leave(run, verdict, command)
        verdicts.append(verdict)
        print("run %d of %d: %s" % (number + 1, len(chosen), verdict), flush=True)
    print_table(rows)
    worst = next((v for v in ("FAIL-safety", "FAIL-liveness", "UNKNOWN") if v in verdicts), "PASS")
    print("chaos: seed %d: %s" % (options.seed, worst), flush=True)
    return 0 if worst == "PASS" else 1


if __name__ == "__main__":
    sys.exit(main())
