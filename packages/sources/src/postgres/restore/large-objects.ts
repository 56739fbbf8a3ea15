import { HoldfastError } from '@holdfast/core';
import type { SpecialPart } from './special.ts';

/** How PostgreSQL cuts large objects into pages: a quarter of a block, which is 8 kB unless it was built otherwise. */
const pageBytes = 2048;
/** Pages that follow one another are written in one piece: a call per page would open the object each time. */
const pieceBytesMax = 1 << 20;
const batchBytesMax = 4 << 20;

interface Piece {
  readonly oid: string;
  readonly offset: number;
  bytes: number;
  hex: string;
}

/**
 * Rows `[oid, page number, bytes]`, in order; a page that is missing between others is zeros. All of a chunk is one
 * transaction: making an object twice would fail.
 */
export async function loadLargeObjects(o: SpecialPart): Promise<void> {
  const { session } = o;
  await session.exec('BEGIN', 'loading large objects');
  try {
    let last = '';
    let batch: Piece[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      o.signal.throwIfAborted();
      last = await write(o, batch, last);
      batch = [];
      bytes = 0;
    };
    for await (const rows of o.rows) {
      for (const [oid, page, data] of rows) {
        const hex = data?.startsWith('\\x') ? data.slice(2) : undefined;
        if (typeof oid !== 'string' || typeof page !== 'string' || hex === undefined) {
          throw new HoldfastError('corrupt', 'a row of large objects is not [oid, page, bytes]');
        }
        append(batch, { oid, offset: Number(page) * pageBytes, bytes: hex.length / 2, hex });
        bytes += hex.length / 2;
        if (bytes >= batchBytesMax) await flush();
      }
    }
    await flush();
    await session.exec(`${o.note}; COMMIT`, 'loading large objects');
  } catch (caught) {
    if (session.alive) await session.exec('ROLLBACK').catch(() => {});
    throw caught;
  }
}

function append(batch: Piece[], page: Piece): void {
  const piece = batch.at(-1);
  const joins =
    piece?.oid === page.oid && piece.offset + piece.bytes === page.offset && piece.bytes < pieceBytesMax;
  if (!piece || !joins) {
    batch.push(page);
    return;
  }
  piece.bytes += page.bytes;
  piece.hex += page.hex;
}

/** @returns the last object that was made */
async function write(o: SpecialPart, batch: readonly Piece[], last: string): Promise<string> {
  const made = [...new Set(batch.map((piece) => piece.oid))].filter((oid) => oid !== last);
  await makeLargeObjects(o, made);
  await o.session.query(
    `SELECT pg_catalog.lo_put(o, p, d)
     FROM unnest($1::pg_catalog.oid[], $2::int8[], $3::bytea[]) AS t(o, p, d)`,
    [batch.map((each) => each.oid), batch.map((each) => each.offset), batch.map((each) => `\\x${each.hex}`)],
    'loading large objects',
  );
  return batch.at(-1)?.oid ?? last;
}

/** Those that are not there yet: an object without a page is known to its owner's row only. */
export async function makeLargeObjects(
  o: Pick<SpecialPart, 'session'>,
  oids: readonly string[],
): Promise<void> {
  await o.session.query(
    `SELECT pg_catalog.lo_create(o) FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS t(o)
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = o)`,
    [oids],
    'making large objects',
  );
}
