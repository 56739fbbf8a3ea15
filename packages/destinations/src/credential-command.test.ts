import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { type CredentialCommand, HoldfastError, SystemClock } from '@holdfast/core';
import { FakeClock, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { expect, onTestFinished, test } from 'vitest';
import { CommandCredentials } from './credential-command.ts';

const { signal } = new AbortController();
const secret = 'hunter2-hunter2';

interface Asked {
  readonly credentials: CommandCredentials;
  readonly clock: FakeClock;
  readonly folder: TemporaryFolder;
  /** How often the program was run. */
  runs(): Promise<number>;
}

/** A program as a shell script that first notes that it runs. */
async function asking(script: string): Promise<Asked> {
  const folder = await temporaryFolder('credentials');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const file = folder.join('program');
  await writeFile(file, `#!/bin/sh\necho run >> ${folder.join('runs')}\ncd ${folder.path}\n${script}\n`, {
    mode: 0o700,
  });
  const clock = new FakeClock();
  const command: CredentialCommand = { command: [file, `--token=${secret}`], timeoutMs: 10_000 };
  const runs = async (): Promise<number> =>
    (await readFile(folder.join('runs'), 'utf8')).trim().split('\n').length;
  return { credentials: new CommandCredentials(command, clock), clock, folder, runs };
}

async function refusal(asked: Asked): Promise<HoldfastError> {
  const error = await asked.credentials.get({ signal }).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  const refused = error as HoldfastError;
  expect(`${refused.message} ${refused.hint} ${String(refused.cause)}`).not.toContain(secret);
  return refused;
}

/** Until the script has made a file. */
async function made(folder: TemporaryFolder, name: string): Promise<void> {
  while (!existsSync(folder.join(name))) await new SystemClock().sleep(2, signal);
}

test('the texts that a program prints are the credentials, and it is run once', async () => {
  const asked = await asking(`echo '{"user": "u", "password": "${secret}", "Version": 1}'`);
  for (let i = 0; i < 3; i += 1) {
    const { fields, expiresAtMs } = await asked.credentials.get({ signal });
    expect(fields).toEqual({ user: 'u', password: secret });
    expect(expiresAtMs).toBeUndefined();
  }
  expect(await asked.runs()).toBe(1);
});

test("the AWS tools' own form is understood", async () => {
  const asked = await asking(
    `echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": "2026-11-20T15:00:00Z"}'`,
  );
  expect(await asked.credentials.get({ signal })).toEqual({
    fields: { accessKeyId: 'a', secretAccessKey: 's' },
    expiresAtMs: Date.UTC(2026, 10, 20, 15),
  });
});

test('callers at the same time share one run', async () => {
  const asked = await asking(`echo '{"user": "u"}'`);
  const all = await Promise.all(Array.from({ length: 8 }, () => asked.credentials.get({ signal })));
  expect(new Set(all).size).toBe(1);
  expect(await asked.runs()).toBe(1);
});

test('credentials are taken anew five minutes before they expire', async () => {
  // The clock starts at 14:00.
  const asked = await asking(`echo '{"user": "u", "expiration": "2026-11-20T15:00:00Z"}'`);
  await asked.credentials.get({ signal });
  await asked.clock.advance(54 * 60_000);
  await asked.credentials.get({ signal });
  expect(await asked.runs()).toBe(1);
  await asked.clock.advance(60_000);
  await asked.credentials.get({ signal });
  expect(await asked.runs()).toBe(2);
});

test('fresh ones are asked for when the last were refused', async () => {
  const asked = await asking(`echo "{\\"user\\": \\"u$(wc -l < runs)\\"}"`);
  expect((await asked.credentials.get({ signal })).fields).toEqual({ user: 'u1' });
  expect((await asked.credentials.get({ signal, fresh: true })).fields).toEqual({ user: 'u2' });
  expect((await asked.credentials.get({ signal })).fields).toEqual({ user: 'u2' });
});

test('a failure is not kept: the next caller has the program run again', async () => {
  const asked = await asking(`[ -e fixed ] && echo '{"user": "u"}'`);
  expect(await refusal(asked)).toMatchObject({ code: 'unauthenticated' });
  await writeFile(asked.folder.join('fixed'), '');
  expect((await asked.credentials.get({ signal })).fields).toEqual({ user: 'u' });
});

test('a program that fails is told with its exit code and what it said, but no secret', async () => {
  const asked = await asking(
    `echo '{"password": "${secret}"}'; echo "sent ${secret}: vault is sealed" >&2; exit 3`,
  );
  expect(await refusal(asked)).toMatchObject({
    code: 'unauthenticated',
    reason: expect.stringMatching(/program ended with exit code 3: sent \[secret\]: vault is sealed$/),
    hint: expect.stringContaining('run it by hand'),
  });
});

test('exit code 75 means that it may work later', async () => {
  expect(await refusal(await asking('echo "vault restarts" >&2; exit 75'))).toMatchObject({
    code: 'unavailable',
    reason: expect.stringMatching(/later: vault restarts$/),
  });
});

test('a program that is killed is told', async () => {
  expect(await refusal(await asking('kill -9 $$'))).toMatchObject({
    code: 'unauthenticated',
    reason: expect.stringMatching(/was killed \(SIGKILL\)$/),
  });
});

test('a program that is not there is told', async () => {
  const command = { command: ['/no/such/program'], timeoutMs: 1000 };
  const credentials = new CommandCredentials(command, new FakeClock());
  await expect(credentials.get({ signal })).rejects.toMatchObject({
    code: 'unauthenticated',
    reason: 'the credentials command /no/such/program cannot be run (ENOENT)',
  });
});

const unfit = [
  [`echo '${secret}'`, /did not print JSON$/],
  [`echo '["${secret}"]'`, /did not print one JSON object$/],
  ['echo null', /did not print one JSON object$/],
  ['echo \'{"version": 1}\'', /printed no credentials$/],
  [`echo '{"expiration": "2026-11-20T15:00:00Z"}'`, /printed no credentials$/],
  [`echo '{"password": "${secret}", "expiration": "soon"}'`, /printed an expiration that is no time$/],
  ['yes | head -c 2000000', /printed more than 1048576 bytes$/],
] as const;
for (const [script, reason] of unfit) {
  test(`what ${script.replace(secret, '…')} prints is refused`, async () => {
    expect(await refusal(await asking(script))).toMatchObject({
      code: 'unauthenticated',
      reason: expect.stringMatching(reason),
    });
  });
}

test('a program that does not end in time is killed, with what it has started', async () => {
  // The inner shell keeps the outputs open, and would write the file after its parent is dead.
  const asked = await asking('(while [ ! -e go ]; do sleep 0.02; done; touch late) & echo $! > child; wait');
  const outcome = refusal(asked);
  await made(asked.folder, 'child');
  await asked.clock.advance(10_000);
  expect(await outcome).toMatchObject({
    code: 'timeout',
    reason: expect.stringMatching(/did not end within 10 seconds$/),
  });
  const pid = Number(await readFile(asked.folder.join('child'), 'utf8'));
  await gone(pid);
});

test('an abort ends the wait, and the program when nobody else waits for it', async () => {
  const asked = await asking(`echo $$ > child; while [ ! -e go ]; do sleep 0.02; done; echo '{"user": "u"}'`);
  const [first, second] = [new AbortController(), new AbortController()];
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const waits = [first, second].map((controller) => asked.credentials.get({ signal: controller.signal }));
  const outcomes = waits.map((wait) => expect(wait).rejects.toBe(reason));
  await made(asked.folder, 'child');
  const pid = Number(await readFile(asked.folder.join('child'), 'utf8'));
  first.abort(reason);
  await outcomes[0];
  expect(() => process.kill(pid, 0)).not.toThrow();
  second.abort(reason);
  await outcomes[1];
  await gone(pid);
  await writeFile(asked.folder.join('go'), '');
  expect((await asked.credentials.get({ signal })).fields).toEqual({ user: 'u' });
  await expect(asked.credentials.get({ signal: first.signal })).rejects.toBe(reason);
});

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      // An orphan is a zombie until somebody reaps it.
      if (/^\d+ \(.*\) Z/.test(await readFile(`/proc/${pid}/stat`, 'utf8'))) return;
    } catch {
      return;
    }
    await new SystemClock().sleep(2, signal);
  }
}
