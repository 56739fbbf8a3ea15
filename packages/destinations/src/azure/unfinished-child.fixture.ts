/** Begins a resumable write of a file and never ends it: `node unfinished-child.fixture.ts URL KEY FILE SENT`. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SystemClock } from '@holdfast/core';
import { AzureDestination } from './azure-destination.ts';
import { parseAzureUrl } from './url.ts';

const [url = '', key = '', file = '', sent = '0'] = process.argv.slice(2);
const place = new AzureDestination({ location: parseAzureUrl(url), clock: new SystemClock() });
const bytes = readFileSync(file);
const { signal } = new AbortController();

async function* partOfIt(): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, Number(sent));
  await new Promise((resolve) => process.once('message', resolve));
}

await place.write(key, partOfIt(), {
  signal,
  resumable: true,
  sizeBytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});
