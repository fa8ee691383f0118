#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""checker - judges a folder of evidence: was anything lost, doubled, invented, altered, put out of order?

usage: checker.py FOLDER      0: nothing found   1: violations, each with its first cases   2: no verdict is
possible   3: nothing but that it is not at the end

It shares no code with weir and asks it nothing. What ought to have happened follows from the plan (a record's kind), the
producer's reports and the records in the topic; what did happen, from the tables and from what was sent on.

Truth         the topic is the truth about what was produced: an acked record must be in it where its report said (else the broker
              lost it, and the run is void of meaning: FAIL all the same); an unknown one may be; what failed must not have an
              effect unless the log holds it after all.
Gap           records between `before` and `after` of a move in weir.position_change count as passed with a reason; so does what a
              deleted topic held behind the position. Nothing else excuses a record without effect.
Park          with retry.order = "park" a failed event, and those of its key behind it, run aside, in transactions of their own whose
              rows in the trail pass no offset: the order is judged by key only.
Own bugs      each rule is shown to bite by checker_test.py; a checker that reads nothing finds nothing, so empty evidence is
              no verdict, and the closing line says how much was judged.
"""
import bisect
import collections
import gc
import hashlib
import sys

from truth import Evidence, Truth, read_headers, unhex
from workload import DEAD, EFFECT, SOURCE

FIRST = 5  # cases shown of each violation


class Checker:
    def __init__(self, truth):
        self.truth = truth
        self.found = collections.defaultdict(list)
        self.position_of = {(int(r["partition"])): i for i, r in truth.positions.items()}
        self.by_place = collections.defaultdict(list)
        for entry in truth.entries():
            self.by_place[entry.partition, entry.offset].append(entry)
        self.effects_by_uid = collections.defaultdict(list)
        for row in truth.effects:
            self.effects_by_uid[row["id"]].append(row)
        self.effects_by_place = collections.Counter((int(r["partition"]), int(r["offset"])) for r in truth.effects)
        self.dead_by_place = collections.defaultdict(list)
        for row in truth.dead:
            if row["topic"] == truth.run["topic"]:
                self.dead_by_place[int(row["partition"]), int(row["offset"])].append(row)
        self.gaps = self._gaps()
        self.counts = collections.Counter()

    def bad(self, rule, text, *args):
        self.found[rule].append(text % args if args else text)

    def judge(self):
        if not self.truth.plan or not self.truth.logs or not any(self.truth.logs) or not self.truth.positions:
            raise Evidence("the plan, the topic or the positions are empty")
        self.produced()
        self.effects()
        self.records()
        self.order()
        self.chain()
        self.atomic()
        self.letters()
        self.behind()
        self.sent_on()
        self.rest()
        self.clean()
        return self.found

    # --- what was produced ---------------------------------------------------------------------------------------

    def produced(self):
        """L1: every report is true of the topic."""
        truth = self.truth
        for number in truth.plan:
            self.counts[truth.reports.get(number, "unknown")] += 1
        for number in truth.reports:
            if number not in truth.plan:
                self.bad("L1", "record %d is reported, not planned", number)
        for number, place in truth.acks.items():
            held = [e for e in self.by_place.get(place, ()) if e.number == number]
            if held or number not in truth.plan:
                continue
            if not any(place[1] < starts.get(place[0], 0) for starts in truth.starts):
                self.bad("L1", "record %d is acked at %d/%d, and not there", number, *place)
                continue
            # deleted from the log, by retention or an operator: handled before, or passed over for a reason
            self.counts["deleted"] += 1
            if not self.effects_by_uid.get(truth.plan[number].uid) and truth.plan[number].kind != "skip" \
                    and not self.dead_by_place.get(place) \
                    and not any(begin <= place[1] and (end is None or place[1] < end) for begin, end in self.gaps.get(place[0], ())):
                self.bad("I1", "%s was deleted from the log at %d/%d before it was handled, and no row says so",
                         truth.plan[number].uid, *place)
        for entry in truth.entries():
            self.counts["records"] += 1
            if entry.number is None or entry.number not in truth.plan:
                self.bad("L1", "%d/%d: a record that nobody planned", entry.partition, entry.offset)

    # --- effects: I2 no double, D2 nothing invented, D3 nothing altered ----------------------------------------------

    def effects(self):
        truth = self.truth
        acked_at = collections.defaultdict(list)
        for number, place in truth.acks.items():
            acked_at[place].append(number)
        for uid, rows in self.effects_by_uid.items():
            if len(rows) > 1:
                self.bad("I2", "%s took effect %d times, at %s", uid, len(rows),
                         ", ".join("%s/%s" % (r["partition"], r["offset"]) for r in rows))
        for row in truth.effects:
            self.counts["effects"] += 1
            place = int(row["partition"]), int(row["offset"])
            numbers = [e.number for e in self.by_place.get(place, ())] or acked_at.get(place, [])
            plans = [truth.plan[n] for n in numbers if n in truth.plan and truth.plan[n].uid == row["id"]]
            if not plans:
                self.bad("D2", "%s has an effect at %d/%d, where no record of it is", row["id"], *place)
            elif plans[0].kind not in EFFECT:
                self.bad("D2", "%s, of kind %s, has an effect", row["id"], plans[0].kind)
            elif plans[0].md5 != row["md5"] or row["source"] != SOURCE:
                self.bad("D3", "%s at %d/%d has other bytes than its record", row["id"], *place)

    # --- records: I1 nothing lost ------------------------------------------------------------------------------------

    def _gaps(self):
        """partition -> [(from, to)] that an operator passed, in this generation; a move back is a new log."""
        gaps = collections.defaultdict(list)
        for row in self.truth.changes:
            position = self.truth.positions.get(int(row["position"]))
            if position is None or not row["before"]:
                continue
            before, after = int(row["before"]), int(row["after"])
            if after > before:
                gaps[int(position["partition"])].append((before, after))
            elif after < before:
                gaps[int(position["partition"])].append((before, None))
        return gaps

    def passed_over(self, entry):
        last = len(self.truth.logs) - 1
        for begin, end in self.gaps.get(entry.partition, ()):
            if entry.offset >= begin and (end is None and entry.generation < last or end is not None and entry.offset < end):
                return True
        return False

    def records(self):
        truth = self.truth
        last = len(truth.logs) - 1
        reached = {int(r["partition"]): int(r["next_offset"] or 0) for r in truth.positions.values()}
        for partition, end in truth.ends[last].items():
            position = self.position_of.get(partition)
            at = truth.positions[position]["next_offset"] if position is not None else ""
            if end > 0 and (not at or int(at) != end):
                self.bad("I10", "partition %d ends at %d, its position is %s", partition, end, at or "not there")
        for entry in truth.entries():
            planned = truth.plan.get(entry.number)
            if planned is None:
                continue
            place = entry.partition, entry.offset
            if entry.generation == last and entry.offset >= reached.get(entry.partition, 0):
                self.counts["not reached"] += 1  # I10 says so; it is not lost
                continue
            here = [r for r in self.effects_by_uid.get(planned.uid, ()) if (int(r["partition"]), int(r["offset"])) == place]
            elsewhere = self.effects_by_uid.get(planned.uid) and not here
            letters = [r for r in self.dead_by_place.get(place, ()) if self.is_of(r, entry)]
            if len(letters) > 1:
                self.bad("I8", "%d/%d has %d dead letters", *place, len(letters))
            classes = {r["class"] for r in letters}
            if letters and here:
                self.bad("I1", "%s at %d/%d has an effect and a dead letter", planned.uid, *place)
            if self.passed_over(entry) and not letters and not here:
                self.counts["passed over"] += 1
            elif planned.kind in EFFECT:
                if "crash" in classes and self.truth.run["kills"] and not here:
                    self.counts["condemned by kills"] += 1  # in hand at crash.attempts kills in a row: weir says so
                elif letters:
                    self.bad("I1", "%s at %d/%d is good, and a dead letter: %s", planned.uid, *place, sorted(classes))
                elif not here and not elsewhere:
                    self.bad("I1", "%s at %d/%d is lost (%s)", planned.uid, *place,
                             truth.reports.get(planned.number, "unknown"))
                elif elsewhere:
                    self.counts["duplicates"] += 1
            elif planned.kind in DEAD:
                wanted = {DEAD[planned.kind]} | ({"crash"} if truth.run["kills"] and planned.kind != "decode" else set())
                if not letters:
                    self.bad("I1", "%s at %d/%d, of kind %s, is no dead letter", planned.uid, *place, planned.kind)
                elif not classes <= wanted:
                    self.bad("I8", "%s at %d/%d, of kind %s, is a dead letter of class %s", planned.uid, *place,
                             planned.kind, sorted(classes))
            elif letters and not (truth.run["kills"] and classes == {"crash"}):
                self.bad("I1", "%s at %d/%d, of kind %s, is a dead letter", planned.uid, *place, planned.kind)

    # --- order: I3 ---------------------------------------------------------------------------------------------------

    def order(self):
        """Within a partition by offset, within a key as it was produced, where the log has it so."""
        restarts = collections.Counter()
        for partition, gaps in self.gaps.items():
            restarts[partition] = sum(1 for _, end in gaps if end is None)
        last, steps_back = {}, collections.Counter()
        key_last = {}
        of_uid = {p.uid: p for p in self.truth.plan.values()}
        crooked = self.crooked_keys()
        for row in self.truth.effects:  # by seq
            partition, offset = int(row["partition"]), int(row["offset"])
            if partition in last and offset <= last[partition] and not self.truth.run["park"]:
                steps_back[partition] += 1
                if steps_back[partition] > restarts[partition]:
                    self.bad("I3", "partition %d: offset %d took effect after %d", partition, offset, last[partition])
            last[partition] = offset
            planned = of_uid.get(row["id"])
            if planned is None or (partition, planned.key) in crooked:
                continue
            if planned.kseq <= key_last.get((partition, planned.key), 0):
                self.bad("I3", "key %s: its event %d took effect after %d", planned.key, planned.kseq,
                         key_last[partition, planned.key])
            key_last[partition, planned.key] = planned.kseq

    def crooked_keys(self):
        """(partition, key) where the log itself has another order than the plan, as far copies into another partition make it."""
        crooked, last, seen = set(), {}, set()
        for log in self.truth.logs:
            for entry in sorted(log.values(), key=lambda e: (e.partition, e.offset)):
                planned = self.truth.plan.get(entry.number)
                if planned is None or not planned.kseq or (entry.partition, planned.uid) in seen:
                    continue
                seen.add((entry.partition, planned.uid))
                place = entry.partition, planned.key
                if last.get(place, 0) >= planned.kseq:
                    crooked.add(place)
                last[place] = planned.kseq
        self.counts["keys without an order"] = len(crooked)
        return crooked

    # --- chain: I5, I6 -----------------------------------------------------------------------------------------------

    def chain(self):
        moves = collections.defaultdict(list)
        for row in self.truth.changes:
            moves[int(row["position"])].append((row["before"] and int(row["before"]), int(row["after"])))
        at, epochs = {}, {}
        for row in self.truth.batches:  # by id: within a position the order of the transactions
            position = int(row["position"])
            if position not in self.truth.positions:
                continue
            first, behind, epoch = int(row["first_offset"]), int(row["next_offset"]), int(row["epoch"])
            before = at.get(position, "")  # as "first start" has it
            while before != first and moves[position] and moves[position][0][0] == before:
                before = moves[position].pop(0)[1]
            if before != first:
                self.bad("I5", "position %d: the trail goes from %s to %d at row %s", position, before or "nowhere", first, row["id"])
            if behind <= first and not (self.is_aside(row) and self.truth.run["park"]):
                self.bad("I5", "position %d: row %s goes from %d to %d", position, row["id"], first, behind)
            if epoch < epochs.get(position, 0):
                self.bad("I6", "position %d: epoch %d committed after %d", position, epoch, epochs[position])
            at[position], epochs[position] = behind, epoch
            self.counts["transactions"] += 1
        for position, row in self.truth.positions.items():
            end = at.get(position)
            while end is not None and moves[position] and moves[position][0][0] == end:
                end = moves[position].pop(0)[1]
            if end is not None and row["next_offset"] and int(row["next_offset"]) != end:
                self.bad("I5", "position %d stands at %s, its trail ends at %d", position, row["next_offset"], end)

    # --- one transaction: I4 -----------------------------------------------------------------------------------------

    def claim_key(self, uid):
        digest = hashlib.sha256()
        for part in (self.truth.run["worker"], SOURCE, uid):
            digest.update(len(part.encode()).to_bytes(8, "big"))
            digest.update(part.encode())
        return digest.hexdigest()[:32]

    def transaction(self, position, xid, offset):
        """The row of the trail that belongs to it. Where culprits left their batch, a savepoint has changed the row: xmin is
        then a subtransaction's, greater than its parent's and less than the next transaction's of that position."""
        rows = self.trail.get(position, ())
        at = bisect.bisect_left(rows, xid, key=lambda r: int(r["xmin"]))
        if at < len(rows) and (int(rows[at]["first_offset"]) <= offset < int(rows[at]["next_offset"])
                               or self.is_aside(rows[at]) and offset < int(rows[at]["first_offset"])):
            return rows[at]["id"]
        return None

    @staticmethod
    def is_aside(row):
        """An event that had been passed before, parked, ran in a transaction of its own: no records, no offsets."""
        return row["records"] == "0" and row["first_offset"] == row["next_offset"] \
            and int(row["events"]) + int(row["dead"]) == 1

    def atomic(self):
        truth = self.truth
        self.trail = collections.defaultdict(list)
        for row in truth.batches:
            self.trail[int(row["position"])].append(row)
        claims = {r["key"].replace("-", ""): r for r in truth.claims}
        if len(claims) != len(truth.claims):
            self.bad("I2", "%d keys are claimed twice", len(truth.claims) - len(claims))
        claimed, dead = collections.Counter(), collections.Counter()
        expected = set()
        for row in truth.effects:
            position, offset = self.position_of.get(int(row["partition"])), int(row["offset"])
            xid = int(row["xid"]) & 0xffffffff
            if self.transaction(position, xid, offset) is None:
                self.bad("I4", "%s took effect in transaction %d, which passed no such offset", row["id"], xid)
            key = self.claim_key(row["id"])
            claim = claims.get(key)
            expected.add(key)
            if claim is None:
                self.bad("I4", "%s has an effect and no claim", row["id"])
            elif int(claim["xmin"]) != xid or int(claim["position"]) != position or int(claim["offset"]) != offset:
                self.bad("I4", "%s: its effect is of %d at position %s, %d, its claim of %s at %s, %s", row["id"], xid,
                         position, offset, claim["xmin"], claim["position"], claim["offset"])
        skipped = {self.claim_key(p.uid) for p in truth.plan.values() if p.kind == "skip"}
        for key, claim in claims.items():
            of = self.transaction(int(claim["position"]), int(claim["xmin"]), int(claim["offset"]))
            claimed[of] += 1
            if of is None or key not in expected and key not in skipped:
                self.bad("I4", "position %s, offset %s is claimed and has no effect", claim["position"], claim["offset"])
        for row in truth.batches:
            dead[int(row["position"])] += int(row["dead"])
            if claimed[row["id"]] != int(row["fresh"]):
                self.bad("I4", "row %s of the trail: %d claims, it says %s", row["id"], claimed[row["id"]], row["fresh"])
        letters = collections.Counter(int(r["position"]) for r in truth.dead if r["class"] != "deliver")
        for position in set(letters) | set(dead):
            if letters[position] != dead[position]:
                self.bad("I4", "position %d: %d dead letters, %d in the trail", position, letters[position], dead[position])

    # --- dead letters: I8 --------------------------------------------------------------------------------------------

    @staticmethod
    def is_of(row, entry):
        """Are its bytes those of the record?"""
        names = row["names"].split(",") if row["names"] else []
        values = row["values"].split(",") if names else []
        headers = list(zip(names, [unhex(v) for v in values]))
        return ((None if row["no_key"] == "t" else bytes.fromhex(row["key"])) == unhex(entry.key)
                and (None if row["no_value"] == "t" else bytes.fromhex(row["value"])) == unhex(entry.value)
                and headers == read_headers(entry.headers))

    def letters(self):
        for place, rows in self.dead_by_place.items():
            entries = self.by_place.get(place, ())
            for row in rows:
                self.counts["dead letters"] += 1
                if entries and not any(self.is_of(row, e) for e in entries):
                    self.bad("I8", "dead letter %s: its bytes are not those of %d/%d", row["id"], *place)
                elif not entries and not any(place[1] < s.get(place[0], 0) for s in self.truth.starts):
                    self.bad("I8", "dead letter %s: there is no record %d/%d", row["id"], *place)
                if row["event_id"] and row["item"] == "0" and not row["reason"]:
                    self.bad("I8", "dead letter %s has no reason", row["id"])

    # --- Kafka behind: I7; sent on: I9; left over --------------------------------------------------------------------

    def behind(self):
        for partition, committed, position in self.truth.samples:
            self.counts["samples"] += 1
            if committed > position:
                self.bad("I7", "partition %d: %d was committed while the position was %d", partition, committed, position)
        for partition, committed in self.truth.committed.items():
            position = self.position_of.get(partition)
            at = int(self.truth.positions[position]["next_offset"] or 0) if position is not None else 0
            if committed > at:
                self.bad("I7", "partition %d: committed %d, position %d", partition, committed, at)

    def sent_on(self):
        wanted = {r["id"]: r for r in self.truth.effects if r["type"] == "ledger.emit"}
        for uid in wanted:
            copies = self.truth.out.get(uid)
            if not copies:
                self.bad("I9", "%s took effect and was not sent on", uid)
            elif len({value for _, _, value in copies}) > 1:
                self.bad("I9", "%s was sent on with different bytes", uid)
            else:
                self.counts["sent on"] += 1
                self.counts["sent on again"] += len(copies) - 1
        for uid in self.truth.out:
            if uid not in wanted:
                self.bad("I9", "%s was sent on and has no effect", uid)

    def rest(self):
        for row in self.truth.left:
            if int(row["rows"]):
                self.bad("I10", "%s rows are left in weir.%s", row["rows"], row["what"])

    # --- no signal that nobody sent, nothing that grew: I11 ------------------------------------------------------------

    def clean(self):
        """What a process holds at the end, when all is healed and handled, follows from the partitions, not from how much it lived through."""
        truth = self.truth
        bounds = {"fds": 40 + 4 * len(truth.positions), "threads": 30 + 4 * len(truth.positions)}
        for weir, number, name, fds, threads in truth.processes:
            self.counts["processes at the end"] += 1
            for what, held in (("fds", fds), ("threads", threads)):
                if int(held) > bounds[what]:
                    self.bad("I11", "%s: process %s (%s) has %s %s at the end, of which %d are expected at most", weir, number, name, held,
                             what, bounds[what])
        for weir, by, line in truth.deaths:
            self.counts["deaths"] += 1
            if by not in truth.run["signals"]:
                self.bad("I11", "%s: a process died by %s, and no fault of this run does that: %s", weir, by, line)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    gc.disable()  # millions of rows, none of which is garbage before the end: looking for it was half of the time
    try:
        checker = Checker(Truth(sys.argv[1]))
        found = checker.judge()
    except Evidence as why:
        print("checker: no verdict: %s" % why)
        return 2
    for rule in sorted(found):
        print("checker: %s: %d violations" % (rule, len(found[rule])))
        for text in found[rule][:FIRST]:
            print("         %s" % text)
    print("checker: %s" % ", ".join("%s %d" % (n, c) for n, c in sorted(checker.counts.items())))
    return 3 if set(found) == {"I10"} else 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
