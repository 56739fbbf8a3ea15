import type { SchemaStatement } from '@holdfast/core';
import { quoteIdentifier, quoteLiteral } from '../full/names.ts';
import type { DatabaseProperties, DatabaseSetting } from './database-properties.ts';

export interface WantedDatabase {
  /** Undefined: stays whoever restores. */
  readonly owner: string | undefined;
  /** Undefined: as CREATE DATABASE grants. */
  readonly acl: readonly string[] | undefined;
  readonly comment: string | undefined;
  readonly connectionLimit: number;
  readonly settings: readonly DatabaseSetting[];
}

/** What of the backup's database properties is wanted, when a database that is there already is to be replaced. */
export function wantedDatabase(
  properties: DatabaseProperties,
  o: { readonly noOwner: boolean; readonly existing: Pick<WantedDatabase, 'owner' | 'acl'> | undefined },
): WantedDatabase {
  if (!o.noOwner) return properties;
  return {
    ...properties,
    // Without the backup's owners, those whom somebody gave the empty database to keep it.
    owner: o.existing?.owner,
    acl: o.existing?.acl,
    settings: properties.settings.filter((each) => each.role === undefined),
  };
}

/**
 * What makes the database in the making the one that was backed up. The owner comes first: what is granted after it
 * is granted by the owner, as it was.
 */
export function databaseStatements(database: string, wanted: WantedDatabase): readonly SchemaStatement[] {
  const name = quoteIdentifier(database);
  const made: SchemaStatement[] = [];
  const add = (type: string, what: string, text: string): void => {
    made.push({ section: 'database', type, name: what, text });
  };
  if (wanted.owner !== undefined) {
    add('DATABASE OWNER', wanted.owner, `ALTER DATABASE ${name} OWNER TO ${quoteIdentifier(wanted.owner)}`);
  }
  add('DATABASE ACL', database, grants(name, wanted.acl).join(';\n'));
  add('DATABASE PROPERTIES', database, `ALTER DATABASE ${name} CONNECTION LIMIT ${wanted.connectionLimit}`);
  for (const setting of wanted.settings)
    add('DATABASE SETTING', setting.name, settingStatement(name, setting));
  const comment = wanted.comment === undefined ? 'NULL' : quoteLiteral(wanted.comment);
  add('COMMENT', 'DATABASE', `COMMENT ON DATABASE ${name} IS ${comment}`);
  return made;
}

/** These settings are lists of names: as one text in quotes they would be one long name. */
const lists = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

function settingStatement(database: string, setting: DatabaseSetting): string {
  const whom =
    setting.role === undefined
      ? `DATABASE ${database}`
      : `ROLE ${quoteIdentifier(setting.role)} IN DATABASE ${database}`;
  const name = setting.name.split('.').map(quoteIdentifier).join('.');
  const values = lists.has(setting.name.toLowerCase()) ? splitList(setting.value) : [setting.value];
  return `ALTER ${whom} SET ${name} TO ${(values.length === 0 ? [''] : values).map(quoteLiteral).join(', ')}`;
}

/** `"$user", public` -> `$user`, `public`. */
export function splitList(value: string): readonly string[] {
  const parts = value.match(/"(?:[^"]|"")*"|[^\s,"]+/g) ?? [];
  return parts.map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part));
}

const privileges: Readonly<Record<string, string>> = { C: 'CREATE', T: 'TEMPORARY', c: 'CONNECT' };

/** The privileges of an ACL item such as `app=CTc/owner` as GRANT; whoever grants is the owner. */
function grants(database: string, acl: readonly string[] | undefined): readonly string[] {
  if (acl === undefined) return [`GRANT CONNECT, TEMPORARY ON DATABASE ${database} TO PUBLIC`];
  const made: string[] = [];
  for (const item of acl) {
    const parsed = parseAclItem(item);
    if (!parsed) continue;
    const whom = parsed.grantee === '' ? 'PUBLIC' : quoteIdentifier(parsed.grantee);
    const plain = parsed.privileges.filter((each) => !each.grantable).map((each) => each.name);
    const grantable = parsed.privileges.filter((each) => each.grantable).map((each) => each.name);
    if (plain.length > 0) made.push(`GRANT ${plain.join(', ')} ON DATABASE ${database} TO ${whom}`);
    if (grantable.length > 0) {
      made.push(`GRANT ${grantable.join(', ')} ON DATABASE ${database} TO ${whom} WITH GRANT OPTION`);
    }
  }
  return [`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`, ...made];
}

export interface AclItem {
  /** Empty: PUBLIC. */
  readonly grantee: string;
  readonly privileges: readonly { readonly name: string; readonly grantable: boolean }[];
  readonly grantor: string;
}

/** `"odd role"=C*c/postgres`; letters that mean nothing for a database are left out. */
export function parseAclItem(item: string): AclItem | undefined {
  const name = '"(?:[^"]|"")*"|[^"=/]*';
  const match = new RegExp(`^(${name})=([A-Za-z*]*)/(${name})$`, 'u').exec(item);
  if (!match) return undefined;
  const plain = (text: string): string =>
    text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
  return {
    grantee: plain(match[1] ?? ''),
    privileges: [...(match[2] ?? '').matchAll(/([A-Za-z])(\*?)/g)].flatMap(([, letter, star]) => {
      const privilege = privileges[letter as string];
      return privilege === undefined ? [] : [{ name: privilege, grantable: star === '*' }];
    }),
    grantor: plain(match[3] ?? ''),
  };
}
