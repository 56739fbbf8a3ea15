import { type Finding, HoldfastError, type Sig } from '@holdfast/core';
import { formatBytes } from '../changes/keep-limit.ts';
import { listSlots } from '../changes/slot.ts';
import { isSameServer } from '../session/member.ts';
import { openSession, type Session } from '../session/session.ts';
import { describeHost, type Host, type Target } from '../session/url.ts';
import { fine, fromError, warning } from './findings.ts';

/**
 * Each host of a URL that names several: what it is, and why nothing could be read from it. One that is down is a
 * warning as long as another one could be taken.
 */
export async function checkHosts(
  target: Target,
  o: Sig & { readonly taken: Session | undefined },
): Promise<readonly Finding[]> {
  if (target.hosts.length < 2) return [];
  const found = await Promise.all(target.hosts.map((host) => checkHost(target, host, o)));
  return found.flat();
}

async function checkHost(
  target: Target,
  host: Host,
  o: Sig & { readonly taken: Session | undefined },
): Promise<readonly Finding[]> {
  const check = `host ${describeHost(host)}`;
  try {
    await using session = await openSession({ ...target, hosts: [host], role: 'any' }, { signal: o.signal });
    const { standby, timeline } = session.member;
    const taken = o.taken !== undefined && isSameServer(o.taken.member, session.member);
    const is = `is a ${standby ? 'standby' : 'primary'} on timeline ${timeline}`;
    return [
      fine(check, taken ? `${is}; this is the server that is backed up` : is),
      ...(taken ? [] : await checkLeftSlots(session, check)),
    ];
  } catch (caught) {
    o.signal.throwIfAborted();
    const finding = fromError(check, HoldfastError.from(caught));
    return [o.taken === undefined ? finding : { ...finding, severity: 'warning' }];
  }
}

/** A server that was the primary before keeps log for a chain that is continued nowhere. */
async function checkLeftSlots(session: Session, check: string): Promise<readonly Finding[]> {
  const slots = (await listSlots(session)).filter((slot) => !slot.temporary);
  if (slots.length === 0) return [];
  const bytes = slots.reduce((sum, slot) => sum + slot.retainedBytes, 0);
  const names = slots.map((slot) => slot.name).join(', ');
  return [
    warning(
      check,
      `keeps ${formatBytes(bytes)} of log for backups that are made elsewhere now: ${names}`,
      'holdfast source forget with a URL that names this host alone drops them',
    ),
  ];
}
