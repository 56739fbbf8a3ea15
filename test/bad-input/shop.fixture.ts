import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { Wire } from '../harness/wire.ts';

/** A server of its own with the database `shop`, large enough that a backup takes a while; and a wire to it to cut. */
export interface Shop extends AsyncDisposable {
  readonly server: PostgresServer;
  readonly folder: TemporaryFolder;
  readonly wire: Wire;
}

export async function openShop(): Promise<Shop> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await temporaryFolder());
  const server = parts.adopt(await startPostgres(), (started) => started.remove());
  const wire = parts.use(await Wire.open(server));
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     INSERT INTO orders SELECT i, md5(i::text) || md5(i::text || 'x') FROM generate_series(1, 30000) i`,
  );
  const kept = parts.move();
  return { server, folder, wire, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
