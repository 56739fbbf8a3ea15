import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, HoldfastError } from '@holdfast/core';
import { type Marker, markerName, markerText, newMarker, reservedPrefix } from '../repository.ts';
import { makeFolder } from './durable.ts';
import { mountGone, systemCode } from './errors.ts';
import type { Files } from './files.ts';
import { readMarker } from './marker.ts';

export interface RootOptions {
  readonly path: string;
  /** The folder must not be on the disk of `/`. */
  readonly mountRequired: boolean;
  /** Which repository this folder held when it was last used; undefined when it never was. */
  readonly expectedId: string | undefined;
  readonly clock: Clock;
}

/** Stores a file under its final name unless there is one; says whether it did. */
export type PublishNew = (name: string, content: string) => Promise<boolean>;

/**
 * The destination's folder, and the certainty that it is still the same one: when a network path is unmounted, an
 * empty folder of the same name appears, and backups written there fill the disk below.
 */
export class FolderRoot {
  readonly path: string;
  readonly #options: RootOptions;
  #seen: { readonly dev: number; readonly ino: number } | undefined;
  #id: string | undefined;
  #marking: Promise<string> | undefined;

  constructor(options: RootOptions) {
    this.path = options.path;
    this.#options = options;
    this.#id = options.expectedId;
  }

  /** Of the repository; known once it was written to, or read, if it has one. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Before reading: the folder is there, and is the one that was seen before. */
  async check(files: Files): Promise<void> {
    const now = await this.#stat(files);
    if (!this.#seen) {
      await this.#assertMounted(files);
      const marker = await readMarker(files, this.path);
      if (this.#id !== undefined) await this.#assertExpected(files, marker, this.#id);
      this.#id ??= marker?.id;
    } else if (now.dev !== this.#seen.dev || now.ino !== this.#seen.ino) {
      // Some network file systems number their files anew now and then, and a remount changes the device: the marker
      // is what tells another folder from the same one.
      const marker = await readMarker(files, this.path);
      if (this.#id === undefined || marker?.id !== this.#id) {
        throw mountGone(this.path, `${this.path} is not the folder that it was when this run began`);
      }
    }
    this.#seen = { dev: now.dev, ino: now.ino };
  }

  /** Before writing: the same, and the first use makes the folder and marks it. */
  async checkForWriting(files: Files, publish: PublishNew): Promise<void> {
    if (!this.#seen) await this.#makeMissing(files);
    await this.check(files);
    if (this.#id !== undefined) return;
    this.#marking ??= this.#mark(files, publish).finally(() => {
      this.#marking = undefined;
    });
    this.#id = await this.#marking;
  }

  async #mark(files: Files, publish: PublishNew): Promise<string> {
    const marker = newMarker(this.#options.clock.now());
    if (await publish(markerName, markerText(marker))) return marker.id;
    // Another process was first.
    const theirs = await readMarker(files, this.path);
    if (!theirs) throw mountGone(this.path, `${markerName} came and went`);
    return theirs.id;
  }

  async #stat(files: Files): Promise<Stats> {
    let found: Stats;
    try {
      found = await files.stat(this.path);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
      if (this.#seen || this.#id !== undefined)
        throw mountGone(this.path, `${this.path} does not exist`, error);
      throw new HoldfastError('unavailable', `there is no folder ${this.path}`, {
        cause: error,
        hint: 'is the path right, and its file system mounted?',
      });
    }
    if (found.isDirectory()) return found;
    throw new HoldfastError('config_invalid', `${this.path} is not a folder`, {
      hint: 'name a folder as the destination',
    });
  }

  async #makeMissing(files: Files): Promise<void> {
    // What was there once is not made anew: the folder is missing because its file system is not mounted.
    if (this.#id !== undefined) return;
    const existing = await nearestExisting(files, this.path);
    if (existing === this.path) return;
    await this.#assertMounted(files);
    await makeFolder(files, this.path);
  }

  async #assertMounted(files: Files): Promise<void> {
    if (!this.#options.mountRequired) return;
    const existing = await nearestExisting(files, this.path);
    if ((await files.stat(existing)).dev !== (await files.stat('/')).dev) return;
    throw new HoldfastError('unavailable', `nothing is mounted at ${this.path}: it is on the disk of /`, {
      hint: 'mount its file system, or leave out mount=required if it is meant to be on this disk',
    });
  }

  async #assertExpected(files: Files, marker: Marker | undefined, expectedId: string): Promise<void> {
    if (marker?.id === expectedId) return;
    if (marker) {
      throw new HoldfastError(
        'precondition_failed',
        `${this.path} holds repository ${marker.id}, but held ${expectedId} when it was last used`,
        {
          hint: `mount the right disk; if the change is meant, remove the entry of ${this.path} from known-destinations.json in the staging folder`,
        },
      );
    }
    const entries = await files.names(this.path);
    const empty = entries.every((name) => name.startsWith(reservedPrefix) || name === 'lost+found');
    throw mountGone(
      this.path,
      `${this.path} ${empty ? 'is empty' : `has no ${markerName}`}, but held repository ${expectedId} when it was last used`,
    );
  }
}

/** The path itself, or the nearest folder above it that is there. */
async function nearestExisting(files: Files, path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await files.stat(at);
      return at;
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || at === dirname(at)) throw error;
    }
  }
}
