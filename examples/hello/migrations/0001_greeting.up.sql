-- why       where the example plugin says hello
-- locks     none that anybody waits for: everything here is new
-- lasts     milliseconds
-- binaries  any

CREATE SCHEMA hello;
CREATE TABLE hello.greeting (
    name text NOT NULL,
    at   timestamptz NOT NULL DEFAULT now()
);
