import type { TestProject } from 'vitest/node';
import type { PostgresServer } from './postgres-server.ts';
import { startPostgres } from './start-postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL of a server that all tests of a run share, as superuser: make databases in it, do not stop it. */
    postgres: string;
  }
}

/** One run's server and how many of its projects still need it. */
interface Shared {
  readonly server: Promise<PostgresServer>;
  users: number;
}

// Each project loads this module anew, so that a variable of the module would mean one server each.
const place = globalThis as { [key: symbol]: Shared | undefined };
const key = Symbol.for('holdfast.testing.postgres');

/**
 * vitest's global set-up of the projects that need a database: starts one PostgreSQL for the whole run and provides
 * its URL as `inject('postgres')`. HOLDFAST_TEST_POSTGRES names a server to use instead.
 */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { HOLDFAST_TEST_POSTGRES: named } = process.env;
  if (named !== undefined) {
    project.provide('postgres', named);
    return undefined;
  }
  const shared = place[key] ?? { server: startPostgres(), users: 0 };
  place[key] = shared;
  shared.users++;
  const server = await shared.server;
  project.provide('postgres', server.url());
  return async () => {
    shared.users--;
    if (shared.users > 0) return;
    place[key] = undefined;
    await server.remove();
  };
}
