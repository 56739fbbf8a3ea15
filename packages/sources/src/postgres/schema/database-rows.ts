import type { SchemaStatement } from '@holdfast/core';
import type { Session } from '../session/session.ts';

/**
 * The rows of section `database`: what pg_dump says nothing of, because it belongs to the database and not to what is
 * in it. `name` is empty where nothing else is said.
 *
 * | type | name | text |
 * |---|---|---|
 * | `SERVER VERSION` | | as a number: 150018 |
 * | `ENCODING` `COLLATE` `CTYPE` | | as CREATE DATABASE takes them |
 * | `LOCALE PROVIDER` | | `libc`, `icu`, `builtin` |
 * | `LOCALE` `ICU RULES` | | only where the provider has them |
 * | `OWNER` `TABLESPACE` `CONNECTION LIMIT` | | |
 * | `COMMENT` | | only if there is one |
 * | `ACL` | | JSON array of aclitems; no row: as CREATE DATABASE grants |
 * | `SETTING` | parameter | value, for all roles |
 * | `ROLE SETTING` | role | `parameter=value`, in this database |
 * | `EXTENSION` | extension | version |
 * | `ROLE` | role | empty: owns something, is granted something, or is named by a policy |
 */
export const databaseRowTypes = [
  'SERVER VERSION',
  'ENCODING',
  'COLLATE',
  'CTYPE',
  'LOCALE PROVIDER',
  'LOCALE',
  'ICU RULES',
  'OWNER',
  'TABLESPACE',
  'CONNECTION LIMIT',
  'COMMENT',
  'ACL',
  'SETTING',
  'ROLE SETTING',
  'EXTENSION',
  'ROLE',
] as const;
export type DatabaseRowType = (typeof databaseRowTypes)[number];

interface DatabaseFacts {
  encoding: string;
  collate: string;
  ctype: string;
  owner: string;
  tablespace: string;
  limit: number;
  comment: string | null;
  acl: string[] | null;
  /** pg_database as JSON: its columns differ from version to version. */
  row: Readonly<Record<string, unknown>>;
}

const providers: Readonly<Record<string, string>> = { c: 'libc', i: 'icu', b: 'builtin' };

export async function readDatabaseRows(session: Session): Promise<readonly SchemaStatement[]> {
  const rows: SchemaStatement[] = [];
  const add = (type: DatabaseRowType, name: string, text: unknown): void => {
    if (text !== null && text !== undefined)
      rows.push({ section: 'database', type, name, text: String(text) });
  };
  const [facts] = await session.rows<DatabaseFacts>(
    factsQuery,
    undefined,
    'reading the properties of the database',
  );
  if (facts) {
    const provider = providers[String(facts.row.datlocprovider ?? 'c')] ?? 'libc';
    add('SERVER VERSION', '', session.version);
    add('ENCODING', '', facts.encoding);
    add('COLLATE', '', facts.collate);
    add('CTYPE', '', facts.ctype);
    add('LOCALE PROVIDER', '', provider);
    // Called daticulocale in 15 and 16.
    if (provider !== 'libc') add('LOCALE', '', facts.row.datlocale ?? facts.row.daticulocale);
    add('ICU RULES', '', facts.row.daticurules);
    add('OWNER', '', facts.owner);
    add('TABLESPACE', '', facts.tablespace);
    add('CONNECTION LIMIT', '', facts.limit);
    add('COMMENT', '', facts.comment);
    if (facts.acl) add('ACL', '', JSON.stringify(facts.acl));
  }
  for (const { role, setting } of await session.rows<{ role: string | null; setting: string }>(
    settingsQuery,
  )) {
    const equals = setting.indexOf('=');
    if (role === null) add('SETTING', setting.slice(0, equals), setting.slice(equals + 1));
    else add('ROLE SETTING', role, setting);
  }
  for (const { name, version } of await session.rows<{ name: string; version: string }>(extensionsQuery)) {
    add('EXTENSION', name, version);
  }
  for (const { name } of await session.rows<{ name: string }>(rolesQuery)) add('ROLE', name, '');
  return rows;
}

const factsQuery = `
SELECT pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS "collate", d.datctype AS ctype,
       pg_catalog.pg_get_userbyid(d.datdba) AS owner, t.spcname AS tablespace, d.datconnlimit AS "limit",
       pg_catalog.shobj_description(d.oid, 'pg_database') AS comment, d.datacl::pg_catalog.text[] AS acl,
       pg_catalog.to_jsonb(d) AS row
  FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
 WHERE d.datname = pg_catalog.current_database()`;

const settingsQuery = `
SELECT r.rolname AS role, u.setting
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole,
       LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS u(setting, position)
 ORDER BY r.rolname NULLS FIRST, u.position`;

const extensionsQuery = `
SELECT extname AS name, extversion AS version FROM pg_catalog.pg_extension ORDER BY extname`;

/**
 * pg_shdepend knows who owns or is granted what, but not what belongs to the role that initdb made: hence the owners of
 * schemas, relations, functions and types besides.
 */
const rolesQuery = `
SELECT pg_catalog.pg_get_userbyid(oid) AS name FROM (
  SELECT s.refobjid AS oid FROM pg_catalog.pg_shdepend s
   WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND s.deptype IN ('o', 'a', 'r')
     AND (s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
          OR s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
             AND s.objid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
  UNION SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
  UNION SELECT n.nspowner FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION SELECT relowner FROM pg_catalog.pg_class WHERE oid >= 16384
  UNION SELECT proowner FROM pg_catalog.pg_proc WHERE oid >= 16384
  UNION SELECT typowner FROM pg_catalog.pg_type WHERE oid >= 16384) roles
 ORDER BY 1`;
