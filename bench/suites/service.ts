import type { RunSuite } from '../harness/suite.ts';
import { apiUnderLoad } from './service-api.ts';
import { manyDue } from './service-due.ts';
import { manyTasks } from './service-tasks.ts';

/** A node as a service: what it costs to have it, whether it is punctual, and whether it answers while it works. */
export const service: RunSuite = async (options) => [
  await manyTasks(options),
  ...(await manyDue(options)),
  ...(await apiUnderLoad(options)),
];
