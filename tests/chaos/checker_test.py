#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""checker_test - the checker can fail: evidence that was doctored in one place each must be refused, by the rule that is meant

A checker that finds nothing proves nothing until it is known to find something. A small world is made up here: a plan, a topic, and what a
correct weir would have left of it. That must pass. Then one thing is changed, as the bug that it stands for would change it, and
the rule that exists for it must speak. The evidence is written and read as files, so that reading is under test as well.

usage: checker_test.py [SUMMARY_FILE]
"""
import copy
import csv
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile

from checker import Checker
from truth import Evidence, Truth
from workload import DEAD, EFFECT, SOURCE, Workload

COUNT, BATCH = 600, 7


class World:
    """What a correct weir leaves: tables as lists of rows, topics as lists of lines."""

    def __init__(self):
        workload = Workload(11, "t", 2)
        self.files = {"plan.tsv": [], "produced.log": [], "out.tsv": [], "samples.tsv": []}
        logs = {0: [], 1: []}
        self.records = []  # (plan fields, partition, offset, key, headers, value)
        for number in range(COUNT):
            line, plan = workload.next()
            _, partition, key, headers, value = line.rstrip("\n").split("\t")
            partition, offset = int(partition), len(logs[int(partition)])
            logs[partition].append("\t".join((str(partition), str(offset), "1", key, headers, value)))
            self.files["plan.tsv"].append(plan.rstrip("\n"))
            self.files["produced.log"].append("%d acked %d %d" % (number, partition, offset))
            self.records.append((plan.rstrip("\n").split("\t"), partition, offset, key, headers, value))
        self.files["log-0.tsv"] = logs[0] + logs[1]
        self.files["log-0-starts.txt"] = ["0 0", "1 0"]
        self.files["log-0-ends.txt"] = ["%d %d" % (p, len(logs[p])) for p in logs]
        self.files["committed.txt"] = ["%d %d" % (p, len(logs[p]) - 3) for p in logs]
        self.files["samples.tsv"] = ["1.0 0 5 7", "1.0 1 0 0"]
        self.files["run.json"] = [json.dumps({"topic": "chaos", "worker": "ledger", "kills": 0, "park": False, "generations": 1,
                                                "signals": ["SIGKILL"]})]
        self.files["processes.tsv"] = ["weir-0\t11\tsupervisor\t20\t2", "weir-0\t12\tledger\t31\t11"]
        self.files["deaths.tsv"] = ["weir-0\tSIGKILL\tevent=process.died worker=ledger by=SIGKILL"]
        self.tables = {name: [] for name in ("effect", "batch", "position", "change", "claim", "dead")}
        self.tables["left"] = [{"what": "outbox", "rows": "0"}]
        self.apply(logs)

    def apply(self, logs):
        seen, xid, seq = set(), 1000, 0
        for partition, log in logs.items():
            position = partition + 1
            self.row("position", id=position, worker="ledger", topic="chaos", partition=partition, epoch=1, next_offset=len(log))
            self.row("change", id=position, position=position, before="", after=0, reason="first start", epoch=1)
            mine = sorted((r for r in self.records if r[1] == partition), key=lambda r: r[2])
            for first in range(0, len(mine), BATCH):
                batch = mine[first:first + BATCH]
                xid += 1
                fresh = dead = 0
                for plan, _, offset, key, headers, value in batch:
                    _, uid, _, _, kind, _, md5 = plan
                    if kind in DEAD:
                        dead += 1
                        self.letter(position, partition, offset, key, headers, value, DEAD[kind], uid)
                    elif uid not in seen:
                        seen.add(uid)
                        fresh += 1
                        self.row("claim", key=self.key(uid), position=position, offset=offset, xmin=xid)
                        if kind in EFFECT:
                            seq += 1
                            self.row("effect", seq=seq, xid=xid, source=SOURCE, id=uid, type="ledger." + kind, topic="chaos",
                                     partition=partition, offset=offset, attempt=1, md5=md5)
                        if kind == "emit":
                            self.files["out.tsv"].append("0\t%d\t1\t-\tce_id=%s\t%s" % (len(self.files["out.tsv"]),
                                                                                       uid.encode().hex(), value))
                self.row("batch", id=xid, position=position, first_offset=first, next_offset=first + len(batch), epoch=1,
                         records=len(batch), events=len(batch), fresh=fresh, dead=dead, parked=0, xmin=xid)

    def letter(self, position, partition, offset, key, headers, value, klass, uid):
        pairs = [h.split("=") for h in headers.split(",")]
        self.row("dead", id=len(self.tables["dead"]) + 1, position=position, topic="chaos", partition=partition, offset=offset,
                 item=0, key="" if key == "-" else key, value="" if value == "-" else value,
                 names=",".join(n for n, _ in pairs), values=",".join(v for _, v in pairs), no_key="t" if key == "-" else "f",
                 no_value="t" if value == "-" else "f", **{"class": klass}, reason="handler", deaths=0, event_id=uid, state="kept")

    @staticmethod
    def key(uid):
        digest = hashlib.sha256()
        for part in (b"ledger", SOURCE.encode(), uid.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:32]

    def row(self, table, **fields):
        self.tables[table].append({name: str(value) for name, value in fields.items()})

    def write(self, folder):
        for name, lines in self.files.items():
            with open(os.path.join(folder, name), "w") as out:
                out.write("".join(line + "\n" for line in lines))
        for name, rows in self.tables.items():
            text = io.StringIO()
            if rows:
                writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            with open(os.path.join(folder, name + ".csv"), "w") as out:
                out.write(text.getvalue())

    # what the doctors take hold of

    def effect(self, kind="ledger.good", skip=20):
        return [r for r in self.tables["effect"] if r["type"] == kind][skip if kind == "ledger.good" else 0]

    def drop_effect(self, row):
        self.tables["effect"].remove(row)


def lost(world):
    world.drop_effect(world.effect())


def lost_with_claim(world):
    row = world.effect()
    world.drop_effect(row)
    world.tables["claim"] = [c for c in world.tables["claim"] if c["key"] != world.key(row["id"])]


def doubled(world):
    world.tables["effect"].append(dict(world.effect(), seq="999999"))


def swapped(world):
    rows = [r for r in world.tables["effect"] if r["partition"] == "0"]
    rows[5]["id"], rows[6]["id"] = rows[6]["id"], rows[5]["id"]


def late(world):
    rows = world.tables["effect"]
    at = [i for i, r in enumerate(rows) if r["partition"] == "0"]
    rows[at[5]], rows[at[9]] = rows[at[9]], rows[at[5]]


def invented(world):
    world.tables["effect"].append(dict(world.effect(), seq="999999", id="t-nobody"))


def altered(world):
    world.effect()["md5"] = "0" * 32


def second_copy(world):
    """The effect of a duplicate's bytes, where the first copy has others."""
    for plan, partition, offset, *_ in world.records:
        row = next((r for r in world.tables["effect"] if r["id"] == plan[1]), None)
        if row and row["md5"] != plan[6] and row["partition"] == str(partition):
            row["md5"] = plan[6]
            return
    raise AssertionError("no conflict in the workload")


