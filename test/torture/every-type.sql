-- One column for every type that a column can have, and one for its arrays; in each row another extreme of each.
SET client_min_messages TO error;
CREATE SCHEMA types;
CREATE TABLE types.extremes (type regtype PRIMARY KEY, texts text[] NOT NULL);
INSERT INTO types.extremes VALUES
  ('aclitem', '{postgres=arwdDxt/postgres,=r/postgres}'),
  ('bit', '{0,1}'), ('varbit', ARRAY['', '1', repeat('10', 500)]),
  ('bool', '{true,false}'), ('"char"', ARRAY['', 'a', '\', '"', '\377']),
  ('bpchar', ARRAY['', 'x  ', '''', E'tab\tnew\nline']),
  ('bytea', ARRAY['', '\x00', '\x5c0a0d09', '\x' || repeat('00ff', 3000)]),
  ('text', ARRAY['', ' ', '\N', '\.', E'\b\f\n\r\t\v\\', E'\x01\x1f\x7f', '"quoted" ''twice''', '🦭é' || chr(8232) || chr(65279) || chr(1114111), 'unchanged-toast-datum', repeat('long ', 100000)]),
  ('varchar', ARRAY['', '{"json": [1]}', ']', 'null', '100%']), ('name', ARRAY['', 'ü', '"; DROP TABLE x; --']),
  ('xml', ARRAY['<a b="c">&amp;</a>', 'content only', '<!-- a -->']),
  ('json', ARRAY['{"a": [1,  "x\u0041\n"], "a": 2}', 'null', '1e400', '"\\"']),
  ('jsonb', ARRAY['{"b": null, "a": 1.00}', '1.0', '1', 'null', '[]']),
  ('jsonpath', ARRAY['$.a[*] ? (@ > 1)', 'strict $."%"']),
  ('int2', '{-32768,0,32767}'), ('int4', '{-2147483648,0,2147483647}'),
  ('int8', '{-9223372036854775808,9007199254740993,9223372036854775807}'),
  ('numeric', ARRAY['-1' || repeat('0', 1000), '1e-1000', 'NaN', '-Infinity', 'Infinity', '1.0', '1.00', '12345678901234567890.12345678901234567890']),
  ('float4', '{-3.4028235e38,1.4e-45,-0,NaN,Infinity,-Infinity,0.1}'),
  ('float8', '{-1.7976931348623157e308,5e-324,-0,NaN,Infinity,-Infinity,0.1}'),
  ('money', '{-92233720368547758.08,92233720368547758.07,0}'),
  ('date', '{4713-01-01 BC,5874897-12-31,infinity,-infinity,2026-03-29}'),
  ('time', '{00:00,24:00,12:34:56.789012}'), ('timetz', '{00:00+15:59,24:00-15:59,02:30+01}'),
  ('timestamp', '{4713-01-01 00:00:00 BC,294276-12-31 23:59:59.999999,infinity,-infinity}'),
  ('timestamptz', '{4713-01-02 00:00:00+00 BC,294276-12-31 23:59:59.999999+00,infinity,-infinity,2026-03-29 02:30+01}'),
  ('interval', '{-178000000 years,178000000 years 11 mons -3 days 01:02:03.000004,0,1 mon -1 day}'),
  ('uuid', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff}'),
  ('inet', '{::1/128,1.2.3.4/24,ffff::/0}'), ('cidr', '{10.0.0.0/8,::/0}'),
  ('macaddr', '{00:00:00:00:00:00,ff:ff:ff:ff:ff:ff}'), ('macaddr8', '{00:00:00:00:00:00:00:00,08:00:2b:01:02:03:04:05}'),
  ('point', ARRAY['(1e-300,-0)', '(NaN,Infinity)']), ('line', ARRAY['{1,2,3}', '{-1,0,1e300}']), ('lseg', ARRAY['[(0,0),(1,1)]']),
  ('box', ARRAY['(1,1),(0,0)']), ('path', ARRAY['[(0,0),(1,1)]', '((0,0),(1,1))']), ('polygon', ARRAY['((0,0),(1,1),(1,0))']), ('circle', ARRAY['<(0,0),1>', '<(1,1),0>']),
  ('tsvector', ARRAY['', '''it''''s'':1A fat:2,16383', '''a b''']), ('tsquery', ARRAY['', 'fat & (rat | !cat:*A)', 'a <16384> b']),
  ('int4range', ARRAY['empty', '(,)', '[-2147483648,2147483647)']), ('int8range', ARRAY['empty', '[1,10)', '(,5)']),
  ('numrange', ARRAY['empty', '[1.0,1.00]', '(-1e100,)']), ('daterange', ARRAY['empty', '[2026-01-01,2026-02-01)', '[,infinity)']),
  ('tsrange', ARRAY['empty', '["2026-01-01 00:00:00","2026-02-01 00:00:00"]', '(,)']),
  ('tstzrange', ARRAY['empty', '["2026-01-01 00:00:00+01",)', '(,)']),
  ('int4multirange', ARRAY['{}', '{[1,3),[5,7)}']), ('int8multirange', ARRAY['{}', '{(,)}']), ('nummultirange', ARRAY['{}', '{[1.0,1.5],[2,3]}']),
  ('datemultirange', ARRAY['{}', '{[2026-01-01,2026-01-02)}']), ('tsmultirange', ARRAY['{}', '{["2026-01-01 00:00","2026-01-02 00:00"]}']),
  ('tstzmultirange', ARRAY['{}', '{["2026-01-01 00:00+00","2026-01-02 00:00+00"]}']),
  ('oid', '{0,4294967295}'), ('xid', '{0,4294967295}'), ('xid8', '{0,18446744073709551615}'), ('cid', '{0,4294967295}'), ('tid', ARRAY['(0,0)', '(4294967295,65535)']),
  ('pg_lsn', '{0/0,FFFFFFFF/FFFFFFFF}'), ('pg_snapshot', ARRAY['10:20:10,14,15']), ('txid_snapshot', ARRAY['10:20:10,14,15']),
  ('regclass', '{pg_catalog.pg_class,-}'), ('regtype', '{pg_catalog.int4,-}'), ('regproc', '{pg_catalog.now,-}'), ('regprocedure', '{pg_catalog.abs(integer)}'),
  ('regoper', ARRAY['pg_catalog.||/']), ('regoperator', ARRAY['pg_catalog.+(integer,integer)']), ('regrole', '{postgres}'), ('regnamespace', '{pg_catalog}'),
  ('regconfig', '{pg_catalog.english}'), ('regdictionary', '{pg_catalog.simple}'), ('regcollation', ARRAY['pg_catalog."C"']),
  ('refcursor', ARRAY['', '<unnamed portal 1>']),
  -- Can be columns, but take no text: they stay null.
  ('gtsvector', '{}'), ('pg_node_tree', '{}'), ('pg_ndistinct', '{}'), ('pg_dependencies', '{}'), ('pg_mcv_list', '{}'), ('pg_brin_bloom_summary', '{}'), ('pg_brin_minmax_multi_summary', '{}');

-- Written so that a length is never implied, as `character` would.
CREATE VIEW types.columns AS
  SELECT t.typname AS name, format('pg_catalog.%I', t.typname) AS type, CASE WHEN t.typarray = 0 THEN 'text[]' ELSE format('pg_catalog.%I[]', t.typname) END AS array_type, e.texts
    FROM types.extremes e JOIN pg_type t ON t.oid = e.type;
CREATE FUNCTION types.nth(texts text[], n int) RETURNS text LANGUAGE sql AS 'SELECT texts[1 + n % nullif(cardinality(texts), 0)]';

-- Values of row n: the n-th extreme of each type, beginning anew after its last; an array of all of them, or an odder one.
CREATE FUNCTION types.row_of(n int) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(format('%L::%s, ', types.nth(texts, n), type) || CASE
    WHEN n % 3 = 0 OR texts = '{}' THEN format('%L::%s', texts, array_type)
    WHEN n % 3 = 1 THEN format('array_fill(%L::%s, ARRAY[2,1], ARRAY[-1,5])::%s', types.nth(texts, n), type, array_type)
    ELSE format('ARRAY[NULL, %L::%s]::%s', types.nth(texts, n), type, array_type) END, ', ' ORDER BY name) FROM types.columns $$;
DO $$ BEGIN
  EXECUTE (SELECT format('CREATE TABLE types.all_of_them (n int PRIMARY KEY, %s)', string_agg(format('%I %s, %I %s', name, type, name || '[]', array_type), ', ' ORDER BY name)) FROM types.columns);
  FOR n IN 0..9 LOOP EXECUTE format('INSERT INTO types.all_of_them VALUES (%s, %s)', n, types.row_of(n)); END LOOP;
END $$;
INSERT INTO types.all_of_them (n) VALUES (-1);
CREATE TABLE types.without_key AS SELECT * FROM types.all_of_them;

-- A key of each type that can be one: changes must find their row.
CREATE SCHEMA keys;
DO $$ DECLARE each record; BEGIN
  FOR each IN SELECT c.* FROM types.columns c JOIN pg_type t ON t.oid = c.type::regtype WHERE cardinality(texts) > 0
      AND EXISTS (SELECT FROM pg_opclass WHERE opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree') AND opcintype = t.oid AND opcdefault)
      OR c.name IN ('varchar', 'cidr') OR c.name LIKE '%range' LOOP
    EXECUTE format('CREATE TABLE keys.%I (key %s PRIMARY KEY, was text)', each.name, each.type);
    EXECUTE format('INSERT INTO keys.%I SELECT x, x::text FROM unnest(%L::%s[]) x WHERE length(x::text) < 2000 ON CONFLICT DO NOTHING', each.name, each.texts, each.type);
  END LOOP;
END $$;
