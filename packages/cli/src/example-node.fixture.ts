import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type NamedRoute, type RouteName, routes } from '@holdfast/client';

export interface Asked {
  readonly name: RouteName;
  readonly path: string;
  readonly body: unknown;
}

/** A node that answers each route with the contract's example, or as a test says, and remembers what it was asked. */
export class ExampleNode implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, asked: Asked[]) {
    this.#server = server;
    this.asked = asked;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(answers: Partial<Record<RouteName, readonly unknown[]>> = {}): Promise<ExampleNode> {
    const asked: Asked[] = [];
    const left = new Map(Object.entries(answers).map(([name, all]) => [name, [...all]]));
    const server = createServer(async (request, response) => {
      const route = routeOf(request);
      const text = await bodyOf(request);
      asked.push({
        name: route.name,
        path: request.url ?? '',
        body: text === '' ? undefined : JSON.parse(text),
      });
      const own = left.get(route.name);
      const answer = own?.[0] ?? route.examples[0]?.output;
      if (own && own.length > 1) own.shift();
      const isError = typeof answer === 'object' && answer !== null && 'error' in answer && !('id' in answer);
      const printed = typeof answer === 'string' ? answer : `${JSON.stringify(answer)}\n`;
      response.writeHead(isError ? 409 : route.status, { 'content-type': 'application/json' }).end(printed);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ExampleNode(server, asked);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function routeOf(request: IncomingMessage): NamedRoute {
  const [path = ''] = (request.url ?? '').split('?');
  const found = routes.find(
    (route) =>
      route.method === request.method &&
      new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  if (!found) throw new Error(`no route for ${request.method} ${path}`);
  return found;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}
