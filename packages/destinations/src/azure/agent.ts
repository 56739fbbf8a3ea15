import { readFile } from 'node:fs/promises';
import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { HoldfastError } from '@holdfast/core';

const connectMsMax = 30_000;

/** Keeps connections for later requests until it is destroyed. */
export async function agentFor(endpoint: string, caFile: string | undefined): Promise<HttpAgent> {
  const common: AgentOptions = { keepAlive: true };
  const agent = endpoint.startsWith('https:')
    ? new HttpsAgent({ ...common, ...(caFile !== undefined && { ca: await authorities(caFile) }) })
    : new HttpAgent(common);
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = create(options, callback);
    // A service that takes a connection and never shakes hands is noticed; later silence is the caller's matter.
    if (socket && 'setTimeout' in socket) limitConnecting(socket as Socket);
    return socket;
  };
  return agent;
}

function limitConnecting(socket: Socket): void {
  const late = (): void => {
    const reason = `not connected within ${connectMsMax / 1000} seconds`;
    socket.destroy(Object.assign(new Error(reason), { code: 'ETIMEDOUT' }));
  };
  socket.setTimeout(connectMsMax, late);
  const ready = 'encrypted' in socket ? 'secureConnect' : 'connect';
  socket.once(ready, () => {
    socket.off('timeout', late);
    socket.setTimeout(0);
  });
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