def letter_missing(world):
    world.tables["dead"].pop(3)


def letter_doubled(world):
    row = world.tables["dead"][3]
    world.tables["dead"].append(dict(row, id="999"))


def letter_altered(world):
    row = next(r for r in world.tables["dead"] if r["value"])
    row["value"] = "%02x" % (int(row["value"][:2], 16) ^ 1) + row["value"][2:]


def letter_header_lost(world):
    row = next(r for r in world.tables["dead"] if "," in r["names"])
    row["names"], row["values"] = row["names"].split(",", 1)[1], row["values"].split(",", 1)[1]


def letter_of_good(world):
    row = world.effect()
    for plan, partition, offset, key, headers, value in world.records:
        if plan[1] == row["id"]:
            world.letter(partition + 1, partition, offset, key, headers, value, "reject", plan[1])
            return


def wrong_class(world):
    next(r for r in world.tables["dead"] if r["class"] == "reject")["class"] = "decode"


def reject_with_effect(world):
    row = next(r for r in world.tables["dead"] if r["class"] == "reject")
    world.tables["effect"].append(dict(world.effect(), seq="999999", id=row["event_id"], partition=row["partition"],
                                       offset=row["offset"]))


def position_jumped(world):
    world.tables["batch"][6]["first_offset"] = str(int(world.tables["batch"][6]["first_offset"]) + 2)


def position_ahead(world):
    world.tables["position"][0]["next_offset"] = str(int(world.tables["position"][0]["next_offset"]) + 1)


def position_behind(world):
    world.files["log-0-ends.txt"][0] = "0 %d" % (int(world.files["log-0-ends.txt"][0].split()[1]) + 1)


def old_epoch(world):
    world.tables["batch"][4]["epoch"] = "2"


def trail_missing(world):
    world.tables["batch"].pop(5)


def committed_ahead(world):
    world.files["samples.tsv"].append("2.0 1 30 29")


def committed_ahead_at_the_end(world):
    world.files["committed.txt"][0] = "0 100000"


def effect_in_another_transaction(world):
    world.effect()["xid"] = "1999"


def claim_without_effect(world):
    row = world.tables["claim"][9]
    world.tables["claim"].append(dict(row, key="f" * 32))
    next(b for b in world.tables["batch"] if b["xmin"] == row["xmin"])["fresh"] = "99"


def claim_missing(world):
    world.tables["claim"].pop(9)


def claim_of_another_transaction(world):
    world.tables["claim"][9]["xmin"] = str(int(world.tables["claim"][9]["xmin"]) + 1)


def not_sent_on(world):
    world.files["out.tsv"].pop(1)


def sent_before_commit(world):
    world.files["out.tsv"].append("0\t9999\t1\t-\tce_id=%s\t00" % b"t-nobody".hex())


def sent_with_other_bytes(world):
    fields = world.files["out.tsv"][0].split("\t")
    world.files["out.tsv"].append("\t".join(fields[:5] + ["00"]))


def broker_lost(world):
    world.files["log-0.tsv"].pop(40)


