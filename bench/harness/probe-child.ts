// A process that asks two servers at a steady pace and looks at a node's sign of life in its store, until it is told
// to stop; then it tells what it has seen. See probe.ts.
import { Agent, get } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Beat, Probed, ProbeRequest, Sample } from './probe.ts';

/** Whoever started us may have gone without a word. */
const secondsMax = 900;
/** Answers that are waited for at once; more are not asked for, and counted. */
const waitingMax = 200;
const beatsEveryMs = 10;

const agent = new Agent({ keepAlive: true, maxSockets: 32 });
const request = JSON.parse(process.argv[2] ?? '') as ProbeRequest;
let stopped = false;
let waiting = 0;
const samples: Sample[] = [];
const errors: string[] = [];
const lateMs: number[] = [];

process.on('message', () => {
  stopped = true;
});
process.on('disconnect', () => process.exit(1));

function ask(of: Sample['of'], url: string): void {
  if (waiting >= waitingMax) {
    errors.push(`${waitingMax} answers were not there yet: ${of} was not asked`);
    return;
  }
  waiting++;
  const atMs = Date.now();
  const start = performance.now();
  const fail = (error: Error): void => {
    waiting--;
    errors.push(`${of}: ${error.message}`);
  };
  const asked = get(url, { agent }, (response) => {
    response.on('error', fail);
    response.on('end', () => {
      waiting--;
      if (response.statusCode === 200) samples.push({ of, atMs, ms: performance.now() - start });
      else errors.push(`${of}: status ${response.statusCode}`);
    });
    response.resume();
  });
  asked.on('error', fail);
}

/** At moments fixed beforehand, so that one slow answer does not keep the next question from being asked. */
async function askAll(): Promise<void> {
  const start = performance.now();
  const stepMs = request.everyMs / 2;
  for (let n = 1; !stopped && n * stepMs < secondsMax * 1000; n++) {
    const leftMs = start + n * stepMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
    lateMs.push(Math.max(0, performance.now() - start - n * stepMs));
    // In turn, half a step apart: they do not wait for one another.
    if (n % 2 === 0) ask('node', request.node);
    else ask('trivial', request.trivial);
  }
}

/** When each beat was first seen. */
async function watchBeats(): Promise<Beat[]> {
  using store = new DatabaseSync(request.store, { readOnly: true, timeout: 1_000 });
  const session = store.prepare('SELECT id, ttl_ms AS ttlMs, beat FROM session');
  const beats: Beat[] = [];
  const seen = new Map<string, number>();
  while (!stopped) {
    const rows = session.all() as unknown as { id: string; ttlMs: number; beat: number }[];
    const atMs = Date.now();
    for (const { id, ttlMs, beat } of rows) {
      if (seen.get(id) === beat) continue;
      // The first look finds one that was there before.
      if (seen.has(id)) beats.push({ session: id, ttlMs, atMs });
      seen.set(id, beat);
    }
    await sleep(beatsEveryMs);
  }
  return beats;
}

const [beats] = await Promise.all([watchBeats(), askAll()]);
for (let tries = 0; waiting > 0 && tries < 500; tries++) await sleep(10);
const probed: Probed = { samples, beats, lateMs, errors, endedAtMs: Date.now() };
process.send?.(probed, () => process.exit(0));
