import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runSteps } from '@holdfast/core';
import type { TemporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { nodeName } from '../../packages/cli/src/names.ts';
import { holdfast } from '../harness/run-holdfast.ts';

/** A database that can be changed, backed up, and compared with what was restored of it. */
export interface Subject {
  readonly url: string;
  change(round: number): Promise<void>;
  /** Restores the newest backup by a command's arguments, compares, and removes the copy. */
  expectRestored(from: readonly string[], round: number): Promise<void>;
  /** How many chains the source keeps changes for. */
  kept(): Promise<number>;
}

/** The tests of one kind of source. `open` makes a database of that name. */
export function describeCrashes(
  kind: string,
  open: (name: string) => Promise<Subject>,
  folder: () => TemporaryFolder,
): void {
  const crashes = async (name: string) => new Crashes(await open(name), folder(), name);

  describe(`a backup of ${kind} that is killed leaves what restores, and the next goes on`, () => {
    test.each(['full', 'auto'] as const)('at any step of scope %s', async (scope) => {
      await (await crashes(scope)).atEveryStep(scope);
    });

    test('at any time, fifty times', async () => {
      // Some have ended by themselves by then; most must not.
      expect(await (await crashes('any')).atAnyTime(50)).toBeGreaterThan(20);
    });
  });
}

/** Runs of one database that are killed, and what must hold after each. */
class Crashes {
  readonly #subject: Subject;
  readonly #at: string;
  readonly #staging: string;
  #round = 0;
  /** A run came to its end. */
  #stored = false;

  constructor(subject: Subject, folder: TemporaryFolder, name: string) {
    this.#subject = subject;
    this.#at = `file:${folder.join(`backups-${name}`)}`;
    this.#staging = folder.join(`staging-${name}`);
  }

  /** A kill at every step of a run; the next run then goes on, and restores to what the database is. */
  async atEveryStep(scope: 'full' | 'auto'): Promise<void> {
    for (const step of runSteps) {
      await this.#subject.change(++this.#round);
      await this.#killed(scope, { step });
      await this.#expectListedWhole();
      await this.#expectGoesOn(`killed at ${step} of ${scope}`);
    }
  }

  /** Kills at any time, some of them in a row. @returns how many hit a run that was at work */
  async atAnyTime(times: number): Promise<number> {
    const began = performance.now();
    await this.#killed('full', {});
    const runMs = performance.now() - began;
    let hits = 0;
    for (let time = 0; time < times; time++) {
      await this.#subject.change(++this.#round);
      const afterMs = (runMs * ((time * 7919) % 1000)) / 1000;
      if ((await this.#killed(time % 5 === 0 ? 'full' : 'auto', { afterMs })) === 'SIGKILL') hits++;
      await this.#expectListedWhole();
      if (time % 5 === 4) await this.#expectGoesOn(`killed after ${Math.round(afterMs)} ms`);
    }
    return hits;
  }

  async #expectGoesOn(after: string): Promise<void> {
    const what = [
      '--from',
      this.#subject.url,
      '--to',
      this.#at,
      '--name',
      'crash',
      '--staging',
      this.#staging,
    ];
    await holdfast(['backup', ...what]);
    this.#stored = true;
    expect(await this.#subject.kept(), after).toBeLessThanOrEqual(1);
    await this.#subject.expectRestored(['--at', this.#at], this.#round);
  }

  /** Whatever the kill left, what is listed is whole. */
  async #expectListedWhole(): Promise<void> {
    const { findings } = await holdfast<{ findings: unknown[] }>(['check', '--at', this.#at]).catch(
      async (error: unknown) => {
        // Nothing was stored yet, not even a folder: there is no backup to be wrong.
        if (!this.#stored && /not_found|there is no folder/.test(String(error))) return { findings: [] };
        throw error;
      },
    );
    expect(findings).toEqual([]);
  }

  /** Starts a backup that is killed at a step, or from outside after some time, or not. @returns how it ended */
  async #killed(
    scope: 'full' | 'auto',
    when: { readonly step?: string; readonly afterMs?: number },
  ): Promise<NodeJS.Signals | null> {
    const request = {
      kind: 'backup',
      from: this.#subject.url,
      to: [this.#at],
      staging: this.#staging,
      request: {
        task: 'crash',
        scope,
        type: 'logical',
        keepChanges: true,
        node: nodeName(),
        generation: 0,
        newSource: false,
      },
    };
    const script = join(import.meta.dirname, 'killed-run.fixture.ts');
    const child = spawn(process.execPath, [script, JSON.stringify(request), when.step ?? ''], {
      stdio: 'ignore',
    });
    const gone = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const timer = when.afterMs ? setTimeout(() => child.kill('SIGKILL'), when.afterMs) : undefined;
    const [, signal] = await gone;
    clearTimeout(timer);
    return signal;
  }
}
