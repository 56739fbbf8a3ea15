-- Everything that is hard to read: types with extremes, names, ways to be a table.
CREATE SCHEMA "odd.schema/%";
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', E'new\nline');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);

CREATE TABLE numbers (i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(40, 20), f4 float4, f8 float8, m money, o oid);
INSERT INTO numbers VALUES
  (-32768, -2147483648, -9223372036854775808, '-1e100', 12345678901234567890.12345678901234567890, '-3.4028235e38', '-1.7976931348623157e308', '-92233720368547758.08', 0),
  (32767, 2147483647, 9223372036854775807, 'NaN', -0.00000000000000000001, '1.4e-45', '5e-324', '92233720368547758.07', 4294967295),
  (0, 0, 0, '123456789.987654321e-50', 0, 'NaN', 'Infinity', 0, 1), (1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 1),
  (NULL, NULL, NULL, NULL, NULL, '-Infinity', '-0', NULL, NULL);

CREATE TABLE times (d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval);
INSERT INTO times VALUES
  ('4713-01-01 BC', '00:00', '00:00+15:59', '4713-01-01 00:00:00 BC', '4713-01-02 00:00:00+00 BC', '-178000000 years'),
  ('5874897-12-31', '24:00', '24:00-15:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years 11 mons -3 days 01:02:03.000004'),
  ('infinity', '12:34:56.789012', '12:34:56.789012+02', 'infinity', '-infinity', '0'),
  ('2026-03-29', '02:30', '02:30+01', '2026-03-29 02:30', '2026-03-29 02:30+01', '1 mon -1 day'), (NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE texts (t text, v varchar(10), c char(5), n name, ci citext, one "char", x xml, b bytea);
INSERT INTO texts VALUES
  (E'tab\tnewline\nreturn\rback\\slash bell\b form\f vertical\v', 'x', 'y', 'n', 'MiXed', 'a', '<a b="c">&amp;</a>', '\x00ff5c0a09'),
  ('\N', '\N', '\N', '\N', '\N', '\', NULL, ''), ('\.', '', '', '', '', '', NULL, '\x'), (E'\x01\x02\x1f\x7f', '"', '''', '%', '\', 'z', NULL, NULL),
  ('🦭 e' || chr(769) || ' ' || chr(8232) || chr(65279) || chr(1114111), 'é', '日本', 'ü', '', NULL, NULL, NULL), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE others (b bool, u uuid, j json, jb jsonb, a int[], ta text[], m mood, p pair, pos positive, r int4range, mr int4multirange,
  bits bit(3), vb varbit, ip inet, net cidr, mac macaddr, mac8 macaddr8, pt point, l line, box box, path path, poly polygon, c circle,
  tv tsvector, tq tsquery, lsn pg_lsn, cls regclass, jp jsonpath, snap txid_snapshot, ma mood[]);
INSERT INTO others VALUES
  (true, '00000000-0000-0000-0000-000000000000', '{"a": [1,  "x\u0041\n"], "a": 2}', '{"b": null, "a": 1e400}', '[-1:1]={1,NULL,3}', '{"a,b","NULL",NULL,"{}","\\","\""}',
   E'new\nline', '(1,"a ""quoted"" \\")', 1, '[1,10)', '{[1,3),[5,7)}', '101', '1', '::1/128', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
   '(1e-300,-0)', '{1,2,3}', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),1>', '''it''''s'':1A fat:2', 'fat & (rat | !cat:*A)', 'FFFFFFFF/FFFFFFFF',
   'pg_catalog.pg_class', '$.a[*] ? (@ > 1)', '10:20:10,14,15', ARRAY['sad', E'new\nline']::mood[]),
  (false, NULL, 'null', 'null', '{}', '{}', NULL, '(,)', NULL, 'empty', '{}', NULL, '', '1.2.3.4/24', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '', NULL, NULL, NULL, NULL, '{}');

CREATE TABLE "odd.schema/%"."we ""ird.tab/le" ("select" int, "with ""quote" text, "per%cent" text, "new
line" text, "ünï" text, "Ａ" text, "pg_dropped" int);
INSERT INTO "odd.schema/%"."we ""ird.tab/le" VALUES (1, 'a', 'b', 'c', 'd', 'e', 2);
ALTER TABLE "odd.schema/%"."we ""ird.tab/le" DROP COLUMN "pg_dropped";

CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE empty (a int);
CREATE TABLE only_generated (a int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE computed (id int GENERATED ALWAYS AS IDENTITY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, z text);
INSERT INTO computed (a, z) VALUES (1, 'x'), (2, 'y');
CREATE TABLE typed OF pair;
INSERT INTO typed VALUES (1, 'x');
CREATE UNLOGGED TABLE unlogged (a int);
INSERT INTO unlogged VALUES (1);
CREATE TEMPORARY TABLE temporary (a int);

CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 3);

CREATE TABLE events (at date NOT NULL, kind text, v int) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (kind);
CREATE TABLE "odd.schema/%".events_2026_a PARTITION OF events_2026 FOR VALUES IN ('a');
CREATE TABLE events_rest (v int, kind text, at date NOT NULL);
ALTER TABLE events ATTACH PARTITION events_rest DEFAULT;
INSERT INTO events VALUES ('2025-05-05', 'x', 1), ('2026-05-05', 'a', 2), ('2030-01-01', 'z', 3);

CREATE SEQUENCE "odd.schema/%"."se""q" START 5;
SELECT nextval('"odd.schema/%"."se""q"');
CREATE SEQUENCE untouched MINVALUE -10 START -3 INCREMENT -1 MAXVALUE 0;

CREATE VIEW shown AS SELECT * FROM parent;
CREATE MATERIALIZED VIEW b_first AS SELECT count(*) AS n FROM parent;
CREATE VIEW between_them AS SELECT * FROM b_first;
CREATE MATERIALIZED VIEW a_second AS SELECT * FROM between_them;
CREATE MATERIALIZED VIEW never AS SELECT 1 AS x WITH NO DATA;

SELECT lo_from_bytea(0, decode(repeat('00ff10', 2000), 'hex')) AS first \gset
SELECT lo_from_bytea(0, '') AS second \gset
COMMENT ON LARGE OBJECT :first IS 'a comment';
