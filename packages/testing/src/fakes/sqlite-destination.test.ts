import { onTestFinished } from 'vitest';
import { describeDestination } from '../contracts/destination.ts';
import { temporaryFolder } from '../servers/temporary-folder.ts';
import { SqliteDestination } from './sqlite-destination.ts';

describeDestination(
  'sqlite-file',
  async () => {
    const folder = await temporaryFolder('sqlite-file');
    onTestFinished(() => folder[Symbol.asyncDispose]());
    return new SqliteDestination(folder.join('objects'));
  },
  { largeBytes: 1_000_000 },
);
