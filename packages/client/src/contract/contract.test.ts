import type { DeclaredObjects } from '@holdfast/core';
import { expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { type AnswerOf, type ArgumentsOf, type InputOf, type OutputOf, routes } from './contract.ts';
import { routeGroups } from './route.ts';

const keysOf = (schema: z.ZodObject | undefined): string[] => Object.keys(schema?.shape ?? {});

it.each(routes)(
  '$name declares each parameter of its path, and gives everything it takes one name',
  (route) => {
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(keysOf(route.params)).toEqual(inPath);
    const all = [...keysOf(route.params), ...keysOf(route.query), ...keysOf(route.body), 'signal', 'peer'];
    expect(new Set(all).size).toBe(all.length);
  },
);

it.each(routes)('$name says what it does, and takes a body exactly when it is a POST', (route) => {
  expect(route.summary).toMatch(/^[A-Z].*[^.]$/);
  expect(route.description).toMatch(/\.$/);
  expect(route.examples.length).toBeGreaterThan(0);
  expect(routeGroups[route.group]).toBeDefined();
  expect(route.body !== undefined).toBe(route.method === 'POST');
  expect(route.writes && route.method === 'GET').toBe(false);
});

it.each(routes)('the examples of $name are of its schemas', (route) => {
  for (const { input, output } of route.examples) {
    const of = (schema: z.ZodObject): Record<string, unknown> =>
      Object.fromEntries(Object.entries(input).filter(([key]) => key in schema.shape));
    const parts = [route.params, route.query, route.body].filter((schema) => schema !== undefined);
    const known = parts.flatMap((schema) => keysOf(schema));
    for (const schema of parts) expect(schema.safeParse(of(schema)).error).toBeUndefined();
    expect(Object.keys(input).filter((key) => !known.includes(key))).toEqual([]);
    // What is not in the schema would be taken off.
    expect(route.response.parse(output)).toEqual(output);
  }
});

it('types follow from the table', () => {
  expectTypeOf<ArgumentsOf<'getTask'>>().toEqualTypeOf<{ task: string; next?: number | undefined }>();
  expectTypeOf<InputOf<'getTask'>>().toEqualTypeOf<{ task: string; next: number }>();
  expectTypeOf<InputOf<'listTasks'>>().toEqualTypeOf<Record<never, never>>();
  expectTypeOf<DeclaredObjects>().toExtend<AnswerOf<'getObjects'>['objects']>();
  expectTypeOf<OutputOf<'getObjects'>['objects']>().toExtend<DeclaredObjects>();
});
