import type { Destination } from '@holdfast/core';
import {
  describeDestination,
  type FaultySftp,
  type Sshd,
  startFaultySftp,
  startSshd,
} from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
import { expecting, onFaulty, onSshd } from './sftp.fixture.ts';

let sshd: Sshd;
let faulty: FaultySftp;
let places = 0;

beforeAll(async () => {
  [sshd, faulty] = await Promise.all([startSshd(), startFaultySftp()]);
});

afterAll(async () => {
  await Promise.all([sshd?.[Symbol.asyncDispose](), faulty?.[Symbol.asyncDispose]()]);
});

/** Prepared, so that it is known whether the server itself decides who was first. */
async function prepared(place: Destination): Promise<Destination> {
  await place.prepare({ signal: new AbortController().signal });
  return place;
}

describeDestination('sftp, on OpenSSH', async () => prepared(onSshd(sshd, await sshd.newFolder())), {
  expecting,
});

describeDestination(
  'sftp, on a server without extensions',
  async () => {
    places += 1;
    return prepared(onFaulty(faulty, `/place-${places}`));
  },
  { expecting },
);
