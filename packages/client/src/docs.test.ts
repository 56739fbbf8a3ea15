import { expect, it } from 'vitest';
import { apiDocs } from './docs.ts';

it('docs/api.md is what the contract prints', async () => {
  await expect(apiDocs()).toMatchFileSnapshot(new URL('../../../docs/api.md', import.meta.url).pathname);
});
