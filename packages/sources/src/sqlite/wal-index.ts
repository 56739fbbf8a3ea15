import { readSync } from 'node:fs';

/**
 * The WAL-index (`-shm`) as https://sqlite.org/walformat.html, section 2, describes it: the header says which commit
 * is the newest, the page numbers say which page each frame of the WAL holds. All numbers are in the machine's order.
 */
export interface WalState {
  /** Changes with every commit: two equal ones, one before and one after, enclose no commit. */
  readonly header: string;
  /** Frames up to the newest commit. */
  readonly frameCount: number;
  /** Frames that a checkpoint has copied into the database file. */
  readonly copiedBack: number;
  /** Of the database, after the newest commit. */
  readonly pageCount: number;
  readonly pageSize: number;
  /** Names this WAL and its newest commit. */
  readonly identity: string;
  /** For `PageImage`. */
  frames(pageSize: number): string;
  frameOf(page: number): number | undefined;
}

const headerBytes = 48;
const checkpointAt = 96;
const firstBlockEntries = 4062;
const blockEntries = 4096;
const blockBytes = 32_768;
/** Two copies of the header and the checkpoint information come before the first block's page numbers. */
const firstBlockAt = 136;

export function readWalIndex(fd: number): WalState | undefined {
  const head = Buffer.alloc(firstBlockAt);
  // A writer changes the second copy last but reads as torn only while it writes.
  for (let attempt = 0; attempt < 1000; attempt++) {
    const got = readSync(fd, head, 0, firstBlockAt, 0);
    const first = head.subarray(0, headerBytes);
    if (got === firstBlockAt && first.equals(head.subarray(headerBytes, 2 * headerBytes))) break;
    if (attempt === 999) return undefined;
  }
  const read32 = (at: number): number =>
    new DataView(head.buffer, head.byteOffset).getUint32(at, littleEndian);
  const frameCount = read32(16);
  const size = new DataView(head.buffer, head.byteOffset).getUint16(14, littleEndian);
  const salts = head.subarray(32, 40).toString('hex');
  const state = {
    header: head.subarray(0, headerBytes).toString('hex'),
    frameCount,
    copiedBack: read32(checkpointAt),
    pageCount: read32(20),
    pageSize: size === 1 ? 65_536 : size,
    identity: `${salts}-${frameCount}-${head.subarray(24, 32).toString('hex')}`,
  };
  let map: Map<number, number> | undefined;
  const newest = (): Map<number, number> => {
    map ??= newestFrames(fd, frameCount);
    return map;
  };
  return {
    ...state,
    frameOf: (page) => newest().get(page),
    frames: () => {
      const entries = [...newest()];
      const bytes = Buffer.alloc(entries.length * 8);
      for (const [index, [page, frame]] of entries.entries()) {
        bytes.writeUInt32BE(page, index * 8);
        bytes.writeUInt32BE(frame, index * 8 + 4);
      }
      return bytes.toString('base64');
    },
  };
}

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Which frame holds the newest content of each page, as of the commit that `frameCount` ends with. */
function newestFrames(fd: number, frameCount: number): Map<number, number> {
  const map = new Map<number, number>();
  const block = new Uint32Array(blockEntries);
  const bytes = new Uint8Array(block.buffer);
  for (let done = 0, index = 0; done < frameCount; index++) {
    const capacity = index === 0 ? firstBlockEntries : blockEntries;
    const count = Math.min(capacity, frameCount - done);
    const at = index === 0 ? firstBlockAt : index * blockBytes;
    readSync(fd, bytes, 0, count * 4, at);
    for (let i = 0; i < count; i++) {
      done += 1;
      map.set(block[i] ?? 0, done);
    }
  }
  return map;
}