def trimmed_unhandled(world):
    """The log begins behind a record without an effect, and nobody moved the position over it."""
    start = 30
    world.files["log-0-starts.txt"][0] = "0 %d" % start
    world.files["log-0.tsv"] = [line for line in world.files["log-0.tsv"]
                                if not (line.startswith("0\t") and int(line.split("\t")[1]) < start)]
    row = next(r for r in world.tables["effect"] if r["partition"] == "0" and 20 <= int(r["offset"]) < start)
    world.drop_effect(row)


def left_over(world):
    world.tables["left"][0]["rows"] = "2"


def descriptors_grew(world):
    world.files["processes.tsv"][1] = "weir-0\t12\tledger\t331\t11"


def threads_grew(world):
    world.files["processes.tsv"][1] = "weir-0\t12\tledger\t31\t311"


def died_by_itself(world):
    world.files["deaths.tsv"].append("weir-0\tSIGSEGV\tevent=process.died worker=ledger by=SIGSEGV")


def no_topic(world):
    world.files["log-0.tsv"] = []


def no_plan(world):
    world.files["plan.tsv"] = []


def cut_off(world):
    del world.files["produced.log"]


CASES = [
    (lost, "I1"), (lost_with_claim, "I1"), (doubled, "I2"), (swapped, "D2"), (late, "I3"), (invented, "D2"),
    (altered, "D3"), (second_copy, "D3"), (letter_missing, "I1"), (letter_doubled, "I8"), (letter_altered, "I8"),
    (letter_header_lost, "I8"), (letter_of_good, "I1"), (wrong_class, "I8"), (reject_with_effect, "D2"),
    (position_jumped, "I5"), (position_ahead, "I5"), (position_behind, "I10"), (old_epoch, "I6"), (trail_missing, "I5"),
    (committed_ahead, "I7"), (committed_ahead_at_the_end, "I7"), (effect_in_another_transaction, "I4"),
    (claim_without_effect, "I4"), (claim_missing, "I4"), (claim_of_another_transaction, "I4"), (not_sent_on, "I9"),
    (sent_before_commit, "I9"), (sent_with_other_bytes, "I9"), (broker_lost, "L1"), (left_over, "I10"),
    (trimmed_unhandled, "I1"),
    (descriptors_grew, "I11"), (threads_grew, "I11"), (died_by_itself, "I11"),
    (no_topic, None), (no_plan, None), (cut_off, None),
]


def unknown_is_excused(world):
    """A record that never came into the log, and was reported unknown or failed: no violation."""
    number = COUNT
    for word in ("failed", "unknown"):
        world.files["plan.tsv"].append("%d\tt-%d\tk1\t9999\tgood\t0\t%s" % (number, number, "0" * 32))
        world.files["produced.log"].append("%d %s _MSG_TIMED_OUT" % (number, word))
        number += 1


def gap_is_excused(world):
    """An operator moved the position over a range, with a reason: what is in it counts as passed."""
    first = world.tables["batch"].pop(3)
    low, high = int(first["first_offset"]), int(first["next_offset"])
    world.row("change", id=99, position=first["position"], before=low, after=high, reason="trimmed", epoch=1)
    gone = {r["id"] for r in world.tables["effect"] if r["partition"] == "0" and low <= int(r["offset"]) < high}
    for name, key in (("effect", "id"), ("dead", "event_id")):
        world.tables[name] = [r for r in world.tables[name]
                              if not (r["partition"] == "0" and low <= int(r["offset"]) < high)]
    world.tables["claim"] = [r for r in world.tables["claim"] if r["key"] not in {world.key(uid) for uid in gone}
                             and not (r["position"] == first["position"] and low <= int(r["offset"]) < high)]
    world.files["out.tsv"] = [line for line in world.files["out.tsv"]
                              if bytes.fromhex(line.split("\t")[4][6:]).decode() not in gone]
    # a copy of one of them, later, finds no claim: it would have taken effect itself; such worlds are not made here
    later = {r[0][1] for r in world.records if r[0][1] in gone and not (r[1] == 0 and low <= r[2] < high)}
    assert not later, "another range is needed"


GOOD = [unknown_is_excused, gap_is_excused]


def judge(folder):
    try:
        return set(Checker(Truth(folder)).judge())
    except Evidence:
        return {None}


def main():
    world = World()
    passed = failed = 0
    for case, rule in [(None, "")] + [(c, "") for c in GOOD] + CASES:
        doctored = copy.deepcopy(world)
        if case:
            case(doctored)
        folder = tempfile.mkdtemp(prefix="checker-test-")
        try:
            doctored.write(folder)
            found = judge(folder)
        finally:
            shutil.rmtree(folder)
        right = found == set() if rule == "" else rule in found
        passed, failed = passed + right, failed + (not right)
        print("%-8s%-32s %s" % ("ok" if right else "not ok", case.__name__ if case else "nothing changed",
                                " ".join(sorted(str(r) for r in found)) or "-"))
    line = "checker: %d passed, %d failed" % (passed, failed)
    print(line)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "a") as out:
            out.write(line + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
