import { type ErrorCode, errorCodes, version } from '@holdfast/core';
import { type NamedRoute, routes } from '../contract/contract.ts';
import { errorStatus, transportErrors } from '../contract/error-status.ts';
import { commonErrors, contentTypes, type RouteExample, routeGroups } from '../contract/route.ts';
import { type JsonSchemas, jsonSchemas, refPrefix } from './json-schemas.ts';

/** An OpenAPI 3.1 document; plain data. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly [field: string]: unknown;
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

const otherError = 'OtherError';
const errorContent = { 'application/json': { schema: { $ref: `${refPrefix}ErrorBody` } } };

/** The contract as an OpenAPI 3.1 document. */
export function openApi(): OpenApiDocument {
  const converted = jsonSchemas();
  const paths: Record<string, Record<string, OpenApiOperation>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route, converted) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast node',
      version,
      summary: 'What a node of Holdfast does, and may be asked to do',
      description:
        'Every error is answered as `{ "error": { code, message, hint } }`; clients go by the code. Times are UTC, ISO 8601.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:6362', description: 'a node, unless it is configured otherwise' }],
    tags: Object.entries(routeGroups).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: converted.named,
      responses: Object.fromEntries([
        ...errorStatuses().map((status) => [responseName(status), errorResponse(status)]),
        [otherError, { description: 'any other error; go by its code', content: errorContent }],
      ]),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description:
            'where the node is configured with a token, as it must be to listen beyond its machine',
        },
      },
    },
    'x-error-codes': Object.fromEntries(
      Object.entries(errorCodes).map(([code, { means, retry }]) => [
        code,
        { status: errorStatus[code as ErrorCode], means, retry },
      ]),
    ),
  };
}

function operation(route: NamedRoute, converted: JsonSchemas): OpenApiOperation {
  const body = converted.part(route.name, 'body');
  const sent = route.examples.map((example) => ({
    ...example,
    value: pick(example.input, route.body?.shape),
  }));
  return {
    operationId: route.name,
    tags: [route.group],
    summary: route.summary,
    description: route.description,
    parameters: [...parameters(route, converted, 'params'), ...parameters(route, converted, 'query')],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: body, examples: named(sent) } },
          },
        }),
    responses: responses(route, converted),
    security: route.open ? [] : [{ token: [] }, {}],
  };
}

function parameters(route: NamedRoute, converted: JsonSchemas, part: 'params' | 'query'): unknown[] {
  const schema = converted.part(route.name, part);
  return Object.entries(schema?.properties ?? {}).map(([name, { description, ...rest }]) => ({
    name,
    in: part === 'params' ? 'path' : 'query',
    required: part === 'params' || (schema?.required ?? []).includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

function responses(route: NamedRoute, converted: JsonSchemas): Record<string, unknown> {
  const { status, otherStatus } = route;
  const good = { description: route.summary, ...content(route, converted) };
  const other = otherStatus && { description: otherStatus.when, ...content(route, converted) };
  return {
    [status]: good,
    ...(otherStatus && { [otherStatus.status]: other }),
    ...Object.fromEntries(
      statusesOf(route)
        .filter((failure) => failure !== status && failure !== otherStatus?.status)
        .map((failure) => [failure, { $ref: `#/components/responses/${responseName(failure)}` }]),
    ),
    default: { $ref: `#/components/responses/${otherError}` },
  };
}

function content(route: NamedRoute, converted: JsonSchemas): { content: Record<string, unknown> } {
  const type = (route.contentType ?? contentTypes[route.kind]).replace(/;.*/, '');
  const schema = converted.part(route.name, 'response');
  if (route.kind === 'json') {
    const examples = named(route.examples.map((example) => ({ ...example, value: example.output })));
    return { content: { [type]: { schema, examples } } };
  }
  const examples = named(route.examples.map((example) => ({ ...example, value: streamed(route, example) })));
  // OpenAPI 3.1 has no word for a stream of documents: the schema of one of them is beside the text.
  const text = route.kind === 'text' ? { schema } : { schema: { type: 'string' }, 'x-item-schema': schema };
  return { content: { [type]: { ...text, examples } } };
}

/** An example as it goes over the wire. */
export function streamed(route: NamedRoute, { output }: RouteExample): string {
  if (route.kind === 'text') return String(output);
  const json = JSON.stringify(output);
  if (route.kind === 'lines') return `${json}\n`;
  return `id: 1\nevent: ${(output as { kind: string }).kind}\ndata: ${json}\n\n`;
}

/** Every status that an error of the route can come with. */
export function statusesOf(route: NamedRoute): number[] {
  const codes = [...commonErrors, ...route.errors];
  const transport = [...(route.open ? [] : [421]), ...(route.body === undefined ? [] : [413, 415])];
  return [...new Set([...codes.map((code) => errorStatus[code]), ...transport])].sort((a, b) => a - b);
}

function errorStatuses(): number[] {
  return [...new Set(routes.flatMap(statusesOf))].sort((a, b) => a - b);
}

function responseName(status: number): string {
  return `Error${status}`;
}

function errorResponse(status: number): object {
  const codes = Object.entries(errorCodes).filter(([code]) => errorStatus[code as ErrorCode] === status);
  const transport = Object.entries(transportErrors).find(([number]) => Number(number) === status)?.[1];
  const lines = codes.map(([code, { means }]) => `\`${code}\`: ${means}`);
  if (transport !== undefined) lines.push(`\`${transport.code}\`: ${transport.means}`);
  return {
    description: lines.join('; '),
    content: errorContent,
  };
}

function named(
  examples: readonly { readonly says: string; readonly value: unknown }[],
): Record<string, unknown> {
  return Object.fromEntries(
    examples.map(({ says, value }) => [
      says.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, ''),
      { summary: says, value },
    ]),
  );
}

function pick(given: Readonly<Record<string, unknown>>, shape: object | undefined): object {
  return Object.fromEntries(Object.entries(given).filter(([key]) => shape !== undefined && key in shape));
}
