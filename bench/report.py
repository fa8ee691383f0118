# SPDX-License-Identifier: MIT
"""report SAMPLES RESULTS - medians and ratios of a bench run, as a table and as JSON

A ratio is the median of the ratios of pairs, not a ratio of medians: the two runs of a pair saw the same
machine. Its spread (least, most) stands beside it, because a figure without one is no figure. Pair 0 warms
up and is left out.
"""
import collections
import json
import statistics
import sys

FIGURE = {"events/s": "{:,.0f}", "ns": "{:,.1f}", "KiB": "{:,.0f}", "ms": "{:,.0f}", "rows": "{:,.0f}"}
# name: what is measured, unit, the other side and its aim, the third side
BENCHES = {
    "store": ("a lane's transactions, no Kafka", "events/s", [("b", "bare COPY", None)], None),
    "emit-binary": ("weir emit from stdin, binary", "events/s", [], (">=", 100000)),
    "emit-structured": ("weir emit from stdin, structured", "events/s", [], (">=", 100000)),
    "memory1": ("resident memory, 1 idle partition", "KiB", [], None),
    "memory64": ("resident memory, 64 idle partitions", "KiB", [], None),
    "noop1": ("no-op handler, 1 partition", "events/s",
              [("b", "raw loop", 0.9), ("c", "raw loop with headers", None)], None),
    "noop4": ("no-op handler, 4 partitions", "events/s",
              [("b", "raw loops", 0.9), ("c", "raw loops with headers", None)], None),
    "audit1": ("exactly-once audit, 1 partition", "events/s", [("b", "bare COPY, 1 connection", 0.75)], None),
    "audit4": ("exactly-once audit, 4 partitions", "events/s", [("b", "bare COPY, 4 connections", 0.5)], None),
    "poison1": ("1 event in 1,000 rejected, 1 partition", "events/s", [("b", "the same, none rejected", 0.5)], None),
    "poison4": ("1 event in 1,000 rejected, 4 partitions", "events/s", [("b", "the same, none rejected", 0.5)], None),
    "poison1-sql": ("1 in 1,000 fails in a statement, 1 partition", "events/s",
                    [("b", "the same, none fails", 0.5)], None),
    "poison4-sql": ("1 in 1,000 fails in a statement, 4 partitions", "events/s",
                    [("b", "the same, none fails", 0.5)], None),
    "replay-applied": ("replay of what was applied already, 4 partitions", "events/s", [], (">=", 200000)),
    "replay-preview": ("preview of it", "events/s", [], None),
    "replay-missing": ("replay of what is missing, 4 partitions", "events/s",
                       [("b", "handled live", None)], None),
    "replay-again": ("replay of all of it, in an epoch", "events/s", [], None),
    "outbox-idle": ("BEGIN to a record in the topic, idle", "ms", [], ("<=", 50)),
    "outbox-handled": ("an emit for each event, into the outbox", "events/s", [], (">=", 20000)),
    "outbox-through": ("    and out of it: acknowledged, removed", "events/s", [], (">=", 20000)),
    "outbox-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-table": ("    its table, most", "KiB", [], None),
    "outbox-index": ("    its index, most", "KiB", [], None),
    "outbox-million-handled": ("1,000,000 emits, into the outbox", "events/s", [], None),
    "outbox-million-through": ("    and out of it: acknowledged, removed", "events/s", [], None),
    "outbox-million-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-million-table": ("    its table, most", "KiB", [], None),
    "outbox-million-index": ("    its index, most", "KiB", [], None),
    "outbox-steady-through": ("1,000,000 emits at half that rate: out of it", "events/s", [], None),
    "outbox-steady-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-steady-table": ("    its table, most", "KiB", [], None),
    "outbox-steady-index": ("    its index, most", "KiB", [], None),
    "outbox-round1-through": ("300,000 emits, round 1: in and out", "events/s", [], None),
    "outbox-round1-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-round1-table": ("    its table, most", "KiB", [], None),
    "outbox-round1-index": ("    its index, most", "KiB", [], None),
    "outbox-round2-through": ("300,000 emits, round 2: in and out", "events/s", [], None),
    "outbox-round2-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-round2-table": ("    its table, most", "KiB", [], None),
    "outbox-round2-index": ("    its index, most", "KiB", [], None),
    "outbox-round3-through": ("300,000 emits, round 3: in and out", "events/s", [], None),
    "outbox-round3-rows": ("    rows in the outbox, most", "rows", [], None),
    "outbox-round3-table": ("    its table, most", "KiB", [], None),
    "outbox-round3-index": ("    its index, most", "KiB", [], None),
}


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "samples": values}


