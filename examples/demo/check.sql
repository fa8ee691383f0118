-- What `make demo` proves. Run it yourself against the demonstration's database: make demo KEEP=1
WITH made AS (SELECT 'e-' || n AS id FROM generate_series(1, 19000) AS n)
SELECT (SELECT sum(next_offset) FROM weir.position)      AS "produced",
       (SELECT count(*) FROM made)                       AS "distinct",
       (SELECT count(*) FROM audit.event)                AS "applied",
       (SELECT sum(events - fresh) FROM weir.batch)      AS "duplicates recognised",
       (SELECT count(*) FROM made WHERE NOT EXISTS
              (SELECT FROM audit.event e WHERE e.source = '/demo' AND e.id = made.id)) AS "lost",
       (SELECT count(*) - count(DISTINCT (source, id)) FROM audit.event)               AS "doubled";
