import { errorCodes } from '@holdfast/core';
import { expect, it } from 'vitest';
import { routes } from '../contract/contract.ts';
import { openApi } from './open-api.ts';

/** As a reader gets it: JSON has no undefined. */
const document = JSON.parse(JSON.stringify(openApi()));

function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const inner of Object.values(value)) yield* nodes(inner);
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods as Record<string, Record<string, unknown>>).map(([method, operation]) => ({
    path,
    method,
    operation,
  })),
);

it('has one operation for each route, with ids of their own', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(ids.toSorted()).toEqual(routes.map(({ name }) => name).toSorted());
  expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).toSorted()).toEqual(
    routes.map(({ path, method }) => `${method} ${path}`).toSorted(),
  );
});

it('refers only to what is there', () => {
  const refs = [...nodes(document)].map((node) => node.$ref).filter((ref) => typeof ref === 'string');
  expect(refs.length).toBeGreaterThan(50);
  for (const ref of refs) {
    let at = document;
    for (const step of ref.replace(/^#\//, '').split('/')) at = at?.[step];
    expect(at, ref).toBeDefined();
  }
});

it('declares each parameter of a path, as required, and no other', () => {
  for (const { path, operation } of operations) {
    const parameters = operation.parameters as { name: string; in: string; required: boolean }[];
    const inPath = parameters.filter((parameter) => parameter.in === 'path');
    expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    expect(inPath.every(({ required }) => required)).toBe(true);
  }
});

it('has what OpenAPI 3.1 demands', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
  const tags = document.tags.map(({ name }: { name: string }) => name);
  for (const { operation } of operations) {
    expect(tags).toEqual(expect.arrayContaining(operation.tags as string[]));
    for (const [status, response] of Object.entries(operation.responses as Record<string, object>)) {
      expect(status).toMatch(/^(?:[1-5]\d\d|default)$/);
      expect('$ref' in response || 'description' in response).toBe(true);
    }
  }
  for (const key of Object.values(document.components).flatMap((part) => Object.keys(part as object))) {
    expect(key).toMatch(/^[A-Za-z0-9._-]+$/);
  }
});

it('lists every error code with its status', () => {
  expect(Object.keys(document['x-error-codes'])).toEqual(Object.keys(errorCodes));
  expect(document['x-error-codes'].not_found).toMatchObject({ status: 404 });
});

it('keeps what the schemas say of their fields', () => {
  const { properties } = document.components.schemas.RunView;
  expect(properties.id.description).toContain('the run');
  expect(properties.createdAt).toEqual({
    type: 'string',
    format: 'date-time',
    description: 'UTC, ISO 8601',
  });
  expect(properties.progress).toEqual({
    $ref: '#/components/schemas/RunProgress',
    description: 'while it runs',
  });
});
