import { createHash, createHmac } from 'node:crypto';

export interface RadosgwKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest extends RadosgwKeys {
  readonly endpoint: string;
  readonly method: string;
  /** From the root, encoded; with its query, whose names are in order. */
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** One S3 request, signed by hand: tests of a driver should not prepare their buckets by the client under test. */
export async function radosgwRequest(request: SignedRequest): Promise<string> {
  const { endpoint, method, path, body = '', accessKeyId, secretAccessKey } = request;
  const url = new URL(path, endpoint);
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': time,
  };
  const names = Object.keys(headers).sort();
  const query = url.search
    .slice(1)
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .join('&');
  const canonical = [
    method,
    url.pathname,
    query,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    sha256(body),
  ].join('\n');
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const day = hmac(`AWS4${secretAccessKey}`, time.slice(0, 8));
  const key = hmac(hmac(hmac(day, 'us-east-1'), 's3'), 'aws4_request');
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${hmac(key, toSign).toString('hex')}`;
  const { host: _, ...sent } = headers;
  const answer = await fetch(url, {
    method,
    headers: { ...sent, authorization },
    ...(body === '' ? {} : { body }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url.pathname}${url.search}: ${answer.status} ${text}`);
  return text;
}
