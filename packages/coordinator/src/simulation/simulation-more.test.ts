import { test } from 'vitest';
import { expectMuch } from './expect-much.fixture.ts';
import { liveAll } from './live.fixture.ts';

// Beside `simulation.test.ts`, so that two cores share the work; `npm run simulate` lives as many as one likes.
test('another thousand clusters keep every promise', { timeout: 600_000 }, async () => {
  expectMuch(await liveAll(1001, 2000));
});
