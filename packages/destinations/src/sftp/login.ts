import { readFile } from 'node:fs/promises';
import { HoldfastError, type Sig } from '@holdfast/core';
import ssh2, { type ConnectConfig } from 'ssh2';
import type { CommandCredentials } from '../credential-command.ts';
import type { SftpLocation } from './url.ts';

/** Who logs in, and with what. Never logged. */
export type Login = Pick<
  ConnectConfig,
  'username' | 'password' | 'privateKey' | 'passphrase' | 'agent' | 'tryKeyboard'
> & { readonly authHandler: ('publickey' | 'agent' | 'password' | 'keyboard-interactive')[] };

/**
 * What the URL says, over it what the command prints. A private key is read and opened here, before anything is
 * connected: a wrong passphrase is not a wrong password.
 */
export async function loginOf(
  location: SftpLocation,
  command: CommandCredentials | undefined,
  o: Sig & { readonly fresh?: boolean },
): Promise<Login> {
  const printed = command === undefined ? {} : (await command.get(o)).fields;
  const username = printed.user ?? location.user;
  if (username === undefined || username === '') {
    throw new HoldfastError('config_invalid', 'it is not said who logs in', {
      hint: 'write sftp://user@host/…, or let the credentials command print user',
    });
  }
  const password = printed.password ?? location.password;
  const passphrase = printed.passphrase ?? location.passphrase;
  const keyText = printed.privateKey ?? (await readKey(location.privateKey));
  if (keyText !== undefined) checkKey(keyText, passphrase, location.privateKey);
  const agent = agentOf(location.agent);
  const ways: Login['authHandler'] = [];
  if (keyText !== undefined) ways.push('publickey');
  if (agent !== undefined) ways.push('agent');
  // Where the server refuses passwords, it may still ask for one as a question.
  if (password !== undefined) ways.push('password', 'keyboard-interactive');
  if (ways.length === 0) {
    throw new HoldfastError('config_invalid', `it is not said how ${username} logs in`, {
      hint: 'give a password in the URL, privateKey=/path/of/a/file, agent=env, or a credentials command',
    });
  }
  return {
    username,
    authHandler: ways,
    ...(password !== undefined && { password, tryKeyboard: true }),
    ...(keyText !== undefined && { privateKey: keyText }),
    ...(keyText !== undefined && passphrase !== undefined && { passphrase }),
    ...(agent !== undefined && { agent }),
  };
}

async function readKey(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new HoldfastError('precondition_failed', `cannot read the private key ${path} (${code})`, {
      cause: error,
      hint: 'name a file with a private key that this user may read',
    });
  }
}

/** @throws HoldfastError unauthenticated for a passphrase that is missing or wrong, config_invalid for what is no key */
function checkKey(text: string, passphrase: string | undefined, path: string | undefined): void {
  const name = path === undefined ? 'the private key of the credentials command' : `the private key ${path}`;
  const parsed = ssh2.utils.parseKey(text, passphrase);
  if (!(parsed instanceof Error)) {
    const key = Array.isArray(parsed) ? parsed[0] : parsed;
    if (key?.isPrivateKey()) return;
    throw new HoldfastError('config_invalid', `${name} is a public key`, {
      hint: 'name the file of the private key: the one without .pub',
    });
  }
  // Neither the text nor what the library says of it is passed on: it might quote the key.
  const about = parsed.message;
  if (/no passphrase given/i.test(about)) {
    throw new HoldfastError('unauthenticated', `${name} is encrypted, and there is no passphrase`, {
      hint: 'give passphrase=…, or use an agent that has the key (agent=env)',
    });
  }
  if (/passphrase|decrypt|integrity check|bad decrypt/i.test(about)) {
    throw new HoldfastError('unauthenticated', `the passphrase does not open ${name}`, {
      hint: 'try it with ssh-keygen -y -f and the file',
    });
  }
  throw new HoldfastError('config_invalid', `${name} is no key that can be used`, {
    hint: 'it has to be an OpenSSH, PEM or PuTTY private key of type ed25519, ECDSA or RSA: ssh-keygen -t ed25519 makes one',
  });
}

function agentOf(agent: string | undefined): string | undefined {
  if (agent !== 'env') return agent;
  const socket = process.env.SSH_AUTH_SOCK;
  if (socket !== undefined && socket !== '') return socket;
  throw new HoldfastError('precondition_failed', 'agent=env, but SSH_AUTH_SOCK is not set', {
    hint: 'start an SSH agent for this user, or write the path of its socket: agent=/run/…',
  });
}
