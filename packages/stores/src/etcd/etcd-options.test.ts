import { Secret } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { type EtcdStoreOptions, readOptions } from './etcd-options.ts';

const clock = new FakeClock();
const read = (o: Partial<EtcdStoreOptions>) => readOptions({ endpoints: ['http://e1:2379'], clock, ...o });

test('endpoints are told apart by scheme, host and port, and kept in their order', async () => {
  const endpoints = ['https://b:2379/', 'https://a:2379', 'https://b:2379', 'https://[::1]:2379'];
  const { urls, prefix, tls } = await read({ endpoints });
  expect(urls).toEqual(['https://b:2379', 'https://a:2379', 'https://[::1]:2379']);
  expect(prefix).toBe('/holdfast/');
  expect(tls).toBeDefined();
});

test('wrong options are refused before anything is opened, with what is expected', async () => {
  const wrong: Record<string, Partial<EtcdStoreOptions>> = {
    none: { endpoints: [] },
    'no url': { endpoints: ['e1:2379'] },
    'no host': { endpoints: ['https://'] },
    'a path': { endpoints: ['https://e1:2379/v3'] },
    'another scheme': { endpoints: ['etcd://e1:2379'] },
    'a user in it': { endpoints: ['https://root:hunter2@e1:2379'] },
    'both schemes': { endpoints: ['https://e1:2379', 'http://e2:2379'] },
    'tls without https': { tls: { ca: 'ca.pem' } },
    'a certificate without its key': { endpoints: ['https://e1'], tls: { cert: 'cert.pem' } },
    'a user without a password': { user: 'holdfast' },
    'a password without a user': { password: new Secret('hunter2') },
    'a prefix that is no folder': { prefix: '/holdfast' },
    'an empty prefix': { prefix: '' },
    'too long a prefix': { prefix: `${'x'.repeat(256)}/` },
    'no time for calls': { callMaxMs: 0 },
  };
  for (const [what, o] of Object.entries(wrong)) {
    const error = await read(o).then(
      () => undefined,
      (caught) => caught,
    );
    expect(error, what).toMatchObject({ code: 'config_invalid', hint: expect.any(String) });
    expect(`${error.message}${error.hint}`, what).not.toContain('hunter2');
  }
});
