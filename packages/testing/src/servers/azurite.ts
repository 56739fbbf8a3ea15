import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { AzuriteServer } from './azurite-server.ts';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface AzuriteOptions {
  /** What all objects together may take, in MiB: beyond it the store is full. */
  readonly memoryMaxMiB?: number;
  /** Files in PEM form, for HTTPS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Accepts tokens of an identity, of whatever signature, over HTTPS. */
  readonly tokens?: boolean;
}

const readyMsMax = 30_000;
const portAttemptsMax = 5;

/** Starts Azurite, Azure's own emulator of its blob storage, on a free port; ready within seconds. */
export async function startAzurite(options: AzuriteOptions = {}): Promise<AzuriteServer> {
  const folder = await temporaryFolder('azurite');
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const server = await ServerProcess.spawn({
      file: process.execPath,
      args: [mainScript(), ...argumentsOf(port, options)],
      folder: folder.path,
      logFile: folder.join('azurite.log'),
    });
    try {
      await server.untilReady(() => accepts(port), readyMsMax);
      return new AzuriteServer({ process: server, folder, port, scheme: options.tls ? 'https' : 'http' });
    } catch (error) {
      if (String(error).includes('EADDRINUSE') && attempt < portAttemptsMax) continue;
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }
}

function mainScript(): string {
  return createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
}

function argumentsOf(port: number, { memoryMaxMiB = 1024, tls, tokens }: AzuriteOptions): string[] {
  const where = ['--blobHost', '127.0.0.1', '--blobPort', String(port)];
  const memory = ['--inMemoryPersistence', '--extentMemoryLimit', String(memoryMaxMiB)];
  // Its own check of versions knows only those before it.
  const quiet = ['--silent', '--disableTelemetry', '--skipApiVersionCheck'];
  const secure = tls ? ['--cert', tls.certFile, '--key', tls.keyFile] : [];
  return [...where, ...memory, ...quiet, ...secure, ...(tokens ? ['--oauth', 'basic'] : [])];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
