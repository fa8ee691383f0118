-- why       takes back 0004_dead_letter; the kept records are lost: export them first
-- lock      ACCESS EXCLUSIVE on weir.dead_letter: stop the workers first
-- duration  milliseconds
-- old/new   no program runs without this table
DROP TABLE weir.dead_letter;
