import type { CopyView, RunView, TaskView } from '@holdfast/client';
import type { Colors } from './terminal.ts';
import { bytes, counted, duration } from './units.ts';

/** `orders incremental: reading 41 %, 30 MB of 72 MB, 11.4 MB/s, 3 of 9 tables, 4 s left` */
export function progressText(run: RunView, nowMs: number): string {
  const { progress } = run;
  const head = `${run.task} ${run.scopeMade ?? run.scopeAsked}`;
  if (run.state === 'waiting')
    return `${head}: waits${run.waitingFor === undefined ? '' : ` for ${run.waitingFor}`}`;
  if (!progress) return `${head}: ${run.state}`;
  const parts = [`${progress.phase} ${Math.floor(progress.percent)} %`];
  if (progress.totalBytes > 0) {
    parts.push(`${bytes(progress.doneBytes)} of ${bytes(progress.totalBytes)}`);
    parts.push(`${bytes(progress.bytesPerSecond)}/s`);
  }
  if (progress.tablesTotal > 0)
    parts.push(`${progress.tablesDone} of ${counted(progress.tablesTotal, 'table')}`);
  if (progress.estimatedEnd !== undefined)
    parts.push(`${duration(Math.max(0, Date.parse(progress.estimatedEnd) - nowMs))} left`);
  if (progress.stuck) parts.push(`STUCK since ${progress.lastProgressAt}`);
  const pushes = progress.destinations.map(
    ({ name, state, doneBytes, totalBytes, error }) =>
      `${name} ${state} ${bytes(doneBytes)} of ${bytes(totalBytes)}${error ? ` (${error.message})` : ''}`,
  );
  return [`${head}: ${parts.join(', ')}`, ...pushes].join('; ');
}

/** One line about a run that has ended. */
export function describeRun(run: RunView, colors: Colors): string {
  const took =
    run.startedAt !== undefined && run.endedAt !== undefined
      ? `, ${duration(Date.parse(run.endedAt) - Date.parse(run.startedAt))}`
      : '';
  if (run.state !== 'succeeded')
    return `${run.state} run ${run.id}: ${run.error?.message ?? run.reason}${took}`;
  const behind = behindText(run);
  if (run.outcome === 'unchanged')
    return `Nothing changed in ${run.task} since ${run.backup}${took}${behind}`;
  const kind = run.scopeMade === 'full' ? 'Full' : 'Incremental';
  const content =
    run.scopeMade === 'full'
      ? counted(run.rows, 'row')
      : `${counted(run.changes, 'change')}, ${counted(run.rows, 'row')} anew`;
  const size = `${bytes(run.rawBytes)} in ${bytes(run.storedBytes)}`;
  const what = `${kind} backup ${run.task} ${run.backup} ${run.outcome}: ${content}, ${size}${took}`;
  return `${colors.bold(what)}${behind}`;
}

/** `; left far behind`: the backup is good all the same, and far may have caught up since. */
function behindText({ destinations }: RunView): string {
  const behind = destinations.filter(({ state }) => state === 'behind').map(({ name }) => name);
  if (behind.length === 0) return '';
  return `; left ${behind.join(', ')} behind`;
}

/** `copying orders to far: uploading 20.0 kB of 40.1 kB, 10.0 kB/s, 4.1 s left`, of the backup that is on its way. */
export function copyText({ task, to, state, progress }: CopyView, nowMs: number): string {
  const head = `copying ${task} to ${to}`;
  if (!progress) return `${head}: ${state}`;
  const { doneBytes, totalBytes, bytesPerSecond, estimatedEnd } = progress;
  const parts = [
    `${progress.state} ${bytes(doneBytes)} of ${bytes(totalBytes)}`,
    `${bytes(bytesPerSecond)}/s`,
  ];
  if (estimatedEnd !== undefined)
    parts.push(`${duration(Math.max(0, Date.parse(estimatedEnd) - nowMs))} left`);
  return `${head}: ${parts.join(', ')}`;
}

/** `in 4 min`, `2 h ago`: from now. */
export function relative(moment: string, nowMs: number): string {
  const ms = Date.parse(moment) - nowMs;
  return ms >= 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

const bad = ['overdue', 'never-ran'];

export function freshnessText(task: TaskView, colors: Colors): string {
  const { state, runningTooLong } = task.freshness;
  const text = runningTooLong ? `${state}, running too long` : state;
  if (bad.includes(state) || runningTooLong) return colors.red(text);
  return state === 'fresh' ? colors.green(text) : text;
}
