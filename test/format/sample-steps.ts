/**
 * What happens before each backup of the samples, transaction by transaction. Changing anything here changes only
 * samples that are still to be made: those that are frozen stay, and so does what the test expects of them.
 */
export const sqliteSteps: readonly (readonly string[])[] = [
  [
    `PRAGMA journal_mode = WAL; PRAGMA user_version = 7;
     CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, value);
     CREATE TABLE pairs (a TEXT, b INTEGER, note TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
     CREATE TABLE log (line TEXT);
     CREATE INDEX items_value ON items (value);
     CREATE VIEW named AS SELECT name FROM items WHERE name IS NOT NULL;
     CREATE TRIGGER no_blank AFTER INSERT ON items WHEN new.name = '' BEGIN UPDATE items SET name = NULL WHERE id = new.id; END;
     INSERT INTO items VALUES (1, 'integer', 9223372036854775807), (2, 'real', 0.1), (3, 'infinity', -9e999),
       (4, 'text', 'tab' || char(9) || 'quote" back\\slash' || char(10) || 'Ærøskøbing 😀'), (5, 'blob', x'00ff7f'),
       (6, NULL, NULL), (7, 'empty', '');
     INSERT INTO pairs VALUES ('x', 1, 'first'), ('x', 2, NULL);
     INSERT INTO log VALUES ('one'), ('two'), ('two');`,
  ],
  [
    `UPDATE items SET value = 1.0 WHERE id = 2`,
    `DELETE FROM items WHERE id = 3; UPDATE pairs SET b = 3 WHERE a = 'x' AND b = 2; INSERT INTO items VALUES (8, 'late', 'second transaction');`,
  ],
  [
    `ALTER TABLE pairs ADD COLUMN more DEFAULT 'added'; CREATE TABLE fresh (k INTEGER PRIMARY KEY, v); INSERT INTO fresh VALUES (1, 'new');`,
    `DROP TABLE log; UPDATE items SET name = 'renamed' WHERE id = 1;`,
  ],
];

export const postgresSteps: readonly (readonly string[])[] = [
  [
    `CREATE TYPE mood AS ENUM ('calm', 'stormy');
     CREATE TABLE people (id int PRIMARY KEY, name text, born date, score numeric, bin bytea, doc jsonb, mood mood,
       twice int GENERATED ALWAYS AS (id * 2) STORED, long text);
     ALTER TABLE people ALTER long SET STORAGE EXTERNAL;
     CREATE TABLE events (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
     CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
     CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
     CREATE TABLE log (line text);
     CREATE SEQUENCE counter START 41;
     CREATE INDEX people_name ON people (name);
     CREATE VIEW calm AS SELECT name FROM people WHERE mood = 'calm';
     INSERT INTO people VALUES (1, 'plain', '2000-02-29', 1.50, '\\x00ff', '{"a": [1, null]}', 'calm', DEFAULT, repeat('long ', 2000)),
       (2, E'tab\\tquote" back\\\\slash\\nÆrøskøbing 😀', NULL, 'NaN', '', 'null', 'stormy', DEFAULT, NULL),
       (3, NULL, '0044-03-15 BC', -0.000001, NULL, NULL, NULL, DEFAULT, ''), (4, '\\N', 'infinity', 12345678901234567890.123, '\\x5c4e', '"\\\\N"', 'calm', DEFAULT, 'x');
     INSERT INTO events VALUES (1, '2026-01-10', 'january'), (2, '2026-02-10', 'february');
     INSERT INTO log VALUES ('one'), ('two'), ('two');
     SELECT nextval('counter'); SELECT lo_from_bytea(4711, 'a large object');`,
  ],
  [
    `BEGIN; UPDATE people SET score = 2 WHERE id = 1; DELETE FROM people WHERE id = 3; INSERT INTO events VALUES (3, '2026-01-11', 'third'); COMMIT;`,
    `BEGIN; UPDATE people SET id = 5 WHERE id = 4; UPDATE events SET day = '2026-02-11' WHERE id = 3; INSERT INTO people (id, name) VALUES (6, 'late'); SELECT nextval('counter'); COMMIT;`,
  ],
  [
    `INSERT INTO log VALUES ('three'); ALTER TABLE people ADD COLUMN more text DEFAULT 'added'; CREATE TABLE fresh (k int PRIMARY KEY, v text); INSERT INTO fresh VALUES (1, 'new');`,
    `DROP TABLE events_1; UPDATE people SET mood = 'stormy' WHERE id = 1; SELECT lo_put(4711, 2, 'tiny!');`,
  ],
];
