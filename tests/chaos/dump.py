# SPDX-License-Identifier: MIT
"""dump - what the checker reads: tables as CSV by psql, topics by kafkactl, into one folder

Nothing of weir's own is asked: a table is read as it stands, a topic by another program with another client. What is written
here is all that the checker gets to see, so a folder can be judged again, elsewhere, later, or after somebody has doctored it.
"""
import os
import re

DIED = re.compile(r"event=process\.died .*?\bby=(SIG[A-Z0-9]+)")
BROKEN = re.compile(r"ERROR: (?:Address|Leak|Thread)Sanitizer|runtime error:")

TABLES = {
    "effect": 'select seq, xid, source, id, type, topic, partition, "offset", attempt, md5(data) as md5'
              ' from ledger.effect order by seq',
    "batch": 'select id, position, first_offset, next_offset, epoch, records, events, fresh, dead, parked, xmin'
             ' from weir.batch order by id',
    "position": "select id, worker, topic, partition, epoch, next_offset from weir.position order by id",
    "change": "select id, position, before, after, reason, epoch from weir.position_change order by id",
    "dead": 'select id, position, topic, partition, "offset", item, encode(key, \'hex\') as key,'
            " encode(value, 'hex') as value, array_to_string(array(select encode(n, 'escape') from unnest(header_names) n), ',')"
            " as names, array_to_string(array(select coalesce(encode(v, 'hex'), '-') from unnest(header_values) v), ',') as values,"
            " key is null as no_key, value is null as no_value, class, reason, deaths, event_id, state"
            " from weir.dead_letter order by id",
    "left": "select 'attempt' as what, count(*) as rows from weir.attempt union all"
            " select 'parked', count(*) from weir.parked union all select 'outbox', count(*) from weir.outbox union all"
            " select 'dead_letter marked to be run', count(*) from weir.dead_letter where state = 'requeue'",
}


def claims(world):
    """The view over all generations hides xmin, so each is read by its name."""
    tables = world.psql("select generation from weir.claim_generation order by 1").split()
    return " union all ".join('select key, position, "offset", xmin::text from weir.claim_%s' % t for t in tables)


def dump_tables(world):
    """Of one moment each; nobody writes any more when this is called."""
    for name, query in dict(TABLES, claim=claims(world)).items():
        with open(os.path.join(world.folder, name + ".csv"), "w") as out:
            world.psql("copy (%s) to stdout with (format csv, header)" % query, stdout=out)


def dump_topic(world, topic, name):
    """The records of @topic now, and where each partition begins and ends."""
    with open(os.path.join(world.folder, name + ".tsv"), "w") as out:
        world.kafkactl("dump", topic, stdout=out)
    for word in ("starts", "ends"):
        with open(os.path.join(world.folder, "%s-%s.txt" % (name, word)), "w") as out:
            world.kafkactl(word, topic, stdout=out)


def dump_deaths(world):
    """Processes that ended by a signal, by their supervisors' word, and what a sanitizer said."""
    with open(os.path.join(world.folder, "deaths.tsv"), "w") as out:
        for weir in world.weirs:
            with open(weir.log, errors="replace") as log:
                for line in log:
                    died = DIED.search(line)
                    if died or BROKEN.search(line):
                        out.write("%s\t%s\t%s\n" % (weir.name, died.group(1) if died else "sanitizer",
                                                    " ".join(line.split())[:200]))
