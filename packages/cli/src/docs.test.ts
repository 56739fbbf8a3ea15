import { readFileSync } from 'node:fs';
import { errorCodes, exitCodeOf } from '@holdfast/core';
import { expect, it } from 'vitest';
import { commands } from './commands.ts';
import { cliDocs } from './docs.ts';
import { parse } from './parse.ts';

const docs = new URL('../../../docs/', import.meta.url);

it('docs/cli.md is what the tables print', async () => {
  await expect(cliDocs()).toMatchFileSnapshot(new URL('cli.md', docs).pathname);
});

it('docs/errors.md has one section for each error code, with its exit code, and no other', () => {
  const text = readFileSync(new URL('errors.md', docs), 'utf8');
  const sections = [...text.matchAll(/^## `(\w+)`\n\n.*?exit code (\d+)/gm)].map(([, code, exit]) => [
    code,
    exit,
  ]);
  const codes = Object.keys(errorCodes) as (keyof typeof errorCodes)[];
  expect(sections).toEqual(codes.map((code) => [code, String(exitCodeOf(code))]));
});

it.each(commands)('every example of $name is a command line that the parser takes', ({ name, examples }) => {
  for (const { line } of examples) {
    // As a shell would split it: words, and single or double quotes around some of them.
    const [command = ''] = line.split(' | ');
    const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
      (match) => match[1] ?? match[2] ?? match[3] ?? '',
    );
    const parsed = parse(words.slice(1));
    expect(parsed.kind === 'call' && parsed.spec.name).toBe(name);
  }
});
