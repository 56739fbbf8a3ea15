import { describeClusterStore } from '@holdfast/testing';
import { embeddedHarness } from './embedded-store.fixture.ts';
import { WorkerLink } from './worker-link.ts';

const { signal } = new AbortController();

describeClusterStore('embedded', () =>
  embeddedHarness((database, clock) => WorkerLink.open({ clock, database, signal })),
);
