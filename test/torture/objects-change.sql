-- Objects come, go and change, and rows with them.
SET search_path TO "odd.schema/%", public;
ALTER TABLE "we ""ird.tab/le" RENAME TO "an%other; 'name'";
ALTER TABLE "an%other; 'name'" RENAME COLUMN "per%cent" TO """";
ALTER TABLE "an%other; 'name'" DROP COLUMN "new
line", ADD COLUMN added timestamptz DEFAULT now();
ALTER TYPE mood RENAME VALUE 'sad' TO 'très "triste"';
ALTER TYPE mood ADD VALUE 'between' BEFORE 'it''s "ok"';
ALTER TABLE full_identity REPLICA IDENTITY DEFAULT;
ALTER TABLE index_identity ADD PRIMARY KEY USING INDEX "by a";
ALTER TABLE events DETACH PARTITION events_2025;
CREATE TABLE "events 2024 %" PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events VALUES ('2024-04-04', 'new', 5);
ALTER TABLE unlogged SET LOGGED;
ALTER TABLE circle_b VALIDATE CONSTRAINT circle_b_a_fkey;
DROP TABLE typed, many.t7;
DROP EVENT TRIGGER "on ddl";
ALTER SCHEMA keys RENAME TO "keys ünd ""more""";
CREATE TABLE "keys ünd ""more""".fresh AS SELECT n, text, jsonb FROM types.all_of_them;
ALTER TABLE many.t8 ADD COLUMN w text DEFAULT 'w';
ALTER TABLE many.t10 RENAME TO "t10 again";
CREATE TABLE many."t10" (id int PRIMARY KEY, other numeric);
INSERT INTO many.t10 VALUES (1, 'NaN');
DROP SEQUENCE "se""q";
CREATE SEQUENCE "se""q" START 1000;
COMMENT ON TABLE many.t3 IS 'a comment, later';
