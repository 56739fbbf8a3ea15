import type { Scale } from '../data-postgres.ts';
import type { SuiteReport } from './report.ts';
import type { Workspace } from './workspace.ts';

export interface SuiteOptions {
  readonly workspace: Workspace;
  readonly scale: Scale;
  readonly rounds: number;
  readonly log: (line: string) => void;
  /** Only these kinds of places, where a suite has several; all of them unless said. */
  readonly places?: readonly string[];
}

export interface Suite {
  readonly name: string;
  readonly summary: string;
  /** Undefined: as all others. */
  readonly roundsDefault?: number;
  readonly run: (options: SuiteOptions) => Promise<SuiteReport[]>;
}

export type RunSuite = Suite['run'];
