import { isDeepStrictEqual } from 'node:util';
import type { DeclaredObjects } from '@holdfast/core';
import { isMapping } from '../config/fields.ts';
import { shownText } from '../config/placeholders.ts';
import { formatPath, problemsError } from '../config/problems.ts';
import { checkObjects, type Finding } from './check-objects.ts';
import { memberOf, normalise, type ObjectKind, objectKinds, singular } from './object-kinds.ts';
import { merge } from './parse-objects.ts';

export interface ApplyOptions {
  /** Whether what is not declared any more is removed; else it stays. */
  readonly prune: boolean;
}

export interface Change {
  readonly action: 'add' | 'change' | 'remove';
  readonly kind: (typeof singular)[ObjectKind];
  readonly name: string;
  readonly fields: readonly FieldChange[];
}

/** Values are fit to be shown: placeholders as they are written, secrets never. Undefined: the field is not there. */
export interface FieldChange {
  /** `keep.daily`; a list is one value. */
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** What would become of the objects: by kind, then by name. Pure; changes nothing. */
export function planObjects(current: DeclaredObjects, declared: DeclaredObjects, o: ApplyOptions): Change[] {
  const before = normalise(current);
  const after = o.prune ? normalise(declared) : merge(current, declared);
  return objectKinds.flatMap((kind) => {
    const names = [...new Set([...Object.keys(before[kind]), ...Object.keys(after[kind])])].sort();
    return names.flatMap((name) => {
      const from = memberOf<object>(before[kind], name);
      const to = memberOf<object>(after[kind], name);
      const fields = diff(from ?? {}, to ?? {}, '');
      if (from && to && fields.length === 0) return [];
      const action = from === undefined ? 'add' : to === undefined ? 'remove' : 'change';
      return [{ action, kind: singular[kind], name, fields } satisfies Change];
    });
  });
}

function diff(from: object, to: object, prefix: string): FieldChange[] {
  const before = from as Readonly<Record<string, unknown>>;
  const after = to as Readonly<Record<string, unknown>>;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return keys.flatMap((key) => {
    const field = prefix === '' ? key : `${prefix}.${key}`;
    const a = memberOf(before, key);
    const b = memberOf(after, key);
    if (isDeepStrictEqual(a, b)) return [];
    const nested = (isMapping(a) || a === undefined) && (isMapping(b) || b === undefined);
    return nested
      ? diff(a ?? {}, b ?? {}, field)
      : [{ field, from: shownValue(key, a), to: shownValue(key, b) }];
  });
}

function shownValue(key: string, value: unknown): unknown {
  if (typeof value === 'string') return shownText(key, value);
  if (Array.isArray(value)) return value.map((each) => shownValue(key, each));
  if (isMapping(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shownValue(name, each)]));
  }
  return value;
}

/**
 * The objects as they are after the declared ones were applied.
 *
 * @throws HoldfastError config_invalid when they would not fit together, or what others refer to would be removed
 */
export function applyChanges(
  current: DeclaredObjects,
  declared: DeclaredObjects,
  o: ApplyOptions,
): DeclaredObjects {
  const after = o.prune ? normalise(declared) : merge(current, declared);
  const { problems } = checkObjects(after);
  if (problems.length === 0) return after;
  const all = problems.map((each) => ({
    path: formatPath(each.path),
    text: sayRemoved(each, current, after),
  }));
  throw problemsError('the objects', all);
}

/** A reference to what was there until now is told as what it is. */
function sayRemoved({ path, text }: Finding, current: DeclaredObjects, after: DeclaredObjects): string {
  const [kind, name, field, index] = path;
  if (kind !== 'tasks' || (field !== 'source' && field !== 'destinations')) return text;
  const task = memberOf(after.tasks, name);
  const wanted = field === 'source' ? task?.source : task?.destinations[Number(index)];
  const target = field === 'source' ? 'sources' : 'destinations';
  if (wanted === undefined || memberOf<object>(current[target], wanted) === undefined) return text;
  return `refers to ${target}.${wanted}, which would be removed: declare it, or take it out of the task`;
}
