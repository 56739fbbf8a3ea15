import { HoldfastError } from '@holdfast/core';
import { isSameServer, type Member, misfit, wrongRole } from './member.ts';
import type { TargetRole } from './url.ts';

/** A server that let us in. */
export interface Answer {
  /** Host and database, for people. */
  readonly where: string;
  readonly member: Member;
}

export interface Choice<A> {
  readonly taken: A | undefined;
  /** Why the others before it were not. */
  readonly refused: ReadonlyMap<A, HoldfastError>;
}

/**
 * The first server that fits, in the order of the URL, once it is sure that there is only one primary. Pure.
 * @throws HoldfastError precondition_failed when two servers claim to be the primary
 */
export function choosePrimary<A extends Answer>(
  role: Extract<TargetRole, 'primary' | 'read-write'>,
  answers: readonly A[],
): Choice<A> {
  refuseTwoPrimaries(answers);
  const refused = new Map<A, HoldfastError>();
  for (const answer of answers) {
    const is = misfit(role, answer.member) ?? leftBehind(answer, answers);
    if (is === undefined) return { taken: answer, refused };
    refused.set(answer, wrongRole(answer.where, is, role));
  }
  return { taken: undefined, refused };
}

/** One server may be named twice, by its name and its address. A second one that takes no writes harms nobody. */
function refuseTwoPrimaries(answers: readonly Answer[]): void {
  const primaries = answers.filter(({ member }) => !member.standby);
  for (const [index, one] of primaries.entries()) {
    const rival = primaries.slice(index + 1).find((other) => claimsTheSame(one.member, other.member));
    if (!rival) continue;
    const clusters = one.member.system !== rival.member.system;
    const describe = ({ where, member }: Answer): string =>
      `${where} (${clusters ? `system ${member.system}, ` : ''}timeline ${member.timeline})`;
    throw new HoldfastError(
      'precondition_failed',
      `two servers claim to be the primary: ${describe(one)} and ${describe(rival)}`,
      {
        hint: clusters
          ? 'they are of two clusters, of which the URL may name only one'
          : 'one was left behind by a failover: stop it or make it a standby of the other, or name only the right one in the URL',
      },
    );
  }
}

function claimsTheSame(one: Member, other: Member): boolean {
  if (isSameServer(one, other)) return false;
  const bothWritable = !one.readOnly && !other.readOnly;
  return bothWritable || (one.system === other.system && one.timeline !== other.timeline);
}

/** Its standbys have followed another primary, whether or not that one answers now. */
function leftBehind({ member }: Answer, answers: readonly Answer[]): string | undefined {
  const ahead = answers.find(
    (other) => other.member.system === member.system && other.member.timeline > member.timeline,
  );
  return (
    ahead &&
    `a primary that was left behind on timeline ${member.timeline} (${ahead.where} is on timeline ${ahead.member.timeline})`
  );
}
