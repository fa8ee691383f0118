DROP TABLE hostile.event;
DROP SCHEMA hostile;
