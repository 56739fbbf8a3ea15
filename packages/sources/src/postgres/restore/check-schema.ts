import type { Finding, SchemaStatement } from '@holdfast/core';
import { quoteLiteral } from '../full/names.ts';
import type { Session } from '../session/session.ts';
import type { DatabaseProperties } from './database-properties.ts';
import {
  type AvailableExtension,
  extensionObstacles,
  obstacle,
  ownerObstacle,
  roleObstacle,
  tablespaceObstacle,
} from './requirements.ts';
import { sqlStateOf } from './sql-state.ts';
import { ownerOf, rolesUsed, tablespacesUsed } from './statements.ts';
import type { TargetFacts } from './target-facts.ts';
import type { DatabaseLocale } from './temporary-database.ts';

export interface CheckSchema {
  readonly maintenance: Session;
  readonly schema: readonly SchemaStatement[];
  readonly properties: DatabaseProperties;
  readonly noOwner: boolean;
  readonly target: string;
  readonly facts: TargetFacts;
}

/** What the schema needs of the server and does not find there. Changes nothing. */
export async function checkSchema(o: CheckSchema): Promise<readonly Finding[]> {
  const { maintenance, schema, properties, noOwner, facts } = o;
  const found: (Finding | undefined)[] = [];
  const owners = new Set(noOwner ? [] : schema.map(ownerOf).filter((name) => name !== undefined));
  if (!noOwner && properties.owner !== undefined) owners.add(properties.owner);
  const needed = new Set([...owners, ...schema.flatMap(rolesUsed), ...(noOwner ? [] : properties.roles)]);
  // From 16 on a member may be kept from acting as the role.
  const may = maintenance.version >= 160_000 ? "'SET'" : "'MEMBER'";
  const roles = await maintenance.rows<{ name: string; member: boolean }>(
    `SELECT rolname AS name, pg_catalog.pg_has_role(oid, ${may}) AS member FROM pg_catalog.pg_roles`,
    undefined,
    'listing the roles',
  );
  const there = new Set(roles.map((each) => each.name));
  found.push(roleObstacle(needed, there, noOwner));
  if (!facts.superuser) {
    const mine = new Set(roles.filter((each) => each.member).map((each) => each.name));
    found.push(ownerObstacle(new Set([...owners].filter((name) => there.has(name))), mine, facts.user));
    if (!facts.nearlySuperuser) found.push(superuserObstacle(schema));
  }
  const available = await maintenance.rows<AvailableExtension>(
    `SELECT e.name, e.default_version AS "defaultVersion", coalesce(v.superuser AND NOT v.trusted, true) AS superuser
     FROM pg_catalog.pg_available_extensions e
     LEFT JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version`,
    undefined,
    'listing the extensions',
  );
  found.push(
    ...extensionObstacles(properties.extensions, available, facts.superuser || facts.nearlySuperuser),
  );
  const spaces = await maintenance.rows<{ name: string }>(
    'SELECT spcname AS name FROM pg_catalog.pg_tablespace',
  );
  const wanted = new Set(schema.flatMap(tablespacesUsed));
  if (properties.tablespace !== undefined) wanted.add(properties.tablespace);
  found.push(tablespaceObstacle(wanted, new Set(spaces.map((each) => each.name))));
  found.push(await localeObstacle(o));
  return found.filter((each) => each !== undefined);
}

const superuserTypes = new Set(['EVENT TRIGGER', 'FOREIGN DATA WRAPPER', 'SUBSCRIPTION']);

function superuserObstacle(schema: readonly SchemaStatement[]): Finding | undefined {
  const beyond = schema.filter((each) => superuserTypes.has(each.type));
  if (beyond.length === 0) return undefined;
  return obstacle(
    'superuser',
    'permission_denied',
    `only a superuser may create ${beyond.map((each) => `${each.type} ${each.name}`).join(', ')}`,
    'restore as superuser',
  );
}

/** The locale to create the database with: the backup's, or that of the empty database if the server lacks it. */
export async function chooseLocale(o: CheckSchema): Promise<DatabaseLocale | undefined> {
  const { locale } = o.properties;
  if ((await missingLocale(o.maintenance, locale)) === undefined) return locale;
  const { existing } = o.facts;
  // Whoever made an empty database with a locale of this server has chosen it for the restore.
  if (
    existing === undefined ||
    existing.encoding !== locale.encoding ||
    existing.collate === locale.collate
  ) {
    return undefined;
  }
  return { ...locale, provider: 'libc', collate: existing.collate, ctype: existing.ctype, locale: undefined };
}

async function localeObstacle(o: CheckSchema): Promise<Finding | undefined> {
  const { locale } = o.properties;
  if ((await chooseLocale(o)) !== undefined) return undefined;
  const words = await missingLocale(o.maintenance, locale);
  return obstacle(
    'locale',
    'precondition_failed',
    `the server lacks the locale ${locale.locale ?? locale.collate} of the backup: ${words}`,
    `install the locale on the server (and restart it), or choose one that it has by creating the empty database yourself: CREATE DATABASE "${o.target}" TEMPLATE template0 ENCODING '${locale.encoding}' LC_COLLATE '…' LC_CTYPE '…';`,
  );
}

/** In the server's words why it does not have the locale. Made and rolled back: there is no other way to ask. */
async function missingLocale(maintenance: Session, locale: DatabaseLocale): Promise<string | undefined> {
  const probe = probeOf(locale);
  if (probe === undefined) return undefined;
  const [here] = await maintenance.rows<{ encoding: string }>(
    "SELECT pg_catalog.current_setting('server_encoding') AS encoding",
  );
  // A collation belongs to an encoding; of another one, CREATE DATABASE itself has to say.
  if (here?.encoding !== locale.encoding) return undefined;
  await maintenance.exec('BEGIN');
  try {
    await maintenance.exec(`CREATE COLLATION pg_temp.holdfast_probe (${probe})`, 'asking for the locale');
    return undefined;
  } catch (caught) {
    // Without the right to make temporary objects there is no asking.
    if (sqlStateOf(caught) === '42501' || !(caught instanceof Error)) return undefined;
    return caught.message;
  } finally {
    await maintenance.exec('ROLLBACK');
  }
}

function probeOf(locale: DatabaseLocale): string | undefined {
  if (locale.provider !== 'libc') {
    return locale.locale === undefined
      ? undefined
      : `provider = ${locale.provider}, locale = ${quoteLiteral(locale.locale)}`;
  }
  const everywhere = ['C', 'POSIX'];
  if (everywhere.includes(locale.collate) && everywhere.includes(locale.ctype)) return undefined;
  return `provider = libc, lc_collate = ${quoteLiteral(locale.collate)}, lc_ctype = ${quoteLiteral(locale.ctype)}`;
}
