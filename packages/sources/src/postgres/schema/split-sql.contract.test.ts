import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newestPostgres } from '@holdfast/testing';
import { expect, inject, it } from 'vitest';
import { nastyStatements } from './nasty-statements.reference.ts';
import { splitSql } from './split-sql.ts';

it('psql splits nasty statements where we do', async () => {
  // All on one line, so that a cut at another place would show as a line break at another place. A comment that ends a
  // line cannot be, so its line break stays.
  const script = nastyStatements.join(' ');
  const { binFolder } = await newestPostgres();
  const url = inject('postgres');
  // Echoes what it sends, and what it sends does not matter: the server refuses most of it.
  const run = promisify(execFile)(join(binFolder, 'psql'), [
    '-X',
    '-q',
    '-e',
    '-o',
    '/dev/null',
    '-d',
    url,
    '-f',
    '-',
  ]);
  run.child.stdin?.end(`BEGIN;\n${script}\nROLLBACK;\n`);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  const ours = [...splitSql(script)].map(({ text }) => text);
  expect(stdout).toBe(['BEGIN;', ...ours, 'ROLLBACK;', ''].join('\n'));
});
