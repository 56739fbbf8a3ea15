import { z } from 'zod';
import { type RouteName, routes } from '../contract/contract.ts';
import { schemas } from '../contract/schemas.ts';

/** What is read of a JSON Schema here; the rest is passed on. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly [keyword: string]: unknown;
}

export type RoutePart = 'params' | 'query' | 'body' | 'response';

export interface JsonSchemas {
  /** By the names of `schemas`. */
  readonly named: Readonly<Record<string, JsonSchema>>;
  part(route: RouteName, part: RoutePart): JsonSchema | undefined;
}

export const refPrefix = '#/components/schemas/';

/** Every schema of the contract as JSON Schema, named ones referred to by name wherever they occur. */
export function jsonSchemas(): JsonSchemas {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const ids = new Map<string, string>();
  for (const route of routes) {
    for (const part of ['params', 'query', 'body', 'response'] as const) {
      const schema = route[part];
      if (schema === undefined) continue;
      const place = `${route.name}.${part}`;
      const known = registry.get(schema);
      if (known === undefined) registry.add(schema, { id: place });
      ids.set(place, known?.id ?? place);
    }
  }
  const made = z.toJSONSchema(registry, {
    uri: (id) => `${refPrefix}${id}`,
    target: 'draft-2020-12',
    // As it is sent: a field with a default may be left out, and answers may gain fields in later versions.
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      Object.assign(jsonSchema, z.globalRegistry.get(zodSchema));
      // The pattern of a date-time is a page long, and the bounds of a safe integer say nothing.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  }).schemas as Record<string, Record<string, unknown>>;
  const all: Record<string, JsonSchema> = {};
  for (const [id, { $schema, $id, ...schema }] of Object.entries(made)) all[id] = schema;
  return {
    named: Object.fromEntries(Object.entries(all).filter(([id]) => id in schemas)),
    part: (route, part) => {
      const id = ids.get(`${route}.${part}`);
      if (id === undefined) return undefined;
      return id in schemas ? { $ref: `${refPrefix}${id}` } : all[id];
    },
  };
}
