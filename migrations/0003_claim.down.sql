-- why       takes back 0003_claim; without claims a producer's duplicate is handled twice
-- lock      ACCESS EXCLUSIVE on every generation: stop the workers first
-- duration  milliseconds; the space of large generations is given back at once
-- old/new   no program runs without these tables
DROP FUNCTION weir.claim_switch();
DROP VIEW weir.claim;
DO $$
DECLARE
        generation int4;
BEGIN
        FOR generation IN SELECT g.generation FROM weir.claim_generation g LOOP
                EXECUTE format('DROP TABLE weir.claim_%s', generation);
        END LOOP;
END $$;
DROP TABLE weir.claim_state;
DROP TABLE weir.claim_generation;
