import { FakeClock } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { mailReceiver } from './mail-server.fixture.ts';
import { testNotification } from './test-notification.ts';
import { webhookReceiver } from './webhook-receiver.fixture.ts';

const o = { signal: new AbortController().signal, clock: new FakeClock(), node: 'node-a' };

describe('a test of a notification', () => {
  it('arrives as a test', async () => {
    await using receiver = await webhookReceiver(200);
    await testNotification('on-call', { type: 'webhook', url: receiver.url }, o);
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
      event: 'test',
      node: 'node-a',
      text: 'this is a test of the notification on-call: it works',
    });
  });

  it('says why it does not arrive', async () => {
    await using receiver = await webhookReceiver(404);
    const tested = testNotification('on-call', { type: 'webhook', url: receiver.url }, o);
    await expect(tested).rejects.toMatchObject({ code: 'not_found', hint: expect.any(String) });
  });

  it('fails when one of several addresses is refused', async () => {
    await using receiver = await mailReceiver({
      disabledCommands: ['STARTTLS'],
      onRcptTo: ({ address }, _session, done) =>
        done(address === 'b@example.com' ? new Error('no such user') : null),
    });
    const declared = {
      type: 'email',
      server: `smtp://127.0.0.1:${receiver.port}`,
      from: 'holdfast@example.com',
      to: ['a@example.com', 'b@example.com'],
    } as const;
    await expect(testNotification('ops', declared, o)).rejects.toThrow('refuses b@example.com');
  });
});
