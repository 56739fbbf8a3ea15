import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { version } from '@holdfast/core';
import { temporaryFolder } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import packageFile from '../package.json' with { type: 'json' };

const bin = fileURLToPath(new URL('../bin/holdfast.mjs', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(line: string) {
  const child = spawn(process.execPath, [bin, ...line.split(' ')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  const ended = once(child, 'close').then(
    ([code]): Ended => ({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }),
  );
  return { child, ended };
}

describe('the holdfast command as a process', () => {
  it('prints its version, which is that of the package, and not a warning', async () => {
    expect(version).toBe(packageFile.version);
    expect(await start('--version').ended).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it('ends a usage error with exit code 2, although a process for the run was started already', async () => {
    const { code, out, err } = await start('backup --form x').ended;
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^holdfast: \[config_invalid\] unknown option '--form'\nhint: did you mean --from\?/);
  });

  it('hands a run to its process and its failure back', async () => {
    await using folder = await temporaryFolder();
    const { code, out, err } = await start(`check --at file:${folder.path} --json`).ended;
    expect([code, out]).toEqual([4, '']);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'not_found' } });
  });

  it('ends quietly when whoever reads its output has seen enough', async () => {
    const { child, ended } = start('backup --help');
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });
});
