import type { Clock, ClusterStore, Sig, Transaction } from '@holdfast/core';
import { runPut } from '../entries.ts';
import { keys } from '../keys.ts';
import { Ledger, type Tell } from '../ledger.ts';
import { noTask } from '../not-found.ts';
import type { RunRecord, TaskRecord } from '../records.ts';
import { endRun, type Outcome, type Step } from '../transitions.ts';

/** How a node is broken on purpose. */
export interface Mutation {
  /** What it sends to the store is another than its code has it. */
  readonly transaction?: (transaction: Transaction) => Transaction;
  readonly ledger?: (o: { readonly store: ClusterStore; readonly clock: Clock }) => Ledger;
}

/** The store as a broken node uses it. */
export function broken(store: ClusterStore, mutation: Mutation['transaction']): ClusterStore {
  if (!mutation) return store;
  return new Proxy(store, {
    get(target, name) {
      if (name === 'transact')
        return (transaction: Transaction, o: Sig) => target.transact(mutation(transaction), o);
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const withoutChecksOf = (prefix: string): Mutation => ({
  transaction: (transaction) => ({
    ...transaction,
    checks: (transaction.checks ?? []).filter(({ key }) => !key.startsWith(prefix)),
  }),
});

const withRecord = (change: (record: TaskRecord) => TaskRecord): Mutation => ({
  transaction: (transaction) => ({
    ...transaction,
    puts: (transaction.puts ?? []).map((put) =>
      put.key.startsWith(keys.tasks)
        ? { ...put, value: JSON.stringify(change(JSON.parse(put.value) as TaskRecord)) }
        : put,
    ),
  }),
});

/** The end of a run is written whoever has the task by now, and whatever run is its. */
class CarelessLedger extends Ledger {
  readonly #o: { readonly store: ClusterStore; readonly clock: Clock };

  constructor(o: { readonly store: ClusterStore; readonly clock: Clock }) {
    super(o);
    this.#o = o;
  }

  override async finish(run: RunRecord, outcome: Outcome, _tell: Tell, o: Sig): Promise<Step> {
    const { store, clock } = this.#o;
    const known = await this.task(run.task, o);
    if (!known) throw noTask(run.task);
    const step = endRun({ record: known.value, run }, outcome, clock.now());
    const key = keys.task(run.task);
    const puts = [{ key, value: JSON.stringify(step.record) }, runPut(step.run)];
    await store.transact({ checks: [{ key, revision: known.revision }], puts }, o);
    return step;
  }
}

/** Each mistake, and the promises one of which it has to break. */
export const mutants: readonly (readonly [string, Mutation, RegExp])[] = [
  [
    'a run is committed under whatever generation',
    { ledger: (o) => new CarelessLedger(o) },
    /no commit under an old generation|ended run|ends once/,
  ],
  [
    'records are written whatever they are by now',
    withoutChecksOf(keys.tasks),
    /generation|ended run|ends once|taken once|settled|newest/,
  ],
  [
    'the incrementals of the node before go on',
    withRecord((record) => (record.newest ? { ...record, owner: record.newest } : record)),
    /the owner made the newest full/,
  ],
  [
    'a full grants nothing',
    withRecord(({ owner: _owner, newest: _newest, ...record }) => record),
    /the newest full is the newest/,
  ],
  [
    'a move counts no generation',
    withRecord((record) => ({ ...record, generation: 1 })),
    /a move is a generation|under an old generation/,
  ],
  [
    'marks are never taken back',
    withRecord((record) => ({ ...record, notSuitable: { sinceMs: 0, reason: 'stuck' } })),
    /no mark is left|living node gets|has a node/,
  ],
  [
    'what is settled is forgotten',
    withRecord((record) => ({ ...record, settledMs: { full: 0, incremental: 0 } })),
    /settled|taken once/,
  ],
  [
    'the end of a run leaves it running',
    withRecord((record) => {
      const run = record.lastAttempt?.run;
      return record.running || !run
        ? record
        : { ...record, running: { run, node: record.node, scope: 'full' } };
    }),
    /runs again|stays for ever|preferred node gets/,
  ],
];
