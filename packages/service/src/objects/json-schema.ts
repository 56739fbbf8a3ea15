import { z } from 'zod';
import { objectName } from '../config/fields.ts';
import { anySchedule } from './schedule-rules.ts';
import { objectTables, type TypedTables } from './tables.ts';

/** The JSON Schema of a file of declared objects, for editors: what is left out is filled in, what is unknown refused. */
export function objectsJsonSchema(): object {
  const tables = objectTables(anySchedule);
  const named = (object: z.ZodType, help: string): z.ZodType =>
    z.record(objectName('its name'), object).optional().meta({ description: help });
  const file = z.strictObject({
    sources: named(oneOf(tables.sources), 'databases, by name'),
    destinations: named(oneOf(tables.destinations), 'places that keep backups, by name'),
    tasks: named(tables.task, 'ongoing backup tasks, by name'),
    notifications: named(oneOf(tables.notifications), 'who is told of failures, by name'),
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Holdfast: declared objects',
    ...z.toJSONSchema(file, { target: 'draft-2020-12', io: 'input' }),
  };
}

function oneOf(tables: TypedTables): z.ZodType {
  const [first, ...others] = Object.values(tables);
  if (first === undefined) throw new TypeError('a list of drivers is empty');
  return others.length === 0 ? first : z.discriminatedUnion('type', [first, ...others]);
}
