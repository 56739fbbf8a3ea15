import { type DeclaredNotification, HoldfastError } from '@holdfast/core';
import { type DeliverOptions, deliver } from './deliver.ts';

/**
 * Sends a message that says it is a test; resolves when the receiver has taken it.
 *
 * @throws HoldfastError with the cause, as `deliver`; and precondition_failed when only some addresses were taken
 */
export async function testNotification(
  name: string,
  declared: DeclaredNotification,
  o: DeliverOptions & { readonly node: string },
): Promise<void> {
  const atMs = o.clock.now();
  const { refused } = await deliver(
    {
      id: `${new Date(atMs).toISOString()}-test-${name}`,
      event: 'test',
      atMs,
      node: o.node,
      text: `this is a test of the notification ${name}: it works`,
    },
    declared,
    o,
  );
  if (refused.length === 0) return;
  throw new HoldfastError('precondition_failed', `the mail server refuses ${refused.join(', ')}`, {
    hint: 'correct these addresses, then holdfast apply; the others have the message',
  });
}
