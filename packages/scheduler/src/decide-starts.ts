export interface WaitingRun {
  readonly run: string;
  readonly source: string;
  readonly dueMs: number;
  /** Why it may not start now, whatever is free: a blackout window, a pause. */
  readonly held?: string | undefined;
}

export interface StartLimits {
  /** Runs at once on this node. */
  readonly runsMax: number;
  /** Runs at once of one source. */
  readonly perSourceMax: number;
}

export interface Starts {
  readonly start: readonly string[];
  readonly waiting: readonly { readonly run: string; readonly reason: string }[];
}

/**
 * Which waiting runs start now. The one that is due longest comes first; one that its source holds up does not hold
 * up those of other sources. Above a limit a run waits, with the reason in words; it never fails. Pure.
 */
export function decideStarts(
  waiting: readonly WaitingRun[],
  running: readonly { readonly run: string; readonly source: string }[],
  limits: StartLimits,
): Starts {
  const bySource = new Map<string, string[]>();
  const take = (run: string, source: string): void => {
    bySource.set(source, [...(bySource.get(source) ?? []), run]);
  };
  for (const { run, source } of running) take(run, source);
  let runs = running.length;
  const start: string[] = [];
  const left: { run: string; reason: string }[] = [];
  for (const { run, source, held } of waiting.toSorted(byAge)) {
    const ofSource = bySource.get(source) ?? [];
    if (held !== undefined) left.push({ run, reason: held });
    else if (ofSource.length >= limits.perSourceMax) {
      const others = ofSource.length === 0 ? '' : `: ${ofSource.join(', ')}`;
      const at = `source ${source} has ${ofSource.length} of at most ${limits.perSourceMax} runs${others}`;
      left.push({ run, reason: at });
    } else if (runs >= limits.runsMax)
      left.push({ run, reason: `this node has ${runs} of at most ${limits.runsMax} runs` });
    else {
      start.push(run);
      take(run, source);
      runs++;
    }
  }
  return { start, waiting: left };
}

/** Of runs that are due at the same moment the name decides, so that every node and every preview says the same. */
function byAge(a: WaitingRun, b: WaitingRun): number {
  return a.dueMs - b.dueMs || (a.run < b.run ? -1 : a.run > b.run ? 1 : 0);
}
