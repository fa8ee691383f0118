-- why       takes back 0009_replay; positions and trail of replays stay, under their names
-- lock      ACCESS EXCLUSIVE on weir.dead_letter for a DROP COLUMN
-- duration  milliseconds
-- old/new   a program of 0009 refuses to start without it
ALTER TABLE weir.dead_letter DROP COLUMN epoch, DROP COLUMN withhold;
DROP TABLE weir.replay_range;
DROP TABLE weir.replay;
