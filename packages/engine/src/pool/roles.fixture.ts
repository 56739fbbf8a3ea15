/** A role for tests of the pool: does, or fails to do, what each job says. Also the entry of its worker threads. */
import { appendFileSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { HoldfastError } from '@holdfast/core';
import type { Role, RoleOptions } from './role.ts';

export interface TestInit {
  /** Gets a line when a role is opened, and one when it is disposed. */
  readonly log: string;
  readonly open?: 'throw';
}

export type TestJob =
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'throw' | 'throw foreign' | 'exit' | 'spin' | 'until abort' | 'crash later' };

export interface TestResult {
  readonly value: number;
  readonly thread: number;
}

class TestRole implements Role<TestJob, TestResult, number> {
  readonly #init: TestInit;
  readonly #o: RoleOptions;
  #jobs = 0;

  constructor(init: TestInit, o: RoleOptions) {
    this.#init = init;
    this.#o = o;
    appendFileSync(init.log, 'opened\n');
  }

  async run(job: TestJob): Promise<TestResult> {
    this.#jobs++;
    switch (job.kind) {
      case 'double':
        this.#o.progress(job.value, 1);
        return { value: job.value * 2, thread: threadId };
      case 'throw':
        throw new HoldfastError('source_failed', 'as the job says', { hint: 'ask for another job' });
      case 'throw foreign':
        throw new TypeError('not ours');
      case 'exit':
        process.exit(0);
        break;
      case 'crash later':
        setImmediate(() => {
          throw new Error('nobody catches this');
        });
        return await new Promise(() => {});
      case 'spin':
        appendFileSync(this.#init.log, 'spinning\n');
        for (;;);
    }
    appendFileSync(this.#init.log, 'waiting\n');
    return await new Promise((_, reject) => {
      this.#o.signal.addEventListener('abort', () => reject(this.#o.signal.reason), { once: true });
    });
  }

  async end(): Promise<number> {
    return this.#jobs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    appendFileSync(this.#init.log, 'disposed\n');
  }
}

export async function openRole(init: TestInit, o: RoleOptions): Promise<TestRole> {
  if (init.open === 'throw') throw new HoldfastError('unauthenticated', 'may not open');
  return new TestRole(init, o);
}
