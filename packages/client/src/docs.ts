import { type ErrorCode, errorCodes } from '@holdfast/core';
import { type NamedRoute, routes } from './contract/contract.ts';
import { errorStatus, transportErrors } from './contract/error-status.ts';
import { type RouteExample, routeGroups } from './contract/route.ts';
import { utc } from './contract/words.ts';
import { type JsonSchema, type JsonSchemas, jsonSchemas, refPrefix } from './openapi/json-schemas.ts';
import { streamed } from './openapi/open-api.ts';

const preface = [
  '# The HTTP API of a node',
  'Written by the table in `packages/client/src/contract`; a test compares the two. A node serves the same as OpenAPI 3.1 at `/openapi.json`. `Client` of `@holdfast/client` has a method for each route, by its name.',
  'A node listens on `http://127.0.0.1:6362`, for its own machine only. To be reached from elsewhere it needs a certificate and a token; then each request has `Authorization: Bearer TOKEN`, except those that probes make.',
  bullets([
    'Bodies are JSON, with `content-type: application/json`; unknown fields, there and in the query, are refused.',
    'Answers may gain fields in later versions.',
    'Times are UTC, as in `2026-11-21T06:30:00.000Z`; sizes are bytes.',
    'The Host header has to name the node: `127.0.0.1`, `localhost` or `[::1]` with its port, or a configured name. Pages of other origins are refused.',
    'A write is not undone when its caller goes away.',
    'Any node of a cluster answers for all; nodes ask each other with signatures in place of the token.',
  ]),
];

/** docs/api.md, from the contract; a test compares it with the file, and `vitest -u` writes it. */
export function apiDocs(): string {
  const converted = jsonSchemas();
  const parts = [...preface];
  for (const [group, title] of Object.entries(routeGroups)) {
    const members = routes.filter((route) => route.group === group);
    parts.push(
      `## ${title}`,
      grid(
        ['route', 'what it does', 'method of `Client`'],
        members.map(({ method, path, summary, name }) => [
          code(`${method} ${path}`),
          summary,
          code(name === 'streamEvents' ? 'events' : name),
        ]),
      ),
      ...members.flatMap((route) => routeDocs(route, converted)),
    );
  }
  parts.push(...errorDocs(), '## Shapes', ...Object.entries(converted.named).flatMap(shapeDocs));
  return `${parts.join('\n\n')}\n`;
}

function routeDocs(route: NamedRoute, converted: JsonSchemas): string[] {
  const { method, path, name, description, status, otherStatus, errors } = route;
  const fields = [
    ...fieldRows(converted.part(name, 'params'), 'path'),
    ...fieldRows(converted.part(name, 'query'), 'query'),
    ...bodyRows(route, converted),
  ];
  const answer = `Answers ${status}: ${answerText(route, converted)}.`;
  const other = otherStatus ? ` ${otherStatus.status}, with the same: ${otherStatus.when}.` : '';
  const failures = errors.length === 0 ? '' : ` Errors of its own: ${errors.map(code).join(', ')}.`;
  return [
    `### ${method} ${path}`,
    description,
    ...(fields.length === 0 ? [] : [grid(['field', 'in', 'type', ''], fields)]),
    `${answer}${other}${failures}`,
    ...route.examples.slice(0, 1).map((example) => exampleDocs(route, example)),
  ];
}

function bodyRows(route: NamedRoute, converted: JsonSchemas): string[][] {
  const body = converted.part(route.name, 'body');
  const named = body?.$ref === undefined ? body : converted.named[body.$ref.slice(refPrefix.length)];
  const rows = fieldRows(named, 'body');
  return body !== undefined && rows.length === 0 ? [['', 'body', code('{}'), '']] : rows;
}

function fieldRows(schema: JsonSchema | undefined, place: string): string[][] {
  return Object.entries(schema?.properties ?? {}).map(([name, field]) => [
    code(name),
    place,
    typeText(field),
    notes(field, (schema?.required ?? []).includes(name)),
  ]);
}

function answerText(route: NamedRoute, converted: JsonSchemas): string {
  const schema = typeText(converted.part(route.name, 'response') ?? {});
  if (route.kind === 'text') return 'text';
  if (route.kind === 'lines') return `text, on each line a ${schema}`;
  return route.kind === 'events' ? `a stream of server-sent events, each with an ${schema}` : schema;
}

function exampleDocs(route: NamedRoute, example: RouteExample): string {
  const { method, path, query, body } = route;
  const value = (key: string): string => String(example.input[key]);
  const sent = Object.keys(example.input);
  const asked = sent.filter((key) => query !== undefined && key in query.shape);
  const target = path.replace(/\{(\w+)\}/g, (_, key: string) => value(key));
  const search = asked.map((key) => `${key}=${value(key)}`).join('&');
  const fields = sent.filter((key) => body !== undefined && key in body.shape);
  const lines = [`${method} ${target}${search === '' ? '' : `?${search}`}`];
  if (body !== undefined) {
    lines.push(JSON.stringify(Object.fromEntries(fields.map((key) => [key, example.input[key]]))));
  }
  const answer =
    route.kind === 'json' ? JSON.stringify(example.output, null, 2) : streamed(route, example).trimEnd();
  return `\`\`\`\n${lines.join('\n')}\n\n${answer}\n\`\`\``;
}

function errorDocs(): string[] {
  const rows = Object.entries(errorCodes).map(([name, { means }]) => [
    `[${code(name)}](errors.md#${name})`,
    String(errorStatus[name as ErrorCode]),
    means,
  ]);
  const transport = Object.entries(transportErrors).map(([status, { code: name, means }]) => [
    code(name),
    status,
    means,
  ]);
  return [
    '## Errors',
    'The body of every error is `{ "error": { "code", "message", "hint" } }`. Several codes share a status: go by the code.',
    grid(['code', 'status', 'means'], [...rows, ...transport]),
  ];
}

function shapeDocs([name, schema]: [string, JsonSchema]): string[] {
  const rows = Object.entries(schema.properties ?? {}).map(([field, inner]) => [
    code(field),
    typeText(inner),
    notes(inner, (schema.required ?? []).includes(field)),
  ]);
  const fields = rows.length === 0 ? typeText(schema) : grid(['field', 'type', ''], rows);
  return [`### ${name}`, schema.description ?? '', fields].filter((part) => part !== '');
}

/** A schema in a few words; markdown. */
function typeText(schema: JsonSchema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(refPrefix.length);
    return `[${name}](#${name.toLowerCase()})`;
  }
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map(typeText).join(' or ');
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.type === 'array') return `array of ${typeText(schema.items ?? {})}`;
  if (schema.type === 'object') return objectText(schema);
  return schema.format === 'date-time' ? 'time' : (schema.type ?? 'any JSON');
}

function objectText({ properties, required = [], additionalProperties }: JsonSchema): string {
  const fields = Object.entries(properties ?? {}).map(
    ([name, inner]) => `${code(`${name}${required.includes(name) ? '' : '?'}`)}: ${typeText(inner)}`,
  );
  if (fields.length > 0) return `{ ${fields.join('; ')} }`;
  return typeof additionalProperties === 'object'
    ? `map by name of ${typeText(additionalProperties)}`
    : 'object';
}

function notes(field: JsonSchema, required: boolean): string {
  const limits = field.default === undefined ? [] : [`default ${code(JSON.stringify(field.default))}`];
  const optional = required || field.default !== undefined ? [] : ['optional'];
  const says = field.description === undefined || field.description === utc ? [] : [field.description];
  return [...optional, ...limits, ...says].join('; ');
}

function code(text: string): string {
  return `\`${text}\``;
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

function grid(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}
