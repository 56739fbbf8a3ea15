import { type Finding, HoldfastError, type Scope, type SourceIdentity, type TaskType } from '@holdfast/core';
import type { FoundChain } from '../catalog/chain.ts';
import { missingObjects } from '../catalog/chain.ts';

export interface ScopeQuestion {
  readonly task: string;
  readonly scope: Scope | 'auto';
  readonly type: TaskType;
  readonly keepChanges: boolean | 'if-possible' | undefined;
  readonly newSource: boolean;
  readonly node: string;
  readonly generation: number;
  readonly ownedGeneration?: number;
  readonly source: SourceIdentity;
  /** What incrementals of this source would need and do not have. */
  readonly unmet: readonly Finding[];
  readonly chains: readonly FoundChain[];
}

export type ScopeAnswer =
  /** Chains to try, the best first. When none can be continued: a full if `orFull`. */
  | {
      readonly scope: 'incremental';
      readonly candidates: readonly FoundChain[];
      readonly orFull: FullAnswer | undefined;
    }
  | FullAnswer;

export interface FullAnswer {
  readonly scope: 'full';
  readonly keepChanges: boolean;
  readonly reason: string;
  readonly notices: readonly string[];
}

/**
 * Full or incremental, and of which chain; with the reason in words. Pure.
 * @throws HoldfastError precondition_failed when what was asked for cannot be, or would mix two databases
 */
export function decideScope(question: ScopeQuestion): ScopeAnswer {
  refuseOtherDatabase(question);
  if (question.scope === 'full') return full(question, 'a full backup was asked for');
  const { candidates, why } = findCandidates(question);
  if (question.scope === 'incremental') {
    if (question.unmet[0]) throw unmetError(question.unmet[0]);
    if (candidates.length === 0)
      throw new HoldfastError('precondition_failed', `task ${question.task}: no chain to continue: ${why}`, {
        hint: 'make a full backup first (--full --keep-changes), or leave the choice to --auto',
      });
    return { scope: 'incremental', candidates, orFull: undefined };
  }
  if (question.unmet[0]) return full(question, `incrementals are not possible: ${question.unmet[0].message}`);
  if (candidates.length === 0) return full(question, why);
  return { scope: 'incremental', candidates, orFull: full(question, 'no chain can be continued') };
}

function full(question: ScopeQuestion, reason: string): FullAnswer {
  const [unmet] = question.unmet;
  if (question.keepChanges === true && unmet) throw unmetError(unmet);
  // A full by hand leaves nothing on the server; `auto` is how a task runs, and a task wants its incrementals.
  const wanted =
    question.keepChanges === undefined ? question.scope === 'auto' : question.keepChanges !== false;
  const notices =
    wanted && unmet
      ? [`no changes are kept for incrementals: ${unmet.message}${unmet.hint ? ` (${unmet.hint})` : ''}`]
      : [];
  return { scope: 'full', keepChanges: wanted && !unmet, reason, notices };
}

function unmetError(unmet: Finding): HoldfastError {
  return new HoldfastError(unmet.code ?? 'precondition_failed', unmet.message, { hint: unmet.hint });
}

function refuseOtherDatabase(question: ScopeQuestion): void {
  const newest = question.chains[0]?.backups[0]?.manifest.source;
  if (!newest || question.newSource) return;
  if (newest.type === question.source.type && newest.identity === question.source.identity) return;
  throw new HoldfastError(
    'precondition_failed',
    `task ${question.task} holds backups of another database: ${newest.type} ${newest.name} (${newest.identity}), ` +
      `this one is ${question.source.type} ${question.source.name} (${question.source.identity})`,
    {
      hint: 'give this database another task (--name, or another name in the files); if it replaces the old one on purpose, say --new-source',
    },
  );
}

function findCandidates(question: ScopeQuestion): { candidates: FoundChain[]; why: string } {
  const candidates: FoundChain[] = [];
  let why = 'there is no full backup yet';
  for (const chain of question.chains) {
    const reason = whyNot(chain, question);
    if (reason === undefined) candidates.push(chain);
    else if (candidates.length === 0 && why === 'there is no full backup yet') why = reason;
  }
  return { candidates, why };
}

function whyNot(chain: FoundChain, question: ScopeQuestion): string | undefined {
  const head = chain.backups.at(-1)?.manifest;
  const name = `chain ${chain.chain}`;
  if (!head) return `${name} has no usable full backup`;
  if (chain.problems[0]) return `${name} is broken (${chain.problems[0].detail})`;
  const [missing] = missingObjects(chain);
  if (missing) return `${name} is not whole (${missing.detail})`;
  if (head.source.identity !== question.source.identity) return `${name} is of another database`;
  const full = chain.backups[0]?.manifest ?? head;
  const isOwn = full.generation === question.generation || full.generation === question.ownedGeneration;
  if (full.node !== question.node || !isOwn)
    return `${name} was begun by node ${full.node}, generation ${full.generation}, and only it may continue it`;
  if (head.type !== question.type) return `${name} is of type ${head.type}`;
  if (head.state === null) return `no changes were kept since ${name}`;
  return undefined;
}
