import { readFile } from 'node:fs/promises';
import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { type Clock, HoldfastError } from '@holdfast/core';

const connectMsMax = 30_000;

export interface AgentSettings {
  readonly endpoint: string;
  readonly caFile?: string | undefined;
  readonly clock: Clock;
}

/** Keeps connections for later requests until it is destroyed. */
export async function agentFor({ endpoint, caFile, clock }: AgentSettings): Promise<HttpAgent> {
  const common: AgentOptions = { keepAlive: true };
  const agent = endpoint.startsWith('https:')
    ? new HttpsAgent({ ...common, ...(caFile !== undefined && { ca: await authorities(caFile) }) })
    : new HttpAgent(common);
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = create(options, callback);
    if (socket && 'connecting' in socket) limitConnecting(socket as Socket, clock);
    return socket;
  };
  return agent;
}

/**
 * A service that takes a connection and never shakes hands is noticed; later silence is the caller's matter. Not by the
 * socket's own timer, which begins anew while the first bytes of a handshake wait to be sent.
 */
function limitConnecting(socket: Socket, clock: Clock): void {
  const ready = new AbortController();
  const isReady = (): void => ready.abort();
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', isReady).once('close', isReady);
  clock.sleep(connectMsMax, ready.signal).then(
    () => {
      const reason = `not connected within ${connectMsMax / 1000} seconds`;
      socket.destroy(Object.assign(new Error(reason), { code: 'ETIMEDOUT' }));
    },
    () => undefined,
  );
}

async function authorities(caFile: string): Promise<string[]> {
  try {
    return [...getCACertificates('default'), await readFile(caFile, 'utf8')];
  } catch (error) {
    throw new HoldfastError('config_invalid', `caFile ${caFile} cannot be read`, {
      cause: error,
      hint: 'it is a file in PEM form that this user can read, on each node',
    });
  }
}
