/** Writes objects into a folder until it is killed: `node writer-child.fixture.ts FOLDER`. Prints a line per object. */
import { SystemClock } from '@holdfast/core';
import { bodyOf } from '@holdfast/testing';
import { FolderDestination } from './folder-destination.ts';
import { keyOf, objectOf } from './writer.fixture.ts';

const place = new FolderDestination({ path: process.argv[2] ?? '', clock: new SystemClock() });
const { signal } = new AbortController();

for (let number = 0; ; number += 1) {
  // Every third key is written again and again, the others once.
  await place.write(keyOf(number), bodyOf(objectOf(number)), { signal, ifAbsent: number % 3 !== 0 });
  console.log(number);
}
