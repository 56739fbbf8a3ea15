import { bodyOf, collect, listed, type Radosgw, startColdS3Proxy, startRadosgw } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { never, openPlace } from './s3.fixture.ts';
import type { S3Destination } from './s3-destination.ts';

const signal = never;
const content = Buffer.from('rarely asked for');

let server: Radosgw;
beforeAll(async () => {
  server = await startRadosgw();
});
afterAll(() => server[Symbol.asyncDispose]());

async function openCold(endpoint: string, parameters: string): Promise<S3Destination> {
  return openPlace({
    ...server.owner,
    endpoint,
    bucket: await server.createBucket(),
    prefix: 'p',
    parameters,
  });
}

test('a cold object is listed as cold, cannot be read, and can be read once it was thawed', async () => {
  await using proxy = await startColdS3Proxy(server.port);
  await using place = await openCold(proxy.endpoint, 'storageClass=GLACIER');
  await place.prepare({ signal });
  await place.write('k', bodyOf(content), { signal, ifAbsent: true });

  expect(await listed(place)).toMatchObject([{ key: 'k', storageClass: 'GLACIER', access: 'cold' }]);
  expect(await place.stat('k', { signal })).toMatchObject({ storageClass: 'GLACIER', access: 'cold' });
  await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({
    code: 'precondition_failed',
    hint: expect.stringContaining('thawed'),
  });

  const thaw = { signal, tier: 'bulk', days: 3 } as const;
  await place.cold.thaw('k', thaw);
  expect((await place.stat('k', { signal }))?.access).toBe('thawing');
  // Once more changes nothing, also not when another handle asks.
  await place.cold.thaw('k', thaw);
  expect(proxy.thawRequests).toEqual([{ path: expect.stringMatching(/\/p\/k$/), tier: 'Bulk', days: 3 }]);
  await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({ code: 'precondition_failed' });

  proxy.finishThaws();
  expect((await place.stat('k', { signal }))?.access).toBe('thawed');
  expect((await collect(place.read('k', { signal }))).toString()).toBe(content.toString());
  await place.cold.thaw('k', thaw);
  expect(proxy.thawRequests).toHaveLength(1);

  proxy.expireThaws();
  expect((await place.stat('k', { signal }))?.access).toBe('cold');
  await place.delete('k', { signal });
  expect(await listed(place)).toEqual([]);
});

test('what is written hot, and the marker, can be read at once whatever the class of the rest is', async () => {
  await using proxy = await startColdS3Proxy(server.port);
  await using place = await openCold(
    proxy.endpoint,
    'storageClass=DEEP_ARCHIVE&manifestStorageClass=STANDARD_IA',
  );
  await place.prepare({ signal });
  await place.prepare({ signal });
  await place.write('manifest', bodyOf(content), { signal, hot: true });
  expect(await place.stat('manifest', { signal })).toMatchObject({ storageClass: 'STANDARD_IA' });
  expect((await place.stat('manifest', { signal }))?.access).toBeUndefined();
  expect((await collect(place.read('manifest', { signal }))).toString()).toBe(content.toString());
});

test('a tier that a class has not is refused, and nothing happens to what is not cold', async () => {
  await using proxy = await startColdS3Proxy(server.port);
  await using place = await openCold(proxy.endpoint, 'storageClass=DEEP_ARCHIVE');
  await place.write('deep', bodyOf(content), { signal });
  await place.write('warm', bodyOf(content), { signal, hot: true });
  const expedited = { signal, tier: 'expedited', days: 1 } as const;
  await expect(place.cold.thaw('deep', expedited)).rejects.toMatchObject({
    code: 'unsupported',
    hint: 'choose standard or bulk',
  });
  await place.cold.thaw('warm', expedited);
  await expect(place.cold.thaw('missing', expedited)).rejects.toMatchObject({ code: 'not_found' });
  expect(proxy.thawRequests).toEqual([]);
});

test('a server without thawing says that it cannot', async () => {
  await using place = await openCold(server.endpoint, 'storageClass=GLACIER');
  await place.write('k', bodyOf(content), { signal });
  const thaw = { signal, tier: 'standard', days: 1 } as const;
  await expect(place.cold.thaw('k', thaw)).rejects.toMatchObject({ code: 'unsupported' });
});
