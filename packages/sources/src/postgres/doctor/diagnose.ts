import { type Finding, HoldfastError, type Sig } from '@holdfast/core';
import { freeBytesAtServer } from '../changes/free-space.ts';
import { keepChangesLimit } from '../changes/keep-limit.ts';
import { readFacts } from '../full/identity.ts';
import { checkFull } from '../full/prerequisites.ts';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { checkChanges } from './check-changes.ts';
import { checkHosts } from './check-hosts.ts';
import { checkReading } from './check-reading.ts';
import { fine, fromError } from './findings.ts';

/** One finding per check, good ones included. Leaves nothing behind, and fails only when it is told to stop. */
export async function diagnose(target: Target, o: Sig): Promise<readonly Finding[]> {
  const found = await connect(target, o);
  if (!('session' in found)) return [found, ...(await checkHosts(target, { ...o, taken: undefined }))];
  await using session = found.session;
  const findings: Finding[] = [fine('connection', `${session.where} lets ${target.user} in`)];
  const part = async (check: string, work: () => Promise<readonly Finding[]>): Promise<void> => {
    try {
      findings.push(...(await work()));
    } catch (caught) {
      o.signal.throwIfAborted();
      findings.push(fromError(check, HoldfastError.from(caught)));
    }
  };
  await part('hosts', () => checkHosts(target, { ...o, taken: session }));
  await part('server', async () => {
    const facts = await readFacts(session);
    const unfit = checkFull(session, facts);
    findings.push(
      ...(unfit.length > 0 ? unfit : [fine('server version', `PostgreSQL ${facts.source.version}`)]),
    );
    return [];
  });
  await part('reading', () => checkReading(session));
  await part('changes', async () => {
    const facts = await readFacts(session);
    const freeBytes = await freeBytesAtServer(session);
    const limitBytes = keepChangesLimit({ asked: target.keepChangesMaxBytes, freeBytes });
    return checkChanges(session, { ...o, facts, limitBytes });
  });
  return findings;
}

async function connect(target: Target, o: Sig): Promise<{ session: Session } | Finding> {
  try {
    return { session: await openSession(target, { signal: o.signal }) };
  } catch (caught) {
    o.signal.throwIfAborted();
    return fromError('connection', HoldfastError.from(caught));
  }
}
