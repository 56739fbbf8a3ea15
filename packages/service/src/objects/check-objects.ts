import { type DeclaredObjects, type DeclaredTask, didYouMean, namePattern } from '@holdfast/core';
import { proposalsMax } from '../config/fields.ts';
import { memberOf, type ObjectKind, singular } from './object-kinds.ts';
import { destinationPlace } from './run-targets.ts';

/** What one object says that does not fit to the others. */
export interface Finding {
  readonly path: readonly [ObjectKind, string, ...PropertyKey[]];
  readonly text: string;
}

export interface Findings {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** How declared objects fit together; each of them by itself is known to be good. */
export function checkObjects(objects: DeclaredObjects, alsoNamed?: AlsoNamed): Findings {
  const problems: Finding[] = [...samePlaces(objects)];
  const warnings: Finding[] = [...unused(objects)];
  const references = new ReferenceCheck(objects, alsoNamed);
  for (const [name, task] of Object.entries(objects.tasks)) {
    problems.push(...references.dangling(name, task));
    warnings.push(...taskWarnings(objects, name, task));
  }
  return { problems, warnings };
}

/** Names that are declared although their objects are not fit to be looked at. */
export type AlsoNamed = (kind: ObjectKind, name: string) => boolean;

export interface References {
  readonly source?: unknown;
  readonly destinations?: unknown;
}

/** Finds references of tasks to what is not there. What is no reference at all is not for it to say. */
export class ReferenceCheck {
  readonly #objects: DeclaredObjects;
  readonly #alsoNamed: AlsoNamed;
  #found = 0;

  constructor(objects: DeclaredObjects, alsoNamed: AlsoNamed = () => false) {
    this.#objects = objects;
    this.#alsoNamed = alsoNamed;
  }

  *dangling(name: string, { source, destinations }: References): Iterable<Finding> {
    const noSource = this.#missing('sources', source);
    if (noSource) yield { path: ['tasks', name, 'source'], text: noSource };
    for (const [index, wanted] of (Array.isArray(destinations) ? destinations : []).entries()) {
      const text = this.#missing('destinations', wanted);
      if (text) yield { path: ['tasks', name, 'destinations', index], text };
    }
  }

  #missing(kind: 'sources' | 'destinations', wanted: unknown): string | undefined {
    if (typeof wanted !== 'string' || !namePattern.test(wanted)) return undefined;
    const named = this.#objects[kind];
    if (memberOf<unknown>(named, wanted) !== undefined || this.#alsoNamed(kind, wanted)) return undefined;
    this.#found += 1;
    const near = this.#found > proposalsMax ? '' : didYouMean(wanted, Object.keys(named));
    return `there is no ${singular[kind]} ${JSON.stringify(wanted)}${near}`;
  }
}

/** Two copies in one place are one copy. */
function* samePlaces(objects: DeclaredObjects): Iterable<Finding> {
  const first = new Map<string, string>();
  for (const [name, destination] of Object.entries(objects.destinations)) {
    const place = destinationPlace(destination);
    const other = first.get(place);
    if (other === undefined) first.set(place, name);
    else {
      yield {
        path: ['destinations', name],
        text: `names the same place as destinations.${other}: two copies in one place are one copy`,
      };
    }
  }
}

function* taskWarnings(objects: DeclaredObjects, name: string, task: DeclaredTask): Iterable<Finding> {
  const enabled = task.destinations.filter((each) => !memberOf(objects.destinations, each)?.disabled).length;
  if (enabled === 0) {
    yield { path: ['tasks', name, 'destinations'], text: 'All backup destinations are disabled' };
  } else if (task.require !== 'all' && task.require > enabled) {
    yield {
      path: ['tasks', name, 'require'],
      text: `${task.require} destinations must hold a backup, and only ${enabled} of them ${enabled === 1 ? 'is' : 'are'} not disabled`,
    };
  }
  if (
    task.full !== undefined &&
    task.incremental !== undefined &&
    words(task.full) === words(task.incremental)
  ) {
    yield {
      path: ['tasks', name, 'incremental'],
      text: 'is the same as full, and full wins a tie: there will be no incremental backup',
    };
  }
}

function words(cron: string): string {
  return cron.trim().split(/\s+/).join(' ');
}

function* unused(objects: DeclaredObjects): Iterable<Finding> {
  const tasks = Object.values(objects.tasks);
  const sources = new Set(tasks.map((task) => task.source));
  const destinations = new Set(tasks.flatMap((task) => task.destinations));
  for (const name of Object.keys(objects.sources)) {
    if (!sources.has(name)) yield { path: ['sources', name], text: 'is used by no task' };
  }
  for (const name of Object.keys(objects.destinations)) {
    if (!destinations.has(name)) yield { path: ['destinations', name], text: 'is used by no task' };
  }
}
