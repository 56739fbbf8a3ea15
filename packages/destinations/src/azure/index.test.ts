import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

/** Which packages of Azure are loaded, in a process of its own, after each step. */
const script = `
  import { registerHooks } from 'node:module';
  const loaded = new Set();
  registerHooks({
    load(url, context, next) {
      const name = /node_modules\\/(@azure\\/(?:identity|storage-blob))\\//.exec(url)?.[1];
      if (name) loaded.add(name);
      return next(url, context);
    },
  });
  const { azureDriver } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
  const steps = [[...loaded]];
  const { signal } = new AbortController();
  await using place = await azureDriver.open('azure://backups?account=acct1&identity=managed', { signal });
  steps.push([...loaded]);
  console.log(JSON.stringify({ steps, description: place.description }));
`;

test('the libraries of Azure are loaded when a place is opened, that of identities not even then', async () => {
  const args = ['--no-warnings', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual({
    steps: [[], ['@azure/storage-blob']],
    description: 'azure://backups/ at acct1.blob.core.windows.net',
  });
});
