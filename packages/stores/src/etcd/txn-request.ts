import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Session, Transaction } from '@holdfast/core';
import { Compare_CompareTarget, type TxnRequestSchema } from './etcd.generated.ts';
import type { KeySpace } from './key-space.ts';

/** A transaction as etcd takes it. `leaseOf` tells the lease of a session. */
export function txnRequest(
  { checks = [], puts = [], deletes = [] }: Transaction,
  keys: KeySpace,
  leaseOf: (session: Pick<Session, 'id'>) => bigint,
): MessageInitShape<typeof TxnRequestSchema> {
  const compare = checks.map(({ key, revision }) =>
    revision === 'absent'
      ? {
          key: keys.key(key),
          target: Compare_CompareTarget.CREATE,
          targetUnion: { case: 'createRevision' as const, value: 0n },
        }
      : {
          key: keys.key(key),
          target: Compare_CompareTarget.MOD,
          targetUnion: { case: 'modRevision' as const, value: BigInt(revision) },
        },
  );
  const changes = [
    ...puts.map(({ key, value, session }) => ({
      request: {
        case: 'requestPut' as const,
        value: { key: keys.key(key), value: Buffer.from(value), lease: session ? leaseOf(session) : 0n },
      },
    })),
    ...deletes.map((key) => ({
      request: { case: 'requestDeleteRange' as const, value: { key: keys.key(key) } },
    })),
  ];
  if (changes.length > 0) return { compare, success: changes };
  // A member answers a transaction without any operation from what it has, however old: a linearizable read makes it
  // ask for a quorum first.
  const look = { case: 'requestRange' as const, value: { key: keys.key(''), countOnly: true } };
  return { compare, success: [{ request: look }] };
}
