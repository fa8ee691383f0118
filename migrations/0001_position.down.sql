-- why       takes back 0001_position; the positions are lost, so workers start anew where `start` says
-- lock      ACCESS EXCLUSIVE on both tables; waits for open transactions of workers: stop them first
-- duration  milliseconds
-- old/new   no program runs without these tables
DROP TABLE weir.position_change;
DROP TABLE weir.position;
