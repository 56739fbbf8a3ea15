import type { Clock, Mark, Sig } from '@holdfast/core';
import { atEachHost } from '../session/at-each-host.ts';
import { openSession } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { parseLsn } from './lsn.ts';
import { advanceSlot, describeSlot, dropSlot, listSlots, slotName } from './slot.ts';
import { parseState } from './state.ts';

interface Upkeep extends Sig {
  readonly clock: Clock;
}

/**
 * Lets the server remove its log up to a mark that is stored. A slot that is gone, or further on, needs nothing: the
 * next incremental says what that means. Never moves a slot of another state, nor, after a failover, one of that name at
 * another server.
 */
export async function acknowledgeChanges(
  target: Target,
  o: Upkeep & { readonly state: unknown; readonly mark: Mark },
): Promise<void> {
  const slot = slotOf(o.state);
  if (slot === undefined) return;
  await using session = await openSession(target, { signal: o.signal });
  const { identity, timeline } = parseState(o.state);
  const { member } = session;
  if (member.timeline !== timeline || !identity.startsWith(`${member.system}/`)) return;
  const facts = await describeSlot(session, slot);
  if (!facts?.confirmed || facts.status === 'lost') return;
  if (parseLsn(facts.confirmed) >= parseLsn(o.mark.position)) return;
  await advanceSlot(session, slot, { ...o, position: o.mark.position });
}

/**
 * Drops a chain's slot, and what a crash may have left of a run under the label, at every host of the URL that answers:
 * a server keeps its slots through a failover. One that is down must not keep the next run from being made; what it
 * keeps, `doctor` finds.
 */
export async function forgetChanges(
  target: Target,
  o: Upkeep & ({ readonly label: string } | { readonly state: unknown }),
): Promise<void> {
  const name = 'label' in o ? slotName(o.label) : slotOf(o.state);
  if (name !== undefined) await atEachHost(target, o, (session) => dropSlot(session, name, o));
}

/** What `source prepare` says: slots are made by full backups, and nothing has to be there before. */
export function prepareChanges(): readonly string[] {
  return [
    'nothing has to be made in a PostgreSQL database: a full backup that keeps changes makes its replication slot',
  ];
}

/** Drops every slot of ours in this database, at every host of the URL: nothing else of Holdfast's is ever in it. */
export async function forgetAll(target: Target, o: Upkeep): Promise<readonly string[]> {
  const { results, failures } = await atEachHost(target, o, async (session) => {
    const at = target.hosts.length > 1 ? ` at ${session.where}` : '';
    const said: string[] = [];
    for (const { name, temporary } of await listSlots(session)) {
      // A temporary one belongs to a run that is under way, and ends with it.
      if (!temporary && (await dropSlot(session, name, o)))
        said.push(`dropped the replication slot ${name}${at}`);
    }
    return said;
  });
  return [
    ...results.flat(),
    ...failures.map(({ reason }) => `nothing was dropped where this failed: ${reason}`),
  ];
}

/** A full backup without kept changes has a state without a slot. */
function slotOf(state: unknown): string | undefined {
  const slot = (state as { slot?: unknown } | null)?.slot;
  return typeof slot === 'string' ? parseState(state).slot : undefined;
}
