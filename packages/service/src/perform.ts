import type { Clock, Observer, Sig } from '@holdfast/core';
import type { BackupReport, CheckReport, RestorePlanSummary, RestoreReport, Tools } from '@holdfast/engine';
import { openDestination, openDestinations, openSource, rememberDestinations } from './open.ts';
import type { BackupRun, CheckRun, ReportOf, RestoreRun, RunReport, RunRequest } from './run-request.ts';
import { openSpillDirectory } from './spill-directory.ts';

export interface PerformOptions extends Sig {
  readonly observer: Observer;
  readonly clock: Clock;
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
  const { require = 'all' } = run;
  const staging = new uploader.StagingArea({ directory, clock, observer, require });
  const source = stack.use(await openSource(run.from, o));
  const memory = staging.knownDestinations;
  const destinations = await openDestinations(run.to, { signal, stack, memory, clock, observer });
  const report = await engine.backup(
    run.request,
    { ...tools(run, o, engine), source, destinations, staging },
    o,
  );
  const notices = await rememberDestinations(destinations, memory);
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

function tools(run: RunRequest, o: PerformOptions, engine: typeof import('@holdfast/engine')): Tools {
  return { clock: o.clock, observer: o.observer, workersMax: run.workers ?? engine.defaultWorkers() };
}
