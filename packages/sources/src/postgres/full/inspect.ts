import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Sig, SourceInfo } from '@holdfast/core';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { userSchemas } from './catalog.ts';
import { readFacts } from './identity.ts';
import { checkFull, checkKeepChanges } from './prerequisites.ts';

/** What there is to back up, and what stands in the way. Changes nothing, and needs no more than to log in. */
export async function inspect(target: Target, o: Sig): Promise<SourceInfo> {
  await using session = await openSession(target, { signal: o.signal });
  const facts = await readFacts(session);
  const [counted] = await session.rows<{ tables: number }>(
    `SELECT pg_catalog.count(*)::int4 AS tables
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND ${userSchemas}`,
    undefined,
    'counting the tables',
  );
  const forFull = checkFull(session, facts);
  return {
    ...facts.source,
    sizeBytes: facts.databaseBytes,
    tables: counted?.tables ?? 0,
    folders: await localFolders(session),
    unmetForFull: forFull,
    unmetForIncremental: [...forFull, ...checkKeepChanges(session, facts)],
  };
}

/** The server's folders, if it is on this machine and lets us know. */
async function localFolders(session: Session): Promise<readonly string[]> {
  const { host } = session.wire.host;
  const local =
    host.startsWith('/') || host === 'localhost' || (isIP(host) !== 0 && /^(127\.|::1$)/.test(host));
  if (!local) return [];
  const rows = await session.rows<{ folder: string | null }>(
    `SELECT setting AS folder FROM pg_catalog.pg_settings WHERE name = 'data_directory'
     UNION SELECT pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace`,
    undefined,
    'asking where the server keeps its files',
  );
  const folders: string[] = [];
  for (const { folder } of rows) {
    // 127.0.0.1 may lead through a tunnel or into a container: only what can be seen counts.
    if (folder && (await stat(folder).catch(() => undefined))) folders.push(folder);
  }
  return folders;
}
