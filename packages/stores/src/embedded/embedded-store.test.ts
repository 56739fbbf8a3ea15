import { describeClusterStore } from '@holdfast/testing';
import { embeddedHarness, InlineLink } from './embedded-store.fixture.ts';

// With real threads: `embedded.contract.test.ts`.
describeClusterStore('embedded, without its thread', () =>
  embeddedHarness(async (options) => new InlineLink(options)),
);
