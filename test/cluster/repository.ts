import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '@holdfast/testing';
import { expect } from 'vitest';
import { contentsOf, differences } from '../harness/postgres-contents.ts';
import { holdfast } from '../harness/run-holdfast.ts';

export interface StoredManifest {
  readonly chain: string;
  readonly sequence: number;
  readonly scope: string;
  readonly node: string;
  readonly generation: number;
}

/** What is stored of one task, looked at without any node. */
export class Repository {
  readonly path: string;
  readonly #task: string;
  readonly #server: PostgresServer;

  constructor(server: PostgresServer, o: { readonly task: string; readonly path: string }) {
    this.#server = server;
    this.#task = o.task;
    this.path = o.path;
  }

  /** Names of all files, manifests or not; none before the first one. */
  async files(): Promise<readonly string[]> {
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  }

  /** By chain, in the order of each. */
  async manifests(): Promise<readonly StoredManifest[]> {
    const files = (await this.files()).filter((name) => name.endsWith('.manifest.json'));
    const read = files.map(async (name) => JSON.parse(await readFile(name, 'utf8')) as StoredManifest);
    const manifests = await Promise.all(read);
    return manifests.sort((a, b) =>
      a.chain === b.chain ? a.sequence - b.sequence : a.chain < b.chain ? -1 : 1,
    );
  }

  /** All that is in a chain was written by the node, and under the generation, that its name says. */
  async assertOneWriterEach(): Promise<void> {
    for (const { chain, node, generation } of await this.manifests())
      expect(chain).toMatch(new RegExp(`^\\d{8}T\\d{6}Z-${node}-g${generation}$`));
  }

  /** Every backup that is listed restores, and what it restores to is what it says. */
  async assertRestores(): Promise<void> {
    await holdfast(['check', ...this.#where]);
    for (const { chain, sequence } of await this.manifests()) {
      const point = `${chain}/${String(sequence).padStart(4, '0')}`;
      await this.#restored(['--point', point, '--verify'], async () => undefined);
    }
  }

  /** The newest backup holds what the database holds now. */
  async assertNewestIs(database: string): Promise<void> {
    await this.#restored([], async (restored) => {
      const found = await contentsOf(this.#server, restored);
      expect(differences(found, await contentsOf(this.#server, database))).toEqual([]);
    });
  }

  get #where(): readonly string[] {
    return ['--at', `file:${this.path}`, '--task', this.#task];
  }

  async #restored(options: readonly string[], look: (database: string) => Promise<void>): Promise<void> {
    const database = `restored_${this.#task.replaceAll('-', '_')}`;
    await holdfast(['restore', ...this.#where, '--to', this.#server.url(database), ...options]);
    await look(database);
    await this.#server.psql('postgres', `DROP DATABASE "${database}"`);
  }
}
