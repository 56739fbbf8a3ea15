import type { Fetch } from './connection.ts';

/**
 * `fetch` over https that trusts one authority more: the built-in one takes no certificates but the process's own. Loaded
 * only where it is needed, so that browsers can have the rest.
 */
export function httpsFetch(ca: string): Fetch {
  let loading: Promise<Fetch> | undefined;
  return async (url, init) => {
    loading ??= load(ca);
    return (await loading)(url, init);
  };
}

async function load(ca: string): Promise<Fetch> {
  const [{ Agent, request }, { Readable }, { rootCertificates }] = await Promise.all([
    import('node:https'),
    import('node:stream'),
    import('node:tls'),
  ]);
  const agent = new Agent({ keepAlive: true, ca: [...rootCertificates, ca] });
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const sent = request(url, { agent, method, headers, signal }, (answer) => {
        const fields = Object.entries(answer.headersDistinct).flatMap(([key, values = []]) =>
          values.map((value): [string, string] => [key, value]),
        );
        // These statuses may have no body, and `Response` insists on it.
        const empty = [204, 205, 304].includes(answer.statusCode ?? 0);
        if (empty) answer.resume();
        const stream = empty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
        resolve(new Response(stream, { status: answer.statusCode ?? 502, headers: fields }));
      });
      sent.once('error', reject);
      sent.end(body);
    });
}
