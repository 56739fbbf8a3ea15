import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { brokenRules, checkModel, searches } from '../scripts/check-model.ts';

const model = join(import.meta.dirname, '..', 'packages', 'coordinator', 'model', 'responsibility.pml');

it.for(searches)(
  'every promise about who runs a task holds in every order of events (%s)',
  async (bounds, { signal }) => {
    const { broken, isComplete, states } = await checkModel({ defines: bounds, signal });
    expect({ broken, isComplete }).toEqual({ broken: undefined, isComplete: true });
    // Of a model in which nothing can happen all promises hold.
    expect(states).toBeGreaterThan(100_000);
  },
);

it.for(Object.entries(brokenRules))('%s is found, and breaks %s', async ([rule, promise], { signal }) => {
  const { broken } = await checkModel({ defines: rule.split(' '), isShort: true, signal });
  expect(broken).toBe(promise);
});

it('every rule that the model can break is broken by a test', async () => {
  const named = new Set((await readFile(model, 'utf8')).match(/\bBREAK_\w+/g));
  const tested = new Set(Object.keys(brokenRules).map((rule) => rule.split(' ')[0]));
  expect([...tested].sort()).toEqual([...named].sort());
});

it('a counterexample shows the step that breaks the promise', async ({ signal }) => {
  const { counterexample } = await checkModel({
    defines: ['BREAK_BASE'],
    isShort: true,
    withCounterexample: true,
    signal,
  });
  expect(counterexample).toContain('assertion violated');
});
