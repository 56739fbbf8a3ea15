import { z } from 'zod';

/** A query is texts; those that stand for numbers, as digits only, or for true and false become those. The rest is for the schema. */
export function queryValues(schema: z.ZodObject, query: unknown): unknown {
  if (typeof query !== 'object' || query === null) return query;
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => [key, valueFor(schema.shape[key], value)]),
  );
}

function valueFor(schema: z.core.$ZodType | undefined, value: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return valueFor(schema.unwrap(), value);
  if (typeof value !== 'string') return value;
  if (schema instanceof z.ZodNumber && /^\d{1,15}$/.test(value)) return Number(value);
  if (schema instanceof z.ZodBoolean && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}
