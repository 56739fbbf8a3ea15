import { bodyOf, collect, listed, seededBytes, sha256Of } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { azuriteForTests, openAzure } from './azure.fixture.ts';
import { Between } from './between.fixture.ts';

const azurite = azuriteForTests();
const { signal } = new AbortController();
const bytes = seededBytes(3 * 1_048_576, 1);

describe('tiers', () => {
  for (const tier of ['Hot', 'Cool', 'Cold', 'Archive'] as const) {
    test(`with tier=${tier} data lies there, small and large, and manifests where they are read at once`, async () => {
      await using place = await openAzure(azurite.server, { parameters: `tier=${tier}&blockSize=1` });
      await place.prepare({ signal });
      await place.write('small', bodyOf(bytes.subarray(0, 10)), { signal });
      await place.write('large', bodyOf(bytes), { signal, ifAbsent: true });
      await place.write('manifest', bodyOf(bytes.subarray(0, 10)), { signal, hot: true });
      const access = tier === 'Archive' ? { access: 'cold' } : {};
      for (const key of ['small', 'large'])
        expect(await place.stat(key, { signal })).toMatchObject({ storageClass: tier, ...access });
      expect(await place.stat('manifest', { signal })).toMatchObject({ storageClass: 'Hot' });
      const classes = (await listed(place)).map(({ key, storageClass, access: how }) => [
        key,
        storageClass,
        how,
      ]);
      const cold = tier === 'Archive' ? 'cold' : undefined;
      expect(classes.sort()).toEqual([
        ['large', tier, cold],
        ['manifest', 'Hot', undefined],
        ['small', tier, cold],
      ]);
      // The marker of the repository is read before each run.
      await place.prepare({ signal });
    });
  }

  test('manifestTier is that of what must be readable at once', async () => {
    await using place = await openAzure(azurite.server, { parameters: 'tier=Archive&manifestTier=Cool' });
    await place.write('manifest', bodyOf(Buffer.from('m')), { signal, hot: true });
    expect(await place.stat('manifest', { signal })).toMatchObject({ storageClass: 'Cool' });
  });

  test('to read what is archived says that it has to be thawed, and once it is, it reads', async () => {
    await using place = await openAzure(azurite.server, { parameters: 'tier=Archive' });
    await place.write('k', bodyOf(bytes), { signal });
    await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({
      code: 'precondition_failed',
      hint: expect.stringContaining('thaw'),
    });
    await place.cold.thaw('k', { signal, tier: 'standard', days: 3 });
    expect((await place.stat('k', { signal }))?.access).toBeUndefined();
    expect(sha256Of(await collect(place.read('k', { signal })))).toBe(sha256Of(bytes));
    // Nothing happens to one that can be read.
    await place.cold.thaw('k', { signal, tier: 'standard', days: 3 });
  });

  test('there is no bulk, and nothing that is missing can be thawed', async () => {
    await using place = await openAzure(azurite.server, { parameters: 'tier=Archive' });
    await place.write('k', bodyOf(Buffer.from('x')), { signal });
    await expect(place.cold.thaw('k', { signal, tier: 'bulk', days: 1 })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await expect(place.cold.thaw('none', { signal, tier: 'standard', days: 1 })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('expedited asks for high priority; what is thawing says so, and is not asked for again', async () => {
    await using between = await Between.open();
    await using place = await openAzure(azurite.server, { container: 'backups', endpoint: between.endpoint });
    const facts = { 'x-ms-access-tier': 'Archive', 'content-length': '0', 'x-ms-blob-type': 'BlockBlob' };
    between.judge = ({ method }) => (method === 'HEAD' ? { status: 200, headers: facts } : { status: 202 });
    await place.cold.thaw('k', { signal, tier: 'expedited', days: 1 });
    const asked = between.seen.find(({ comp }) => comp === 'tier');
    expect(asked?.headers).toMatchObject({ 'x-ms-access-tier': 'Hot', 'x-ms-rehydrate-priority': 'High' });

    const pending = { ...facts, 'x-ms-archive-status': 'rehydrate-pending-to-hot' };
    between.judge = ({ method }) =>
      method === 'HEAD' ? { status: 200, headers: pending } : { status: 409, code: 'BlobBeingRehydrated' };
    expect(await place.stat('k', { signal })).toMatchObject({ access: 'thawing', storageClass: 'Archive' });
    const before = between.seen.length;
    await place.cold.thaw('k', { signal, tier: 'standard', days: 1 });
    expect(between.count('PUT', 'tier')).toBe(1);
    expect(between.seen.length).toBe(before + 1);
    await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('being thawed'),
    });
  });

  test('two that ask to thaw the same object at the same moment both succeed', async () => {
    await using between = await Between.open();
    await using place = await openAzure(azurite.server, { container: 'backups', endpoint: between.endpoint });
    between.judge = ({ method }) =>
      method === 'HEAD'
        ? { status: 200, headers: { 'x-ms-access-tier': 'Archive', 'x-ms-blob-type': 'BlockBlob' } }
        : { status: 409, code: 'BlobBeingRehydrated' };
    await place.cold.thaw('k', { signal, tier: 'standard', days: 1 });
  });

  test('a thaw says how long it takes, and what is paid for at least', async () => {
    await using place = await openAzure(azurite.server);
    expect(place.cold.ways.map(({ storageClass, tier }) => [storageClass, tier])).toEqual([
      ['Archive', 'expedited'],
      ['Archive', 'standard'],
    ]);
    expect(place.cold.minimumDays).toEqual({ Cool: 30, Cold: 90, Archive: 180 });
  });
});

describe('immutability', () => {
  test('is said with each object, small and large, and not with what the place keeps for itself', async () => {
    await using between = await Between.open(azurite.server);
    await using place = await openAzure(azurite.server, {
      endpoint: between.endpoint,
      parameters: 'immutableDays=10&immutableMode=Locked&legalHold=on&blockSize=1',
    });
    await place.prepare({ signal });
    const said = () => between.seen.filter(({ headers }) => headers['x-ms-immutability-policy-mode']);
    expect(said()).toEqual([]);
    // Azurite knows nothing of it.
    between.judge = ({ method, comp }) =>
      method === 'PUT' && comp !== 'block' ? { status: 201 } : undefined;
    await place.write('small', bodyOf(bytes.subarray(0, 10)), { signal });
    await place.write('large', bodyOf(bytes), { signal });
    expect(said().map(({ comp }) => comp)).toEqual(['', 'blocklist']);
    for (const { headers } of said()) {
      expect(headers).toMatchObject({ 'x-ms-immutability-policy-mode': 'Locked', 'x-ms-legal-hold': 'true' });
      const until = Date.parse(String(headers['x-ms-immutability-policy-until-date']));
      const from = Date.parse(String(headers['x-ms-date']));
      expect(Math.round((until - from) / 86_400_000)).toBe(10);
    }
  });
});

test('a folder of an account with a hierarchical namespace is no object', async () => {
  await using between = await Between.open();
  await using place = await openAzure(azurite.server, { container: 'backups', endpoint: between.endpoint });
  between.judge = ({ method }) => {
    if (method === 'DELETE') return { status: 409, code: 'DirectoryIsNotEmpty' };
    return method === 'HEAD'
      ? { status: 200, headers: { 'x-ms-meta-hdi_isfolder': 'true', 'x-ms-blob-type': 'BlockBlob' } }
      : undefined;
  };
  expect(await place.stat('task', { signal })).toBeUndefined();
  await place.delete('task', { signal });
});
