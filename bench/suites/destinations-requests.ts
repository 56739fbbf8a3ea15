import { emptyFolder } from '../harness/folders.ts';
import { MemoryDisk } from '../harness/memory-disk.ts';
import { type PushResult, pushInChild } from '../harness/push.ts';
import { Figures } from '../harness/report.ts';
import { measure } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import { openCountedS3 } from './destination-places.ts';
import { Places } from './destinations.ts';

const counts = { small: 100, full: 2000 } as const;
const segmentBytes = 1024;
const requestsMax = 4;

/** How many requests a tiny backup takes: where each costs money, and a round trip. */
export const destinationsRequests: RunSuite = async ({ workspace, scale, rounds, log }) => {
  const count = counts[scale];
  using disk = await MemoryDisk.open(2 ** 30);
  await using places = new Places();
  const staging = workspace.path('staging');
  const opened = await places.fresh((stack) => openCountedS3({ stack, bytes: 0 }));
  let { url, counter } = opened;
  const push = (backups: number): Promise<PushResult> =>
    pushInChild({ staging, urls: [url], backups: { count: backups, segmentBytes } });
  const sum = (kinds: ReadonlyMap<string, number>): number =>
    [...kinds.values()].reduce((all, one) => all + one, 0);
  let kinds = new Map<string, number>();
  const name = `${count} backups of ${segmentBytes} bytes`;
  let preparing = 0;
  const measurements = await measure(
    [
      {
        name,
        before: async () => {
          await emptyFolder(staging);
          ({ url, counter } = await places.fresh((stack) => openCountedS3({ stack, bytes: 0 })));
          // Who uses a place for the first time marks it; after that it is only looked at.
          await push(0);
          counter.take();
          await push(0);
          preparing = sum(counter.take());
        },
        run: () => push(count),
        after: async (result) => {
          const { calls, backupsSeconds } = result as PushResult;
          const taken = counter.take();
          kinds = new Map(taken);
          const asked = Object.entries(calls[0] ?? {}).filter(([call]) => call !== 'prepare');
          return {
            'server CPU s': places.serversCpu,
            'requests each': (sum(taken) - preparing) / count,
            'calls each': asked.reduce((all, [, times]) => all + times, 0) / count,
            'requests to prepare': preparing,
            'ms each': (backupsSeconds * 1000) / count,
          };
        },
      },
    ],
    {
      rounds,
      log,
      settle: async () => {
        await workspace.settle();
        places.begin();
      },
    },
  );
  const value = new Figures(measurements).worst(name, 'requests each');
  const told = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, times]) => `${times} ${kind}`);
  return [
    {
      suite: 'destinations-requests',
      on: `S3, one segment and a manifest each, a hundred to a chain; ${disk.description}`,
      measurements,
      goals: [{ what: 'requests of a backup', value, limit: requestsMax, unit: 'requests' }],
      remarks: [`in all: ${told.join(', ')}`],
    },
  ];
};
