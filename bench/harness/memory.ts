import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const everyMs = 50;

export interface MemoryPeak {
  readonly bytes: number;
  readonly samples: number;
  /** The processes at the peak, the largest first. */
  readonly processes: readonly { readonly command: string; readonly bytes: number }[];
}

/**
 * Watches how much memory a process and all its descendants take together: the sum of their PSS, in which a page that
 * several of them share counts once. Linux only.
 */
export class MemoryWatch {
  #root = 0;
  #samples = 0;
  /** Asked for when a process is first seen: one that ends has no name any more. */
  readonly #commands = new Map<number, string>();
  #peak: Omit<MemoryPeak, 'samples'> = { bytes: 0, processes: [] };
  #watching: Promise<void> | undefined;

  start(pid: number): void {
    this.#root = pid;
    this.#watching = this.#watch();
  }

  stop(): void {
    this.#root = 0;
  }

  /** Call it when it has been stopped. */
  async peak(): Promise<MemoryPeak> {
    await this.#watching;
    if (this.#samples === 0) throw new Error('the process ended before its memory could be looked at');
    return { ...this.#peak, samples: this.#samples };
  }

  async #watch(): Promise<void> {
    while (this.#root !== 0) {
      const start = performance.now();
      this.#sample();
      await sleep(Math.max(1, everyMs - (performance.now() - start)));
    }
  }

  #sample(): void {
    const each = descendants(this.#root).map((pid) => ({ pid, bytes: pssOf(pid) }));
    for (const { pid } of each) if (!this.#commands.get(pid)) this.#commands.set(pid, commandOf(pid));
    const bytes = each.reduce((sum, one) => sum + one.bytes, 0);
    if (bytes === 0) return;
    this.#samples++;
    if (bytes <= this.#peak.bytes) return;
    each.sort((a, b) => b.bytes - a.bytes);
    this.#peak = {
      bytes,
      processes: each.map((one) => ({ command: this.#commands.get(one.pid) ?? '', bytes: one.bytes })),
    };
  }
}

/** The process itself comes first. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (let at = 0; at < found.length; at++) found.push(...(children.get(found[at] ?? 0) ?? []));
  return found;
}

/** Not a number when it has just ended. */
export function parentOf(pid: number): number {
  // After the command's name, which may hold spaces and parentheses itself: state, parent.
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function pssOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function commandOf(pid: number): string {
  const [file = '', script = ''] = read(`/proc/${pid}/cmdline`).split('\0');
  return [file, script].map((path) => path.split('/').at(-1)).join(' ');
}

/** Empty when the process has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
