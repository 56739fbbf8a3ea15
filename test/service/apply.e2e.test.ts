import { writeFile } from 'node:fs/promises';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunningNode } from '../harness/running-node.ts';

let folder: TemporaryFolder;
let node: RunningNode;

beforeAll(async () => {
  folder = await temporaryFolder();
  node = await RunningNode.start({ folder: folder.join('node') });
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** A file with fifty tasks; lines of some of them may be replaced. */
async function write(name: string, change: (line: string, n: number) => string | undefined): Promise<string> {
  const tasks = Array.from({ length: 50 }, (_, n) =>
    change(
      `  task-${n}: { source: shop, destinations: [near], full: "0 ${n % 24} * * *", timezone: Europe/Berlin }`,
      n,
    ),
  );
  const text = `
sources: { shop: { type: sqlite, path: ${folder.join('shop.db')} } }
destinations: { near: { type: folder, path: ${folder.join('backups')} } }
tasks:
${tasks.filter((line) => line !== undefined).join('\n')}
`;
  await writeFile(folder.join(name), text);
  return folder.join(name);
}

test('fifty tasks are declared, changed, planned and applied, and nothing else happens', async () => {
  const first = await write('first.yaml', (line) => line);
  const planned = await node.holdfast(['plan', '-f', first]);
  expect(planned.code).toBe(5);
  expect(planned.stdout).toContain('52 to add, 0 to change, 0 to remove');
  expect((await node.holdfast(['apply', '-f', first])).code).toBe(0);
  const exported = (await node.holdfast(['export'])).stdout;

  // What was exported declares the same, and the same file again changes nothing.
  await writeFile(folder.join('exported.yaml'), exported);
  for (const file of [first, folder.join('exported.yaml')]) {
    const again = await node.holdfast(['plan', '-f', file, '--prune']);
    expect(again).toMatchObject({ code: 0, stdout: 'nothing to change\n' });
    expect((await node.holdfast(['apply', '-f', file, '--prune'])).stdout).toBe('nothing to change\n');
  }

  const second = await write('second.yaml', (line, n) => {
    if (n === 7) return undefined;
    if (n === 8) return line.replace('"0 8 * * *"', '"15 8 * * *", incremental: "*/10 * * * *"');
    if (n === 9) return line.replace('Europe/Berlin', 'Asia/Kolkata').replace('task-9', 'task-9b');
    return line;
  });
  const changes = await node.holdfast(['plan', '-f', second, '--prune']);
  expect(changes.code).toBe(5);
  expect(changes.stdout.split('\n\n')[0]).toMatchInlineSnapshot(`
    "- task task-7
    ~ task task-8
        full: 0 8 * * * -> 15 8 * * *
        incremental: (not set) -> "*/10 * * * *"
    - task task-9
    + task task-9b
        destinations: [near]
        full: 0 9 * * *
        require: all
        source: shop
        timezone: Asia/Kolkata
        type: logical
    1 to add, 1 to change, 2 to remove"
  `);
});

test('a bad line changes nothing', async () => {
  const before = (await node.holdfast(['export'])).stdout;
  const bad = await write('bad.yaml', (line, n) =>
    n === 20 ? line.replace('"0 20 * * *"', '"61 20 * * *"') : line.replace('Europe/Berlin', 'UTC'),
  );
  for (const command of ['plan', 'apply']) {
    const refused = await node.holdfast([command, '-f', bad]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`${bad}:25:`);
    expect(refused.stderr).toContain('tasks.task-20.full');
  }
  expect((await node.holdfast(['export'])).stdout).toBe(before);
});

test('a plan that has become stale is refused', async () => {
  const file = await write('third.yaml', (line, n) =>
    n === 3 ? line.replace('Europe/Berlin', 'UTC') : line,
  );
  const planned = await node.holdfast(['plan', '-f', file, '--json']);
  const { revision } = JSON.parse(planned.stdout) as { revision: number };
  const other = await write('other.yaml', (line, n) =>
    n === 4 ? line.replace('Europe/Berlin', 'UTC') : line,
  );
  expect((await node.holdfast(['apply', '-f', other])).code).toBe(0);
  const stale = await node.holdfast(['apply', '-f', file, '--revision', String(revision)]);
  expect(stale.code).toBe(3);
  expect(stale.stderr).toContain(`not ${revision}`);
});
