// Measures Holdfast beside the tools that people use instead. README.md says how, and what the figures mean.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Scale, scales } from './data-postgres.ts';
import { describeMachine, type Machine } from './harness/machine.ts';
import { describeReport, isMet, type SuiteReport } from './harness/report.ts';
import { median } from './harness/rounds.ts';
import type { Suite } from './harness/suite.ts';
import { Workspace } from './harness/workspace.ts';
import { checking } from './suites/check.ts';
import { cluster, clusterOfThree, clusterOnThree } from './suites/cluster.ts';
import { placeNames } from './suites/destination-places.ts';
import { destinations } from './suites/destinations.ts';
import { destinationsRequests } from './suites/destinations-requests.ts';
import { destinationsTogether } from './suites/destinations-together.ts';
import { memory } from './suites/memory.ts';
import { postgresFull } from './suites/postgres-full.ts';
import { postgresIncremental } from './suites/postgres-incremental.ts';
import { postgresRestore } from './suites/postgres-restore.ts';
import { service } from './suites/service.ts';
import { sqlite } from './suites/sqlite.ts';

const suites: readonly Suite[] = [
  { name: 'postgres-full', summary: 'full backups beside pg_dump and pg_basebackup', run: postgresFull },
  { name: 'postgres-restore', summary: 'restores beside pg_restore', run: postgresRestore },
  {
    name: 'postgres-incremental',
    summary: 'incrementals after 1 % has changed and after nothing has',
    run: postgresIncremental,
  },
  { name: 'check', summary: 'reading a backup again', run: checking },
  { name: 'memory', summary: 'the memory of all processes, at two sizes', roundsDefault: 1, run: memory },
  { name: 'sqlite', summary: 'full backups of an SQLite file beside sqlite3 and zstd', run: sqlite },
  {
    name: 'service',
    summary: 'a node with many tasks, with many due at once, and its API during a backup',
    roundsDefault: 3,
    run: service,
  },
  {
    name: 'cluster',
    summary: 'many nodes on one etcd: their start, their rest, their death',
    roundsDefault: 3,
    run: cluster,
  },
  {
    name: 'cluster-three-members',
    summary: 'the same on an etcd of three members',
    roundsDefault: 3,
    run: clusterOnThree,
  },
  {
    name: 'cluster-three-nodes',
    summary: 'three nodes some way off etcd, one of which dies',
    roundsDefault: 1,
    run: clusterOfThree,
  },
  {
    name: 'destinations',
    summary: 'pushing to S3, SFTP, FTPS, FTP and Azure beside rclone',
    roundsDefault: 3,
    run: destinations,
  },
  {
    name: 'destinations-together',
    summary: 'pushing to four destinations at once',
    roundsDefault: 3,
    run: destinationsTogether,
  },
  {
    name: 'destinations-requests',
    summary: 'the requests of many tiny backups',
    roundsDefault: 1,
    run: destinationsRequests,
  },
];

const roundsDefault = 5;
const roundsMax = 100;

const usage = `npm run bench -- [options]

  --suite NAME     only this suite; may be given more than once (default: all)
${suites.map(({ name, summary }) => `                   ${name.padEnd(22)}${summary}`).join('\n')}
  --scale SCALE    small: about 50 MB; full: about 1 GB (default: small)
  --rounds N       how often each command is timed (default: ${roundsDefault}; memory, destinations-requests: 1; service, cluster, destinations: 3)
  --work DIR       where data is kept between runs, and backups go (default: ${join(tmpdir(), 'holdfast-bench')})
  --place NAME     of the suite destinations, only this kind: ${placeNames.join(', ')}; may be given more than once
  --json           one JSON document instead of tables
`;

interface Arguments {
  readonly suites: readonly Suite[];
  readonly scale: Scale;
  readonly rounds: number | undefined;
  readonly work: string;
  readonly places: readonly string[] | undefined;
  readonly json: boolean;
}

/** Undefined when the person asked for help; throws when they asked for something that there is not. */
function readArguments(): Arguments | undefined {
  const { values } = parseArgs({
    options: {
      suite: { type: 'string', multiple: true, default: [] },
      scale: { type: 'string', default: 'small' },
      rounds: { type: 'string' },
      work: { type: 'string', default: join(tmpdir(), 'holdfast-bench') },
      place: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const unknown = values.suite.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Error(`there is no suite "${unknown}"`);
  const nowhere = values.place.find((name) => !placeNames.some((place) => place === name));
  if (nowhere !== undefined) throw new Error(`there is no kind of place "${nowhere}"`);
  if (!Object.hasOwn(scales, values.scale)) throw new Error(`there is no scale "${values.scale}"`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= roundsMax)) {
    throw new Error(`--rounds is a number from 1 to ${roundsMax}`);
  }
  return {
    suites: suites.filter(({ name }) => values.suite.length === 0 || values.suite.includes(name)),
    scale: values.scale as Scale,
    rounds,
    work: values.work,
    places: values.place.length === 0 ? undefined : values.place,
    json: values.json,
  };
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

interface Failure {
  readonly suite: string;
  readonly message: string;
}

/** Runs one suite after another; one that breaks does not keep the others from being measured. */
async function runSuites(args: Arguments): Promise<{ reports: SuiteReport[]; failures: Failure[] }> {
  await using workspace = await Workspace.open(args.work);
  const reports: SuiteReport[] = [];
  const failures: Failure[] = [];
  for (const suite of args.suites) {
    log(`${suite.name}: ${suite.summary}`);
    await workspace.clear();
    try {
      const rounds = args.rounds ?? suite.roundsDefault ?? roundsDefault;
      const { scale, places } = args;
      const made = await suite.run({ workspace, scale, rounds, log, ...(places && { places }) });
      reports.push(...made);
      if (!args.json) for (const report of made) process.stdout.write(`\n${describeReport(report)}\n`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ suite: suite.name, message });
      log(`${suite.name} failed: ${message}`);
      // In the place of its tables too: what was redirected must not look complete.
      if (!args.json) process.stdout.write(`\n${suite.name} FAILED: ${message}\n\n`);
    }
  }
  return { reports, failures };
}

function asJson(
  machine: Machine,
  args: Arguments,
  reports: readonly SuiteReport[],
  failures: readonly Failure[],
) {
  return {
    machine,
    scale: args.scale,
    suites: reports.map((report) => ({
      ...report,
      measurements: report.measurements.map((one) => ({ ...one, medianSeconds: median(one.seconds) })),
      goals: report.goals.map((goal) => ({ ...goal, met: isMet(goal) })),
    })),
    failures,
  };
}

async function main(): Promise<number> {
  let args: Arguments | undefined;
  try {
    args = readArguments();
  } catch (error) {
    log(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (args === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const machine = describeMachine();
  const gigabytes = (machine.memoryBytes / 2 ** 30).toFixed(0);
  log(
    `${machine.date}, ${machine.cores} x ${machine.cpu}, ${gigabytes} GiB, Linux ${machine.kernel}, Node ${machine.node}, scale ${args.scale}, load ${machine.load.toFixed(2)}`,
  );
  if (machine.load > 0.5) log('this machine is busy: its figures are not to be relied on');
  const { reports, failures } = await runSuites(args);
  if (args.json)
    process.stdout.write(`${JSON.stringify(asJson(machine, args, reports, failures), null, 2)}\n`);
  // Unmet goals are for people to judge; what did not run at all is an error.
  const broken = reports.some(
    (report) =>
      (report.wrong ?? []).length > 0 || report.measurements.some(({ failure }) => failure !== undefined),
  );
  return failures.length > 0 || broken ? 1 : 0;
}

process.exitCode = await main();
