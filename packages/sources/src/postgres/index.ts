import type { SourceDriver } from '@holdfast/core';
import { parseTarget } from './session/url.ts';
import { PostgresSource } from './source.ts';

export { urlParameters } from './session/url.ts';

export const postgresDriver: SourceDriver = {
  type: 'postgres',
  schemes: ['postgres', 'postgresql'],
  /** Reads the URL only: a restore's target need not exist yet. What is wrong at the server, the calls say. */
  async open(url, o) {
    o.signal.throwIfAborted();
    return new PostgresSource(parseTarget(url), o.clock);
  },
};
