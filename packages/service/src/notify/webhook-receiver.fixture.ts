import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the receiver does with a request; the last one is for all that follow. */
export type Answer = number | ((response: ServerResponse) => void);

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
}

/** A receiver of webhooks on this machine, which remembers everything. */
export async function webhookReceiver(...answers: readonly Answer[]): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    request.setEncoding('utf8');
    let body = '';
    for await (const part of request) body += part;
    const { method, url: path, headers } = request;
    received.push({ method, path, headers, body });
    const answer = answers[Math.min(received.length, answers.length) - 1] ?? 200;
    if (typeof answer === 'function') answer(response);
    else response.writeHead(answer).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
