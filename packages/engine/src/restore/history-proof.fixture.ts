/** What a database held after each of its changes, and the proof that restores give just that. */
import { deepStrictEqual } from 'node:assert';
import { backupName, type Manifest, relationOf } from '@holdfast/core';
import { MemoryDatabase, MemorySource } from '@holdfast/testing';
import { readManifest } from '../manifest-file.ts';
import { openWorld, type World } from '../world.fixture.ts';
import { type History, live, type Step } from './histories.fixture.ts';

type Contents = Record<string, string[]>;

/** The database after each of its changes: what restores are compared with. */
class Model {
  readonly #states: { readonly position: number; readonly tables: MemoryDatabase['tables'] }[] = [];
  readonly commits: { readonly position: number; readonly timeMs: number }[] = [];

  note(database: MemoryDatabase): void {
    this.#states.push({ position: database.position, tables: new Map(database.tables) });
    for (const { position, timeMs, changes } of database.log) {
      // Of the others nothing is written, so nothing ends with them either.
      const isWritten = changes.some(({ table }) => table.key.length > 0 && table.by === 'log');
      if (isWritten && position > (this.commits.at(-1)?.position ?? 0))
        this.commits.push({ position, timeMs });
    }
  }

  tablesAt(position: number): MemoryDatabase['tables'] {
    return this.#states.findLast((state) => state.position <= position)?.tables ?? new Map();
  }

  contentsAt(position: number): Contents {
    return contentsOf([...this.tablesAt(position).values()]);
  }

  /** At a moment that the chain covers. */
  contentsOf(chain: readonly Manifest[], timeMs: number): Contents {
    const index = chain.findIndex(({ to }) => to.timeMs >= timeMs);
    const [base, next] = [chain[index - 1], chain[index]];
    if (!next) throw new Error('the moment lies outside the chain');
    if (!base || next.to.timeMs === timeMs) return this.contentsAt(Number(next.to.position));
    return this.#contentsInside(base, next, timeMs);
  }

  /**
   * At a moment inside an incremental: transactions count in the order of their commits, up to the first one that was
   * committed later; what did not come as changes is as of the backup before.
   */
  #contentsInside(base: Manifest, next: Manifest, timeMs: number): Contents {
    const from = Number(base.to.position);
    const between = this.commits.filter(
      ({ position }) => position > from && position <= Number(next.to.position),
    );
    const later = between.findIndex((commit) => commit.timeMs > timeMs);
    const counting = later < 0 ? between : between.slice(0, later);
    const there = this.tablesAt(counting.at(-1)?.position ?? from);
    const voided = new Set([...next.replaced, ...next.dropped].map(relationOf));
    return contentsOf(
      [...this.tablesAt(from).values()].map((table) => {
        const inexact = voided.has(table.path) || table.by === 'compare' || table.key.length === 0;
        return inexact ? table : (there.get(table.path) ?? table);
      }),
    );
  }
}

function contentsOf(
  tables: readonly { path: string; rows: ReadonlyMap<string, readonly string[]> }[],
): Contents {
  const all = tables.map(({ path, rows }): [string, string[]] => [
    path,
    [...rows.values()].map((row) => `[${row.join(',')}]`).sort(),
  ]);
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function manifests(world: World): Manifest[] {
  return world.keys
    .filter((key) => key.endsWith('.manifest.json'))
    .map((key) => readManifest(world.destination.objects.get(key)?.bytes ?? Buffer.alloc(0), key));
}

/** Lives through a history and restores to every backup and a moment inside each; answers how many restores that were. */
export async function proveHistory({ tables, rounds, ...options }: History): Promise<number> {
  await using world = await openWorld(options);
  const { database } = world;
  const model = new Model();
  const act = (step: Step): void => {
    live(database, step);
    model.note(database);
  };
  model.note(database);
  for (const [table, one] of tables.entries()) act({ kind: 'create', table, ...one });
  await world.backup();
  for (const { steps } of rounds) {
    for (const step of steps) act(step);
    await world.backup();
  }
  const chain = manifests(world);
  const prove = async (
    expected: Contents,
    point: { readonly timeMs: number } | { readonly backup: string },
  ): Promise<void> => {
    const target = new MemorySource(new MemoryDatabase('restored'), { blockBytes: options.blockBytes });
    await world.restore({ point }, { target });
    deepStrictEqual(target.database.contents(), expected, `restored to ${JSON.stringify(point)}`);
  };
  for (const [index, { chain: name, sequence, from, to }] of chain.entries()) {
    await prove(model.contentsAt(Number(to.position)), { backup: backupName(name, sequence) });
    const share = rounds[index - 1]?.moment;
    if (!from || share === undefined) continue;
    const shareMs = Math.round(from.timeMs + (share / 100) * (to.timeMs - from.timeMs));
    // Half of them are the very times of commits.
    const commits = model.commits.filter((one) => one.timeMs > from.timeMs && one.timeMs < to.timeMs);
    const timeMs = (share % 2 === 0 && commits[share % commits.length]?.timeMs) || shareMs;
    await prove(model.contentsOf(chain, timeMs), { timeMs });
  }
  return chain.length * 2 - 1;
}