def show(figures, form):
    return "{} ({} to {})".format(*(form.format(figures[k]) for k in ("median", "least", "most")))


def verdict(aim, value):
    if aim is None:
        return ""
    sign, bound = aim
    met = value >= bound if sign == ">=" else value <= bound
    return "aim {} {:,g}: {}".format(sign, bound, "met" if met else "MISSED")


def describe(name):
    if name.startswith("tune"):
        head, _, keys = name.partition(" ")
        return ("audit, %s partition%s, batch.%s" % (head[4:], "" if head == "tune1" else "s", keys),
                "events/s", [("b", "the defaults", None)], None)
    return BENCHES[name]


def main():
    meta, decode, runs = [], [], collections.OrderedDict()
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            field = line.rstrip("\n").split("\t")
            if field[0] == "meta":
                meta.append((field[1], field[2]))
            elif field[0] == "decode":
                decode.append((field[2], float(field[3]), float(field[4])))
            elif field[1] != "0":
                sides = runs.setdefault(field[0], {})
                sides.setdefault(field[2], []).append([float(x) for x in field[3:]])
    rows, results = [], []
    for title, ns, allocations in decode:
        aimed = title == "binary, 6 headers"
        good = ns <= 150 and allocations == 0
        rows.append(("decode: " + title, "%.1f ns/event, %g allocations" % (ns, allocations), "",
                     ("aim <= 150 ns, 0: " + ("met" if good else "MISSED")) if aimed else ""))
        results.append({"bench": "decode", "what": title, "ns_per_event": ns, "allocations_per_event": allocations})
    for name, sides in runs.items():
        what, unit, others, aim = describe(name)
        form = FIGURE[unit]
        mine = spread([run[0] for run in sides["a"]])
        result = {"bench": name, "what": what, "unit": unit, "weir": mine, "against": []}
        rows.append((what, show(mine, form) + " " + unit, "", verdict(aim, mine["median"])))
        for side, title, bound in others:
            other = spread([run[0] for run in sides[side]])
            ratio = spread([a[0] / b[0] for a, b in zip(sides["a"], sides[side])])
            bound = (">=", bound) if bound else None
            rows.append(("    " + title, show(other, form) + " " + unit, show(ratio, "{:.2f}"),
                         verdict(bound, ratio["median"])))
            entry = {"what": title, "figure": other, "ratio": ratio}
            if len(sides[side][0]) > 1:
                entry["cpu_us_per_event"] = [statistics.median(run[i] for run in sides[side])
                                             for i in range(1, len(sides[side][0]))]
            result["against"].append(entry)
        if len(sides["a"][0]) == 5:
            cpu = [statistics.median(run[i] for run in sides["a"]) for i in (1, 2, 3)]
            peak = statistics.median(run[4] for run in sides["a"])
            result["cpu_us_per_event"] = dict(zip(("weir", "postgresql", "kafka"), cpu))
            result["peak_rss_kib"] = peak
            text = "weir %.2f, PostgreSQL %.2f, Kafka %.2f us/event" % tuple(cpu)
            if name.startswith("audit"):
                server = statistics.median(run[2] for run in sides["b"])
                text += " (COPY alone: PostgreSQL %.2f)" % server
            rows.append(("    CPU", text, "", "peak %.0f MiB" % (peak / 1024)))
        results.append(result)
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]  # claims has a table of its own
    for name, text in meta:
        print("%-11s %s" % (name, text))
    print()
    print("  ".join(("what".ljust(widths[0]), "median (least to most)".ljust(widths[1]), "ratio".ljust(widths[2]))))
    for row in rows:
        print("  ".join([row[i].ljust(widths[i]) for i in range(3)] + [row[3]]).rstrip())
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump({"about": meta, "results": results}, out, indent=1)
        out.write("\n")
    print("\n%s has the samples too" % sys.argv[2])


main()
