import { HoldfastError, type Sig } from '@holdfast/core';
import { quoteLiteral } from '../full/names.ts';
import { CopySocket } from '../session/copy-socket.ts';
import type { Session } from '../session/session.ts';
import type { ChangeDecoder } from './decode.ts';
import { formatLsn, parseLsn } from './lsn.ts';
import { copySlot } from './slot.ts';

/**
 * How many changes one call yields at least, the transaction whole with which it reaches them: what a call yields, the
 * server collects on its disk before it sends it. Steps end with a transaction, since one that a step cut in two would be
 * decoded twice; and they are no stretches of log, most of which may be images of pages.
 */
const stepChangesDefault = 1_000_000;
/** The server takes it as an int4. */
const stepChangesMax = 1_000_000_000;

const options = ['include-xids', '1', 'include-timestamp', '1', 'skip-empty-xacts', '1']
  .map(quoteLiteral)
  .join(', ');

/**
 * The log from a slot's position on, read in steps through a temporary twin of the slot. The twin is advanced with
 * every step, the slot itself never: after a crash the twin is gone, and everything is there to be read again.
 */
export class ChangeLog {
  readonly #session: Session;
  readonly #twin: string;
  readonly #copy: CopySocket;
  #position: bigint;
  /** From where the server has to read again to decode on: the begin of the oldest transaction that is still open. */
  #restart: bigint;
  #stepChanges: number;

  private constructor(
    session: Session,
    twin: string,
    at: { position: bigint; restart: bigint; stepChanges: number },
  ) {
    this.#session = session;
    this.#twin = twin;
    this.#copy = new CopySocket(session);
    this.#position = at.position;
    this.#restart = at.restart;
    this.#stepChanges = at.stepChanges;
  }

  /** @throws HoldfastError exhausted when no slot is free for the twin */
  static async open(
    session: Session,
    o: { readonly slot: string; readonly twin: string; readonly stepChanges?: number },
  ): Promise<ChangeLog> {
    await copySlot(session, o.slot, o.twin);
    const stepChanges = o.stepChanges ?? stepChangesDefault;
    return new ChangeLog(session, o.twin, { ...(await whereIs(session, o.twin)), stepChanges });
  }

  /** Every transaction whose commit ends at or before here has been read, and no other. */
  get position(): string {
    return formatLsn(this.#position);
  }

  /**
   * Reads on to `end`, or a little further: to the end of the record in which it lies. Yields what the decoder writes;
   * `learn` is called when it meets a relation that it does not know.
   */
  async *read(
    end: string,
    o: Sig & { readonly decoder: ChangeDecoder; readonly learn: (printed: string) => Promise<void> },
  ): AsyncGenerator<Uint8Array, void, void> {
    const { decoder } = o;
    const endLsn = parseLsn(end);
    while (this.#position < endLsn) {
      const restart = this.#restart;
      for await (const block of this.#copy.copyOut(this.#sql(endLsn), {
        ...o,
        what: 'reading the changes',
      })) {
        let halt = decoder.decode(block);
        while (halt) {
          // `rest` lies in the block, which is ours until the next one is asked for.
          await o.learn(halt.unknown);
          halt = decoder.decode(halt.rest);
        }
        if (decoder.written().length === 0) continue;
        yield decoder.written();
        decoder.release();
      }
      decoder.finish();
      await this.#moved();
      // With a transaction open for long, each step decodes anew from its begin: ever longer steps keep that bounded.
      if (this.#restart === restart) this.#stepChanges = Math.min(2 * this.#stepChanges, stepChangesMax);
    }
  }

  #sql(upto: bigint): string {
    const [twin, lsn] = [quoteLiteral(this.#twin), quoteLiteral(formatLsn(upto))];
    return `COPY (SELECT lsn, data FROM pg_catalog.pg_logical_slot_get_changes(${twin}, ${lsn}, ${this.#stepChanges}, ${options})) TO STDOUT`;
  }

  async #moved(): Promise<void> {
    const { position, restart } = await whereIs(this.#session, this.#twin);
    if (position <= this.#position) {
      throw new HoldfastError(
        'source_failed',
        `reading the changes stands still at ${this.position} (${this.#session.where})`,
        {
          hint: 'see the server’s log',
        },
      );
    }
    this.#position = position;
    this.#restart = restart;
  }
}

async function whereIs(session: Session, slot: string): Promise<{ position: bigint; restart: bigint }> {
  const [row] = await session.rows<{ position: string | null; restart: string | null }>(
    `SELECT confirmed_flush_lsn::text AS position, restart_lsn::text AS restart
       FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slot],
    'asking how far the changes were read',
  );
  if (!row?.position || !row.restart) {
    throw new HoldfastError('source_failed', `the replication slot ${slot} is gone while it is being read`);
  }
  return { position: parseLsn(row.position), restart: parseLsn(row.restart) };
}
