import { HoldfastError, type Sig } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { noteStep } from './journal.ts';
import { jsonRows } from './json-rows.ts';
import { loadLargeObjectOwners } from './large-object-owners.ts';
import { loadLargeObjects } from './large-objects.ts';

export interface LoadSpecial extends Sig {
  /** In the database in the making. */
  readonly session: Session;
  readonly path: string;
  readonly blocks: AsyncIterable<Uint8Array>;
  readonly noOwner: boolean;
  /** Of the journal. */
  readonly done: ReadonlyMap<string, number>;
}

/** What is not rows of tables: `full/special.ts` says which paths there are, and what their rows are. */
export async function loadSpecial(o: LoadSpecial): Promise<void> {
  const step = `special ${o.path}`;
  if (o.done.has(step)) {
    // Read to its end all the same: whoever gives the blocks compares their digest then.
    for await (const _ of o.blocks) o.signal.throwIfAborted();
    return;
  }
  const part = {
    session: o.session,
    rows: jsonRows(o.path, o.blocks),
    note: noteStep(step),
    signal: o.signal,
  };
  if (o.path === '/sequences') await loadSequences(part);
  else if (o.path === '/large-object-owners') await loadLargeObjectOwners({ ...part, noOwner: o.noOwner });
  else if (o.path.startsWith('/large-objects/')) await loadLargeObjects(part);
  else {
    throw new HoldfastError('unsupported', `this version of Holdfast does not know what ${o.path} is`, {
      hint: 'restore with the version that made the backup, or a newer one',
    });
  }
}

export interface SpecialPart extends Sig {
  readonly session: Session;
  readonly rows: ReturnType<typeof jsonRows>;
  /** The statement that remembers that all of it is loaded. */
  readonly note: string;
}

/** Each sequence is a lock until the end of its transaction; setting them twice does no harm. */
const sequencesMax = 200;

/** Rows `[schema, name, last value, is called]`. */
async function loadSequences(o: SpecialPart): Promise<void> {
  for await (const rows of o.rows) {
    for (let at = 0; at < rows.length; at += sequencesMax) {
      o.signal.throwIfAborted();
      const part = rows.slice(at, at + sequencesMax);
      const column = (i: number): (string | null | undefined)[] => part.map((row) => row[i]);
      await o.session.query(
        `SELECT pg_catalog.setval(pg_catalog.format('%I.%I', s, n)::pg_catalog.regclass, v, c)
         FROM unnest($1::text[], $2::text[], $3::int8[], $4::bool[]) AS t(s, n, v, c)`,
        [column(0), column(1), column(2), column(3)],
        'setting the sequences',
      );
    }
  }
  await o.session.exec(o.note, 'noting the sequences');
}
