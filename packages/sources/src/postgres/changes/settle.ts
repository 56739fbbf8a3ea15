import type { ChunkPlan } from '@holdfast/core';
import type { Sighting } from './decode.ts';
import { compareTables, type TableFacts } from './fingerprint.ts';
import type { ChangeState } from './state.ts';
import type { Survey } from './survey.ts';

const largeObjects = '/large-objects';
const largeObjectOwners = '/large-object-owners';

/** What an incremental stores besides row changes. Pure data: the same for the decision and for the view. */
export interface Findings {
  /** To be read whole: new, altered, or changed without a key to address rows by. */
  readonly replaced: readonly TableFacts[];
  readonly dropped: readonly string[];
  /** Their changes are not in the log: read, compared, and stored if they differ. */
  readonly unlogged: readonly TableFacts[];
  /** The schema may be another one. */
  readonly schema: boolean;
  /** Sequences, which the log does not tell either, and large objects if they may have changed. */
  readonly special: readonly ChunkPlan[];
  /** Large objects may have changed: they can only be read in a view. */
  readonly largeObjects: boolean;
  readonly replacedSpecial: readonly string[];
  readonly droppedSpecial: readonly string[];
}

export function whatDiffers(state: ChangeState, survey: Survey, seen: readonly Sighting[]): Findings {
  const sightings = new Map(seen.map((each) => [each.printed, each]));
  const { replaced, dropped } = compareTables(state, survey.tables, {
    changedTypes: survey.types.changed,
    truncatedBy: (table) => sightings.get(table.printed)?.truncatedBy,
  });
  const whole = new Set(replaced);
  for (const table of survey.tables) {
    const sighting = sightings.get(table.printed);
    // Without a path its changes were only counted: it has no key, or was altered when the reading began.
    if (sighting && (sighting.broken || sighting.path === undefined)) whole.add(table);
  }
  const changedObjects = survey.largeObjects === null || survey.largeObjects !== state.largeObjects;
  return {
    replaced: [...whole],
    dropped,
    unlogged: survey.tables.filter((table) => table.unlogged && !whole.has(table)),
    schema: survey.catalog !== state.catalog,
    largeObjects: changedObjects && survey.largeObjects !== '',
    ...compareSpecial(state, survey, changedObjects),
  };
}

/** Whether something has to be seen exactly as it is at the end. */
export function needsView(found: Findings): boolean {
  return (
    found.replaced.length > 0 ||
    found.dropped.length > 0 ||
    found.unlogged.length > 0 ||
    found.schema ||
    found.largeObjects
  );
}

type Special = Pick<Findings, 'special' | 'replacedSpecial' | 'droppedSpecial'>;

function compareSpecial(state: ChangeState, survey: Survey, changedObjects: boolean): Special {
  const ofObjects = (path: string): boolean =>
    path.startsWith(`${largeObjects}/`) || path === largeObjectOwners;
  const now = survey.special.map((chunk) => chunk.path);
  const gone = state.special.filter((path) => !now.includes(path));
  const others = survey.special.filter((chunk) => !ofObjects(chunk.path));
  if (!changedObjects) return { special: others, replacedSpecial: [], droppedSpecial: gone };
  const before = state.special.filter(ofObjects);
  const after = survey.special.filter((chunk) => ofObjects(chunk.path));
  if (after.length === 0) return { special: others, replacedSpecial: [], droppedSpecial: gone };
  const sameRanges = before.length === 0 || before.join(' ') === after.map((chunk) => chunk.path).join(' ');
  if (sameRanges) return { special: survey.special, replacedSpecial: [], droppedSpecial: gone };
  // Other ranges hold other objects under other paths: none of the old ones may be left.
  return {
    special: [...others, ...after.map((chunk) => ({ ...chunk, compare: false }))],
    replacedSpecial: [largeObjects, largeObjectOwners],
    droppedSpecial: gone.filter((path) => !ofObjects(path)),
  };
}
