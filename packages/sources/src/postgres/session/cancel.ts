import net from 'node:net';
import { describeHost, type Host } from './url.ts';

const cancelRequestCode = 80_877_102;
/** A cancel request is a courtesy to the server; the connection is closed in any case. */
const cancelMsMax = 2_000;

/** Asks the server to stop what a session is doing. Resolves when it was told, or could not be; never rejects. */
export function sendCancel(host: Host, processId: number, secretKey: number): Promise<void> {
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(cancelRequestCode, 4);
  message.writeInt32BE(processId, 8);
  message.writeInt32BE(secretKey, 12);
  return new Promise((resolve) => {
    const socket = host.host.startsWith('/')
      ? net.connect(describeHost(host))
      : net.connect(host.port, host.address ?? host.host);
    socket.setTimeout(cancelMsMax, () => socket.destroy());
    socket.on('error', () => {});
    // The server closes the connection once it has passed the request on.
    socket.on('close', () => resolve());
    socket.on('connect', () => socket.end(message));
    socket.resume();
  });
}
