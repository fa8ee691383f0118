DROP TABLE hello.greeting;
DROP SCHEMA hello;
