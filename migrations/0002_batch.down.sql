-- why       takes back 0002_batch; the trail is lost, positions and claims are not
-- lock      ACCESS EXCLUSIVE on weir.batch: stop the workers first
-- duration  milliseconds
-- old/new   no program runs without this table
DROP TABLE weir.batch;
