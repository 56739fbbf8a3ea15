import type { ErrorCode, Finding } from '@holdfast/core';
import { quoteIdentifier } from '../full/names.ts';

/** The oldest server that Holdfast restores into. */
export const oldestMajor = 13;

/** What stands in the way of a restore, as a finding. */
export function obstacle(check: string, code: ErrorCode, message: string, hint?: string): Finding {
  return { check, ok: false, severity: 'error', code, message, ...(hint === undefined ? {} : { hint }) };
}

/** `15.18 (Debian …)` or `15.18` -> 15; undefined for what is no version. */
export function majorOf(version: string): number | undefined {
  const major = /^\D*(\d+)/.exec(version)?.[1];
  return major === undefined ? undefined : Number(major);
}

/** A schema may use what an older server does not know; pg_dump promises to be readable by newer ones. */
export function versionObstacle(from: string, serverVersion: number): Finding | undefined {
  const major = Math.floor(serverVersion / 10_000);
  const wanted = Math.max(majorOf(from) ?? oldestMajor, oldestMajor);
  if (major >= wanted) return undefined;
  return obstacle(
    'server version',
    'unsupported',
    `the server is PostgreSQL ${major}, the backup is of PostgreSQL ${majorOf(from) ?? from}`,
    `use a server of version ${wanted} or newer`,
  );
}

export function roleObstacle(
  needed: ReadonlySet<string>,
  there: ReadonlySet<string>,
  noOwner: boolean,
): Finding | undefined {
  const missing = [...needed].filter((name) => !there.has(name)).sort();
  if (missing.length === 0) return undefined;
  const create = missing.map((name) => `CREATE ROLE ${quoteIdentifier(name)};`).join(' ');
  return obstacle(
    'roles',
    'precondition_failed',
    `the server lacks the role${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`,
    `run as superuser: ${create}${noOwner ? '' : ' — or restore without owners and privileges: --no-owner'}`,
  );
}

/** Only a superuser may give what it makes to anyone; others need to be members of the owners. */
export function ownerObstacle(
  owners: ReadonlySet<string>,
  memberOf: ReadonlySet<string>,
  user: string,
): Finding | undefined {
  const foreign = [...owners].filter((name) => !memberOf.has(name)).sort();
  if (foreign.length === 0) return undefined;
  const grants = foreign
    .map((name) => `GRANT ${quoteIdentifier(name)} TO ${quoteIdentifier(user)};`)
    .join(' ');
  return obstacle(
    'owners',
    'permission_denied',
    `the role ${user} may not make objects of ${foreign.join(', ')}`,
    `restore as superuser, or run: ${grants} — or restore without owners and privileges: --no-owner`,
  );
}

export interface WantedExtension {
  readonly name: string;
  /** On the source. */
  readonly version?: string | undefined;
}

export interface AvailableExtension {
  readonly name: string;
  readonly defaultVersion: string | null;
  /** Whether its CREATE EXTENSION is only for superusers. */
  readonly superuser: boolean;
}

export function extensionObstacles(
  wanted: readonly WantedExtension[],
  available: readonly AvailableExtension[],
  superuser: boolean,
): readonly Finding[] {
  const known = new Map(available.map((each) => [each.name, each]));
  const describe = (each: WantedExtension): string => each.name + (each.version ? ` (${each.version})` : '');
  const missing = wanted.filter((each) => !known.has(each.name));
  const forbidden = superuser ? [] : wanted.filter((each) => known.get(each.name)?.superuser);
  const found: Finding[] = [];
  if (missing.length > 0) {
    found.push(
      obstacle(
        'extensions',
        'precondition_failed',
        `the server does not have the extension${missing.length > 1 ? 's' : ''} ${missing.map(describe).join(', ')}`,
        'install the packages that bring them on the server, then see: SELECT * FROM pg_available_extensions',
      ),
    );
  }
  if (forbidden.length > 0) {
    found.push(
      obstacle(
        'extensions',
        'permission_denied',
        `only a superuser may create the extension${forbidden.length > 1 ? 's' : ''} ${forbidden.map(describe).join(', ')}`,
        'restore as superuser',
      ),
    );
  }
  return found;
}

export function tablespaceObstacle(
  needed: ReadonlySet<string>,
  there: ReadonlySet<string>,
): Finding | undefined {
  const missing = [...needed].filter((name) => !there.has(name)).sort();
  if (missing.length === 0) return undefined;
  const create = missing.map((name) => `CREATE TABLESPACE ${quoteIdentifier(name)} LOCATION '…';`).join(' ');
  return obstacle(
    'tablespaces',
    'precondition_failed',
    `the server lacks the tablespace${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`,
    `run as superuser, with a folder of the server each: ${create}`,
  );
}
