import { describeDestination, type OpenExpecting, temporaryFolder } from '@holdfast/testing';
import { onTestFinished } from 'vitest';
import { tapeDriver } from './index.ts';

const { signal } = new AbortController();
const expecting: OpenExpecting = (place, expectedId) =>
  tapeDriver.open(place.description, { signal, expectedId });

describeDestination(
  'tape',
  async () => {
    const folder = await temporaryFolder('tape');
    onTestFinished(() => folder[Symbol.asyncDispose]());
    return tapeDriver.open(`tape:${folder.join('tape')}`, { signal });
  },
  { largeBytes: 1_000_000, expecting },
);
