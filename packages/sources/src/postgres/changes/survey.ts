import type { ChunkPlan } from '@holdfast/core';
import type { ServerFacts } from '../full/identity.ts';
import { planSpecial } from '../full/special.ts';
import type { Session } from '../session/session.ts';
import { readCatalogSignature, readLargeObjectSignature } from './catalog-signature.ts';
import { readTableFacts, type TableFacts } from './fingerprint.ts';
import type { ChangeState } from './state.ts';
import type { TimelineHistory } from './timeline-history.ts';
import { readTypeFacts, type TypeFacts } from './types.ts';

/** Everything about a database, except its rows, that an incremental compares. */
export interface Survey {
  readonly tables: readonly TableFacts[];
  readonly types: TypeFacts;
  readonly catalog: string;
  readonly largeObjects: string | null;
  readonly special: readonly ChunkPlan[];
  /** The next transaction's number: it never becomes less on one and the same server. */
  readonly nextTransaction: string;
}

/** As the session sees it: in its snapshot, or now. */
export async function readSurvey(
  session: Session,
  before: Pick<ChangeState, 'types' | 'enumOid'> = { types: [], enumOid: 0 },
): Promise<Survey> {
  const tables = await readTableFacts(session);
  const types = await readTypeFacts(
    session,
    tables.flatMap((table) => table.types),
    before,
  );
  const catalog = await readCatalogSignature(session);
  const largeObjects = await readLargeObjectSignature(session);
  const special = await planSpecial(session);
  const [row] = await session.rows<{ next: string }>(
    'SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())::text AS next',
  );
  return { tables, types, catalog, largeObjects, special, nextTransaction: row?.next ?? '0' };
}

export interface StateFacts {
  readonly slot: string;
  readonly facts: Pick<ServerFacts, 'source' | 'timeline'>;
  readonly history: TimelineHistory | undefined;
}

export function stateOf(survey: Survey, { slot, facts, history }: StateFacts): ChangeState {
  return {
    version: 1,
    slot,
    identity: facts.source.identity,
    timeline: facts.timeline,
    ...(history === undefined ? {} : { history }),
    nextTransaction: survey.nextTransaction,
    tables: survey.tables.map((table) => table.mark),
    types: survey.types.types,
    enumOid: survey.types.enumOid,
    catalog: survey.catalog,
    largeObjects: survey.largeObjects,
    special: survey.special.map((chunk) => chunk.path),
  };
}

/** The state of a full backup: to be read in its view, which begins where the slot does. */
export async function describeState(session: Session, o: StateFacts): Promise<ChangeState> {
  return stateOf(await readSurvey(session), o);
}
