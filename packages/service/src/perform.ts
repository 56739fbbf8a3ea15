import { type Clock, type Destination, HoldfastError, type Observer, type Sig } from '@holdfast/core';
import type { DestinationCounts, DestinationMeter } from '@holdfast/destinations/wrap';
import type {
  BackupReport,
  CheckReport,
  CopyReport,
  RestorePlanSummary,
  RestoreReport,
  Tools,
} from '@holdfast/engine';
import {
  type DestinationAddress,
  openDestination,
  openDestinations,
  openSource,
  placeOfAddress,
  rememberDestinations,
} from './open.ts';
import type {
  BackupRun,
  CheckRun,
  CopyRun,
  ReportOf,
  RestoreRun,
  RunReport,
  RunRequest,
} from './run-request.ts';
import { openSpillDirectory } from './spill-directory.ts';

/** How much of a backup that passes through staging lies there at once: some segments of each worker thread. */
const passageBytes = 512 * 1024 * 1024;
/** How long a run waits for room in staging that other runs have. */
const roomWaitMaxMs = 10 * 60_000;

export interface PerformOptions extends Sig {
  readonly observer: Observer;
  readonly clock: Clock;
  /** Told at the end of a backup or copy, however it ends, what was asked of each destination, in their order. */
  readonly onCounts?: (counts: readonly DestinationCounts[]) => void;
}

/** Puts drivers, staging and engine together and carries out one run in this process. */
export async function perform<Run extends RunRequest>(run: Run, o: PerformOptions): Promise<ReportOf<Run>> {
  o.signal.throwIfAborted();
  return (await performAny(run, o)) as ReportOf<Run>;
}

function performAny(run: RunRequest, o: PerformOptions): Promise<RunReport> {
  switch (run.kind) {
    case 'backup':
      return performBackup(run, o);
    case 'copy':
      return performCopy(run, o);
    case 'check':
      return performCheck(run, o);
    case 'restore':
      return performRestore(run, o);
  }
}

async function performBackup(run: BackupRun, o: PerformOptions): Promise<BackupReport> {
  const { clock, observer, signal } = o;
  await using stack = new AsyncDisposableStack();
  const [engine, uploader] = await Promise.all([import('@holdfast/engine'), import('@holdfast/uploader')]);
  const directory = run.staging ?? uploader.defaultStagingRoot();
  const { require = 'all', late = 'wait', stagingBytesMax, nodeRate } = run;
  const verify = new VerifyByPlace();
  const staging = new uploader.StagingArea({
    directory,
    clock,
    observer,
    require,
    late,
    roomWaitMaxMs,
    ...(run.passage && { passageBytes }),
    verify: verify.of,
    ...(stagingBytesMax !== undefined && { bytesMax: stagingBytesMax }),
  });
  const source = stack.use(await openSource(run.from, o));
  const memory = staging.knownDestinations;
  const meters = await metersFor(run.to, stack, o);
  const opening = { signal, stack, memory, clock, observer, nodeRate, meters };
  const destinations = await openDestinations(run.to, opening);
  verify.learn(destinations, run.to);
  const report = await engine.backup(
    run.request,
    { ...tools(run, o, engine), source, destinations, staging },
    o,
  );
  const notices = await rememberDestinations(destinations, memory);
  return { ...report, notices: [...report.notices, ...notices] };
}

async function performCopy(run: CopyRun, o: PerformOptions): Promise<CopyReport> {
  const { clock, observer, signal } = o;
  await using stack = new AsyncDisposableStack();
  const [engine, uploader] = await Promise.all([import('@holdfast/engine'), import('@holdfast/uploader')]);
  const directory = run.staging ?? uploader.defaultStagingRoot();
  const verify = new VerifyByPlace();
  const staging = new uploader.StagingArea({ directory, clock, observer, verify: verify.of });
  const memory = staging.knownDestinations;
  const { nodeRate } = run;
  const addresses = [run.to, ...run.from];
  const meters = await metersFor(addresses, stack, o);
  const opening = { signal, stack, memory, clock, observer, nodeRate, meters };
  const opened = await openDestinations(addresses, opening);
  verify.learn(opened, addresses);
  const [to, ...from] = opened;
  if (!to) throw new HoldfastError('internal', 'no destination was opened');
  const report = await engine.copy(run.request, { clock, from, to, staging }, o);
  const notices = await rememberDestinations([to], memory);
  return { ...report, notices: [...report.notices, ...notices] };
}

async function performCheck(run: CheckRun, o: PerformOptions): Promise<CheckReport> {
  const engine = await import('@holdfast/engine');
  await using destination = await openDestination(run.at, o);
  return await engine.check(run.request, { ...tools(run, o, engine), destination }, o);
}

async function performRestore(
  run: RestoreRun,
  o: PerformOptions,
): Promise<RestorePlanSummary | RestoreReport> {
  const [engine, uploader] = await Promise.all([import('@holdfast/engine'), import('@holdfast/uploader')]);
  await using stack = new AsyncDisposableStack();
  const destination = stack.use(await openDestination(run.at, o));
  const target = stack.use(await openSource(run.to, o));
  const spill = stack.use(await openSpillDirectory(run.staging ?? uploader.defaultStagingRoot()));
  const all = { ...tools(run, o, engine), destination, target, spillDirectory: spill.path };
  return run.planOnly
    ? await engine.planRestore(run.request, all, o)
    : await engine.restore(run.request, all, o);
}

/** What they have counted is told when the stack is disposed. */
async function metersFor(
  addresses: readonly DestinationAddress[],
  stack: AsyncDisposableStack,
  { onCounts }: PerformOptions,
): Promise<readonly DestinationMeter[]> {
  const { DestinationMeter } = await import('@holdfast/destinations/wrap');
  const meters = addresses.map(() => new DestinationMeter());
  stack.defer(() => onCounts?.(meters.map(({ counts }) => counts)));
  return meters;
}

function tools(
  run: BackupRun | CheckRun | RestoreRun,
  o: PerformOptions,
  engine: typeof import('@holdfast/engine'),
): Tools {
  return { clock: o.clock, observer: o.observer, workersMax: run.workers ?? engine.defaultWorkers() };
}

type Verify = 'sample' | 'full';

/** Staging is there before its destinations are: where they were opened last is asked of it. */
class VerifyByPlace {
  readonly #known = new Map<string, Verify>();

  readonly of = ({ description }: Destination): Verify => this.#known.get(description) ?? 'sample';

  /** @param addresses those of the destinations, in their order */
  learn(destinations: readonly Destination[], addresses: readonly DestinationAddress[]): void {
    for (const [index, { description }] of destinations.entries()) {
      const address = addresses[index];
      const { verify = 'sample' } = address === undefined ? {} : placeOfAddress(address);
      this.#known.set(description, verify);
    }
  }
}
