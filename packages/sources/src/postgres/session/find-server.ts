import { HoldfastError } from '@holdfast/core';
import { type Answer, choosePrimary } from './choose-primary.ts';
import { fromAbort } from './errors.ts';
import type { Host, Target, TargetRole } from './url.ts';

export interface OpenAt {
  readonly role: TargetRole;
  readonly connectTimeoutMs: number;
}

type Open<S> = (host: Host, o: OpenAt) => Promise<S>;
type Reachable = Answer & AsyncDisposable;

/** When all hosts are asked, one that is silent must not hold up the others for as long as it might take alone. */
const askedMsMax = 5_000;

/**
 * Opens a session at the first of the target's hosts that fits. With several hosts and a primary wanted, all are asked
 * at once, since one that was left behind by a failover believes to be the primary as well.
 * @throws HoldfastError that names each host and why it was not taken; precondition_failed for two primaries
 */
export async function findServer<S extends Reachable>(
  target: Target,
  o: { readonly signal: AbortSignal },
  open: Open<S>,
): Promise<S> {
  const { hosts, role } = target;
  if (hosts.length > 1 && (role === 'primary' || role === 'read-write'))
    return await findPrimary({ ...target, role }, o, open);
  // `prefer-standby` goes round twice: standbys first, then whatever there is.
  const rounds: TargetRole[] = role === 'prefer-standby' ? ['standby', 'any'] : [role];
  const failures: HoldfastError[] = [];
  for (const wanted of rounds) {
    for (const host of hosts) {
      try {
        return await open(host, { role: wanted, connectTimeoutMs: target.connectTimeoutMs });
      } catch (caught) {
        if (o.signal.aborted) throw fromAbort(o.signal);
        failures.push(HoldfastError.from(caught));
      }
    }
  }
  throw noneFits(failures);
}

async function findPrimary<S extends Reachable>(
  target: Target & { readonly role: 'primary' | 'read-write' },
  { signal }: { readonly signal: AbortSignal },
  open: Open<S>,
): Promise<S> {
  const found: (S | HoldfastError)[] = [];
  let taken: S | undefined;
  const ask = async (connectTimeoutMs: number): Promise<void> => {
    await Promise.all(
      target.hosts.map(async (host, index) => {
        const before = found[index];
        // Nobody has refused anything yet, or the time was too short for an answer.
        if (before !== undefined && !(before instanceof HoldfastError && before.code === 'unavailable'))
          return;
        found[index] = await open(host, { role: 'any', connectTimeoutMs }).catch((caught: unknown) =>
          HoldfastError.from(caught),
        );
      }),
    );
    if (signal.aborted) throw fromAbort(signal);
  };
  const answers = (): S[] => found.filter((each) => !(each instanceof HoldfastError)) as S[];
  try {
    await ask(Math.min(askedMsMax, target.connectTimeoutMs));
    let choice = choosePrimary(target.role, answers());
    if (!choice.taken && target.connectTimeoutMs > askedMsMax) {
      await ask(target.connectTimeoutMs);
      choice = choosePrimary(target.role, answers());
    }
    taken = choice.taken;
    if (taken) return taken;
    const { refused } = choice;
    throw noneFits(
      found.flatMap((each) => (each instanceof HoldfastError ? each : (refused.get(each) ?? []))),
    );
  } finally {
    await Promise.all(
      answers()
        .filter((each) => each !== taken)
        .map((each) => each[Symbol.asyncDispose]()),
    );
  }
}

/** What stays so until somebody mends it, when all hosts say the same. */
const lasting = ['unauthenticated', 'permission_denied', 'not_found', 'config_invalid'];

function noneFits(failures: readonly HoldfastError[]): HoldfastError {
  const last = failures.at(-1) ?? new HoldfastError('config_invalid', 'the PostgreSQL URL names no host');
  const reasons = new Set(failures.map(({ reason }) => reason));
  if (reasons.size < 2) return last;
  const { code } = last;
  const agreed = lasting.includes(code) && failures.every((each) => each.code === code);
  return new HoldfastError(agreed ? code : 'unavailable', `no server fits: ${[...reasons].join('; ')}`, {
    hint: last.hint,
    cause: last,
  });
}
