# SPDX-License-Identifier: MIT
"""faults - all of them by name, and what a word of FAULTS= means"""
import faults_command
import faults_data
import faults_kafka
import faults_net
import faults_postgres
import faults_process
from faults_base import Fault, NotHere

ALL = {}
for module in (faults_process, faults_postgres, faults_kafka, faults_net, faults_data, faults_command):
    for item in vars(module).values():
        if isinstance(item, type) and issubclass(item, Fault) and item.name:
            ALL[item.name] = item


# needs that one world cannot have together
CLASHES = (("three_brokers", "kafka_proxy"), ("standby", "pg_proxy"), ("standby", "small_disk"), ("standby", "small_wal"),
           ("small_disk", "small_wal"))


def clash(faults):
    needs = {need for fault in faults for need in fault.needs}
    return any(a in needs and b in needs for a, b in CLASHES)


def worlds(faults):
    """What can share a world, in as few of them as come of taking each fault into the first that has room."""
    found = []
    for fault in faults:
        for world in found:
            if not fault.alone and not any(f.alone for f in world) and not clash(world + [fault]):
                world.append(fault)
                break
        else:
            found.append([fault])
    return found


def choose(words, chance):
    """Runs; each is a list of combinations, each of these a list of one or two faults."""
    if words in ("all", "mix"):
        for fault in ALL.values():
            if fault.why_not:
                print("not run: %s: %s" % (fault.name, fault.why_not), flush=True)
        here = [f for f in ALL.values() if not f.why_not and (words == "all" or not f.alone)]
        if words == "all":
            return [[[f] for f in world] for world in worlds(here)]
        chance.shuffle(here)  # which of those that clash are in
        here = worlds(here)[0]
        pairs = [[a, b] for a in here for b in here if a is not b and a.area in b.pairs and b.area in a.pairs]
        return [[[f] for f in here] + chance.sample(pairs, min(len(pairs), len(here)))]
    chosen = []
    for word in words.removeprefix("mix:").split(","):
        combination = []
        for name in word.split("+"):
            if name not in ALL:
                raise NotHere("no fault is called '%s': see make chaos LIST=1" % name)
            if ALL[name].why_not:
                raise NotHere("%s: %s" % (name, ALL[name].why_not))
            combination.append(ALL[name])
        chosen.append(combination)
    if clash([f for combination in chosen for f in combination]):
        raise NotHere("%s: one world cannot have all of them: run them apart" % words)
    return [chosen]
