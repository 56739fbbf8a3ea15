import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callOf, root } from './product.ts';

const page = join(root, 'docs', 'deploying.md');
const text = await readFile(page, 'utf8');

describe('docs/deploying.md', () => {
  it('leads to files that are there', async () => {
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => join(dirname(page), link));
    const named = [...text.matchAll(/\bdeploy\/[\w./-]*\w/g)].map(([path]) => join(root, path));
    expect(links.length).toBeGreaterThan(0);
    for (const path of [...links, ...named]) await expect(access(path), path).resolves.toBeUndefined();
  });

  it('names commands that exist', () => {
    const verbs = 'tasks|status|plan|apply|run|export';
    const lines = text.matchAll(
      new RegExp(`\\bholdfast ((?:${verbs})\\b(?: (?:-[\\w-]+|/?[\\w.-]+[./][\\w./-]+))*)`, 'g'),
    );
    const calls = [...lines].map(([, line = '']) => line.split(' '));
    expect(calls.length).toBeGreaterThan(5);
    // What is only named, as `holdfast plan` in a sentence, has no file.
    for (const args of calls.filter(({ length }) => length > 1))
      expect(() => callOf(args), args.join(' ')).not.toThrow();
  });
});
