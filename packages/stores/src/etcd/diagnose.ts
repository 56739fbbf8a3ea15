import { type Clock, HoldfastError, type Sig } from '@holdfast/core';
import { CallLimit } from './call-limit.ts';
import type { EtcdMember } from './etcd-member.ts';

const statusMaxMs = 500;

/**
 * Why etcd does not answer, as its members see it: each is asked for its own state, which it knows without the others.
 * Undefined when they see nothing wrong.
 */
export async function diagnose(
  members: readonly EtcdMember[],
  o: Sig & { readonly clock: Clock; readonly error: HoldfastError },
): Promise<HoldfastError | undefined> {
  const asked = await Promise.all(members.map((member) => leaderOf(member, o)));
  const answers = asked.filter((leader) => leader !== undefined);
  if (answers.length === 0 || answers.some((leader) => leader !== 0n)) return undefined;
  const who = `${answers.length} of ${members.length} endpoints ${answers.length === 1 ? 'answers' : 'answer'}`;
  return new HoldfastError('unavailable', `${o.error.reason}: etcd has no leader, so no quorum (${who})`, {
    hint: 'start the members that are down, or mend the network between them: more than half have to see one another',
    cause: o.error,
  });
}

/** The leader's number, 0 when the member knows none; undefined when it does not say. */
async function leaderOf(member: EtcdMember, o: Sig & { readonly clock: Clock }): Promise<bigint | undefined> {
  using limit = new CallLimit({ clock: o.clock, signals: [o.signal], maxMs: statusMaxMs });
  try {
    return (await limit.within(member.maintenance.status({}, { signal: limit.signal }))).leader;
  } catch {
    // It cannot be reached, or tells administrators only.
    return undefined;
  }
}
