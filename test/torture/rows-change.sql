-- Rows only: what the log tells of every type, of every kind of key, of values too long to be in it.
SET client_min_messages TO error;
DO $$ DECLARE each record; BEGIN
  FOR n IN 0..9 LOOP
    EXECUTE format('INSERT INTO types.all_of_them VALUES (%s, %s)', 100 + n, types.row_of(n + 1));
  END LOOP;
  UPDATE types.all_of_them SET n = n + 1000 WHERE n IN (1, 2, 3);
  UPDATE types.all_of_them SET text = text || '', "int8" = NULL WHERE n IN (4, 5);
  DELETE FROM types.all_of_them WHERE n = 6;
  DELETE FROM types.without_key WHERE n = 6;
  FOR each IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'keys'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('UPDATE keys.%I SET was = ''updated '' || coalesce(was, ''null'')', each.name);
    EXECUTE format('DELETE FROM keys.%I WHERE key = (SELECT key FROM keys.%1$I ORDER BY key LIMIT 1)', each.name);
  END LOOP;
END $$;
-- Equal as keys, and yet not the same.
UPDATE keys.numeric SET key = 1.000 WHERE key = 1;
UPDATE keys.jsonb SET key = '1.000' WHERE key = '1';
UPDATE keys.float8 SET key = '0' WHERE key = '-0';
UPDATE keys.bpchar SET key = 'x ' WHERE key = 'x';
UPDATE keys.text SET key = key || E'\t' WHERE key <> '';
-- Two values that change places, for which their row is moved out of the way.
BEGIN; UPDATE keys.int4 SET key = 5 WHERE key = 0; UPDATE keys.int4 SET key = 0 WHERE key = 2147483647; UPDATE keys.int4 SET key = 2147483647 WHERE key = 5; COMMIT;

SET search_path TO "odd.schema/%", public;
UPDATE "we ""ird.tab/le" SET "ünï" = "ünï" + 1 WHERE "select" % 2 = 0;
UPDATE "we ""ird.tab/le" SET owner = upper(owner), "'" = NULL, moods = '{}' WHERE "select" < 50;
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO only_generated DEFAULT VALUES;
UPDATE typed SET "b c" = NULL;
INSERT INTO unlogged VALUES (2);
DELETE FROM full_identity WHERE ctid = (SELECT min(ctid) FROM full_identity);
UPDATE index_identity SET a = a + 10;
UPDATE events SET at = '2026-02-02', kind = 'a' WHERE v = 1;
UPDATE hashed SET id = id + 100;
UPDATE tree SET parent = NULL WHERE id < 5;
INSERT INTO child VALUES (3, 3, 4);
SELECT nextval('"se""q"');
SELECT lo_put(4711, 5, '\x0102'), lo_unlink(4712), lo_from_bytea(5000, 'new');
UPDATE large.values SET v = v || 'x' WHERE id = 1;
INSERT INTO large.values VALUES (3, repeat('0123456789', 10000000));
INSERT INTO many.t1 SELECT i, 'added' FROM generate_series(10, 20) i;
UPDATE many.t5000 SET v = 'changed';
TRUNCATE many.t9999;
REFRESH MATERIALIZED VIEW b_first;
REFRESH MATERIALIZED VIEW a_second;
