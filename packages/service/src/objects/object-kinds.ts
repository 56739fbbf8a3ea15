import type { DeclaredObjects } from '@holdfast/core';

/** The top-level keys, in the order in which objects refer to each other. */
export const objectKinds = ['sources', 'destinations', 'tasks', 'notifications'] as const;
export type ObjectKind = (typeof objectKinds)[number];

/** One of each: `tasks` -> `task`. */
export const singular = {
  sources: 'source',
  destinations: 'destination',
  tasks: 'task',
  notifications: 'notification',
} as const satisfies Record<ObjectKind, string>;

export const noObjects: DeclaredObjects = { sources: {}, destinations: {}, tasks: {}, notifications: {} };

/**
 * The one form of what can be written in two: a flag that is not set is left out, and so is what is undefined. Names
 * are sorted.
 */
export function normalise(objects: DeclaredObjects): DeclaredObjects {
  const out = Object.fromEntries(
    objectKinds.map((kind) => [kind, sorted(objects[kind] as Readonly<Record<string, object>>)]),
  );
  return out as unknown as DeclaredObjects;
}

function sorted(named: Readonly<Record<string, object>>): Record<string, unknown> {
  const names = Object.keys(named).sort();
  return Object.fromEntries(names.map((name) => [name, withoutUnset(named[name] as object)]));
}

function withoutUnset(object: object): object {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([field, value]) => value !== undefined && !(field === 'disabled' && value === false),
    ),
  );
}

/** An own member: names such as `constructor` are names like any other. */
export function memberOf<T>(named: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}
