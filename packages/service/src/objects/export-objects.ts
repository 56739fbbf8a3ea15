import type { DeclaredObjects } from '@holdfast/core';
import { stringify } from 'yaml';
import { normalise, objectKinds } from './object-kinds.ts';

/** Fields that people look for first; the others follow by name. */
const fieldsFirst = [
  'source',
  'type',
  'full',
  'incremental',
  'timezone',
  'destinations',
  'require',
  'path',
  'url',
];

/** The objects as a file that declares the same ones: kinds in order, names sorted, so that two exports compare. */
export function exportObjects(objects: DeclaredObjects): string {
  const sorted = normalise(objects);
  const file = Object.fromEntries(
    objectKinds.map((kind) => [
      kind,
      Object.fromEntries(Object.entries(sorted[kind]).map(([name, object]) => [name, ordered(object)])),
    ]),
  );
  return stringify(file, { lineWidth: 0, aliasDuplicateObjects: false });
}

function ordered(object: object): object {
  const rank = ([field]: [string, unknown]): number => {
    const index = fieldsFirst.indexOf(field);
    return index < 0 ? fieldsFirst.length : index;
  };
  return Object.fromEntries(
    Object.entries(object).sort((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1)),
  );
}
