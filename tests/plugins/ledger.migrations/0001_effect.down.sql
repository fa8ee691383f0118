DROP TABLE ledger.effect;
DROP SCHEMA ledger;
