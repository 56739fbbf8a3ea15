import { checkInput } from '../check-input.ts';
import type { NamedRoute } from '../contract/contract.ts';

export interface BuiltRequest {
  readonly method: 'GET' | 'POST';
  /** With the query. */
  readonly path: string;
  readonly body: string | undefined;
}

/**
 * What goes over the wire for a call, checked by the route's own schemas first: a name such as `..` would otherwise
 * become the path of another route.
 *
 * @throws HoldfastError config_invalid
 */
export function buildRequest(route: NamedRoute, given: Readonly<Record<string, unknown>>): BuiltRequest {
  const part = (schema: NamedRoute['params'], where: string): Record<string, unknown> => {
    const fields = Object.keys(schema?.shape ?? {}).filter((key) => given[key] !== undefined);
    const values = Object.fromEntries(fields.map((key) => [key, given[key]]));
    if (schema !== undefined) checkInput(schema, values, where);
    return values;
  };
  const params = part(route.params, route.name);
  const query = part(route.query, route.name);
  const body = part(route.body, route.name);
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(params[key])));
  return {
    method: route.method,
    path: search.size === 0 ? path : `${path}?${search}`,
    body: route.body === undefined ? undefined : JSON.stringify(body),
  };
}
