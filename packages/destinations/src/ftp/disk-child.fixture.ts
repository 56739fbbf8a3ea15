/** What an FTP destination says when the disk of its server is full; see the faults' test. */
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { bodyOf, type DiskWay, listedKeys, seededBytes, startProftpd } from '@holdfast/testing';
import { ftpDriver } from './index.ts';

const [way, folder = ''] = process.argv.slice(2) as [DiskWay, string];
const { signal } = new AbortController();
const home = join(folder, 'home');
chmodSync(folder, 0o755);
mkdirSync(home);

await using server = await startProftpd({ home });
await using place = await ftpDriver.open(server.url('ftp', '', 'allowPlaintext=true'), { signal });
await place.prepare({ signal });
const put = (key: string, size: number): Promise<unknown> =>
  place.write(key, bodyOf(seededBytes(size, 1)), { signal, sizeBytes: size });
const refused = await put('a/large', 32 * 1024 * 1024).then(
  () => 'stored',
  (error: unknown) => HoldfastError.from(error),
);
const said = refused instanceof HoldfastError ? [refused.code, refused.hint ?? ''] : [refused];
const left = [...(await listedKeys(place)), ...readdirSync(home)];
await put('a/small', 1024 * 1024);
console.log(JSON.stringify({ way, said, left, small: await listedKeys(place) }));
