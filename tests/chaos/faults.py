# SPDX-License-Identifier: MIT
"""faults - all of them by name, and what a word of FAULTS= means"""
import faults_postgres
import faults_process
from faults_base import Fault, NotHere

ALL = {}
for module in (faults_process, faults_postgres):
    for item in vars(module).values():
        if isinstance(item, type) and issubclass(item, Fault) and item.name:
            ALL[item.name] = item


def choose(words, chance):
    """A list of combinations, each a list of one or two faults."""
    if words in ("all", "mix"):
        here = [f for f in ALL.values() if not f.why_not and not f.needs]
        chosen = [[f] for f in here]
        for fault in ALL.values():
            if fault.why_not:
                print("not run: %s: %s" % (fault.name, fault.why_not), flush=True)
        pairs = [[a, b] for a in here for b in here if a.name < b.name]
        return chosen + chance.sample(pairs, min(len(pairs), len(chosen)) if words == "mix" else 0)
    chosen = []
    for word in words.split(","):
        combination = []
        for name in word.split("+"):
            if name not in ALL:
                raise NotHere("no fault is called '%s': see make chaos LIST=1" % name)
            if ALL[name].why_not:
                raise NotHere("%s: %s" % (name, ALL[name].why_not))
            combination.append(ALL[name])
        chosen.append(combination)
    return chosen
